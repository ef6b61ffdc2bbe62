//! Where received arrays go: files in a folder, each whole or not at all, over nothing unasked.

use crate::args::RecvArgs;
use crate::formats::{FormatArg, named_as};
use crate::net::file_stem;
use ndbytes::io::npz::{member_name, safe_path};
use ndbytes::io::{Replacement, SaveOptions};
use ndbytes::npy::Version;
use ndbytes::{Error, Format, Header, Metadata, Result, Tail, crc32c, frame, npy};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder, and how files are made in it.
pub(super) struct Place {
    folder: PathBuf,
    format: FormatArg,
    check: bool,
    force: bool,
    /// Arrays and groups without a name so far.
    unnamed: AtomicUsize,
    groups: AtomicUsize,
}

impl Place {
    /// The folder, made if it is not there.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Io`].
    pub(super) fn new(args: &RecvArgs) -> Result<Self> {
        let folder = &args.output;
        if !folder.is_dir() {
            std::fs::create_dir(folder).map_err(|error| {
                let error = match folder.symlink_metadata() {
                    Ok(_) => std::io::ErrorKind::NotADirectory.into(),
                    Err(_) => error,
                };
                Error::io(error).in_file(folder)
            })?;
        }
        Ok(Self {
            folder: folder.clone(),
            format: args.to,
            check: args.check,
            force: args.force,
            unnamed: AtomicUsize::new(0),
            groups: AtomicUsize::new(0),
        })
    }

    /// The file of an array.
    pub(super) fn of_array(&self, name: Option<&str>) -> PathBuf {
        self.path(name, self.format, "array", &self.unnamed)
    }

    /// The archive of a group.
    pub(super) fn of_group(&self, name: Option<&str>) -> PathBuf {
        self.path(name, FormatArg::Npz, "group", &self.groups)
    }

    fn path(
        &self,
        name: Option<&str>,
        format: FormatArg,
        what: &str,
        count: &AtomicUsize,
    ) -> PathBuf {
        let suffix = format.suffix();
        let named = name.and_then(|name| {
            // What is called `a.npy` becomes `a.npy`, not `a.npy.npy`.
            let stem = named_as(Path::new(name)).filter(|(_, said)| *said == format);
            file_stem(stem.and_then(|(stem, _)| stem.to_str()).unwrap_or(name))
        });
        if let Some(stem) = named {
            return self.folder.join(format!("{stem}.{suffix}"));
        }
        loop {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            let path = self.folder.join(format!("{what}-{number}.{suffix}"));
            if path.symlink_metadata().is_err() {
                return path;
            }
        }
    }

    /// That something may have this name.
    ///
    /// # Errors
    /// What there is against it.
    pub(super) fn check_free(&self, path: &Path) -> Result<()> {
        match path.symlink_metadata() {
            Err(_) => Ok(()),
            Ok(_) if !self.force => Err(exists()),
            Ok(metadata) if metadata.is_file() => Ok(()),
            Ok(metadata) if metadata.is_symlink() => {
                Err(Error::argument("a symbolic link, which may lead out of the folder; remove it"))
            }
            Ok(_) => Err(Error::argument("something that is no file has this name; remove it")),
        }
    }

    /// Begins the file.
    ///
    /// # Errors
    /// As [`Replacement::begin`].
    pub(super) fn begin(&self, path: &Path) -> Result<Replacement> {
        let save = SaveOptions { exclusive: !self.force, plain: true, durable: false };
        Replacement::begin(path, save)
    }

    /// What stands around the data of an array in a file of its own.
    ///
    /// # Errors
    /// As [`Front::npy`].
    pub(super) fn front(&self, header: &Header) -> Result<Front> {
        match self.format {
            FormatArg::Ndb => Front::ndb(header),
            _ => Front::npy(header, self.check, "--to ndb takes it"),
        }
    }

    /// The same in an archive.
    ///
    /// # Errors
    /// As [`Front::npy`].
    pub(super) fn member_front(&self, header: &Header) -> Result<Front> {
        Front::npy(header, self.check, "no member of an archive can hold it")
    }
}

/// That only --force would do.
pub(super) fn exists() -> Error {
    Error::io(std::io::ErrorKind::AlreadyExists.into()).context("only --force replaces it")
}

/// Whether another one has taken the name since it was looked at.
pub(super) fn is_taken(error: &Error) -> bool {
    error.io_error().is_some_and(|error| error.kind() == std::io::ErrorKind::AlreadyExists)
}

