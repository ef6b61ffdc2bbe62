//! What an input says of itself, without reading its data.

use super::parts::{chain, ending, name_method};
use super::read::{fill_header, read, run_body, settled};
use super::{sniff, unwatched};
use crate::codec::Container;
use crate::dtype::DType;
use crate::error::Result;
use crate::format::{DecodeOptions, Dest, Format, Header, HeaderDecoder, Metadata, Tail};
use std::io::{Read, Seek, SeekFrom};

/// What an input says of itself.
#[derive(Debug, Clone)]
pub struct Peeked {
    /// Its header.
    pub header: Header,
    /// What the whole input is compressed with; then only its header was seen.
    pub container: Option<Container>,
    /// What stands behind data in one piece, where something does.
    pub tail: Option<Tail>,
}

impl Peeked {
    /// Name, attributes and true dtype.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        match (&self.tail, self.header.format) {
            (Some(tail), Format::Npy(_)) => &tail.metadata,
            _ => &self.header.metadata,
        }
    }

    /// Whether there are checksums, which nobody has compared with the data yet: in a tail, a coded frame, or a container.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.tail.is_some() || self.header.coding.is_some() || self.container.is_some()
    }

    /// The dtype, by its true name where that is known.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        self.metadata().dtype.as_ref().unwrap_or(&self.header.dtype)
    }
}

/// Looks at header and tail of a `.npy` file or a frame of `len` bytes, at header and footer of a coded frame, or at the header of one that is compressed.
/// No byte of the data is held against its sums.
///
/// # Errors
/// As [`read_whole`](super::read_whole), apart from damaged data.
pub fn peek(mut reader: impl Read + Seek, len: u64, options: DecodeOptions) -> Result<Peeked> {
    let start = reader.stream_position()?;
    settled(|| {
        reader.seek(SeekFrom::Start(start))?;
        peek_once(&mut reader, len, options.clone())
    })
}

fn peek_once(mut reader: impl Read + Seek, len: u64, mut options: DecodeOptions) -> Result<Peeked> {
    let mut unpacked = sniff(&mut reader)?;
    let container = unpacked.container();
    options.input_len = Some(len).filter(|_| container.is_none());
    options.whole = true;
    let mut machine = HeaderDecoder::new(options);
    let mut header = fill_header(&mut |space| Ok(unpacked.read(space)?), &mut machine)
        .map_err(|error| unpacked.explain(error))?;
    if container.is_some() {
        return Ok(Peeked { header, container, tail: None });
    }
    if header.coding.is_some() {
        let mut fetch = |space: &mut [u8], offset| {
            reader.seek(SeekFrom::Start(offset))?;
            read(&mut reader, space)
        };
        if header.grown().is_some() {
            chain(&mut fetch, len, &header)?;
            name_method(&mut fetch, &mut header)?;
        } else {
            ending(&mut fetch, len, &header)?;
        }
        return Ok(Peeked { header, container, tail: None });
    }
    let (header, tail) = behind(&mut reader, &header, machine)?;
    Ok(Peeked { header, container, tail })
}

/// The header as what stands behind data in one piece has it, and that.
pub(super) fn behind(
    reader: &mut (impl Read + Seek),
    header: &Header,
    machine: HeaderDecoder,
) -> Result<(Header, Option<Tail>)> {
    let mut machine = machine.body(Dest::Discard)?; // Refuses an input that is too short.
    machine.skip_data();
    reader.seek(SeekFrom::Start(header.data_end()))?;
    run_body(&mut |space| read(reader, space), &mut machine, &mut unwatched)?;
    let (decoded, tail, _) = machine.finish_with_tail()?;
    Ok((decoded.header, tail))
}
