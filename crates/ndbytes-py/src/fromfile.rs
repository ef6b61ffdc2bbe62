//! `ndbytes.tofile` and `ndbytes.fromfile`: the items alone, to and from any file.

use crate::declared::Declared;
use crate::errors::{IntoPy as _, to_py};
use crate::file::Place;
use crate::options::Count;
use crate::reading::read_items;
use crate::save::save;
use ndbytes::raw::Raw;
use ndbytes::{Dim, Error, Limits, Result};
use pyo3::prelude::*;

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
    save(py, file, a, Some("raw"), None, None, None, None, None, None, false, None)
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
    let declared = Declared::new(dtype, shape, None, offset, gap)?;
    let raw = &declared.raw;
    let open = raw.spec.shape.as_ref().is_none_or(|dims| dims.contains(&Dim::Any));
    let needed = if open { None } else { Some(least(raw).py()?) };
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
    declared.over(&bytes)
}

/// Bytes up to the end of the last item.
fn least(raw: &Raw) -> Result<u64> {
    let (shape, len) = raw.whole()?;
    let empty = shape.contains(&0);
    Ok(if empty { len } else { len - raw.gap })
}
