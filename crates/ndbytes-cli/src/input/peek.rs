//! What a file says of itself, without reading its data.

use super::{Reader, open, options, refuse_headerless, with_guess};
use crate::session::Session;
use crate::sources::Source;
use ndbytes::{
    BLOCK, Container, DType, Dest, Error, Format, Header, HeaderDecoder, Limits, Metadata, Result,
    Tail, io,
};
use std::io::{Read as _, Seek as _, SeekFrom};

/// What a file says of itself.
#[derive(Debug)]
pub(crate) struct Peeked {
    pub(crate) header: Header,
    /// What the whole file is compressed with; then only its header was seen.
    pub(crate) container: Option<Container>,
    /// What stands behind the data, where something does.
    pub(crate) tail: Option<Tail>,
}

impl Peeked {
    /// Name, attributes and true dtype.
    pub(crate) fn metadata(&self) -> &Metadata {
        match (&self.tail, self.header.format) {
            (Some(tail), Format::Npy(_)) => &tail.metadata,
            _ => &self.header.metadata,
        }
    }

    /// The dtype, by its true name where that is known.
    pub(crate) fn dtype(&self) -> &DType {
        self.metadata().dtype.as_ref().unwrap_or(&self.header.dtype)
    }
}

/// Looks at header and tail; `None` for a stream, which can be read only once.
///
/// # Errors
/// As [`open`] and [`refuse_headerless`]; as [`HeaderDecoder::filled`], [`HeaderDecoder::body`] and [`Tail::decode`].
pub(crate) fn peek(session: &Session, source: &Source) -> Result<Option<Peeked>> {
    refuse_headerless(source)?;
    if source.is_stream() {
        return Ok(None); // Opening it to look would break its writer's pipe.
    }
    let mut reader = open(session, source)?;
    let Some(len) = reader.len else { return Ok(None) };
    let mut unpacked = io::sniff(&mut reader)?;
    let container = unpacked.container();
    let known = Some(len).filter(|_| container.is_none());
    let mut machine = HeaderDecoder::new(options(known));
    let header = loop {
        let n = unpacked.read(machine.space())?;
        let header = machine
            .filled(n)
            .map_err(|error| with_guess(unpacked.explain(error), source, known, container));
        if let Some(header) = header? {
            break header;
        }
    };
    if container.is_some() {
        return Ok(Some(Peeked { header, container, tail: None }));
    }
    machine.body(Dest::Discard)?; // Refuses a file that is too short.
    let bare = len == header.data_end() && header.format != Format::Frame;
    let tail = if bare { None } else { Some(read_tail(reader, &header)?) };
    Ok(Some(Peeked { header, container, tail }))
}

fn read_tail(mut reader: Reader<'_>, header: &Header) -> Result<Tail> {
    reader.seek(SeekFrom::Start(header.data_end()))?;
    // Sums and metadata have bounds; more than that is no tail, and is not read.
    let max = header.nbytes().div_ceil(BLOCK as u64) * 4 + 1024 + Limits::local().header as u64;
    let mut bytes = Vec::new();
    reader.take(max).read_to_end(&mut bytes)?;
    let tail = Tail::decode(&bytes, header, &Limits::local())?;
    match &tail.metadata.dtype {
        Some(dtype) if dtype.storage() != header.dtype => {
            let found = &header.dtype;
            let message = format!("the checksum tail names the dtype {dtype}, the header {found}");
            Err(Error::malformed(message))
        }
        _ => Ok(tail),
    }
}
