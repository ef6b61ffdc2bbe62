//! `ndbytes.load`.

use crate::array::{Memory, to_array};
use crate::bundle;
use crate::decode::Destination;
use crate::dtype;
use crate::errors::{IntoPy as _, argument};
use crate::file::Place;
use crate::frombuffer::{declared, frombuffer};
use crate::fromfile::read_items;
use crate::limits::{self, Limits};
use crate::map::{How, map_file};
use crate::options::Count;
use crate::save::Format;
use crate::work::wait;
use ndbytes::io::{self, PATIENCE, Watch};
use ndbytes::{BufferMut, Checks, DType, DecodeOptions, Error, Order, Result, Scalar};
use pyo3::prelude::*;
use std::io::{Read, Seek};
use std::path::Path;

/// The array in a file.
///
/// Parameters
/// ----------
/// file : path or file object
///     A ``.npy`` (bare or checked), a ``.ndb``, one of them in a zlib or gzip stream, an ``.npz``; with ``dtype``, a
///     file of items alone. A file object is read from where it stands to its end.
/// mmap : {'r', 'r+', 'c'}, optional
///     The array shows the file, without a copy and without comparing checksums of the data. r: it is read-only. r+: what
///     is written to it goes to the file, whose checksums are marked as open from the start, and are made anew when the
///     last array that looks at it is gone. c: what is written stays in memory. A file that others cut while it is
///     mapped ends the process (SIGBUS) when what is gone is touched; ``open`` reads without that end.
/// expect : str or dtype, optional
///     What it must be, as in ``"<f4[?,128]"``: nothing is cast.
/// dtype, shape, order, offset, gap : optional
///     What a file without a header holds; as for ``frombuffer``.
/// recover : bool, optional
///     True: a damaged or cut ``.npy`` or ``.ndb`` gives what is left, as ``(array, mask)``: the mask is True for items
///     that no checksum vouches for, and what is missing is zeros. The header must hold.
/// limits : Limits, optional
///     Default ``Limits.local()``.
/// require_checksum : bool, optional
///     True: a file without checksums is an error.
///
/// Returns
/// -------
/// ndarray, or dict of them
///     Every checksum that the file has was compared, unless it is mapped. A dict for an ``.npz``.
///
/// Raises
/// ------
/// FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
///     For a file that is none of these, is cut, or damaged, with where.
/// MismatchError
///     For another array than ``expect`` says.
/// ArgumentError
///     For arguments that cannot be meant, and a file of items alone without ``dtype``.
/// OSError
///     From the system, with errno and filename.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb, tempfile, os
/// >>> with tempfile.TemporaryDirectory() as folder:
/// ...     path = os.path.join(folder, "a.ndb")
/// ...     ndb.save(path, np.arange(4, dtype="<u2"))
/// ...     ndb.load(path, expect="<u2[?]")
/// array([0, 1, 2, 3], dtype=uint16)
#[pyfunction]
#[pyo3(signature = (file, *, mmap = None, expect = None, dtype = None, shape = None, order = None, offset = Count(0), gap = Count(0), recover = false, limits = None, require_checksum = false),
       text_signature = "(file, *, mmap=None, expect=None, dtype=None, shape=None, order='C', offset=0, gap=0, recover=False, limits=None, require_checksum=False)")]
