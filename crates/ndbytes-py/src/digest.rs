//! What stands behind `ndbytes.digest`.

use crate::array::Source;
use crate::bundle::{is_archive, keys};
use crate::info::Input;
use crate::limits::Limits;
use crate::options;
use crate::reading::explained;
use crate::work::wait;
use ndbytes::io::npz::Archive;
use ndbytes::io::{self, Choose, PATIENCE, Watch, digest_read};
use ndbytes::{DecodeOptions, Digest, Result, Threads, digest_with};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::io::{Cursor, Read, Seek};

/// The digest of an array.
#[pyfunction]
pub(crate) fn digest(
    py: Python<'_>,
    a: &Bound<'_, PyAny>,
    threads: Option<isize>,
) -> PyResult<String> {
    let (source, threads) = (Source::new(a)?, options::threads(threads)?);
    let found = wait(py, |watch| digest_with(&source.view()?, threads, watch))?;
    Ok(found.to_string())
}

/// The digest of what a path or buffer holds, checked as it is read; of an archive one for each array, by its key.
#[pyfunction]
pub(crate) fn digest_stored<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    limits: Option<Limits>,
    threads: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let reading = Reading {
        options: options::decode_options(limits, false),
        threads: options::threads(threads)?,
    };
    let input = Input::new(x)?;
    let found = wait(py, |watch| match &input {
        Input::Path(path) => {
            let mut file = io::open_watched(path, PATIENCE, watch)?;
            if is_archive(&mut file)? {
                return reading.archive(file, watch).map_err(|error| error.in_file(path));
            }
            let len = file.len();
            let found = match len {
                Some(_) => reading.file(file, watch),
                None => reading.one(file, None, watch),
            };
            found.map_err(|error| explained(error, path, len))
        }
        Input::Bytes(bytes) if is_archive(&mut Cursor::new(&**bytes))? => {
            reading.archive(Cursor::new(&**bytes), watch)
        }
        Input::Bytes(bytes) => reading.one(&**bytes, Some(bytes.len() as u64), watch),
    })?;
    match found {
        Found::One(digest) => Ok(digest.to_string().into_pyobject(py)?.into_any()),
        Found::Many(digests) => {
            let dict = PyDict::new(py);
            for (key, digest) in digests {
                dict.set_item(key, digest.to_string())?;
            }
            Ok(dict.into_any())
        }
    }
}

/// How what is stored is read.
struct Reading {
    options: DecodeOptions,
    threads: Threads,
}

enum Found {
    One(Digest),
    Many(Vec<(String, Digest)>),
}

impl Reading {
    fn one(&self, reader: impl Read, len: Option<u64>, watch: Watch<'_>) -> Result<Found> {
        let options = DecodeOptions { input_len: len, ..self.options.clone() };
        let read = |choose: Choose<'_, '_>, watch: Watch<'_>| {
            io::read_whole(reader, options, choose, watch)
        };
        digest_read(read, self.threads, watch).map(|(digest, _)| Found::One(digest))
    }

    /// The same of a file with a length, which another may be appending to.
    fn file(&self, file: io::Input, watch: Watch<'_>) -> Result<Found> {
        let read = |choose: Choose<'_, '_>, watch: Watch<'_>| {
            io::read_file(file, self.options.clone(), choose, Threads::ONE, watch)
        };
        digest_read(read, self.threads, watch).map(|(digest, _)| Found::One(digest))
    }

    /// All arrays of an archive; what else is in it is read to its end as well.
    fn archive(&self, reader: impl Read + Seek + Send, watch: Watch<'_>) -> Result<Found> {
        let mut archive = Archive::open(reader, &self.options.limits)?;
        let mut found = Vec::new();
        for (index, key) in keys(&archive).into_iter().enumerate() {
            if !archive.is_array(index)? {
                archive.member(index)?.skip()?;
                continue;
            }
            let read = |choose: Choose<'_, '_>, watch: Watch<'_>| {
                archive.read_array(index, self.options.clone(), choose, watch)
            };
            found.push((key, digest_read(read, self.threads, watch)?.0));
        }
        Ok(Found::Many(found))
    }
}
