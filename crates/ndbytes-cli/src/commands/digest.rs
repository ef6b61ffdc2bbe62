//! `ndbytes digest`: a name for each array, the same whatever it is stored in.

use crate::args::DigestArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input;
use crate::manifest;
use crate::report::Report;
use crate::session::Session;
use crate::sources::Sources;
use ndbytes::Result;
use serde_json::json;

pub(crate) fn run(session: &Session, args: &DigestArgs) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let mut sources = Sources::find_with_archives(&args.files)?;
    session.progress.expect(sources.size());
    if raw.is_none() {
        sources.expand(session);
    }
    let found = batch::unfound(session, &sources);
    let done = batch::run(session, &sources.found, |source, watch| {
        let label = source.label()?;
        let digest = input::digest_of(session, source, raw.as_ref(), watch)?;
        let json = json!({ "path": label, "digest": digest.to_string() });
        Ok(Report::new(manifest::line(&digest, &label), json))
    });
    Ok(found.max(done))
}
