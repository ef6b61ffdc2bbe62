//! `ndbytes checksum`: a checksum tail put on, or taken off.

use crate::args::ChecksumArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input;
use crate::report::Report;
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::{self, SaveOptions, Watch};
use ndbytes::{Error, Result};
use serde_json::json;

pub(crate) fn run(session: &Session, args: &ChecksumArgs) -> Result<Exit> {
    let sources = Sources::find(&args.files)?;
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
    let path = source.path("a stream cannot be replaced; only files get a checksum tail")?;
    if input::open(session, source)?.len.is_none() {
        let message = "a stream cannot be replaced; only files get a checksum tail";
        return Err(Error::argument(message).in_file(path));
    }
    let options = SaveOptions::durable(args.durable);
    let (action, sentence) = if args.strip {
        match io::unseal(path, options, watch)? {
            true => ("removed", "verified, and its checksum removed"),
            false => ("none", "had no checksum"),
        }
    } else {
        match io::seal(path, options, watch)? {
            true => ("added", "checksum added"),
            false => ("kept", "has a checksum already, and it holds"),
        }
    };
    let text = format!("{}: {sentence}", source.name());
    Ok(Report::new(text, json!({ "path": source.typed(), "action": action })))
}
