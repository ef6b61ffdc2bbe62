//! The formats of files, and what their names end in.

use clap::ValueEnum;
use ndbytes::Container;
use std::ffi::OsStr;
use std::path::Path;

/// A format that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    Npy,
    Ndb,
    /// A `.npy` in a zlib stream.
    Zz,
    /// A `.npy` in a gzip stream.
    Gz,
    Raw,
    /// Many arrays in a zip archive.
    Npz,
}

impl FormatArg {
    /// The name of the format, whatever it is compressed with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npy | Self::Zz | Self::Gz => "npy",
            Self::Ndb => "ndb",
            Self::Raw => "raw",
            Self::Npz => "npz",
        }
    }

    /// What it is compressed with.
    pub(crate) fn container(self) -> Option<Container> {
        match self {
            Self::Zz => Some(Container::Zlib),
            Self::Gz => Some(Container::Gzip),
            Self::Npy | Self::Ndb | Self::Raw | Self::Npz => None,
        }
    }

    /// What the names of its files end in, behind the dot.
    pub(crate) fn suffix(self) -> String {
        match self.container() {
            Some(container) => format!("{}.{}", self.name(), container.suffix()),
            None => self.name().to_owned(),
        }
    }

    /// Whether its files say what they hold.
    pub(crate) fn describes_itself(self) -> bool {
        self != Self::Raw
    }
}

/// The format that a file's name says, and the name without that.
pub(crate) fn named_as(path: &Path) -> Option<(&OsStr, FormatArg)> {
    let stem = path.file_stem()?;
    let format = match path.extension()?.to_str()? {
        "npy" => FormatArg::Npy,
        "ndb" => FormatArg::Ndb,
        "npz" => FormatArg::Npz,
        "raw" | "bin" | "dat" => FormatArg::Raw,
        packed => {
            let format = [FormatArg::Zz, FormatArg::Gz].into_iter().find(|format| {
                format.container().is_some_and(|container| container.suffix() == packed)
            })?;
            let (stem, inner) = named_as(Path::new(stem))?;
            return (inner == FormatArg::Npy).then_some((stem, format));
        }
    };
    Some((stem, format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_formats() {
        for (name, stem, format) in [
            ("a.npy", "a", FormatArg::Npy),
            ("d/a.b.ndb", "a.b", FormatArg::Ndb),
            ("a.npy.zz", "a", FormatArg::Zz),
            ("a.v1.npy.gz", "a.v1", FormatArg::Gz),
            ("a.dat", "a", FormatArg::Raw),
            ("a.npz", "a", FormatArg::Npz),
        ] {
            assert_eq!(named_as(Path::new(name)), Some((OsStr::new(stem), format)), "{name}");
        }
        for name in ["a", "a.gz", "a.raw.gz", "a.ndb.zz", "a.npy.zz.gz", ".npy", "npy.gz", "a.NPY"]
        {
            assert_eq!(named_as(Path::new(name)), None, "{name}");
        }
        for format in FormatArg::value_variants() {
            let name = format!("a.{}", format.suffix());
            assert_eq!(named_as(Path::new(&name)), Some((OsStr::new("a"), *format)));
        }
    }
}
