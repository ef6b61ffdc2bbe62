//! What an input says of itself, without reading its data.

use super::read::fill_header;
use super::sniff;
use crate::codec::{BLOCK, Container};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::{DecodeOptions, Dest, Format, Header, HeaderDecoder, Metadata, Tail};
use std::io::{Read, Seek, SeekFrom};

/// What an input says of itself.
#[derive(Debug, Clone)]
pub struct Peeked {
    /// Its header.
    pub header: Header,
    /// What the whole input is compressed with; then only its header was seen.
    pub container: Option<Container>,
    /// What stands behind the data, where something does.
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

    /// The dtype, by its true name where that is known.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        self.metadata().dtype.as_ref().unwrap_or(&self.header.dtype)
    }
}

/// Looks at header and tail of a `.npy` file or a frame of `len` bytes, or at the header of one that is compressed.
/// No byte of the data is held against its sums.
///
/// # Errors
/// As [`HeaderDecoder::filled`], [`HeaderDecoder::body`] and [`Tail::decode`]; [`Io`](crate::ErrorKind::Io) from the
/// reader.
pub fn peek(mut reader: impl Read + Seek, len: u64, mut options: DecodeOptions) -> Result<Peeked> {
    let mut unpacked = sniff(&mut reader)?;
    let container = unpacked.container();
    options.input_len = Some(len).filter(|_| container.is_none());
    let limits = options.limits.clone();
    let mut machine = HeaderDecoder::new(options);
    let header = fill_header(&mut |space| Ok(unpacked.read(space)?), &mut machine)
        .map_err(|error| unpacked.explain(error))?;
    if container.is_some() {
        return Ok(Peeked { header, container, tail: None });
    }
    machine.body(Dest::Discard)?; // Refuses an input that is too short.
    let bare = len == header.data_end() && header.format != Format::Frame;
    let mut tail = None;
    if !bare {
        reader.seek(SeekFrom::Start(header.data_end()))?;
        // Sums and metadata have bounds; more than that is no tail, and is not read.
        let max = header.nbytes().div_ceil(BLOCK as u64) * 4 + 1024 + limits.header as u64;
        let mut bytes = Vec::new();
        reader.take(max).read_to_end(&mut bytes)?;
        tail = Some(Tail::decode(&bytes, &header, &limits)?);
    }
    let peeked = Peeked { header, container, tail };
    let found = &peeked.header.dtype;
    match &peeked.metadata().dtype {
        Some(dtype) if dtype.storage() != *found => {
            let message = format!("the checksum tail names the dtype {dtype}, the header {found}");
            Err(Error::malformed(message))
        }
        _ => Ok(peeked),
    }
}
