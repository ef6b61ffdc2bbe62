//! What a file says of itself, without reading its data.

use super::{open, options, refuse_headerless, with_guess};
use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::Peeked;
use ndbytes::{Result, io};
use std::io::Seek as _;

/// Looks at header and tail; `None` for a stream, which can be read only once.
///
/// # Errors
/// As [`open`], [`refuse_headerless`] and [`io::peek`].
pub(crate) fn peek(session: &Session, source: &Source) -> Result<Option<Peeked>> {
    refuse_headerless(source)?;
    if source.is_stream() {
        return Ok(None); // Opening it to look would break its writer's pipe.
    }
    let mut reader = open(session, source)?;
    let Some(len) = reader.len else { return Ok(None) };
    let container = io::sniff(&mut reader)?.container();
    reader.rewind()?;
    io::peek(reader, len, options(None)).map(Some).map_err(|error| {
        let known = Some(len).filter(|_| container.is_none());
        with_guess(error, source, known, container)
    })
}
