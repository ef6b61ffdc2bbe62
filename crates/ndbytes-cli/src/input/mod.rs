//! Reading what the command line names, whatever format it has.

mod archive;
mod headerless;
mod peek;
mod reader;

pub(crate) use archive::{Archive, archive, contents, key_of, peek_member};
pub(crate) use headerless::{declared, refuse_compressed, refuse_headerless, with_guess};
pub(crate) use peek::peek;
pub(crate) use reader::{Reader, open};

use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::Watch;
use ndbytes::raw::Raw;
use ndbytes::{
    Array, ChecksumState, Container, DecodeOptions, Decoded, Dest, Digest, Error, Header, Limits,
    Metadata, Result, Threads, digest_with, io,
};
use std::sync::atomic::Ordering;

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
/// As [`open`], [`refuse_headerless`], [`io::read_whole`], [`refuse_compressed`] and [`Raw::array`].
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
    refuse_headerless(source)?;
    let decoded = read(session, source, Dest::Owned, watch)?.decoded;
    let array = decoded.array.ok_or_else(|| Error::argument("the array went elsewhere"))?;
    let Decoded { state, metadata, .. } = decoded;
    Ok(Loaded { array, state, metadata })
}

/// What was read to its end.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) decoded: Decoded,
    /// What it was compressed with.
    pub(crate) container: Option<Container>,
}

/// Reads what describes itself into `dest`, and checks it where it can be checked.
///
/// # Errors
/// As [`open`] and [`io::read_whole`].
pub(crate) fn read(
    session: &Session,
    source: &Source,
    dest: Dest<'_>,
    watch: Watch<'_>,
) -> Result<Whole> {
    read_by(session, source, |_| Ok(dest), watch)
}

/// The same, where `choose` sees the header and says where the data go.
///
/// # Errors
/// As [`read`], and whatever `choose` returns.
pub(crate) fn read_by<'d>(
    session: &Session,
    source: &Source,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    watch: Watch<'_>,
) -> Result<Whole> {
    if let Source::Member(path, name) = source {
        let decoded = archive::read_member(session, path, name, choose, watch);
        let decoded = decoded.map_err(|error| named(error, source))?;
        return Ok(Whole { decoded, container: None });
    }
    let reader = open(session, source)?;
    let (len, moved) = (reader.len, reader.moved());
    let about = |error| named(error, source);
    let reader = match reader.plain_file().map_err(about)? {
        Ok(input) => {
            // Another may be appending to it: it is measured again once it has said how far it goes.
            let decoded = io::read_file(input, options(len), choose, Threads::ONE, watch);
            let decoded = decoded.map_err(|error| about(with_guess(error, source, len, None)))?;
            return Ok(Whole { decoded, container: None });
        }
        Err(reader) => reader,
    };
    let mut reader = io::sniff(reader).map_err(about)?;
    let container = reader.container();
    // Progress counts the bytes of the file, not what they unpack to.
    let decoded =
        reader.read_whole(options(len), choose, &mut |_| watch(moved.load(Ordering::Relaxed)));
    let decoded = decoded.map_err(|error| about(with_guess(error, source, len, container)))?;
    Ok(Whole { decoded, container })
}

/// The digest of an array: of one that describes itself, or of bytes that `raw` declares.
///
/// # Errors
/// As [`load`].
pub(crate) fn digest_of(
    session: &Session,
    source: &Source,
    raw: Option<&Raw>,
    watch: Watch<'_>,
) -> Result<Digest> {
    if raw.is_some() {
        let array = load(session, source, raw, watch)?.array;
        return digest_with(&array.view(), Threads::ONE, &mut |_| session.check());
    }
    refuse_headerless(source)?;
    let read = |choose: io::Choose<'_, '_>, watch: Watch<'_>| {
        read_by(session, source, choose, watch).map(|whole| whole.decoded)
    };
    io::digest_read(read, Threads::ONE, watch)
        .map(|(digest, _)| digest)
        .map_err(|error| named(error, source))
}

fn load_raw(session: &Session, source: &Source, raw: &Raw, watch: Watch<'_>) -> Result<Array> {
    refuse_compressed(source)?;
    let reader = open(session, source)?;
    let len = reader.len;
    if let Some(len) = len {
        raw.shape(len)?; // What does not fit is not read.
    }
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
