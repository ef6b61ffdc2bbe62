//! `ndbytes info`: what is in a file, without summing it.

mod facts;

use crate::args::InfoArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input::{self, Reader};
use crate::session::Session;
use crate::sources::{Source, Sources};
use crate::values::stats;
use facts::{Checksum, Facts};
use ndbytes::io::{self, Watch};
use ndbytes::raw::Raw;
use ndbytes::{BLOCK, Dest, Error, Format, Header, HeaderDecoder, Limits, Metadata, Result, Tail};
use std::io::{Read, Seek as _, SeekFrom};

pub(crate) fn run(session: &Session, args: &InfoArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let sources = Sources::find(&args.files)?;
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &sources.found, |source, watch| {
        let facts = match &raw {
            _ if args.stats => measured(session, source, raw.as_ref(), watch),
            Some(raw) => declared(session, source, raw, watch),
            None => read(session, source, watch),
        };
        let facts = facts.map_err(|error| input::named(error, source))?;
        Ok(Facts { stored: source.len(), ..facts }.report(source))
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
    Ok(Facts { stats, ..Facts::verified(read) })
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
    input::refuse_headerless(source)?;
    let mut reader = input::open(session, source)?;
    let Some(len) = reader.len else {
        drop(reader);
        // Only its end shows whether it has a tail; so it is verified as well.
        return Ok(Facts::verified(input::read(session, source, Dest::Discard, watch)?));
    };
    let mut unpacked = io::sniff(&mut reader)?;
    let container = unpacked.container();
    let known = Some(len).filter(|_| container.is_none());
    let mut machine = HeaderDecoder::new(input::options(known));
    let header = loop {
        let n = unpacked.read(machine.space())?;
        let header = machine
            .filled(n)
            .map_err(|error| input::with_guess(unpacked.explain(error), source, known, container));
        if let Some(header) = header? {
            break header;
        }
    };
    if container.is_some() {
        let metadata = header.metadata.clone();
        return Ok(Facts { container, ..Facts::of(header, Checksum::Present, metadata) });
    }
    machine.body(Dest::Discard)?; // Refuses a file that is too short.
    behind(reader, len, header)
}

/// What stands behind the data, where something does.
fn behind(mut reader: Reader<'_>, len: u64, header: Header) -> Result<Facts> {
    if len == header.data_end() && header.format != Format::Frame {
        return Ok(Facts::of(header, Checksum::None, Metadata::default()));
    }
    reader.seek(SeekFrom::Start(header.data_end()))?;
    let tail = read_tail(reader, &header)?;
    let checksum = if tail.open { Checksum::Open } else { Checksum::Present };
    let metadata = match header.format {
        Format::Frame => header.metadata.clone(),
        _ => tail.metadata,
    };
    Ok(Facts::of(header, checksum, metadata))
}

fn read_tail(reader: Reader<'_>, header: &Header) -> Result<Tail> {
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
