//! Memory of our own that arrays stand on.

use super::buffer::Bytes;
use crate::dtype::{self, numpy};
use crate::errors::IntoPy as _;
use ndbytes::{BufferMut, DType, Layout, Order};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
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
    let layout = Layout::contiguous(shape, dtype.itemsize(), order).py()?;
    let options = PyDict::new(py);
    options.set_item(intern!(py, "dtype"), dtype::to_numpy(py, dtype)?)?;
    let order = if order == Order::F { "F" } else { "C" };
    options.set_item(intern!(py, "order"), order)?;
    if !layout.is_empty() && dtype.itemsize() > 0 {
        options.set_item(intern!(py, "buffer"), memory)?;
        options.set_item(intern!(py, "offset"), offset)?;
    }
    // Not `numpy.empty`, which gives some dtypes the machine's byte order.
    let shape = pyo3::types::PyTuple::new(py, shape)?;
    numpy(py)?.call_method(intern!(py, "ndarray"), (shape,), Some(&options))
}
