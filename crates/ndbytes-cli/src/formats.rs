//! The formats of files, and what their names end in.

use clap::ValueEnum;
use std::ffi::OsStr;
use std::path::Path;

/// A format that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    Npy,
    Ndb,
    Raw,
}

/// What a person reads where a name says no format.
pub(crate) const SUFFIXES: &str = ".npy, .ndb, .raw and .bin";

impl FormatArg {
    /// What the names of its files end in.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Ndb => "ndb",
            Self::Raw => "raw",
        }
    }
}

/// The format that a file's name says, and the name without that.
pub(crate) fn named_as(path: &Path) -> Option<(&OsStr, FormatArg)> {
    let format = match path.extension()?.to_str()? {
        "npy" => FormatArg::Npy,
        "ndb" => FormatArg::Ndb,
        "raw" | "bin" | "dat" => FormatArg::Raw,
        _ => return None,
    };
    Some((path.file_stem()?, format))
}
