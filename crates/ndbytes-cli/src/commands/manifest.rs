//! `ndbytes verify --manifest`: arrays held against the digests of before.

use crate::args::VerifyArgs;
use crate::batch;
use crate::exit::Exit;
use crate::input;
use crate::manifest::{Line, Manifest};
use crate::report::{Report, printable};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::{self, Watch};
use ndbytes::raw::Raw;
use ndbytes::{Error, Limits, Result};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An array, and the line it belongs to.
struct Check<'m> {
    source: Source,
    line: Result<&'m Line>,
}

pub(crate) fn run(session: &Session, args: &VerifyArgs, path: &Path) -> Result<Exit> {
    let raw = input::declared(&args.raw)?;
    let mut sources = Sources::find_with_archives(&args.files())?;
    let from = Source::new(path);
    if from == Source::Stdin && sources.found.contains(&from) {
        return Err(Error::argument("'-' stands twice; it can be read once"));
    }
    let manifest = read(session, &from)?;
    session.progress.expect(sources.size());
    if raw.is_none() {
        sources.expand(session);
    }
    let found = batch::unfound(session, &sources);
    let checks = checks(args, &manifest, sources);
    let failed = AtomicUsize::new(0);
    let done = batch::run(session, &checks, |check, watch| {
        let report = compare(session, check, &from, raw.as_ref(), watch);
        let passed = report.as_ref().is_ok_and(|report| report.exit == Exit::OK);
        failed.fetch_add(usize::from(!passed), Ordering::Relaxed);
        report
    });
    let (failed, all) = (failed.into_inner(), checks.len());
    if failed > 0 && all > 1 && !session.json && !session.is_over() {
        session.complain(&format!("{failed} of {all} arrays did not pass"));
    }
    Ok(found.max(done))
}

fn read(session: &Session, from: &Source) -> Result<Manifest> {
    let about = |error| input::named(error, from);
    let reader = input::open(session, from)?;
    let len = reader.len;
    let text = io::read_to_end(reader, len, &Limits::local(), &mut |_| session.check());
    text.and_then(|text| Manifest::parse(&text)).map_err(about)
}

/// All lines of the manifest, or those of the files that were named.
fn checks<'m>(args: &VerifyArgs, manifest: &'m Manifest, sources: Sources) -> Vec<Check<'m>> {
    if args.files.is_empty() {
        let check =
            |line: &'m Line| Check { source: Source::new(Path::new(&line.label)), line: Ok(line) };
        return manifest.lines().iter().map(check).collect();
    }
    let check = |source: Source| {
        let line = source.label().and_then(|label| manifest.find(&label));
        Check { line: line.map_err(|error| error.in_file(source.name())), source }
    };
    sources.found.into_iter().map(check).collect()
}

fn compare(
    session: &Session,
    check: &Check<'_>,
    from: &Source,
    raw: Option<&Raw>,
    watch: Watch<'_>,
) -> Result<Report> {
    let (source, line) = (&check.source, check.line.clone()?);
    let (name, label) = (source.name(), source.label()?);
    let digest = input::digest_of(session, source, raw, watch)?;
    let same = digest == line.digest;
    let json = json!({
        "path": label, "state": if same { "ok" } else { "differs" }, "digest": digest.to_string(),
        "expected": line.digest.to_string(), "line": line.number, "listed": line.label,
    });
    let as_listed = if line.is_of(&label) {
        String::new()
    } else {
        format!(", the array of {}", printable(&line.label))
    };
    let report = Report::new(format!("{name}: ok{as_listed}"), json);
    if same {
        return Ok(report);
    }
    let message = format!(
        "differs: its digest is {digest}, line {} of {} says {}{as_listed}",
        line.number,
        from.name(),
        line.digest
    );
    Ok(Report { exit: Exit::DIFFERENCE, ..report.failed(Error::mismatch(message).in_file(name)) })
}
