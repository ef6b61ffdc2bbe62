//! What has a digest: an input, or an array in an archive.

use super::{Reader, digest_of, named, open};
use crate::report::printable;
use crate::session::Session;
use crate::sources::Source;
use ndbytes::io::npz::{Archive, key, member_name};
use ndbytes::io::{Watch, digest_read};
use ndbytes::raw::Raw;
use ndbytes::{Digest, Error, Limits, Result, Threads};
use std::io::{ErrorKind, Read as _, Seek as _};
use std::path::Path;

/// An array to digest.
#[derive(Debug)]
pub(crate) struct Target {
    source: Source,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Whole,
    /// The array of this name in an archive.
    Member(String),
    /// An archive that cannot be read.
    Unreadable(Error),
}

impl Target {
    /// All arrays in these inputs; those of archives in the order of their directories.
    pub(crate) fn all(session: &Session, sources: &[Source]) -> Vec<Self> {
        sources.iter().flat_map(|source| Self::within(session, source)).collect()
    }

    /// Inputs that are not looked into.
    pub(crate) fn whole(sources: &[Source]) -> Vec<Self> {
        sources.iter().map(|source| Self { source: source.clone(), part: Part::Whole }).collect()
    }

    fn within(session: &Session, source: &Source) -> Vec<Self> {
        let target = |part| Self { source: source.clone(), part };
        match members(session, source) {
            Ok(None) => vec![target(Part::Whole)],
            Ok(Some(names)) => names.into_iter().map(|name| target(Part::Member(name))).collect(),
            Err(error) => vec![target(Part::Unreadable(error))],
        }
    }

    /// The array that a line of a manifest names.
    pub(crate) fn labelled(label: &str) -> Self {
        let whole = Source::new(Path::new(label));
        if let Source::File(path) = &whole
            && !path.exists()
            && let Some((archive, member)) = label.split_once(".npz:")
        {
            let source = Source::new(Path::new(&format!("{archive}.npz")));
            return Self { source, part: Part::Member(member.to_owned()) };
        }
        Self { source: whole, part: Part::Whole }
    }

    /// What a manifest calls it: the path as it was typed or found, and the name in the archive.
    ///
    /// # Errors
    /// [`ndbytes::ErrorKind::Argument`] for a path that is no text.
    pub(crate) fn label(&self) -> Result<String> {
        let path = match &self.source {
            Source::Stdin => "-",
            Source::File(path) => path.to_str().ok_or_else(|| {
                Error::argument("its path is not UTF-8, so no manifest can hold it; rename it")
                    .in_file(path)
            })?,
        };
        Ok(self.with_member(path.to_owned()))
    }

    /// What to call it before a person, and in errors.
    pub(crate) fn name(&self) -> String {
        printable(&self.with_member(self.source.name()))
    }

    fn with_member(&self, path: String) -> String {
        match &self.part {
            Part::Member(name) => format!("{path}:{name}"),
            Part::Whole | Part::Unreadable(_) => path,
        }
    }

    /// The digest of the array, which is read to its end and checked where it can be.
    ///
    /// # Errors
    /// As [`super::read`], [`super::load`] and those of archives.
    pub(crate) fn digest(
        &self,
        session: &Session,
        raw: Option<&Raw>,
        watch: Watch<'_>,
    ) -> Result<Digest> {
        match &self.part {
            Part::Whole => digest_of(session, &self.source, raw, watch),
            Part::Unreadable(error) => Err(error.clone()),
            Part::Member(name) => self.digest_member(session, name, watch).map_err(|error| {
                if error.path().is_some() { error } else { error.in_file(self.name()) }
            }),
        }
    }

    fn digest_member(&self, session: &Session, name: &str, watch: Watch<'_>) -> Result<Digest> {
        let Some(mut archive) = archive(session, &self.source)? else {
            return Err(Error::mismatch(format!("no .npz archive, so {name} is not in it")));
        };
        let index = archive.find(name).or_else(|| archive.find(&member_name(name)));
        let Some(index) = index else {
            let missing = Error::io(ErrorKind::NotFound.into());
            return Err(missing.context("no such member in the archive"));
        };
        let read = |choose: ndbytes::io::Choose<'_, '_>, watch: Watch<'_>| {
            archive.read_array(index, super::options(None), choose, watch)
        };
        digest_read(read, Threads::ONE, watch).map(|(digest, _)| digest)
    }
}

/// The names of the arrays in an archive; `None` for any other input.
fn members(session: &Session, source: &Source) -> Result<Option<Vec<String>>> {
    // What can be read only once is not looked at.
    if source.len().is_none() {
        return Ok(None);
    }
    let Some(mut archive) = archive(session, source)? else { return Ok(None) };
    let mut names = Vec::new();
    for index in 0..archive.entries().len() {
        if !archive.is_array(index).map_err(|error| named(error, source))? {
            continue;
        }
        let name = archive.entries().get(index).map_or("", |entry| entry.name());
        let short = key(name);
        let taken = short != name && archive.find(short).is_some();
        names.push(if taken { name } else { short }.to_owned());
    }
    Ok(Some(names))
}

/// The archive that an input is.
fn archive<'s>(session: &'s Session, source: &Source) -> Result<Option<Archive<Reader<'s>>>> {
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
    Archive::open(reader, &Limits::local()).map(Some).map_err(about)
}