/// The names of the arrays in an archive: those that they have, as far as the archive can be extracted anywhere.
#[derive(Default)]
pub(super) struct Keys(HashSet<String>);

impl Keys {
    /// The next one's; without a name it is called as `np.savez` would.
    pub(super) fn next(&mut self, name: Option<&str>) -> String {
        let count = self.0.len();
        // With a number, too, which may have to tell it from another one.
        let longest = |name: &str| format!("{name}-{}", u32::MAX);
        let own = name.filter(|name| is_safe(name) && is_safe(&longest(name))).map(str::to_owned);
        let stem = own.or_else(|| name.and_then(file_stem));
        let stem = stem.unwrap_or_else(|| format!("arr_{count}"));
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        let mut keys = std::iter::once(stem.clone()).chain(numbered);
        // File systems that do not tell upper from lower case would take some names for one.
        let key = keys.find(|key| self.0.insert(key.to_uppercase().to_lowercase()));
        key.unwrap_or(stem)
    }
}

/// Whether an archive with a member of this name can be extracted, whatever else is in it.
fn is_safe(name: &str) -> bool {
    let is_path = safe_path(name).is_ok() && safe_path(&member_name(name)).is_ok();
    // Another member's file could not be its folder.
    is_path && !name.to_lowercase().contains(".npy/")
}

/// What stands before and behind the data of an array.
pub(super) struct Front {
    pub(super) bytes: Vec<u8>,
    pub(super) tail: Option<(Format, Tail)>,
}

impl Front {
    fn ndb(header: &Header) -> Result<Self> {
        let Header { dtype, shape, fortran_order, metadata, .. } = header;
        let metadata = Metadata::new(metadata.name.clone(), metadata.attrs.clone());
        let (bytes, sum) = frame::encode_header(dtype, shape, *fortran_order, &metadata)?;
        let tail = Tail::new(sum, header.nbytes(), Vec::new(), Metadata::default());
        Ok(Self { bytes, tail: Some((Format::Frame, tail)) })
    }

    /// # Errors
    /// As [`npy::encode_header`], with what `else_` there is to do.
    fn npy(header: &Header, check: bool, else_: &str) -> Result<Self> {
        let Header { dtype, shape, fortran_order, metadata, .. } = header;
        let bytes = npy::encode_header(dtype, shape, *fortran_order, None)
            .map_err(|error| Error::argument(format!("{}; {else_}", error.message())))?;
        let mut metadata = Metadata::new(metadata.name.clone(), metadata.attrs.clone());
        metadata.dtype = dtype.has_extension().then(|| dtype.clone());
        // The file's name is the array's, but attributes and true dtypes have no other place.
        let wanted = check || metadata.dtype.is_some() || metadata.attrs.is_some();
        let tail = wanted.then(|| {
            let tail = Tail::new(crc32c(&bytes), header.nbytes(), Vec::new(), metadata);
            (Format::Npy(Version::V1), tail)
        });
        Ok(Self { bytes, tail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndbytes::io::npz::safe_paths;

    #[test]
    fn keys_are_those_of_the_arrays_where_they_can_be() {
        let mut keys = Keys::default();
        for (name, key) in [
            (Some("left"), "left"),
            (Some("params/dense"), "params/dense"),
            (Some("../../evil"), "_.._evil"),
            (Some("/etc/passwd"), "_etc_passwd"),
            (Some("Left"), "Left-2"),
            (Some("left"), "left-3"),
            (None, "arr_6"),
            (Some(".."), "arr_7"),
            (Some("con"), "_con"),
            (Some("left.NPY/x"), "left.NPY_x"),
            (Some("straße"), "straße"),
            (Some("STRASSE"), "STRASSE-2"),
        ] {
            assert_eq!(keys.next(name), key, "{name:?}");
        }
    }

    /// Ways out of a folder, put together in every way.
    #[test]
    fn an_archive_of_any_names_can_be_extracted() {
        let parts =
            ["..", ".", "/", "\\", "a", "A", "\0", "C:", "~", "\u{2215}", "CON", " ", "a.npy", "É"];
        let mut keys = Keys::default();
        let mut names = Vec::new();
        for a in parts {
            for b in parts {
                for c in ["", "/", "..", "b", "."] {
                    names.push(member_name(&keys.next(Some(&format!("{a}{b}{c}")))));
                }
            }
        }
        safe_paths(names.iter().map(String::as_str)).unwrap();
        assert!(names.len() > 900);
    }
}
