//! `ndbytes.frombuffer`.

use crate::declared::Declared;
use crate::options::Count;
use pyo3::intern;
use pyo3::prelude::*;

/// A view of bytes as an array, without a copy.
///
/// Parameters
/// ----------
/// buf : buffer
///     bytes, bytearray, memoryview, mmap, … of one contiguous piece.
/// dtype : dtype
///     What an item is; no objects.
/// shape : int or tuple of int, optional
///     The length of each axis; one of them may be -1, to take what there is. Default -1: one axis.
/// order : {'C', 'F'}, optional
///     F: the first axis fastest.
/// offset : int, optional
///     Bytes before the first item.
/// gap : int, optional
///     Bytes between the end of an item and the next one. After the last item they may be missing.
/// copy : bool, optional
///     Whether the array gets memory of its own, and can be written to.
///
/// Returns
/// -------
/// ndarray
///     Writable if the buffer is, or if it is a copy.
///
/// Raises
/// ------
/// FormatError
///     If the bytes do not fit, with both numbers.
/// ArgumentError
///     For an argument that cannot be meant.
/// UnsupportedError
///     For a dtype with objects.
///
/// Examples
/// --------
/// >>> import ndbytes as ndb
/// >>> ndb.frombuffer(b"\x01\x00\x02\x00\x03\x00\x04\x00", "<u2", (2, -1))
/// array([[1, 2],
///        [3, 4]], dtype=uint16)
#[pyfunction]
#[pyo3(signature = (buf, dtype, shape = None, *, order = None, offset = Count(0), gap = Count(0), copy = false),
       text_signature = "(buf, dtype, shape=-1, *, order='C', offset=0, gap=0, copy=False)")]
pub(crate) fn frombuffer<'py>(
    buf: &Bound<'py, PyAny>,
    dtype: &Bound<'py, PyAny>,
    shape: Option<&Bound<'py, PyAny>>,
    order: Option<&Bound<'py, PyAny>>,
    offset: Count,
    gap: Count,
    copy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let declared = Declared::new(dtype, shape, order, offset, gap)?;
    let array = declared.over(buf)?;
    // NumPy's copy of an array of S0 is one of S1, with whatever lies in memory.
    let copied = copy && declared.raw.spec.dtype.itemsize() > 0;
    if copied { array.call_method1(intern!(buf.py(), "copy"), ("A",)) } else { Ok(array) }
}
