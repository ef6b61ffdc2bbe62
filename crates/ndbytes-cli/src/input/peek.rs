//! What a file says of itself, without reading its data.

use super::{open, options, refuse_headerless, with_guess};
use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::Peeked;
use ndbytes::{Result, io};
use std::io::Seek as _;

/// Looks at header and tail; `None` for a stream, which can be read only once, and an array in an archive.
///
/// # Errors
/// As [`open`], [`refuse_headerless`] and [`io::peek`].
pub(crate) fn peek(session: &Session, source: &Source) -> Result<Option<Peeked>> {
    refuse_headerless(source)?;
    // Opening a stream to look would break its writer's pipe.
    if source.is_stream() || matches!(source, Source::Member(..)) {
        return Ok(None);
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
