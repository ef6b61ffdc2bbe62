//! `ndbytes.tofile` and `ndbytes.fromfile`: the items alone, to and from any file.

use crate::array::{Memory, to_array};
use crate::dtype;
use crate::errors::{IntoPy as _, to_py};
use crate::file::Place;
use crate::frombuffer::{declared, frombuffer};
use crate::load::with_reader;
use crate::options::Count;
use crate::save::save;
use crate::work::wait;
use ndbytes::io::{self, Watch};
use ndbytes::{BufferMut, DType, Dim, Error, Limits, Order, Result, Scalar};
use pyo3::prelude::*;
use std::io::Read;

/// Bytes read at a time, and touched ahead of what has come.
const STEP: usize = 1 << 20;

/// Writes the items of an array, and nothing else, in C order.
///
/// Parameters
/// ----------
/// a : array
///     Any array without Python objects.
/// file : path or file object
///     A path is replaced whole or not at all. A file object (pipe, BytesIO, gzip object, ``socket.makefile``, …) is
///     written to from where it stands.
///
/// Raises
/// ------
/// ArgumentError, UnsupportedError, OSError
///     As ``save``.
///
/// Examples
/// --------
/// >>> import io, numpy as np, ndbytes as ndb
/// >>> file = io.BytesIO()
/// >>> ndb.tofile(np.array([[1, 2], [3, 4]], "u1").T, file)
/// >>> file.getvalue()
/// b'\x01\x03\x02\x04'
#[pyfunction]
pub(crate) fn tofile(
    py: Python<'_>,
    a: &Bound<'_, PyAny>,
    file: &Bound<'_, PyAny>,
) -> PyResult<()> {
    save(py, file, a, Some("raw"), None, None, None, None, None, false)
}

/// Reads items without a header.
///
/// Parameters
/// ----------
/// file : path or file object
///     A file object (pipe, BytesIO, gzip object, ``socket.makefile``, …) is read from where it stands, and no further
///     than the items.
/// dtype : dtype
///     What an item is; no objects.
/// shape : int or tuple of int, optional
///     The length of each axis; one of them may be -1, to read to the end. Default -1: one axis.
/// offset : int, optional
///     Bytes before the first item.
/// gap : int, optional
///     Bytes between the end of an item and the next one.
///
/// Returns
/// -------
/// ndarray
///
/// Raises
/// ------
/// TruncatedError
///     If there are fewer bytes than the shape needs.
/// FormatError
///     If an axis of -1 does not fit the bytes, with both numbers.
/// ArgumentError, UnsupportedError, OSError
///     As ``load``.
///
/// Examples
/// --------
/// >>> import io, ndbytes as ndb
/// >>> file = io.BytesIO(b"\x01\x00\x02\x00\x03\x00")
/// >>> ndb.fromfile(file, "<u2", 2), ndb.fromfile(file, "<u2")
/// (array([1, 2], dtype=uint16), array([3], dtype=uint16))
#[pyfunction]
#[pyo3(signature = (file, dtype, shape = None, *, offset = Count(0), gap = Count(0)),
       text_signature = "(file, dtype, shape=-1, *, offset=0, gap=0)")]
pub(crate) fn fromfile<'py>(
    py: Python<'py>,
    file: &Bound<'py, PyAny>,
    dtype: &Bound<'py, PyAny>,
    shape: Option<&Bound<'py, PyAny>>,
    offset: Count,
    gap: Count,
) -> PyResult<Bound<'py, PyAny>> {
    let mut place = Place::new(file, "read")?;
    let object = dtype::object(dtype)?;
    let raw = declared(&object, shape, None, offset, gap)?;
    let open = raw.spec.shape.as_ref().is_none_or(|dims| dims.contains(&Dim::Any));
    let needed = if open { None } else { Some(least(&raw).py()?) };
    let bytes = read_items(py, &mut place, needed, &Limits::local())?;
    if let Some(needed) = needed {
        let found = bytes.len()? as u64;
        if found < needed {
            let error = Error::truncated(format!(
                "{} needs {needed} bytes, the file has {found}",
                raw.spec
            ));
            return Err(to_py(py, &error));
        }
    }
    frombuffer(py, &bytes, &object, shape, None, offset, gap, false)
}

/// Bytes up to the end of the last item.
fn least(raw: &ndbytes::raw::Raw) -> Result<u64> {
    let (shape, len) = raw.whole()?;
    let empty = shape.contains(&0);
    Ok(if empty { len } else { len - raw.gap })
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
    let array = to_array(py, Memory::new(buffer), &dtype, &[len], Order::C)?;
    Ok(array)
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
