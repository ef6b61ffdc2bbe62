//! Reading whatever a path or a file object gives.

use crate::array::{Memory, to_array};
use crate::file::Place;
use crate::format::Format;
use crate::work::wait;
use ndbytes::io::{self, PATIENCE, Watch};
use ndbytes::{BufferMut, DType, Error, ErrorKind, Limits, Order, Result, Scalar};
use pyo3::prelude::*;
use std::io::Read;
use std::path::Path;

/// Bytes read at a time, and touched ahead of what has come.
const STEP: usize = 1 << 20;

/// Calls `read` with the reader of a file, and its length where it is known.
pub(crate) fn with_reader<T>(
    place: &mut Place,
    watch: Watch<'_>,
    read: impl FnOnce(&mut dyn Read, Option<u64>, Watch<'_>) -> Result<T>,
) -> Result<T> {
    match place {
        Place::File(file) => read(file, None, watch),
        Place::Path(path) => {
            let mut reader = io::open_watched(&*path, PATIENCE, watch)?;
            let len = reader.len();
            read(&mut reader, len, watch).map_err(|error| explained(error, path, len))
        }
    }
}

/// The error of a file, with what to do about it if its name says that it has no header.
pub(crate) fn explained(error: Error, path: &Path, len: Option<u64>) -> Error {
    let error = match Format::of(path) {
        Some(Format::Raw) if error.offset().is_none_or(|at| at == 0) => headerless(error, len),
        _ => error,
    };
    if error.path().is_some() { error } else { error.in_file(path) }
}

/// What to do about a file whose name says that it has no header.
fn headerless(error: Error, len: Option<u64>) -> Error {
    match (error.kind(), len) {
        (ErrorKind::Malformed | ErrorKind::Truncated, Some(len)) => Error::argument(format!(
            "no header says what these bytes are; {}: say which with dtype= and shape=",
            ndbytes::raw::guess(len)
        )),
        _ => error,
    }
}

/// The bytes of a file, all of them or so many, as an array that can be written to.
pub(crate) fn read_items<'py>(
    py: Python<'py>,
    place: &mut Place,
    needed: Option<u64>,
    limits: &Limits,
) -> PyResult<Bound<'py, PyAny>> {
    let (buffer, len) = wait(py, |watch| {
        with_reader(place, watch, |reader, len, watch| match needed.or(len) {
            Some(len) if len > limits.array => Err(Error::limit("array", len, limits.array)),
            Some(len) => filled(reader, len, watch),
            None => {
                let bytes = io::read_to_end(reader, None, limits, watch)?;
                filled(&mut &*bytes, bytes.len() as u64, watch)
            }
        })
    })?;
    let dtype = DType::native(Scalar::UInt8);
    to_array(py, Memory::new(buffer), &dtype, &[len], Order::C)
}

/// A buffer of at most `len` bytes, as many as have come.
pub(crate) fn filled(
    reader: &mut dyn Read,
    len: u64,
    watch: Watch<'_>,
) -> Result<(BufferMut, usize)> {
    let mut buffer = BufferMut::new(len)?;
    let mut done = 0;
    while done < buffer.capacity() {
        let end = buffer.capacity().min(done + STEP);
        match reader.read(buffer.space(done, end)?) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        watch(done as u64)?;
    }
    Ok((buffer, done))
}
