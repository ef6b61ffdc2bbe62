//! Which output each input gets; everything that can be refused is refused before the first byte.

use super::extract;
use crate::args::ConvertArgs;
use crate::formats::{FormatArg, named_as};
use crate::report::printable;
use crate::sources::{Source, Sources};
use ndbytes::{Error, Result};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// One input and its output.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) target: Target,
    pub(super) format: FormatArg,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) => printable(&path.display().to_string()),
        }
    }

    pub(super) fn typed(&self) -> String {
        match self {
            Self::Stdout => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    /// The folders that the outputs go to, from the outermost in.
    folders: Vec<PathBuf>,
}

/// One job for each source.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] if the output's suffix says no format, if many inputs would go to one file, or two
/// to the same one.
pub(super) fn plan(sources: &Sources, args: &ConvertArgs) -> Result<Plan> {
    if args.output.as_os_str() == "-" {
        let source = only(sources, "standard output takes one array")?;
        refuse_terminal()?;
        let format = args.to.unwrap_or(FormatArg::Npy);
        return Ok(Plan::of(Job { source, target: Target::Stdout, format }));
    }
    if sources.found.is_empty() {
        return Ok(Plan { jobs: Vec::new(), folders: Vec::new() });
    }
    let is_archive = |source: &Source| match source {
        Source::Member(path, _) => args.files.files.contains(path),
        _ => false,
    };
    // The one array of an archive goes where several would go, unless a file is named.
    let extracts = sources.found.iter().any(is_archive) && named_as(&args.output).is_none();
    if is_folder(&args.output) || args.files.recursive || sources.found.len() > 1 || extracts {
        return into_folder(sources, args);
    }
    let source = only(sources, "a file takes one array")?;
    let format = match args.to {
        Some(format) => format,
        None => by_suffix(&args.output)?,
    };
    Ok(Plan::of(Job { source, target: Target::File(args.output.clone()), format }))
}

/// Where an archive goes, if that is what is asked for.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for a folder, and a terminal.
pub(super) fn archive(args: &ConvertArgs) -> Result<Option<Target>> {
    let named = named_as(&args.output).map(|(_, format)| format);
    let is_folder = is_folder(&args.output);
    match args.to {
        Some(FormatArg::Npz) if is_folder => {
            let message = "an archive is one file; this is a folder";
            Err(Error::argument(message).in_file(&args.output))
        }
        Some(FormatArg::Npz) if args.output.as_os_str() == "-" => {
            refuse_terminal().map(|()| Some(Target::Stdout))
        }
        None if is_folder => Ok(None),
        to if to.or(named) == Some(FormatArg::Npz) => Ok(Some(Target::File(args.output.clone()))),
        _ => Ok(None),
    }
}

fn refuse_terminal() -> Result<()> {
    if std::io::stdout().is_terminal() {
        let message =
            "standard output is a terminal, which arrays would garble; add > FILE or | COMMAND";
        return Err(Error::argument(message));
    }
    Ok(())
}

impl Plan {
    fn of(job: Job) -> Self {
        Self { jobs: vec![job], folders: Vec::new() }
    }

    /// Makes the folders that the outputs go to, where they are not there.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Io`].
    pub(super) fn make_folders(&self) -> Result<()> {
        for folder in self.folders.iter().filter(|folder| !folder.exists()) {
            std::fs::create_dir(folder).map_err(|error| Error::io(error).in_file(folder))?;
        }
        Ok(())
    }
}

fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn only(sources: &Sources, why: &str) -> Result<Source> {
    match sources.found.as_slice() {
        [source] => Ok(source.clone()),
        found => Err(Error::argument(format!("{why}, there are {} inputs", found.len()))),
    }
}

fn by_suffix(output: &Path) -> Result<FormatArg> {
    if let Some((_, format)) = named_as(output) {
        return Ok(format);
    }
    let suffix = output.extension().and_then(|suffix| suffix.to_str());
    let message = match suffix {
        Some(suffix @ ("zz" | "gz")) => format!(
            "a compressed output holds a .npy: end its name with .npy.{suffix}, or say --to {suffix}"
        ),
        _ => {
            let found =
                suffix.map_or_else(|| "no suffix".to_owned(), |suffix| format!(".{suffix}"));
            format!(
                "{found} says no format; .npy, .ndb, .npy.zz, .npy.gz, .npz, .raw and .bin do, or --to; a folder ends with /"
            )
        }
    };
    Err(Error::argument(message).in_file(output))
}

fn into_folder(sources: &Sources, args: &ConvertArgs) -> Result<Plan> {
    let folder = &args.output;
    if folder.is_file() {
        let inputs = sources.found.len();
        let message = format!("many inputs go to a folder, this is a file; there are {inputs}");
        return Err(Error::argument(message).in_file(folder));
    }
    let format = args.to.unwrap_or(FormatArg::Npy);
    let mut taken: HashMap<PathBuf, &Source> = HashMap::new();
    let mut jobs = Vec::new();
    let places = extract::places(sources, folder, format, args.force)?;
    for source in &sources.found {
        let path = match places.get(source) {
            Some(place) => folder.join(place),
            None => folder.join(file_name(source, format)?),
        };
        if let Some(first) = taken.insert(path.clone(), source) {
            let message = format!(
                "both {} and {} would become this file; nothing was written",
                first.name(),
                source.name()
            );
            return Err(Error::argument(message).in_file(path));
        }
        jobs.push(Job { source: source.clone(), target: Target::File(path), format });
    }
    let mut folders = vec![folder.clone()];
    folders.extend(extract::folders(places.values()).map(|inner| folder.join(inner)));
    Ok(Plan { jobs, folders })
}

/// The input's own name with the format's suffix; never a path.
fn file_name(source: &Source, format: FormatArg) -> Result<OsString> {
    let path = source.path("a stream has no name to take in a folder; give a file with -o")?;
    let unnamed = || Error::argument("has no name to take in a folder").in_file(path);
    let name = path.file_name().ok_or_else(unnamed)?;
    let mut name = named_as(path).map_or(name, |(stem, _)| stem).to_owned();
    name.push(".");
    name.push(format.suffix());
    Ok(name)
}
