//! `ndbytes.info`, `verify` and `checksum`: what a file is, and whether it is whole.

use crate::array::{Bytes, Mapped};
use crate::decode::Destination;
use crate::dtype;
use crate::dumps::view;
use crate::errors::{IntoPy as _, argument, to_py};
use crate::file::Place;
use crate::limits::{self, Limits};
use crate::load::{explained, with_reader};
use crate::work::wait;
use ndbytes::io::map::Map;
use ndbytes::io::{self, PATIENCE, Peeked, SaveOptions};
use ndbytes::{
    BLOCK, Checks, ChecksumState, Container, DecodeOptions, Dest, Error, ErrorKind, Format, Spec,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::io::Cursor;
use std::path::PathBuf;

/// What a path or buffer holds, as its header and tail say; no byte of the data is read.
#[pyfunction]
pub(crate) fn peek<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    limits: Option<Limits>,
) -> PyResult<Bound<'py, PyDict>> {
    let limits = limits::or(limits, ndbytes::Limits::local());
    let options = DecodeOptions { limits, ..Default::default() };
    let (peeked, len) = match Input::new(x)? {
        Input::Path(path) => wait(py, |watch| {
            let file = io::open_watched(&path, PATIENCE, watch)?;
            let Some(len) = file.len() else {
                let message = "a FIFO is gone once it is read; load it, or receive from it";
                return Err(Error::argument(message).in_file(&path));
            };
            let peeked = io::peek(file, len, options);
            Ok((peeked.map_err(|error| explained(error, &path, Some(len)))?, len))
        })?,
        Input::Bytes(bytes) => {
            let len = bytes.len() as u64;
            (io::peek(Cursor::new(&*bytes), len, options).py()?, len)
        }
    };
    described(py, &peeked, len)
}

