//! Reading what the command line names, whatever format it has.

mod headerless;
mod reader;

pub(crate) use headerless::{declared, refuse_headerless, with_guess};
pub(crate) use reader::{Reader, open};

use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::Watch;
use ndbytes::raw::Raw;
use ndbytes::{
    Array, ChecksumState, DecodeOptions, Decoded, Dest, Error, Limits, Metadata, Result, io,
};

/// An array in memory, and what was known of it besides.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) array: Array,
    pub(crate) state: ChecksumState,
    pub(crate) metadata: Metadata,
}

/// Reads an array: one that describes itself, or bytes that `raw` declares.
///
/// # Errors
/// As [`open`], [`io::read_array`] and [`Raw::array`].
pub(crate) fn load(
    session: &Session,
    source: &Source,
    raw: Option<&Raw>,
    watch: Watch<'_>,
) -> Result<Loaded> {
    if let Some(raw) = raw {
        let array = load_raw(session, source, raw, watch).map_err(|e| named(e, source))?;
        let state = ChecksumState::Unchecked;
        return Ok(Loaded { array, state, metadata: Metadata::default() });
    }
    let decoded = read(session, source, Dest::Owned, watch)?;
    let array = decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))?;
    let Decoded { state, metadata, .. } = decoded;
    Ok(Loaded { array, state, metadata })
}

/// Reads what describes itself into `dest`, and checks it where it can be checked.
///
/// # Errors
/// As [`open`] and [`io::read_array`].
pub(crate) fn read(
    session: &Session,
    source: &Source,
    dest: Dest<'_>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    let reader = open(session, source)?;
    let len = reader.len;
    io::read_array(reader, options(len), |_| Ok(dest), watch)
        .map_err(|error| named(with_guess(error, source, len), source))
}

fn load_raw(session: &Session, source: &Source, raw: &Raw, watch: Watch<'_>) -> Result<Array> {
    let reader = open(session, source)?;
    if let Some(len) = reader.len {
        raw.shape(len)?; // What does not fit is not read.
    }
    let len = reader.len;
    raw.array(io::read_to_end(reader, len, &Limits::local(), watch)?)
}

/// How they are read here; `len` is the input's length where it is known.
#[expect(clippy::field_reassign_with_default, reason = "it may get more fields")]
pub(crate) fn options(len: Option<u64>) -> DecodeOptions {
    let mut options = DecodeOptions::default();
    options.input_len = len;
    options
}

/// The error, about this source.
pub(crate) fn named(error: Error, source: &Source) -> Error {
    if error.path().is_some() { error } else { error.in_file(source.name()) }
}
