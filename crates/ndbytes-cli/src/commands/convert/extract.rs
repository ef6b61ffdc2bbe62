//! Arrays out of an archive into a folder: nothing outside of it is written, and no file is replaced unasked.

use crate::formats::FormatArg;
use crate::sources::{Source, Sources};
use ndbytes::io::npz::safe_paths;
use ndbytes::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where in the folder the array of each member goes.
///
/// # Errors
/// [`ndbytes::ErrorKind::Argument`] for names that are no safe paths, and two that some file systems take for one; for what stands
/// there already, without `force`; for links on the way, which lead elsewhere.
pub(super) fn places<'s>(
    sources: &'s Sources,
    folder: &Path,
    format: FormatArg,
    force: bool,
) -> Result<HashMap<&'s Source, PathBuf>> {
    let members = sources.found.iter().filter_map(|source| match source {
        Source::Member(_, name) => Some((source, format!("{name}.{}", format.suffix()))),
        _ => None,
    });
    let (members, names): (Vec<_>, Vec<_>) = members.unzip();
    let paths = safe_paths(names.iter().map(String::as_str))?;
    for path in &paths {
        check(folder, path, force)?;
    }
    Ok(members.into_iter().zip(paths).collect())
}

/// The folders on the way to these, from the outermost in.
pub(super) fn folders<'p>(
    places: impl Iterator<Item = &'p PathBuf>,
) -> impl Iterator<Item = &'p Path> {
    let inner = places.flat_map(|place| place.ancestors().skip(1));
    let inner: BTreeSet<&Path> = inner.filter(|path| !path.as_os_str().is_empty()).collect();
    inner.into_iter()
}

/// That a file can be made at this place.
fn check(folder: &Path, place: &Path, force: bool) -> Result<()> {
    let mut parts = place.components().peekable();
    let mut path = folder.to_owned();
    while let Some(part) = parts.next() {
        path.push(part);
        let found = match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => found.map_err(|error| Error::io(error).in_file(&path))?,
        };
        let refused = |why: &str| {
            let message = format!("{why}; nothing was written");
            Err(Error::argument(message).in_file(&path))
        };
        let is_last = parts.peek().is_none();
        match (is_last, found.is_dir()) {
            _ if found.is_symlink() => return refused("a link is there, which leads elsewhere"),
            (false, false) => return refused("a file is there, where a folder is needed"),
            (true, true) => return refused("a folder is there"),
            (true, false) if !force => {
                return refused("is there already, and --force would replace it");
            }
            _ => {}
        }
    }
    Ok(())
}
