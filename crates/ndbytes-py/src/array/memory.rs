//! Memory of our own that arrays stand on.

use crate::dtype::{self, numpy};
use crate::errors::IntoPy as _;
use ndbytes::{BufferMut, DType, Layout, Order};
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{ffi, intern};
use std::ffi::c_int;

/// Writable memory, which lives as long as an array looks at it.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Memory {
    start: *mut u8,
    len: usize,
    /// Moves as a handle; the bytes themselves stay.
    _owner: BufferMut,
}

// SAFETY: the memory is the owner's and goes with it; who writes to it through a buffer is Python's business.
unsafe impl Send for Memory {}
// SAFETY: as above; nothing here reads or writes the bytes.
unsafe impl Sync for Memory {}

impl Memory {
    /// All of a buffer, which was filled or not.
    pub(crate) fn new(mut owner: BufferMut) -> PyResult<Self> {
        let bytes = owner.all().py()?;
        let (start, len) = (bytes.as_mut_ptr(), bytes.len());
        Ok(Self { start, len, _owner: owner })
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
        unsafe { fill_view(&slf, view, flags, this.start, this.len, true) }
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
    let memory = Bound::new(py, memory?)?;
    over(py, memory.as_any(), dtype, shape, order, 0)
}

/// The array of this dtype and shape over a buffer, from `offset` on.
pub(crate) fn over<'py>(
    py: Python<'py>,
    buffer: &Bound<'py, PyAny>,
    dtype: &DType,
    shape: &[usize],
    order: Order,
    offset: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let layout = Layout::contiguous(shape, dtype.itemsize(), order).py()?;
    let strides = layout.strides();
    let options = PyDict::new(py);
    options.set_item(intern!(py, "dtype"), dtype::to_numpy(py, dtype)?)?;
    if layout.is_empty() || dtype.itemsize() == 0 {
        let shape = pyo3::types::PyTuple::new(py, shape)?;
        options.set_item(intern!(py, "order"), if order == Order::F { "F" } else { "C" })?;
        return numpy(py)?.call_method(intern!(py, "empty"), (shape,), Some(&options));
    }
    options.set_item(intern!(py, "buffer"), buffer)?;
    options.set_item(intern!(py, "offset"), offset)?;
    options.set_item(intern!(py, "strides"), pyo3::types::PyTuple::new(py, strides)?)?;
    let shape = pyo3::types::PyTuple::new(py, shape)?;
    numpy(py)?.call_method(intern!(py, "ndarray"), (shape,), Some(&options))
}
