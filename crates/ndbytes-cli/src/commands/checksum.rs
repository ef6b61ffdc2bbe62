//! `ndbytes checksum`: a checksum tail put on, or taken off.

use crate::args::ChecksumArgs;
use crate::batch;
use crate::exit::Exit;
use crate::formats::FormatArg;
use crate::input::{self, Reader};
use crate::report::Report;
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::{self, SaveOptions, Watch};
use ndbytes::{Error, Result, frame};
use serde_json::json;
use std::io::Read as _;

pub(crate) fn run(session: &Session, args: &ChecksumArgs) -> Result<Exit> {
    let sources = Sources::find_only(&args.files, |format| {
        matches!(format, FormatArg::Npy | FormatArg::Ndb)
    })?;
    let passes = if args.strip { 2 } else { 1 };
    session.progress.expect(sources.size().saturating_mul(passes));
    let found = batch::unfound(session, &sources);
    let done =
        batch::run(session, &sources.found, |source, watch| change(session, source, args, watch));
    Ok(found.max(done))
}

fn change(
    session: &Session,
    source: &Source,
    args: &ChecksumArgs,
    watch: Watch<'_>,
) -> Result<Report> {
    const STREAM: &str = "a stream cannot be replaced; only files get a checksum tail";
    let path = source.path(STREAM)?;
    let reader = input::open(session, source)?;
    if reader.len.is_none() {
        return Err(Error::argument(STREAM).in_file(path));
    }
    let is_frame = look(reader, args.strip).map_err(|error| input::named(error, source))?;
    let options = SaveOptions::durable(args.durable);
    let (action, sentence) = if args.strip {
        match io::unseal(path, options, watch)? {
            true => ("removed", "verified, and its checksum removed"),
            false => ("none", "had no checksum"),
        }
    } else {
        match (io::seal(path, options, watch)?, is_frame) {
            (true, false) => ("added", "checksum added"),
            (true, true) => ("sealed", "its checksums were open; they are those of the data now"),
            (false, false) => ("kept", "has a checksum already, and it holds"),
            (false, true) => ("kept", "a .ndb always has its checksums, and they hold"),
        }
    };
    let text = format!("{}: {sentence}", source.name());
    Ok(Report::new(text, json!({ "path": source.typed(), "action": action })))
}

/// Whether it is a frame; what is compressed has a checksum already, and no place for another.
fn look(reader: Reader<'_>, strip: bool) -> Result<bool> {
    let mut reader = io::sniff(reader)?;
    let Some(container) = reader.container() else {
        let mut front = [0; frame::MAGIC.len()];
        return Ok(reader.read_exact(&mut front).is_ok() && front == frame::MAGIC);
    };
    let sum = container.sum_name();
    let what = if strip {
        "which is part of it; `ndbytes convert` it to .npy to do without"
    } else {
        "which covers every byte; `ndbytes verify` compares it"
    };
    Err(Error::argument(format!("a {container} stream has its {sum}, {what}")))
}
