//! `ndbytes digest`: a name for each array, the same whatever it is stored in.

use crate::args::DigestArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input::{self, Target};
use crate::manifest;
use crate::report::Report;
use crate::session::Session;
use crate::sources::Sources;
use ndbytes::Result;
use serde_json::json;

pub(crate) fn run(session: &Session, args: &DigestArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let sources = Sources::find_with_archives(&args.files)?;
    session.progress.expect(sources.size());
    let found = batch::unfound(session, &sources);
    let targets = match raw {
        None => Target::all(session, &sources.found),
        Some(_) => Target::whole(&sources.found),
    };
    let done = batch::run(session, &targets, |target, watch| {
        let label = target.label()?;
        let digest = target.digest(session, raw.as_ref(), watch)?;
        let json = json!({ "path": label, "digest": digest.to_string() });
        Ok(Report::new(manifest::line(&digest, &label), json))
    });
    Ok(found.max(done))
}
