//! Arrays of many inputs in one archive.

use super::plan::Target;
use super::{Change, left_behind, output};
use crate::args::ConvertArgs;
use crate::exit::Exit;
use crate::formats::{FormatArg, named_as};
use crate::report::{Report, counted};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::npz::{WriteOptions, Writer, member_name};
use ndbytes::io::{self, Watch};
use ndbytes::{Error, Result};
use serde_json::json;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

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
    let names = names(sources, args)?;
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

/// What each array is called: a file by its own name, one of a folder by its path in it, an array of an archive as there.
fn names(sources: &Sources, args: &ConvertArgs) -> Result<Vec<String>> {
    let mut taken: HashMap<String, &Source> = HashMap::new();
    let mut names = Vec::new();
    for source in &sources.found {
        let name = match source {
            Source::Stdin => "arr_0".to_owned(), // As np.savez calls an array without a name.
            Source::Member(_, name) => name.clone(),
            Source::File(path) => file_name(path, args)?,
        };
        if let Some(first) = taken.insert(name.clone(), source) {
            let (first, second) = (first.name(), source.name());
            let message =
                format!("both {first} and {second} would be called {name:?}; nothing was written");
            return Err(Error::argument(message).in_file(&args.output));
        }
        names.push(name);
    }
    Ok(names)
}

fn file_name(path: &Path, args: &ConvertArgs) -> Result<String> {
    let unnamed = |why: &str| Error::argument(why).in_file(path);
    let folders = args.files.files.iter().filter(|_| args.files.recursive);
    let mut within = folders
        .filter(|folder| folder.is_dir())
        .filter_map(|folder| path.strip_prefix(folder).ok());
    let relative = within.next().or_else(|| path.file_name().map(Path::new));
    let relative = relative.ok_or_else(|| unnamed("has no name to take in an archive"))?;
    let stem = named_as(relative).map_or_else(|| relative.file_name(), |(stem, _)| Some(stem));
    let parts = relative.parent().into_iter().flat_map(Path::iter).chain(stem);
    let parts = parts.map(|part| part.to_str()).collect::<Option<Vec<&str>>>();
    let parts =
        parts.ok_or_else(|| unnamed("its name is not UTF-8, as those in an archive are"))?;
    Ok(parts.join("/"))
}
