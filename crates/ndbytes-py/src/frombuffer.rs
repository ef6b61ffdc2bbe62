//! `ndbytes.frombuffer`.

use crate::array::{Bytes, Memory};
use crate::dtype::{self, numpy};
use crate::errors::{IntoPy as _, argument_type};
use crate::options::Count;
use crate::tobytes::parse_order;
use ndbytes::raw::Raw;
use ndbytes::{DType, Dim, Layout, Order, Spec};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

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
    py: Python<'py>,
    buf: &Bound<'py, PyAny>,
    dtype: &Bound<'py, PyAny>,
    shape: Option<&Bound<'py, PyAny>>,
    order: Option<&Bound<'py, PyAny>>,
    offset: Count,
    gap: Count,
    copy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let object = dtype::object(dtype)?;
    let raw = declared(&object, shape, order, offset, gap)?;
    let bytes = Bytes::new(buf)?;
    let shape = raw.shape(bytes.len() as u64).py()?;
    let array = view(py, buf, &object, &raw, &shape)?;
    // NumPy's copy of an array of S0 is one of S1, with whatever lies in memory.
    let copied = copy && raw.spec.dtype.itemsize() > 0;
    if copied { array.call_method1(intern!(py, "copy"), ("A",)) } else { Ok(array) }
}

/// What headerless bytes are declared to be.
pub(crate) fn declared(
    dtype: &Bound<'_, PyAny>,
    shape: Option<&Bound<'_, PyAny>>,
    order: Option<&Bound<'_, PyAny>>,
    offset: Count,
    gap: Count,
) -> PyResult<Raw> {
    let mut dims = dims(shape)?;
    let mut dtype = dtype::from_numpy(dtype)?;
    // A subarray stands only inside a record: its axes are axes of the array, as in NumPy.
    if let DType::Sub(sub) = &dtype {
        dims.extend(sub.1.iter().map(|&len| Dim::Exact(len)));
        dtype = sub.0.clone();
    }
    let mut raw = Raw::new(Spec { dtype, shape: Some(dims) });
    (raw.order, raw.offset, raw.gap) = (parse_order(order)?, offset.0, gap.0);
    Ok(raw)
}

fn dims(shape: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Dim>> {
    let Some(shape) = shape.filter(|shape| !shape.is_none()) else { return Ok(vec![Dim::Any]) };
    match shape.try_iter() {
        Ok(lengths) if !shape.is_instance_of::<PyString>() => {
            lengths.map(|length| dim(&length?)).collect()
        }
        _ => Ok(vec![dim(shape)?]),
    }
}

fn dim(length: &Bound<'_, PyAny>) -> PyResult<Dim> {
    let length = length.call_method0("__index__").map_err(|_| {
        argument_type("shape must be an int or a tuple of ints, of which one may be -1")
    })?;
    match length.extract::<usize>() {
        Ok(length) => Ok(Dim::Exact(length)),
        Err(_) if length.eq(-1)? => Ok(Dim::Any),
        Err(_) => Err(crate::errors::argument(format!("an axis cannot have the length {length}"))),
    }
}

/// The array over a buffer, of which `raw` says what it is.
fn view<'py>(
    py: Python<'py>,
    buf: &Bound<'py, PyAny>,
    object: &Bound<'py, PyAny>,
    raw: &Raw,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    let itemsize = raw.spec.dtype.itemsize();
    let step = itemsize.saturating_add(usize::try_from(raw.gap).unwrap_or(usize::MAX));
    let order = if raw.order == Order::F { Order::F } else { Order::C };
    let layout = Layout::contiguous(shape, step, order).py()?;
    let strides = PyTuple::new(py, layout.strides())?;
    let base = match object.getattr(intern!(py, "base")) {
        Ok(base) if matches!(dtype::is_subarray(object), Ok(true)) => base,
        _ => object.clone(),
    };
    let options = PyDict::new(py);
    options.set_item(intern!(py, "dtype"), base)?;
    options.set_item(intern!(py, "buffer"), Memory::of(buf)?)?;
    options.set_item(intern!(py, "offset"), raw.offset)?;
    options.set_item(intern!(py, "strides"), strides)?;
    numpy(py)?.call_method(intern!(py, "ndarray"), (PyTuple::new(py, shape)?,), Some(&options))
}
