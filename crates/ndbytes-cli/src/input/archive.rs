//! Archives, and the arrays in them.

use super::{Reader, named, open, options};
use crate::session::Session;
use crate::sources::{Source, Sources};
use ndbytes::io::npz::{self, Entry, key, member_name};
use ndbytes::io::{Peeked, Watch};
use ndbytes::{Decoded, Dest, Error, Header, Limits, Result, Threads};
use std::io::{ErrorKind, Read as _, Seek as _};
use std::path::Path;

pub(crate) type Archive<'s> = npz::Archive<Reader<'s>>;

/// What is in an archive.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The keys of its arrays, in the order of its directory.
    pub(crate) arrays: Vec<String>,
    /// The names of other members.
    pub(crate) others: Vec<String>,
}

impl Sources {
    /// Puts the arrays in archives in the archives' places; of one that cannot be read, the error. What is passed over
    /// in them is returned: a sentence for each archive that has something.
    pub(crate) fn expand(&mut self, session: &Session) -> Vec<String> {
        let mut passed = Vec::new();
        for source in std::mem::take(&mut self.found) {
            let Source::File(path) = &source else {
                self.found.push(source);
                continue;
            };
            match contents(session, &source) {
                Ok(None) => self.found.push(source),
                Ok(Some(Contents { arrays, others })) => {
                    let member = |name| Source::Member(path.clone(), name);
                    self.found.extend(arrays.into_iter().map(member));
                    if !others.is_empty() {
                        let names = others.join(", ");
                        passed.push(format!(
                            "{}: passed over what is no array: {names}",
                            source.name()
                        ));
                    }
                }
                Err(error) => self.errors.push(error),
            }
        }
        passed
    }
}

/// What is in an archive; `None` for any other input.
///
/// # Errors
/// Those of [`npz::Archive`].
pub(crate) fn contents(session: &Session, source: &Source) -> Result<Option<Contents>> {
    let Some(mut archive) = archive(session, source)? else { return Ok(None) };
    let mut found = Contents::default();
    for index in 0..archive.entries().len() {
        let is_array = archive.is_array(index).map_err(|error| named(error, source))?;
        let name = archive.entries().get(index).map_or("", Entry::name);
        if is_array {
            found.arrays.push(key_of(&archive, name).to_owned());
        } else {
            found.others.push(name.to_owned());
        }
    }
    Ok(Some(found))
}

/// What a member is called: its name without `.npy`, unless another has that name as it is.
pub(crate) fn key_of<'n>(archive: &Archive<'_>, name: &'n str) -> &'n str {
    let short = key(name);
    let taken = short != name && archive.find(short).is_some();
    if taken { name } else { short }
}

/// The archive that a file is; what can be read only once is not looked at.
///
/// # Errors
/// Those of [`npz::Archive::open`].
pub(crate) fn archive<'s>(session: &'s Session, source: &Source) -> Result<Option<Archive<'s>>> {
    if source.len().is_none() {
        return Ok(None);
    }
    let about = |error: Error| named(error, source);
    let mut reader = open(session, source)?;
    let mut front = [0; 4];
    let is_archive = match reader.read_exact(&mut front) {
        Ok(()) => matches!(&front, b"PK\x03\x04" | b"PK\x05\x06"),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(about(error.into())),
    };
    if !is_archive {
        return Ok(None);
    }
    reader.rewind().map_err(|error| about(error.into()))?;
    let archive = npz::Archive::open(reader, &Limits::local()).map_err(about)?;
    // Where several files are worked on, each has one thread.
    let threads = if session.jobs > 1 { Threads::ONE } else { Threads::default() };
    Ok(Some(archive.with_threads(threads)))
}

/// Reads the array of this name in an archive; `choose` sees its header and says where the data go.
///
/// # Errors
/// [`Mismatch`](ndbytes::ErrorKind::Mismatch) for what is no archive, [`Io`](ndbytes::ErrorKind::Io) for a name that is not in
/// it; those of [`npz::Archive::read_array`].
pub(super) fn read_member<'d>(
    session: &Session,
    path: &Path,
    name: &str,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    let (mut archive, index) = member(session, path, name)?;
    archive.read_array(index, options(None), choose, watch)
}

/// What the archive and its header say of an array in it.
///
/// # Errors
/// As [`read_member`].
pub(crate) fn peek_member(session: &Session, path: &Path, name: &str) -> Result<(Entry, Peeked)> {
    let (mut archive, index) = member(session, path, name)?;
    let peeked = archive.peek_member(index, options(None))?;
    let entry = archive.entries().get(index).cloned();
    entry.map(|entry| (entry, peeked)).ok_or_else(missing)
}

fn member<'s>(session: &'s Session, path: &Path, name: &str) -> Result<(Archive<'s>, usize)> {
    let file = Source::File(path.to_owned());
    let Some(archive) = archive(session, &file)? else {
        // Opened, it says what it is instead: nothing at all, or a folder.
        open(session, &file)?;
        return Err(Error::mismatch(format!("no .npz archive, so {name} is not in it")));
    };
    let index = archive.find(name).or_else(|| archive.find(&member_name(name)));
    index.map(|index| (archive, index)).ok_or_else(missing)
}

fn missing() -> Error {
    Error::io(ErrorKind::NotFound.into()).context("no such member in the archive")
}