fn described<'py>(py: Python<'py>, peeked: &Peeked, len: u64) -> PyResult<Bound<'py, PyDict>> {
    let (header, metadata) = (&peeked.header, peeked.metadata());
    let (format, version) = match header.format {
        Format::Npy(version) => ("npy", format!("{}.0", version.major())),
        _ => ("ndb", "0".to_owned()),
    };
    let checksum = match (&peeked.tail, peeked.container) {
        (Some(tail), _) if tail.open => "open",
        (None, None) => "none",
        _ => "present",
    };
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
    let checks = if require_checksum { Checks::Required } else { Checks::Optional };
    let limits = limits::or(limits, ndbytes::Limits::local());
    let options = DecodeOptions { limits, checks, ..Default::default() };
    let mut place = Destination::new(None, None)?;
    let (array, decoded) = match Input::new(x)? {
        Input::Bytes(bytes) if container(&bytes).is_none() => {
            let options = DecodeOptions { input_len: Some(bytes.len() as u64), ..options };
            view(py, x, &bytes, options, &place)?
        }
        Input::Bytes(bytes) => {
            let decoded = wait(py, |watch| {
                io::read_whole(&*bytes, options, |header| place.choose(header), watch)
            })?;
            (place.finish(py, &decoded)?, decoded)
        }
        Input::Path(path) => {
            let decoded = wait(py, |watch| {
                with_reader(&mut Place::Path(path), watch, |reader, len, watch| {
                    let options = DecodeOptions { input_len: len, ..options };
                    io::read_whole(reader, options, |header| place.choose(header), watch)
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

/// What bytes are compressed with.
fn container(bytes: &[u8]) -> Option<Container> {
    bytes.first_chunk().and_then(|front| Container::of(*front))
}

/// The one-line spelling of a dtype and a shape, as `expect` takes it.
#[pyfunction]
pub(crate) fn spec(dtype: &Bound<'_, PyAny>, shape: Vec<usize>) -> PyResult<String> {
    Ok(Spec::exact(dtype::from_numpy(dtype)?, &shape).to_string())
}

/// What comes to be looked at.
enum Input {
    Path(PathBuf),
    Bytes(Bytes),
}

impl Input {
    fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
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

/// What `verify` found; true if nothing is damaged.
///
/// Attributes
/// ----------
/// ok : bool
///     Whether the file is whole, as far as can be told.
/// state : str
///     ``"verified"``: every checksum held. ``"unchecked"``: whole, but it has none. ``"open"``: whole, but a writer did
///     not finish its checksums. ``"damaged"``.
/// nbytes, blocks : int or None
///     Bytes of the data, and the blocks of 1 MiB they make; None for a header that cannot be read.
/// compression : str or None
///     What the file is compressed with.
/// error : Exception or None
///     What is wrong, with its class, message and byte.
/// block, start, stop : int or None
///     The damaged block of the data (None for a header or tail), and the damaged bytes of the input.
#[pyclass(module = "ndbytes", frozen, get_all)]
pub(crate) struct Report {
    state: &'static str,
    nbytes: Option<u64>,
    blocks: Option<u64>,
    compression: Option<String>,
    error: Option<Py<PyAny>>,
    block: Option<u64>,
    start: Option<u64>,
    stop: Option<u64>,
}

#[pymethods]
impl Report {
    #[getter]
    fn ok(&self) -> bool {
        self.error.is_none()
    }

    /// Of so many bytes without a header, which anything can be.
    #[staticmethod]
    fn unchecked(nbytes: u64) -> Self {
        Self {
            state: "unchecked",
            nbytes: Some(nbytes),
            blocks: Some(nbytes.div_ceil(BLOCK as u64)),
            compression: None,
            error: None,
            block: None,
            start: None,
            stop: None,
        }
    }

    fn __bool__(&self) -> bool {
        self.ok()
    }

    /// Raises what is wrong; with ``require_checksum`` also where no checksum vouches for the data.
    #[pyo3(signature = (*, require_checksum = false))]
    fn raise_for_damage(&self, py: Python<'_>, require_checksum: bool) -> PyResult<()> {
        if let Some(error) = &self.error {
            return Err(PyErr::from_value(error.bind(py).clone()));
        }
        if require_checksum && self.state != "verified" {
            let why = match self.state {
                "open" => "a writer did not finish its checksums",
                _ => "it has no checksum",
            };
            return Err(crate::errors::mismatch(format!(
                "{}: whole, but {why}; ndbytes.checksum() makes them",
                self.state
            )));
        }
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(match &self.error {
            Some(error) => format!("<ndbytes.Report damaged: {}>", error.bind(py).str()?),
            None => format!(
                "<ndbytes.Report {}: {} bytes in {} blocks>",
                self.state,
                self.nbytes.unwrap_or_default(),
                self.blocks.unwrap_or_default()
            ),
        })
    }
}

/// What was read to its end: state, bytes of the data, and what it was compressed with.
type Whole = (ChecksumState, u64, Option<Container>);

impl Report {
    /// Of a mapped file.
    pub(crate) fn of_map(py: Python<'_>, file: &Mapped) -> PyResult<Self> {
        Self::of(py, |watch| {
            file.look(|map: &Map| {
                let nbytes = (map.layout().len() * map.dtype().itemsize()) as u64;
                Ok((map.verify(watch)?, nbytes, None))
            })
        })
    }

    fn of(
        py: Python<'_>,
        read: impl FnOnce(io::Watch<'_>) -> ndbytes::Result<Whole> + Send,
    ) -> PyResult<Self> {
        let read = wait(py, |watch| match read(watch) {
            Err(error) if !is_damage(&error) => Err(error),
            read => Ok(read),
        })?;
        match read {
            Ok((state, nbytes, container)) => Ok(Self {
                state: match state {
                    ChecksumState::Verified => "verified",
                    ChecksumState::Unchecked => "unchecked",
                    ChecksumState::Open => "open",
                },
                compression: container.map(|container| container.to_string()),
                ..Self::unchecked(nbytes)
            }),
            Err(error) => {
                let (block, range) = match error.kind() {
                    ErrorKind::Checksum { block, range } => (*block, Some(range.clone())),
                    _ => (None, None),
                };
                Ok(Self {
                    state: "damaged",
                    nbytes: None,
                    blocks: None,
                    compression: None,
                    error: Some(to_py(py, &error).into_value(py).into_any()),
                    block,
                    start: range.as_ref().map(|range| range.start).or_else(|| error.offset()),
                    stop: range.map(|range| range.end),
                })
            }
        }
    }
}

/// Whether it is the bytes that are not as they should be.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Checksum { .. } | ErrorKind::Truncated | ErrorKind::Malformed)
}

/// Reads a path or buffer to its end, and compares it with its checksums.
#[pyfunction]
pub(crate) fn verify(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    limits: Option<Limits>,
) -> PyResult<Report> {
    let limits = limits::or(limits, ndbytes::Limits::local());
    let input = Input::new(x)?;
    Report::of(py, |watch| {
        let options = DecodeOptions { limits, ..Default::default() };
        match &input {
            Input::Path(path) => {
                let file = io::open_watched(path, PATIENCE, watch)?;
                let len = file.len();
                whole(file, len, options, watch).map_err(|error| explained(error, path, len))
            }
            Input::Bytes(bytes) => whole(&**bytes, Some(bytes.len() as u64), options, watch),
        }
    })
}

fn whole(
    reader: impl std::io::Read,
    len: Option<u64>,
    options: DecodeOptions,
    watch: io::Watch<'_>,
) -> ndbytes::Result<Whole> {
    let mut reader = io::sniff(reader)?;
    let container = reader.container();
    let options = DecodeOptions { input_len: len, ..options };
    let decoded = reader.read_whole(options, |_| Ok(Dest::Discard), watch)?;
    Ok((decoded.state, decoded.header.nbytes(), container))
}

/// Puts checksums behind the data of a ``.npy`` file, or takes them off; the file is replaced whole or not at all.
///
/// Parameters
/// ----------
/// path : path
///     A ``.npy`` file; NumPy reads it with and without checksums. Checksums that a writer left open, also of a
///     ``.ndb``, are made anew for the data as they are.
/// strip : bool, optional
///     True: take them off, after they were compared.
///
/// Returns
/// -------
/// bool
///     False if there was nothing to do: it has checksums that hold, or with ``strip`` none.
///
/// Raises
/// ------
/// FormatError, TruncatedError, ChecksumError
///     For a damaged file, which is left as it is.
/// ArgumentError
///     For ``strip`` where the checksums hold the name of the dtype, and for a ``.ndb``.
/// OSError
///     From the system, with errno and filename.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb, tempfile, os
/// >>> with tempfile.TemporaryDirectory() as folder:
/// ...     path = os.path.join(folder, "a.npy")
/// ...     np.save(path, np.arange(4))
/// ...     ndb.checksum(path), ndb.checksum(path), ndb.verify(path).state
/// (True, False, 'verified')
#[pyfunction]
#[pyo3(signature = (path, strip = false))]
pub(crate) fn checksum(py: Python<'_>, path: &Bound<'_, PyAny>, strip: bool) -> PyResult<bool> {
    let Place::Path(path) = Place::new(path, "fileno")? else {
        return Err(argument("checksum replaces a file: pass its path"));
    };
    let options = SaveOptions::default();
    wait(
        py,
        |watch| {
            if strip { io::unseal(path, options, watch) } else { io::seal(path, options, watch) }
        },
    )
}