pub(crate) fn load<'py>(
    py: Python<'py>,
    file: &Bound<'py, PyAny>,
    mmap: Option<&str>,
    expect: Option<&Bound<'py, PyAny>>,
    dtype: Option<&Bound<'py, PyAny>>,
    shape: Option<&Bound<'py, PyAny>>,
    order: Option<&Bound<'py, PyAny>>,
    offset: Count,
    gap: Count,
    recover: bool,
    limits: Option<Limits>,
    require_checksum: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let mut place = Place::new(file, "read")?;
    if recover && (mmap.is_some() || dtype.is_some() || require_checksum) {
        return Err(argument(
            "recover reads what is left of a checked file: it goes with expect and limits alone",
        ));
    }
    if let Some(mode) = mmap {
        let Place::Path(path) = place else {
            return Err(argument("mmap is for a path, found a file object"));
        };
        let how = How::new(dtype, shape, order, offset, gap, limits, require_checksum)?;
        return map_file(py, path, mode, &how, expect);
    }
    let limits = limits::or(limits, ndbytes::Limits::local());
    if let Some(dtype) = dtype.filter(|dtype| !dtype.is_none()) {
        if require_checksum || expect.is_some_and(|expect| !expect.is_none()) {
            return Err(argument(
                "a file of items alone has no checksum, and dtype and shape say what to expect",
            ));
        }
        // What is wrong with the arguments is said before the file is read.
        let object = dtype::object(dtype)?;
        declared(&object, shape, order, offset, gap)?;
        let bytes = read_items(py, &mut place, None, &limits)?;
        return frombuffer(py, &bytes, &object, shape, order, offset, gap, false);
    }
    if shape.is_some_and(|shape| !shape.is_none()) || order.is_some() || offset.0 != 0 || gap.0 != 0
    {
        return Err(argument(
            "shape, order, offset and gap are for files without a header, with dtype",
        ));
    }
    let mut destination = Destination::new(expect, None)?;
    if recover {
        return recovered(py, &mut place, &destination, limits);
    }
    if let Some(archive) = archive(py, &mut place)? {
        if !destination.is_free() {
            return Err(argument("an .npz holds many arrays: expect is for one"));
        }
        return bundle::load(py, archive, &limits);
    }
    let checks = if require_checksum { Checks::Required } else { Checks::Optional };
    let options = DecodeOptions { limits, checks, ..Default::default() };
    let decoded = wait(py, |watch| {
        with_reader(&mut place, watch, |reader, len, watch| {
            let options = DecodeOptions { input_len: len, ..options };
            io::read_whole(reader, options, |header| destination.choose(header), watch)
        })
    })?;
    destination.finish(py, &decoded)
}

trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

/// The reader of a file that is a zip archive.
fn archive(py: Python<'_>, place: &mut Place) -> PyResult<Option<Box<dyn ReadSeek>>> {
    wait(py, |watch| {
        let mut reader: Box<dyn ReadSeek> = match place {
            Place::File(file) => Box::new(file.again()),
            // A FIFO can be opened once only.
            Place::Path(path) if !path.is_file() => return Ok(None),
            Place::Path(path) => Box::new(io::open_watched(&*path, PATIENCE, watch)?),
        };
        Ok(bundle::is_archive(&mut *reader)?.then_some(reader))
    })
}

/// What is left of a damaged array, and which of its items nothing vouches for.
fn recovered<'py>(
    py: Python<'py>,
    place: &mut Place,
    wanted: &Destination,
    limits: ndbytes::Limits,
) -> PyResult<Bound<'py, PyAny>> {
    let found = wait(py, |watch| {
        with_reader(place, watch, |reader, _, watch| {
            io::recover(reader, DecodeOptions { limits, ..Default::default() }, watch)
        })
    })?;
    let header = found.header;
    wanted.check(&header)?;
    let order = if header.fortran_order { Order::F } else { Order::C };
    let (dtype, shape) = (&header.dtype, &header.shape);
    let array = to_array(py, Memory::new(found.data), dtype, shape, order)?;
    let mut mask = BufferMut::new(shape.iter().product::<usize>() as u64).py()?;
    let flags = mask.all().py()?;
    for range in found.damaged {
        let item =
            |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX) / dtype.itemsize().max(1);
        let last = item(range.end.saturating_sub(1));
        flags
            .iter_mut()
            .take(last.saturating_add(1))
            .skip(item(range.start))
            .for_each(|flag| *flag = 1);
    }
    let bool = DType::native(Scalar::Bool);
    let mask = to_array(py, Memory::new(mask), &bool, shape, order)?;
    Ok((array, mask).into_pyobject(py)?.into_any())
}

/// Calls `read` with the reader of a file, and its length where it is known.
pub(crate) fn with_reader<T>(
    place: &mut Place,
    watch: Watch<'_>,
    read: impl FnOnce(&mut dyn Read, Option<u64>, Watch<'_>) -> Result<T>,
) -> Result<T> {
    match place {
        Place::File(file) => read(file, None, watch),
        Place::Path(path) => {
            let opened = io::open_watched(&*path, PATIENCE, watch)?;
            let len = opened.len();
            let mut reader = opened;
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
    match len {
        Some(len)
            if matches!(
                error.kind(),
                ndbytes::ErrorKind::Malformed | ndbytes::ErrorKind::Truncated
            ) =>
        {
            Error::argument(format!(
                "no header says what these bytes are; {}: say which with dtype= and shape=",
                ndbytes::raw::guess(len)
            ))
        }
        _ => error,
    }
}
