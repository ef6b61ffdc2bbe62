//! One array to send.

use super::group;
use crate::args::{Files, SendArgs};
use crate::formats::named_as;
use crate::input::{self, Loaded};
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::Watch;
use ndbytes::{ChecksumState, DType, Error, Message, Metadata, Result, Spec};
use serde_json::json;

/// A file or an array in an archive, and what is said of it.
pub(super) struct Job<'s> {
    pub(super) session: &'s Session,
    pub(super) source: &'s Source,
    /// Speaks bare .npy.
    pub(super) npy: bool,
    /// What it is called, where it has no name of its own; in a group, in any case.
    name: Option<String>,
    group: Option<Part>,
}

/// Its place in the one message that all are.
struct Part {
    /// Of the first: what stands in the header of the message.
    message: Option<Message>,
    group: String,
}

/// An array that was sent, as it is told.
pub(super) struct Sent<'a> {
    pub(super) name: Option<String>,
    pub(super) dtype: &'a DType,
    pub(super) shape: &'a [usize],
    pub(super) bytes: u64,
    /// Whether its file was not verified.
    pub(super) open: bool,
}

/// All of them.
///
/// # Errors
/// As [`Sources::names`] and [`group::message`].
pub(super) fn jobs<'s>(
    session: &'s Session,
    sources: &'s Sources,
    files: &Files,
    args: &SendArgs,
) -> Result<Vec<Job<'s>>> {
    let names = match &args.group {
        Some(_) => sources.names(files, "sent")?.into_iter().map(Some).collect(),
        None => sources.found.iter().map(|source| name_of(source, files)).collect::<Vec<_>>(),
    };
    let mut message = args.group.as_ref().map(|_| group::message(names.len())).transpose()?;
    let job = |(source, name): (&'s Source, Option<String>)| Job {
        session,
        source,
        npy: args.wire.npy,
        name,
        group: args.group.clone().map(|group| Part { message: message.take(), group }),
    };
    Ok(sources.found.iter().zip(names).map(job).collect())
}

/// A file is called by its own name, or by its path in the folder that it was found in.
fn name_of(source: &Source, files: &Files) -> Option<String> {
    match source {
        Source::File(path) => files.name_of(path).ok().or_else(|| {
            let stem = named_as(path).map(|(stem, _)| stem).or_else(|| path.file_name());
            stem.map(|stem| stem.to_string_lossy().into_owned())
        }),
        Source::Member(_, name) => Some(name.clone()),
        Source::Stdin => None,
    }
}

impl Job<'_> {
    /// The array in memory.
    ///
    /// # Errors
    /// As [`input::load`].
    pub(super) fn load(&self, watch: Watch<'_>) -> Result<Loaded> {
        input::load(self.session, self.source, None, watch)
    }

    /// What goes along: a file without a name for its array gives its own.
    ///
    /// # Errors
    /// As [`group::attrs`].
    pub(super) fn metadata(&self, own: &Metadata) -> Result<Metadata> {
        if self.npy {
            return Ok(Metadata::default());
        }
        let Some(Part { message, group }) = &self.group else {
            let name = own.name.clone().or_else(|| self.name.clone());
            return Ok(Metadata::new(name, own.attrs.clone()));
        };
        let attrs = match message {
            Some(_) => Some(group::attrs(own.attrs.as_deref(), group)?),
            None => own.attrs.clone(),
        };
        let mut metadata = Metadata::new(self.name.clone(), attrs);
        metadata.message = *message;
        Ok(metadata)
    }

    /// The error, about its source.
    pub(super) fn named(&self, error: Error) -> Error {
        input::named(error, self.source)
    }

    pub(super) fn report(&self, sent: Sent<'_>) -> Report {
        let spec = Spec::exact(sent.dtype.clone(), sent.shape).to_string();
        let source = self.source.name();
        let text = format!("{source}: {spec}, {} sent", counted(sent.bytes, "byte"));
        let mut json = json!({
            "path": self.source.typed(), "name": sent.name, "spec": spec, "data_bytes": sent.bytes,
        });
        if let Some(Part { group, .. }) = &self.group {
            json["group"] = group.as_str().into();
        }
        let mut report = Report::new(text, json);
        if sent.open {
            report.note = Some(format!("{source}: its checksum was open, so it was not verified"));
        }
        report
    }
}

impl<'a> Sent<'a> {
    /// Of an array in memory.
    pub(super) fn of(loaded: &'a Loaded, name: Option<String>) -> Self {
        let (dtype, shape) = (loaded.array.dtype(), loaded.array.shape());
        let (bytes, open) = (loaded.array.nbytes() as u64, loaded.state == ChecksumState::Open);
        Self { name, dtype, shape, bytes, open }
    }
}
