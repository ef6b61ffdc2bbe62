//! The formats of files, and what their names end in.

use crate::errors::argument;
use ndbytes::Container;
use pyo3::prelude::*;
use std::path::Path;

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Npy,
    Npz,
    Ndb,
    /// A `.npy` in a zlib or gzip stream.
    Compressed(Container),
    /// The items alone.
    Raw,
}

const SUFFIXES: [(&str, Format); 7] = [
    (".npy", Format::Npy),
    (".npz", Format::Npz),
    (".ndb", Format::Ndb),
    (".npy.zz", Format::Compressed(Container::Zlib)),
    (".npy.gz", Format::Compressed(Container::Gzip)),
    (".raw", Format::Raw),
    (".bin", Format::Raw),
];

impl Format {
    /// The format that a file's name ends in.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, format)| *format)
    }

    /// The format of this name: a suffix without its dot.
    ///
    /// # Errors
    /// `ArgumentError` for another name.
    pub(crate) fn named(name: &str) -> PyResult<Self> {
        let names = SUFFIXES.map(|(suffix, format)| (suffix.trim_start_matches('.'), format));
        match names.iter().find(|(known, _)| *known == name) {
            Some((_, format)) => Ok(*format),
            None => {
                let known = names.map(|(name, _)| name).join(", ");
                Err(argument(format!("format {name:?} is not one of {known}")))
            }
        }
    }
}

/// All suffixes, for errors.
pub(crate) fn suffixes() -> String {
    SUFFIXES.map(|(suffix, _)| suffix).join(", ")
}
