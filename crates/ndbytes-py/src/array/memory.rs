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
        let len =
            ffi::Py_ssize_t::try_from(this.len).map_err(|_| PyMemoryError::new_err("too large"))?;
        // SAFETY: the view is Python's to be filled; it takes a reference to this object, which keeps the bytes where
        // they are.
        let filled =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), this.start.cast(), len, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
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
