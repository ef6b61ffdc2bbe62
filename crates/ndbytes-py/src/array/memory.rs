//! Memory of our own that arrays stand on.

use super::buffer::Bytes;
use super::capi;
use crate::dtype::{self, numpy};
use crate::errors::{IntoPy as _, argument};
use ndbytes::{BufferMut, DType, Layout, Order};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{ffi, intern};
use std::ffi::c_int;

/// Memory that lives as long as an array looks at it: of our own, or a buffer that its exporter keeps where it is.
///
/// NumPy keeps the object that it was given as a buffer, and not the view of its memory; so a bytearray could be
/// resized under an array, and this object stands between the two.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Memory {
    start: *mut u8,
    len: usize,
    readonly: bool,
    /// Moves as a handle; the bytes themselves stay.
    _owner: Box<dyn Send + Sync>,
}

// SAFETY: the memory is the owner's and goes with it; who writes to it through a buffer is Python's business.
unsafe impl Send for Memory {}
// SAFETY: as above; nothing here reads or writes the bytes.
unsafe impl Sync for Memory {}

impl Memory {
    /// All of a buffer, which was filled or not; it can be written to.
    pub(crate) fn new(mut owner: BufferMut) -> PyResult<Self> {
        let bytes = owner.all().py()?;
        let (start, len) = (bytes.as_mut_ptr(), bytes.len());
        Ok(Self { start, len, readonly: false, _owner: Box::new(owner) })
    }

    /// The bytes of any contiguous buffer, which can be written to if that can.
    ///
    /// # Errors
    /// As [`Bytes::new`].
    pub(crate) fn of(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let bytes = Bytes::new(given)?;
        let (start, len, readonly) = (bytes.as_ptr().cast_mut(), bytes.len(), bytes.is_readonly());
        Ok(Self { start, len, readonly, _owner: Box::new(bytes) })
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[pymethods]
impl Memory {
    fn __len__(&self) -> usize {
        self.len
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        // SAFETY: the owner has so many bytes there, which may be written to, and stays as long as this object.
        unsafe { fill_view(&slf, view, flags, this.start, this.len, !this.readonly) }
    }
}

/// Answers a request for a buffer with `len` bytes from `start` on.
///
/// # Safety
/// The bytes are memory that stays where it is as long as `owner` lives, and may be written to if `write`; `view` is
/// Python's, to be filled.
pub(super) unsafe fn fill_view<T>(
    owner: &Bound<'_, T>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
    start: *mut u8,
    len: usize,
    write: bool,
) -> PyResult<()> {
    let len = ffi::Py_ssize_t::try_from(len).map_err(|_| PyMemoryError::new_err("too large"))?;
    let read_only = c_int::from(!write);
    // SAFETY: as the caller says; the view takes a reference to the owner.
    let filled = unsafe {
        ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start.cast(), len, read_only, flags)
    };
    if filled == 0 { Ok(()) } else { Err(PyErr::fetch(owner.py())) }
}

/// The array of this dtype and shape over memory of its size.
pub(crate) fn to_array<'py>(
    py: Python<'py>,
    memory: PyResult<Memory>,
    dtype: &DType,
    shape: &[usize],
    order: Order,
) -> PyResult<Bound<'py, PyAny>> {
    over(py, &Bound::new(py, memory?)?, dtype, shape, order, 0)
}

/// The same from `offset` on.
pub(crate) fn over<'py>(
    py: Python<'py>,
    memory: &Bound<'py, Memory>,
    dtype: &DType,
    shape: &[usize],
    order: Order,
    offset: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let itemsize = dtype.itemsize();
    let layout = Layout::contiguous(shape, itemsize, order).py()?;
    let object = dtype::to_numpy(py, dtype)?;
    if layout.is_empty() && itemsize > 0 {
        return capi::fresh(object, shape, order == Order::F);
    }
    let offset = usize::try_from(offset).map_err(|_| PyMemoryError::new_err("too large"))?;
    let layout = Layout::new(shape.to_vec(), layout.strides().to_vec(), offset).py()?;
    laid(memory, object, itemsize, &layout)
}

/// The array of items that lie so in memory, as their own dtype object.
///
/// # Errors
/// `ArgumentError` if an item lies outside; those of NumPy.
pub(crate) fn laid<'py>(
    memory: &Bound<'py, Memory>,
    dtype: Bound<'py, PyAny>,
    itemsize: usize,
    layout: &Layout,
) -> PyResult<Bound<'py, PyAny>> {
    let py = memory.py();
    if itemsize == 0 {
        // Only `numpy.ndarray` leaves such items without a size; `empty` and the C interface make them one character.
        let options = PyDict::new(py);
        options.set_item(intern!(py, "dtype"), dtype)?;
        options.set_item(intern!(py, "strides"), PyTuple::new(py, layout.strides())?)?;
        options.set_item(intern!(py, "buffer"), memory)?;
        let shape = PyTuple::new(py, layout.shape())?;
        return numpy(py)?.call_method(intern!(py, "ndarray"), (shape,), Some(&options));
    }
    let (this, end) = (memory.get(), layout.span(itemsize).py()?.end);
    if end > this.len {
        let len = this.len;
        return Err(argument(format!("items up to byte {end} in memory of {len} bytes")));
    }
    let start = if layout.is_empty() { 0 } else { layout.offset() };
    let first = this.start.wrapping_add(start);
    // SAFETY: the span proves that all items lie in the memory, which is this object's as long as it lives.
    unsafe { capi::over(dtype, layout, first, !this.readonly, memory.clone().into_any()) }
}
