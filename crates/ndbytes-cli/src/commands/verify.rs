//! `ndbytes verify`: every byte read, every sum held against it, nothing kept in memory.

use crate::args::VerifyArgs;
use crate::batch;
use crate::exit::{Exit, kind_name};
use crate::input;
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::npy::Decoded;
use ndbytes::{BLOCK, ChecksumState, Dest, Error, ErrorKind, Result, Spec};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) fn run(session: &Session, args: &VerifyArgs) -> Result<Exit> {
    let sources = Sources::find(&args.files)?;
    session.progress.expect(sources.size());
    let found = batch::unfound(session, &sources);
    let failed = AtomicUsize::new(0);
    let done = batch::run(session, &sources.found, |source, watch| {
        let report = match input::read(session, source, Dest::Discard, watch) {
            Ok(decoded) => whole(source, &decoded, args.require_checksum),
            Err(error) if is_damage(&error) => damaged(source, &error),
            Err(error) => return Err(error),
        };
        failed.fetch_add(usize::from(report.exit != Exit::OK), Ordering::Relaxed);
        Ok(report)
    });
    let failed = failed.into_inner();
    if failed > 0 && !session.json && done != Exit::INTERRUPTED {
        let files = counted(sources.found.len() as u64, "file");
        session.complain(&format!("{failed} of {files} did not pass"));
    }
    Ok(found.max(done))
}

/// Whether it is the file's bytes that are not as they should be.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Checksum { .. } | ErrorKind::Truncated | ErrorKind::Malformed)
}

fn whole(source: &Source, decoded: &Decoded, required: bool) -> Report {
    let header = &decoded.header;
    let spec = Spec::exact(header.dtype.clone(), &header.shape).to_string();
    let blocks = header.nbytes().div_ceil(BLOCK as u64);
    let (state, detail) = match decoded.state {
        ChecksumState::Verified => ("ok", format!("{spec}, {} checked", counted(blocks, "block"))),
        ChecksumState::Unchecked => {
            ("unchecked", format!("{spec} is complete, but has no checksum to prove it"))
        }
        ChecksumState::Open => {
            ("open", format!("{spec} is complete, but a writer did not finish its checksum"))
        }
    };
    let json = json!({
        "path": source.typed(), "state": state, "spec": spec, "blocks": blocks, "data_bytes": header.nbytes(),
    });
    let mut report = Report::new(line(state, source, &detail), json);
    if required && decoded.state != ChecksumState::Verified {
        report.exit = Exit::MISMATCH;
    }
    report
}

fn damaged(source: &Source, error: &Error) -> Report {
    let (block, range) = match error.kind() {
        ErrorKind::Checksum { block, range } => (*block, Some([range.start, range.end])),
        _ => (None, None),
    };
    let at = error.offset().map(|offset| format!(" (at byte {offset})")).unwrap_or_default();
    let text = line("damaged", source, &format!("{}{at}", error.message()));
    let json = json!({
        "path": source.typed(), "state": "damaged", "kind": kind_name(error.kind()), "message": error.message(),
        "offset": error.offset(), "block": block, "range": range,
    });
    Report { exit: Exit::of(error), ..Report::new(text, json) }
}

fn line(state: &str, source: &Source, detail: &str) -> String {
    format!("{state:<9}  {}: {detail}", source.name())
}
