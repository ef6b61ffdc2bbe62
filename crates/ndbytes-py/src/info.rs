//! What stands behind `ndbytes.info` and `ndbytes.open`: what a path or a buffer holds.

use crate::archive::Told;
use crate::array::Bytes;
use crate::bundle::is_archive;
use crate::decode::Destination;
use crate::dtype;
use crate::dumps::{container, view};
use crate::errors::{IntoPy as _, argument};
use crate::file::Place;
use crate::limits::Limits;
use crate::options::decode_options;
use crate::reading::{explained, with_reader};
use crate::work::wait;
use ndbytes::io::{self, PATIENCE, Peeked};
use ndbytes::{ChecksumState, Copying, DecodeOptions, Error, Format, Spec};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::io::{Cursor, Read, Seek};
use std::path::PathBuf;

/// What a path or buffer holds, as its header and tail say; no byte of the data is read.
#[pyfunction]
pub(crate) fn peek<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    limits: Option<Limits>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = decode_options(limits, false);
    let (seen, len) = match Input::new(x)? {
        Input::Path(path) => wait(py, |watch| {
            let file = io::open_watched(&path, PATIENCE, watch)?;
            let Some(len) = file.len() else {
                let message = "a FIFO is gone once it is read; load it, or receive from it";
                return Err(Error::argument(message).in_file(&path));
            };
            let seen = Seen::in_input(file, len, options);
            Ok((seen.map_err(|error| explained(error, &path, Some(len)))?, len))
        })?,
        Input::Bytes(bytes) => {
            let len = bytes.len() as u64;
            (Seen::in_input(Cursor::new(&*bytes), len, options).py()?, len)
        }
    };
    match seen {
        Seen::Array(peeked) => described(py, &peeked, len),
        Seen::Archive(told) => {
            let (found, members) = (PyDict::new(py), PyDict::new(py));
            for (key, told) in told {
                members.set_item(key, told.to_dict(py)?)?;
            }
            found.set_item("format", "npz")?;
            found.set_item("file_bytes", len)?;
            found.set_item("members", members)?;
            Ok(found)
        }
    }
}

/// What was seen of an input.
enum Seen {
    Array(Box<Peeked>),
    Archive(Vec<(String, Told)>),
}

impl Seen {
    fn in_input(
        mut reader: impl Read + Seek,
        len: u64,
        options: DecodeOptions,
    ) -> ndbytes::Result<Self> {
        if is_archive(&mut reader)? {
            return Told::all(reader, &options.limits).map(Self::Archive);
        }
        io::peek(reader, len, options).map(Box::new).map(Self::Array)
    }
}

/// A header and tail of an input of `len` bytes, as a dict.
pub(crate) fn described<'py>(
    py: Python<'py>,
    peeked: &Peeked,
    len: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let (header, metadata) = (&peeked.header, peeked.metadata());
    let (format, version) = match header.format {
        Format::Npy(version) => ("npy", format!("{}.0", version.major())),
        _ => ("ndb", "0".to_owned()),
    };
    let checksum = match &peeked.tail {
        Some(tail) if tail.open => "open",
        _ if peeked.is_checked() => "present",
        _ => "none",
    };
    let coding = header.coding.as_ref();
    let none = || "none".to_owned();
    let found = PyDict::new(py);
    found.set_item("format", format)?;
    found.set_item("version", version)?;
    found.set_item("dtype", dtype::to_numpy(py, peeked.dtype())?)?;
    found.set_item("shape", PyTuple::new(py, &header.shape)?)?;
    found.set_item("order", if header.fortran_order { "F" } else { "C" })?;
    found.set_item("nbytes", header.nbytes())?;
    found.set_item("header_bytes", header.len)?;
    found.set_item("file_bytes", len)?;
    found.set_item("compression", peeked.container.map(|container| container.to_string()))?;
    found.set_item("codec", coding.map_or_else(none, |coding| coding.engine.to_string()))?;
    found.set_item("filter", coding.map_or_else(none, |coding| coding.filter.to_string()))?;
    let block = coding.map(|coding| PyTuple::new(py, &coding.block)).transpose()?;
    found.set_item("block", block)?;
    let grows = coding.is_some_and(|coding| coding.grown.is_some());
    found.set_item("grows", grows)?;
    found.set_item("checksum", checksum)?;
    found.set_item("name", metadata.name.as_deref())?;
    found.set_item("attrs", attrs(py, metadata.attrs.as_deref())?)?;
    found.set_item("spec", Spec::exact(peeked.dtype().clone(), &header.shape).to_string())?;
    Ok(found)
}

/// Attributes as Python's objects.
fn attrs<'py>(py: Python<'py>, text: Option<&str>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let Some(text) = text else { return Ok(None) };
    py.import("json")?.call_method1("loads", (text,)).map(Some)
}

/// The array in a buffer, where it is, or what a path or compressed buffer holds, read; with its checksums compared,
/// and what they say, name and attributes.
#[pyfunction]
pub(crate) fn held<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    limits: Option<Limits>,
    require_checksum: bool,
) -> PyResult<Held<'py>> {
    let options = decode_options(limits, require_checksum);
    let mut place = Destination::new(None, None)?;
    let (array, decoded) = match Input::new(x)? {
        Input::Bytes(bytes) if container(&bytes).is_none() => {
            let options = DecodeOptions { input_len: Some(bytes.len() as u64), ..options };
            view(py, x, &bytes, options, &place, Copying::default())?
        }
        Input::Bytes(bytes) => {
            let decoded = wait(py, |watch| {
                io::read_whole(&*bytes, options, |header| place.choose(header, false), watch)
            })?;
            (place.finish(py, &decoded)?, decoded)
        }
        Input::Path(path) => {
            let decoded = wait(py, |watch| {
                with_reader(&mut Place::Path(path), watch, |reader, len, watch| {
                    let options = DecodeOptions { input_len: len, ..options };
                    io::read_whole(reader, options, |header| place.choose(header, false), watch)
                })
            })?;
            (place.finish(py, &decoded)?, decoded)
        }
    };
    let state = match decoded.state {
        ChecksumState::Verified => "verified",
        ChecksumState::Unchecked => "none",
        ChecksumState::Open => "open",
    };
    let attrs = attrs(py, decoded.metadata.attrs.as_deref())?;
    Ok((array, state, decoded.metadata.name, attrs))
}

/// An array, what its checksums say, its name and its attributes.
type Held<'py> = (Bound<'py, PyAny>, &'static str, Option<String>, Option<Bound<'py, PyAny>>);

/// The one-line spelling of a dtype and a shape, as `expect` takes it.
#[pyfunction]
pub(crate) fn spec(dtype: &Bound<'_, PyAny>, shape: Vec<usize>) -> PyResult<String> {
    Ok(Spec::exact(dtype::from_numpy(dtype)?, &shape).to_string())
}

/// What comes to be looked at.
pub(crate) enum Input {
    Path(PathBuf),
    Bytes(Bytes),
}

impl Input {
    /// # Errors
    /// `ArgumentError` for a file object; as [`Place::new`].
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        // bytes are a buffer here, and never a path.
        if let Ok(bytes) = Bytes::new(given) {
            return Ok(Self::Bytes(bytes));
        }
        match Place::new(given, "read")? {
            Place::Path(path) => Ok(Self::Path(path)),
            Place::File(_) => Err(argument(
                "a file object is gone once it is read; pass its path, or the bytes it gives",
            )),
        }
    }
}
