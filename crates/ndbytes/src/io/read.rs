//! Reading from any `Read`, however it cuts its bytes.

use super::{Watch, unwatched};
use crate::array::Array;
use crate::buffer::{Buffer, BufferMut};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    BodyDecoder, Checks, DecodeOptions, Decoded, Dest, Event, Header, HeaderDecoder,
};
use crate::kernel::Copying;
use crate::limits::Limits;
use std::io::{ErrorKind as IoKind, Read};

/// Reads a checked `.npy` array or a frame, and not a byte more; the reader may go on behind it.
///
/// # Errors
/// [`Truncated`](crate::ErrorKind::Truncated) if the input ends early or has no checksum tail, and as for
/// [`HeaderDecoder::filled`] and [`BodyDecoder::filled`](crate::BodyDecoder::filled);
/// [`Io`](crate::ErrorKind::Io) from the reader.
pub fn from_reader(reader: impl Read, limits: &Limits) -> Result<Array> {
    let options =
        DecodeOptions { limits: limits.clone(), checks: Checks::Required, ..Default::default() };
    owned(read_array(reader, options, |_| Ok(Dest::Owned), &mut unwatched)?)
}

/// Reads a checked `.npy` array or a frame that is the whole slice.
///
/// # Errors
/// As [`from_reader`], and [`Malformed`](crate::ErrorKind::Malformed) for bytes behind it.
pub fn from_slice(bytes: &[u8], limits: &Limits) -> Result<Array> {
    let options = DecodeOptions {
        limits: limits.clone(),
        checks: Checks::Required,
        input_len: Some(bytes.len() as u64),
        whole: true,
        ..Default::default()
    };
    let how = Copying::default();
    owned(read_slice(bytes, options, |_| Ok(Dest::Owned), how, &mut unwatched)?)
}

fn owned(decoded: Decoded) -> Result<Array> {
    decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))
}

/// Reads a `.npy` array or a frame; `choose` sees the header and says where the data goes, or refuses it.
///
/// # Errors
/// As [`from_reader`], and whatever `choose` or `watch` return.
pub fn read_array<'d>(
    mut reader: impl Read,
    options: DecodeOptions,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    let mut read = |space: &mut [u8]| read(&mut reader, space);
    let mut machine = HeaderDecoder::new(options);
    let header = fill_header(&mut read, &mut machine)?;
    let start = header.len;
    fill_body(&mut read, machine.body(choose(&header)?)?, &mut |seen| watch(start + seen))
}

/// The same of bytes that are in memory already, which are copied once at most.
///
/// # Errors
/// As [`read_array`].
pub fn read_slice<'d>(
    bytes: &[u8],
    options: DecodeOptions,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    how: Copying,
    watch: Watch<'_>,
) -> Result<Decoded> {
    let mut rest = bytes;
    let mut machine = HeaderDecoder::new(options);
    let header = fill_header(&mut |space| read(&mut rest, space), &mut machine)?;
    let start = header.len;
    let mut body = machine.body(choose(&header)?)?;
    let taken = body.take(rest, how, &mut |seen| watch(start + seen))?;
    rest = rest.get(taken..).unwrap_or_default();
    run_body(&mut |space| read(&mut rest, space), &mut body, &mut unwatched)?;
    body.finish()
}

/// The same, where the input must end behind the array.
///
/// # Errors
/// As [`read_array`].
#[cfg(not(feature = "deflate"))]
pub fn read_whole<'d>(
    reader: impl Read,
    mut options: DecodeOptions,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    options.whole = true;
    read_array(reader, options, choose, watch)
}

/// Bytes for the front of some space; 0 at the end of the input.
pub(super) type Fill<'f> = &'f mut dyn FnMut(&mut [u8]) -> Result<usize>;

/// Reads a header through `read`.
pub(super) fn fill_header(read: Fill<'_>, machine: &mut HeaderDecoder) -> Result<Header> {
    loop {
        let n = read(machine.space())?;
        if let Some(header) = machine.filled(n)? {
            return Ok(header);
        }
    }
}

/// Does it again, a few times, where a checksum does not hold: the mark of a frame that grows is changed in its place, and may have been
/// read at that moment.
pub(super) fn settled<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..3 {
        match attempt() {
            Err(error) if matches!(error.kind(), ErrorKind::Checksum { .. }) => {}
            done => return done,
        }
    }
    attempt()
}

/// Reads data and tail through `read`; `watch` counts from the first byte of the data.
pub(super) fn fill_body(
    read: Fill<'_>,
    mut machine: BodyDecoder<'_>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    run_body(read, &mut machine, watch)?;
    machine.finish()
}

/// The same up to the end of the tail, where the machine is done.
pub(super) fn run_body(
    read: Fill<'_>,
    machine: &mut BodyDecoder<'_>,
    watch: Watch<'_>,
) -> Result<()> {
    let mut seen = 0;
    loop {
        let space = machine.space()?;
        if space.is_empty() {
            return Ok(());
        }
        let n = read(space)?;
        seen += n as u64;
        watch(seen)?;
        if machine.filled(n)? == Event::Done {
            return Ok(());
        }
    }
}

/// Fills memory until it or the reader ends, and says how many bytes came: it is touched as they come.
pub(super) fn fill_buffer(
    reader: &mut impl Read,
    buffer: &mut BufferMut,
    watch: Watch<'_>,
) -> Result<usize> {
    const STEP: usize = 1 << 20;
    let mut filled = 0;
    while filled < buffer.capacity() {
        let end = buffer.capacity().min(filled + STEP);
        match read(reader, buffer.space(filled, end)?)? {
            0 => break,
            n => filled += n,
        }
        watch(filled as u64)?;
    }
    Ok(filled)
}

/// Everything up to the end of the input, of which `hint` bytes are expected.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) beyond `limits.array`, [`Memory`](crate::ErrorKind::Memory),
/// [`Io`](crate::ErrorKind::Io), and whatever `watch` returns.
pub fn read_to_end(
    mut reader: impl Read,
    hint: Option<u64>,
    limits: &Limits,
    watch: Watch<'_>,
) -> Result<Buffer> {
    if let Some(hint) = hint.filter(|&hint| hint > limits.array) {
        return Err(Error::limit("array", hint, limits.array));
    }
    let mut expected = BufferMut::new(hint.unwrap_or(0))?;
    let filled = fill_buffer(&mut reader, &mut expected, watch)?;
    let mut more = vec![0; 1];
    let n = read(&mut reader, &mut more)?;
    if n == 0 {
        let bytes = expected.freeze()?.into_bytes();
        return Ok(bytes.slice(..filled).into());
    }
    // The input is longer than was expected, or of unknown length: go on with a vector.
    let known = expected.freeze()?;
    let mut bytes = Vec::new();
    let mut extend = |part: &[u8]| -> Result<u64> {
        bytes
            .try_reserve(part.len())
            .map_err(|_| Error::memory((bytes.len() + part.len()) as u64))?;
        bytes.extend_from_slice(part);
        let len = bytes.len() as u64;
        if len > limits.array { Err(Error::limit("array", len, limits.array)) } else { Ok(len) }
    };
    extend(&known)?;
    extend(&more)?;
    more.resize(1 << 16, 0);
    loop {
        let n = read(&mut reader, &mut more)?;
        if n == 0 {
            return Ok(bytes.into());
        }
        watch(extend(more.get(..n).unwrap_or_default())?)?;
    }
}

/// `Read::read` that goes on after an interruption by a signal.
pub(super) fn read(reader: &mut impl Read, space: &mut [u8]) -> Result<usize> {
    loop {
        match reader.read(space) {
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == IoKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}
