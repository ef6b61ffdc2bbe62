//! Arrays of many inputs in one archive.

use super::plan::Target;
use super::{Change, left_behind, output};
use crate::args::ConvertArgs;
use crate::exit::Exit;
use crate::formats::FormatArg;
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::npz::{WriteOptions, Writer, member_name};
use ndbytes::io::{self, Watch};
use ndbytes::{Error, Result};
use serde_json::json;
use std::io::Write;

/// Writes the archive, whole or not at all.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for an input without a name, and two of one name; those of reading, and of [`io::replace`].
pub(super) fn run(
    session: &Session,
    change: &Change,
    sources: &Sources,
    args: &ConvertArgs,
    target: &Target,
) -> Result<Exit> {
    let codec = args.codec.as_deref().unwrap_or("auto");
    let options = WriteOptions::named(codec, args.level)?;
    let about = |error: Error| match error.path() {
        Some(_) => error,
        None => error.in_file(&args.output),
    };
    let names = sources.names(&args.files, "written").map_err(about)?;
    let job = Packing { session, change, inputs: names.iter().zip(&sources.found).collect() };
    let mut bytes = 0;
    match target {
        Target::File(path) => io::replace(path, change.save, |file| {
            let file = job.write(Writer::file(file, options), &mut session.watch())?;
            bytes = file.metadata()?.len();
            Ok(())
        })?,
        Target::Stdout => {
            bytes = output::to_stdout(|out| {
                job.write(Writer::streamed(out, options), &mut session.watch()).map(drop)
            })?;
        }
    }
    let arrays = counted(names.len() as u64, "array");
    let text = match target {
        Target::Stdout => String::new(), // The archive itself stands there.
        Target::File(_) => format!("{arrays} -> {}: {}", target.name(), counted(bytes, "byte")),
    };
    let json =
        json!({ "output": target.typed(), "format": "npz", "members": names, "bytes": bytes });
    session.report(&Report::new(text, json))
}

/// What goes into an archive.
struct Packing<'a> {
    session: &'a Session,
    change: &'a Change,
    inputs: Vec<(&'a String, &'a Source)>,
}

impl Packing<'_> {
    /// Writes all, one after the other.
    fn write<W: Write>(&self, mut writer: Writer<W>, watch: Watch<'_>) -> Result<W> {
        for (name, source) in &self.inputs {
            let loaded = self.change.load(self.session, source, watch)?;
            let view = loaded.array.view();
            let tail = self.change.has_tail(FormatArg::Npz, &self.change.dtype(&view));
            let mut encoder = self.change.encoder(FormatArg::Npz, &view, &loaded, tail)?;
            writer.add(&member_name(name), encoder.as_mut(), watch)?;
            if let Some(note) = left_behind(source, FormatArg::Npz, &loaded, tail) {
                self.session.note(&note);
            }
        }
        writer.finish()
    }
}
