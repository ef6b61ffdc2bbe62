//! What the Python tests ask of archives.

use crate::{Args, Fields, answer_read, list};
use ndbytes::io::npz::{self, Archive, Method, Style, WriteOptions, Writer};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{ArrayRef, DecodeOptions, Dest, Error, Limits, Result, io};
use std::io::{Cursor, Read, Result as IoResult, Seek, SeekFrom, Write};

/// The archive of the arrays that follow, each with its name.
pub(crate) fn write(mut args: Args<'_>) -> Result<Fields> {
    let style = match args.text()? {
        "numpy" => Style::NumPy,
        _ => Style::Aligned,
    };
    let level = args.some()?;
    let method = if level.is_some() { Method::Deflated } else { Method::Stored };
    let level = level.map(str::parse).transpose()?.unwrap_or_default();
    let options = WriteOptions { style, method, level, ..Default::default() };
    let (streamed, start) = (args.flag()?, args.number()?);
    let bytes = if streamed {
        members(Writer::streamed(Vec::new(), options), args)?
    } else {
        let mut target = Placed { start, file: Cursor::new(Vec::new()) };
        target.rewind()?;
        members(Writer::new(target, options), args)?.file.into_inner()
    };
    Ok(vec![b"ok".to_vec(), bytes])
}

fn members<W: Write>(mut writer: Writer<W>, mut args: Args<'_>) -> Result<W> {
    while args.0.len() > 0 {
        let name = args.text()?;
        let checksum = args.flag()?;
        let (dtype, layout) = args.array()?;
        let array = ArrayRef::new(dtype, layout, args.bytes()?)?;
        let options = EncodeOptions { checksum, ..EncodeOptions::bare() };
        let mut encoder = Encoder::new(&array, &options)?;
        writer.add(name, &mut encoder, &mut io::unwatched)?;
    }
    writer.finish()
}

/// Name, method, range and bytes of every member.
pub(crate) fn read(mut args: Args<'_>) -> Result<Fields> {
    let mut archive = open(args.bytes()?)?;
    let mut fields = vec![b"ok".to_vec()];
    for index in 0..archive.entries().len() {
        let range = archive.range(index)?;
        let mut member = archive.member(index)?;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(Error::from)?;
        let method = match member.entry().method()? {
            Method::Stored => "0",
            Method::Deflated => "8",
            Method::Zstd => "93",
        };
        let place = [range.start, range.end].map(|at| usize::try_from(at).unwrap_or(usize::MAX));
        let texts = [member.entry().name(), method, &list(&place)];
        fields.extend(texts.map(|text| text.as_bytes().to_vec()));
        fields.push(bytes);
    }
    Ok(fields)
}

/// One member as an array.
pub(crate) fn load(mut args: Args<'_>) -> Result<Fields> {
    let mut archive = open(args.bytes()?)?;
    let name = npz::member_name(args.text()?);
    let Some(index) = archive.find(&name) else {
        return Err(Error::argument(format!("no member {name:?}")));
    };
    let options = DecodeOptions::default();
    let choose = |_: &_| Ok(Dest::Owned);
    answer_read(archive.read_array(index, options, choose, &mut io::unwatched)?)
}

fn open(bytes: &[u8]) -> Result<Archive<Cursor<&[u8]>>> {
    Archive::open(Cursor::new(bytes), &Limits::local())
}

/// A file that counts from some byte on, as one that has much in front.
struct Placed {
    start: u64,
    file: Cursor<Vec<u8>>,
}

impl Write for Placed {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl Seek for Placed {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(at.saturating_sub(self.start)),
            other => other,
        };
        Ok(self.file.seek(to)? + self.start)
    }
}
