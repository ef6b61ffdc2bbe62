//! What stands behind `ndbytes.verify`: whether a file or a buffer is whole.

use crate::array::Mapped;
use crate::bundle::is_archive;
use crate::errors::{mismatch, to_py};
use crate::info::Input;
use crate::limits::Limits;
use crate::options::decode_options;
use crate::reading::explained;
use crate::work::wait;
use ndbytes::io::map::Map;
use ndbytes::io::npz::Archive;
use ndbytes::io::{self, PATIENCE};
use ndbytes::{
    BLOCK, ChecksumState, Container, DecodeOptions, Dest, Error, ErrorKind, Header, Threads,
};
use pyo3::prelude::*;
use std::io::{Cursor, Read, Seek};

/// Reads a path or buffer to its end, and compares it with its checksums.
#[pyfunction]
pub(crate) fn verify(
    py: Python<'_>,
    x: &Bound<'_, PyAny>,
    limits: Option<Limits>,
) -> PyResult<Report> {
    let options = decode_options(limits, false);
    let input = Input::new(x)?;
    Report::of(py, |watch| match &input {
        Input::Path(path) => {
            let mut file = io::open_watched(path, PATIENCE, watch)?;
            if is_archive(&mut file)? {
                return archive(file, &options, watch).map_err(|error| error.in_file(path));
            }
            let len = file.len();
            let read = if len.is_some() { of_file } else { whole };
            read(file, len, options, watch).map_err(|error| explained(error, path, len))
        }
        Input::Bytes(bytes) if is_archive(&mut Cursor::new(&**bytes))? => {
            archive(Cursor::new(&**bytes), &options, watch)
        }
        Input::Bytes(bytes) => whole(&**bytes, Some(bytes.len() as u64), options, watch),
    })
}

fn whole(
    reader: impl Read,
    len: Option<u64>,
    options: DecodeOptions,
    watch: io::Watch<'_>,
) -> ndbytes::Result<Whole> {
    let mut reader = io::sniff(reader)?;
    let container = reader.container();
    let options = DecodeOptions { input_len: len, ..options };
    let decoded = reader.read_whole(options, |_| Ok(Dest::Discard), watch)?;
    let (nbytes, blocks) = (decoded.header.nbytes(), decoded.header.blocks());
    Ok((decoded.state, nbytes, blocks, container))
}

/// The same of a file with a length, which another may be appending to.
fn of_file(
    mut file: io::Input,
    _: Option<u64>,
    options: DecodeOptions,
    watch: io::Watch<'_>,
) -> ndbytes::Result<Whole> {
    let container = io::sniff(&mut file)?.container();
    let discard = |_: &Header| Ok(Dest::Discard);
    let decoded = io::read_file(file, options, discard, Threads::ONE, watch)?;
    let (nbytes, blocks) = (decoded.header.nbytes(), decoded.header.blocks());
    Ok((decoded.state, nbytes, blocks, container))
}

/// Every member of an archive, to its end.
fn archive(
    reader: impl Read + Seek + Send,
    options: &DecodeOptions,
    watch: io::Watch<'_>,
) -> ndbytes::Result<Whole> {
    let mut archive = Archive::open(reader, &options.limits)?;
    let mut nbytes = 0;
    for index in 0..archive.entries().len() {
        if archive.is_array(index)? {
            let discard = |_: &Header| Ok(Dest::Discard);
            let decoded = archive.read_array(index, options.clone(), discard, watch)?;
            nbytes += decoded.header.nbytes();
        } else {
            archive.member(index)?.skip()?;
        }
    }
    Ok((ChecksumState::Verified, nbytes, nbytes.div_ceil(BLOCK as u64), None))
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
///     Bytes of the data, and the blocks they are in, of 1 MiB each where nothing is compressed; None for a header that cannot be read.
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
            return Err(mismatch(format!(
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
pub(crate) type Whole = (ChecksumState, u64, u64, Option<Container>);

impl Report {
    /// Of a mapped file.
    pub(crate) fn of_map(py: Python<'_>, file: &Mapped) -> PyResult<Self> {
        Self::of(py, |watch| {
            file.look(|map: &Map| {
                let nbytes = (map.layout().len() * map.dtype().itemsize()) as u64;
                Ok((map.verify(watch)?, nbytes, nbytes.div_ceil(BLOCK as u64), None))
            })
        })
    }

    pub(crate) fn of(
        py: Python<'_>,
        read: impl FnOnce(io::Watch<'_>) -> ndbytes::Result<Whole> + Send,
    ) -> PyResult<Self> {
        let read = wait(py, |watch| match read(watch) {
            Err(error) if !is_damage(&error) => Err(error),
            read => Ok(read),
        })?;
        match read {
            Ok((state, nbytes, blocks, container)) => Ok(Self {
                blocks: Some(blocks),
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
    match error.kind() {
        ErrorKind::Checksum { .. } | ErrorKind::Truncated => true,
        // From its first byte on it is something else.
        ErrorKind::Malformed => error.offset() != Some(0),
        _ => false,
    }
}
