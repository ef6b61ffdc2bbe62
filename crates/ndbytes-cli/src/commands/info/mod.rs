//! `ndbytes info`: what is in a file, without summing it.

mod facts;
mod listing;

use crate::args::InfoArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input::{self, Reader};
use crate::session::Session;
use crate::sources::{Source, Sources};
use crate::values::stats;
use facts::{Checksum, Facts};
use ndbytes::io::Watch;
use ndbytes::raw::Raw;
use ndbytes::{Dest, Result};
use std::io::Read;

pub(crate) fn run(session: &Session, args: &InfoArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let mut sources = Sources::find_with_archives(&args.files)?;
    if args.stats && raw.is_none() {
        sources.expand(session);
    }
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &sources.found, |source, watch| {
        if raw.is_none()
            && let Some(archive) = input::archive(session, source)?
        {
            return listing::report(source, archive);
        }
        let facts = match &raw {
            _ if args.stats => measured(session, source, raw.as_ref(), watch),
            Some(raw) => declared(session, source, raw, watch),
            None => read(session, source, watch),
        };
        let facts = facts.map_err(|error| input::named(error, source))?;
        let stored = facts.stored.or_else(|| source.len());
        Ok(Facts { stored, ..facts }.report(source))
    });
    Ok(found.max(done))
}

fn declared(session: &Session, source: &Source, raw: &Raw, watch: Watch<'_>) -> Result<Facts> {
    input::refuse_compressed(source)?;
    let reader = input::open(session, source)?;
    let len = match reader.len {
        Some(len) => len,
        None => count(reader, watch)?,
    };
    Ok(Facts::declared(raw, raw.shape(len)?))
}

/// With the statistics of the values, for which all of them are read.
fn measured(
    session: &Session,
    source: &Source,
    raw: Option<&Raw>,
    watch: Watch<'_>,
) -> Result<Facts> {
    if let Some(raw) = raw {
        let array = input::load(session, source, Some(raw), watch)?.array;
        let stats = Some(stats(&array.view())?);
        return Ok(Facts { stats, ..Facts::declared(raw, array.shape().to_vec()) });
    }
    input::refuse_headerless(source)?;
    let read = input::read(session, source, Dest::Owned, watch)?;
    let stats = read.decoded.array.as_ref().map(|array| stats(&array.view())).transpose()?;
    let facts = Facts { stats, ..Facts::verified(read) };
    Ok(match source {
        Source::Member(path, name) => {
            facts.within(&input::peek_member(session, path, name)?.0, Checksum::Verified)
        }
        _ => facts,
    })
}

/// Bytes of a stream.
fn count(mut reader: Reader<'_>, watch: Watch<'_>) -> Result<u64> {
    let (mut scratch, mut seen) = (vec![0; 1 << 16], 0);
    loop {
        match reader.read(&mut scratch) {
            Ok(0) => return Ok(seen),
            Ok(n) => seen += n as u64,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        watch(seen)?;
    }
}

fn read(session: &Session, source: &Source, watch: Watch<'_>) -> Result<Facts> {
    if let Source::Member(path, name) = source {
        let (entry, peeked) = input::peek_member(session, path, name)?;
        let metadata = peeked.metadata().clone();
        let facts = Facts::of(peeked.header, Checksum::Present, metadata);
        return Ok(facts.within(&entry, Checksum::Present));
    }
    let Some(peeked) = input::peek(session, source)? else {
        // Only its end shows whether a stream has a tail; so it is verified as well.
        return Ok(Facts::verified(input::read(session, source, Dest::Discard, watch)?));
    };
    let checksum = match (&peeked.tail, peeked.container) {
        (Some(tail), _) if tail.open => Checksum::Open,
        (None, None) if peeked.header.coding.is_none() => Checksum::None,
        _ => Checksum::Present,
    };
    let metadata = peeked.metadata().clone();
    let container = peeked.container;
    Ok(Facts { container, ..Facts::of(peeked.header, checksum, metadata) })
}
