//! `ndbytes verify`: every byte read, every sum held against it, nothing kept in memory.

use crate::args::VerifyArgs;
use crate::batch;
use crate::exit::{Exit, kind_name};
use crate::input::{self, Archive, Whole};
use crate::report::Report;
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::Watch;
use ndbytes::{ChecksumState, Dest, Error, ErrorKind, Header, Result, Spec};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) fn run(session: &Session, args: &VerifyArgs) -> Result<Exit> {
    if let Some(manifest) = &args.manifest {
        return super::manifest::run(session, args, manifest);
    }
    if args.raw.raw.is_some() {
        return Err(Error::argument(
            "--raw is for --manifest: bytes without a header have no checksum",
        ));
    }
    let sources = Sources::find_with_archives(&args.files())?;
    session.progress.expect(sources.size());
    let found = batch::unfound(session, &sources);
    let failed = AtomicUsize::new(0);
    let done = batch::run(session, &sources.found, |source, watch| {
        let report = match read(session, source, args.require_checksum, watch) {
            Ok(report) => Ok(report),
            Err(error) if is_damage(&error) => Ok(damaged(source, error)),
            Err(error) => Err(error),
        };
        let passed = report.as_ref().is_ok_and(|report| report.exit == Exit::OK);
        failed.fetch_add(usize::from(!passed), Ordering::Relaxed);
        report
    });
    let (failed, files) = (failed.into_inner(), sources.found.len());
    if failed > 0 && files > 1 && !session.json && !session.is_over() {
        session.complain(&format!("{failed} of {files} files did not pass"));
    }
    Ok(found.max(done))
}

fn read(session: &Session, source: &Source, required: bool, watch: Watch<'_>) -> Result<Report> {
    match input::archive(session, source)? {
        Some(archive) => members(source, archive, watch),
        None => {
            let read = input::read(session, source, Dest::Discard, watch)?;
            Ok(whole(source, &read, required))
        }
    }
}

/// Every member of an archive, to its end.
fn members(source: &Source, mut archive: Archive<'_>, watch: Watch<'_>) -> Result<Report> {
    let about = |error| input::named(error, source);
    let count = archive.entries().len();
    let mut bytes = 0;
    for index in 0..count {
        if archive.is_array(index).map_err(about)? {
            let discard = |_: &Header| Ok(Dest::Discard);
            let options = input::options(None);
            let decoded = archive.read_array(index, options, discard, watch).map_err(about)?;
            bytes += decoded.header.nbytes();
        } else {
            archive.member(index).and_then(|mut member| member.skip()).map_err(about)?;
        }
    }
    let json = json!({
        "path": source.typed(), "state": "ok", "data_bytes": bytes, "members": count, "compression": null,
    });
    Ok(Report::new(format!("{}: ok", source.name()), json))
}

/// Whether it is the file's bytes that are not as they should be.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Checksum { .. } | ErrorKind::Truncated | ErrorKind::Malformed)
}

fn whole(source: &Source, read: &Whole, required: bool) -> Report {
    let (header, checked) = (&read.decoded.header, read.decoded.state);
    let (state, detail, help) = match checked {
        ChecksumState::Verified => ("ok", "", ""),
        ChecksumState::Unchecked => {
            ("unchecked", ": complete, but no checksum proves it", "; `ndbytes checksum` adds one")
        }
        ChecksumState::Open => {
            let detail = ": complete, but a writer did not finish its checksum";
            ("open", detail, "; `ndbytes checksum` makes it anew")
        }
    };
    let json = json!({
        "path": source.typed(), "state": state, "data_bytes": header.nbytes(),
        "spec": Spec::exact(header.dtype.clone(), &header.shape).to_string(),
        "blocks": header.blocks(), "compression": read.container.map(|c| c.to_string()),
    });
    let report = Report::new(format!("{}: {state}{detail}", source.name()), json);
    if required && checked != ChecksumState::Verified {
        let message = format!("{state}{detail}{help}");
        return report.failed(Error::mismatch(message).in_file(source.name()));
    }
    report
}

fn damaged(source: &Source, error: Error) -> Report {
    let (block, range) = match error.kind() {
        ErrorKind::Checksum { block, range } => (*block, Some([range.start, range.end])),
        _ => (None, None),
    };
    let json = json!({
        "path": source.typed(), "state": "damaged", "kind": kind_name(error.kind()), "message": error.message(),
        "offset": error.offset(), "block": block, "range": range,
    });
    Report::new("", json).failed(error)
}
