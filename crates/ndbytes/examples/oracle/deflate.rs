//! What the Python tests ask of zlib and gzip.

use crate::{Args, Choppy, Fields, answer_read, items, number};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{ArrayRef, Container, DecodeOptions, Dest, Error, Level, Limits, Result};
use ndbytes::{gzip, io, raw::Raw, zlib};
use std::io::{Read, Write};

fn container(text: &str) -> Result<Container> {
    match text {
        "zlib" => Ok(Container::Zlib),
        "gzip" => Ok(Container::Gzip),
        other => Err(Error::argument(format!("neither zlib nor gzip: {other:?}"))),
    }
}

fn bytes(bytes: Vec<u8>) -> Fields {
    vec![b"ok".to_vec(), bytes]
}

pub(crate) fn compress(mut args: Args<'_>) -> Result<Fields> {
    let container = container(args.text()?)?;
    let level = args.text()?.parse()?;
    let (chunk, data) = (args.number()?, args.bytes()?);
    if chunk > 0 {
        let mut writer = io::Compressor::new(Choppy::new(Vec::new(), chunk), container, level);
        for piece in data.chunks(chunk) {
            writer.write_all(piece)?;
        }
        return Ok(bytes(writer.finish()?.inner));
    }
    Ok(bytes(match container {
        Container::Zlib => zlib::compress(data, level)?,
        Container::Gzip => gzip::compress(data, level)?,
    }))
}

pub(crate) fn decompress(mut args: Args<'_>) -> Result<Fields> {
    let container = container(args.text()?)?;
    let (max, chunk, data) = (args.number()?, args.number()?, args.bytes()?);
    unpack(container, max, chunk, data).map(bytes)
}

/// The stream's bytes; with a chunk, through a reader, which has no bound of its own.
fn unpack(container: Container, max: u64, chunk: usize, data: &[u8]) -> Result<Vec<u8>> {
    match container {
        _ if chunk > 0 => {
            let mut out = Vec::new();
            let reader = io::Decompressor::new(Choppy::new(data, chunk), container);
            reader.take(max).read_to_end(&mut out)?;
            Ok(out)
        }
        Container::Zlib => zlib::decompress(data, max),
        Container::Gzip => gzip::decompress(data, max),
    }
}

pub(crate) fn decompress_array(mut args: Args<'_>) -> Result<Fields> {
    let container = container(args.text()?)?;
    let raw = Raw::new(args.text()?.parse()?);
    let limits = Limits::local().with_array(args.number()?);
    let data = args.bytes()?;
    items(&match container {
        Container::Zlib => zlib::decompress_array(data, &raw, &limits)?,
        Container::Gzip => gzip::decompress_array(data, &raw, &limits)?,
    })
}

pub(crate) fn save(mut args: Args<'_>) -> Result<Fields> {
    let path = args.text()?;
    let (container, level): (_, Level) = (container(args.text()?)?, args.text()?.parse()?);
    let options = if args.flag()? { EncodeOptions::checked() } else { EncodeOptions::bare() };
    let (dtype, layout) = args.array()?;
    let array = ArrayRef::new(dtype, layout, args.bytes()?)?;
    let mut encoder = Encoder::new(&array, &options)?;
    let how = io::SaveOptions::default();
    io::save_compressed(path, &mut encoder, container, level, how, &mut io::unwatched)?;
    Ok(vec![b"ok".to_vec()])
}

pub(crate) fn load(mut args: Args<'_>) -> Result<Fields> {
    let options = DecodeOptions::default();
    answer_read(io::load(args.text()?, options, Dest::Owned, &mut io::unwatched)?)
}

/// A stream in a file, in a process of its own: how many bytes came out.
pub(crate) fn once(kind: &str, max: &str, path: &str) -> Result<Fields> {
    let (container, max) = (container(kind)?, number(max)?);
    let data = std::fs::read(path)?;
    let out = unpack(container, max, 0, &data)?;
    Ok(vec![b"ok".to_vec(), out.len().to_string().into_bytes()])
}
