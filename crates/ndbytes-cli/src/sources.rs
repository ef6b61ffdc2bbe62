//! Which inputs a command line names.

use crate::args::Files;
use crate::formats::{FormatArg, named_as};
use crate::report::printable;
use clap::ValueEnum as _;
use ndbytes::{Error, Result};
use std::path::{Path, PathBuf};

/// Where bytes come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
    /// The array of this name in an archive.
    Member(PathBuf, String),
}

/// Of what is no file.
pub(crate) const IN_ARCHIVE: &str =
    "an array in an archive is no file of its own; `ndbytes convert` makes one of it";

/// The inputs in order, and what was wrong with finding some of them.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) found: Vec<Source>,
    pub(crate) errors: Vec<Error>,
}

impl Source {
    /// What was typed: a path, `-`, or `ARCHIVE.npz:NAME` where no file has that name.
    pub(crate) fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            return Self::Stdin;
        }
        match path.to_str().and_then(|text| text.split_once(".npz:")) {
            Some((archive, name)) if !path.exists() => {
                Self::Member(PathBuf::from(format!("{archive}.npz")), name.to_owned())
            }
            _ => Self::File(path.to_owned()),
        }
    }

    /// The array of this name in the archive that it is.
    pub(crate) fn member(&self, name: &str) -> Self {
        match self {
            Self::File(path) => Self::Member(path.clone(), name.to_owned()),
            other => other.clone(),
        }
    }

    /// What to call it before a person, and in errors.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => printable(&path.display().to_string()),
            Self::Member(path, name) => printable(&format!("{}:{name}", path.display())),
        }
    }

    /// What to call it before a program: as it was typed.
    pub(crate) fn typed(&self) -> String {
        match self {
            Self::Stdin => "-".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Member(path, name) => format!("{}:{name}", path.display()),
        }
    }

    /// What a manifest calls it: the path as it was typed or found, and the name in the archive.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] for a path that is no text.
    pub(crate) fn label(&self) -> Result<String> {
        match self {
            Self::File(path) | Self::Member(path, _) if path.to_str().is_none() => {
                let message = "its path is not UTF-8, so no manifest can hold it; rename it";
                Err(Error::argument(message).in_file(path))
            }
            _ => Ok(self.typed()),
        }
    }

    /// Bytes of the file; a pipe has no length.
    pub(crate) fn len(&self) -> Option<u64> {
        let Self::File(path) = self else { return None };
        std::fs::metadata(path)
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|metadata| metadata.len())
    }

    /// Whether it can be read only once: a pipe or a socket.
    pub(crate) fn is_stream(&self) -> bool {
        match self {
            Self::Stdin => true,
            Self::Member(..) => false,
            Self::File(path) => std::fs::metadata(path)
                .is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()),
        }
    }

    /// The file's path, for what only files can do.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] for standard input, with `why`, and for an array in an archive.
    pub(crate) fn path(&self, why: &str) -> Result<&Path> {
        match self {
            Self::File(path) => Ok(path),
            Self::Stdin => Err(Error::argument(why).in_file(self.name())),
            Self::Member(..) => Err(Error::argument(IN_ARCHIVE).in_file(self.name())),
        }
    }
}

impl Sources {
    /// The files named, and with `-r` those below the folders named whose names say that they hold an array.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] if standard input is named twice.
    pub(crate) fn find(files: &Files) -> Result<Self> {
        Self::find_only(files, |format| format.describes_itself() && format != FormatArg::Npz)
    }

    /// The same, where folders give only the formats that `takes` says.
    ///
    /// # Errors
    /// As [`Sources::find`].
    pub(crate) fn find_only(files: &Files, takes: Takes) -> Result<Self> {
        let mut sources = Self::default();
        for path in &files.files {
            match Source::new(path) {
                Source::Stdin if sources.found.contains(&Source::Stdin) => {
                    return Err(Error::argument("'-' stands twice; it can be read once"));
                }
                Source::File(path) if files.recursive && path.is_dir() => {
                    sources.add_folder(&path, takes);
                }
                source => sources.found.push(source),
            }
        }
        Ok(sources)
    }

    /// Bytes of all of them, as far as they are known.
    pub(crate) fn size(&self) -> u64 {
        self.found.iter().filter_map(Source::len).fold(0, u64::saturating_add)
    }

    /// The same, where folders give archives too.
    ///
    /// # Errors
    /// As [`Sources::find`].
    pub(crate) fn find_with_archives(files: &Files) -> Result<Self> {
        Self::find_only(files, FormatArg::describes_itself)
    }

    fn add_folder(&mut self, folder: &Path, takes: Takes) {
        let before = (self.found.len(), self.errors.len());
        self.walk(folder, takes);
        if before == (self.found.len(), self.errors.len()) {
            let none = Error::io(std::io::ErrorKind::NotFound.into());
            self.errors.push(
                none.context(format!("no {} file in this folder", names(takes))).in_file(folder),
            );
        }
    }

    /// Depth first, by name. Links to folders are not followed, so there are no loops.
    fn walk(&mut self, folder: &Path, takes: Takes) {
        let listed = std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
        let mut paths: Vec<PathBuf> = match listed {
            Ok(paths) => paths,
            Err(error) => return self.errors.push(Error::io(error).in_file(folder)),
        };
        paths.sort();
        for path in paths {
            let Ok(own) = path.symlink_metadata() else { continue };
            if own.is_dir() {
                self.walk(&path, takes);
            } else if named_as(&path).is_some_and(|(_, format)| takes(format)) && path.is_file() {
                self.found.push(Source::File(path));
            }
        }
    }
}

/// Which files of a folder are meant.
type Takes = fn(FormatArg) -> bool;

/// Their suffixes, as a person lists them.
fn names(takes: Takes) -> String {
    let formats = FormatArg::value_variants().iter().filter(|&&format| takes(format));
    let suffixes: Vec<String> = formats.map(|format| format!(".{}", format.suffix())).collect();
    match suffixes.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
