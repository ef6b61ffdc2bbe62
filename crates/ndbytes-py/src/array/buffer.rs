//! Python's buffers, to be read or written, and fresh `bytes`, to be filled.

use ndbytes::huge_pages;
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PySlice};
use std::ffi::c_int;
use std::ops::Range;

/// What an exporter has given out: it keeps the bytes where they are until this is dropped.
struct View(Box<ffi::Py_buffer>);

// SAFETY: the view is only read, and released with the GIL held.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    fn new(given: &Bound<'_, PyAny>, flags: c_int) -> PyResult<Self> {
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the view is ours, and the GIL is held.
        if unsafe { ffi::PyObject_GetBuffer(given.as_ptr(), &raw mut *view, flags) } != 0 {
            return Err(PyErr::fetch(given.py()));
        }
        Ok(Self(view))
    }

    /// How many bytes there are; without any there is no address either.
    fn len(&self) -> usize {
        usize::try_from(self.0.len).unwrap_or(0)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view was filled by PyObject_GetBuffer and is released once, with the GIL held.
        Python::try_attach(|_| unsafe { ffi::PyBuffer_Release(&raw mut *self.0) });
    }
}

/// The bytes of any contiguous buffer.
pub(crate) struct Bytes(View);

impl Bytes {
    /// The bytes of a buffer.
    ///
    /// # Errors
    /// `TypeError` for what has no buffer; `BufferError` for one that is not contiguous.
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        View::new(given, ffi::PyBUF_SIMPLE).map(Self)
    }

    /// Whether nobody may write to them.
    pub(crate) fn is_readonly(&self) -> bool {
        self.0.0.readonly != 0
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self.0.len() {
            0 => &[],
            // SAFETY: the exporter gave out `len` bytes, which stay there until the view is released.
            len => unsafe { std::slice::from_raw_parts(self.0.0.buf.cast(), len) },
        }
    }
}

/// The bytes of any contiguous, writable buffer.
pub(crate) struct Out(View);

impl Out {
    /// The bytes of a buffer that may be written to.
    ///
    /// # Errors
    /// `TypeError` for what has no buffer; `BufferError` for one that is read-only or not contiguous.
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        View::new(given, ffi::PyBUF_WRITABLE).map(Self)
    }

    /// The bytes.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        match self.0.len() {
            0 => &mut [],
            // SAFETY: the exporter gave out `len` writable bytes, which stay there until the view is released.
            len => unsafe { std::slice::from_raw_parts_mut(self.0.0.buf.cast(), len) },
        }
    }
}

/// A view of some bytes of a buffer.
///
/// # Errors
/// `TypeError` for what has no buffer.
pub(crate) fn part<'py>(
    buffer: &Bound<'py, PyAny>,
    range: Range<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    // Not `PySlice::new`, which leaks its numbers.
    let slice = buffer.py().get_type::<PySlice>().call1((range.start, range.end))?;
    PyMemoryView::from(buffer)?.get_item(slice)
}

/// A view of the first bytes of a contiguous buffer.
///
/// # Errors
/// `TypeError` for what has no buffer.
pub(crate) fn front<'py>(buffer: &Bound<'py, PyAny>, len: usize) -> PyResult<Bound<'py, PyAny>> {
    let bytes = PyMemoryView::from(buffer)?.call_method1(intern!(buffer.py(), "cast"), ("B",))?;
    part(&bytes, 0..len)
}

/// A new `bytes` of `len` bytes, all of which `fill` writes.
///
/// # Errors
/// `MemoryError`, and whatever `fill` returns.
pub(crate) fn new_bytes<'py>(
    py: Python<'py>,
    len: u64,
    fill: impl FnOnce(&mut [u8]) -> PyResult<()>,
) -> PyResult<Bound<'py, PyBytes>> {
    let size = ffi::Py_ssize_t::try_from(len)
        .map_err(|_| PyMemoryError::new_err(format!("no memory for {len} bytes")))?;
    // SAFETY: a null pointer asks for bytes that the caller fills.
    let made = unsafe {
        Bound::from_owned_ptr_or_err(py, ffi::PyBytes_FromStringAndSize(std::ptr::null(), size))?
    };
    let made = made.cast_into::<PyBytes>()?;
    // SAFETY: so many bytes stand there, and nobody else has seen the object yet. They are written before they are
    // read; that they have no value until then is what makes this quicker than zeroing them first.
    let bytes = unsafe {
        let start = ffi::PyBytes_AsString(made.as_ptr()).cast::<u8>();
        std::slice::from_raw_parts_mut(start, size.unsigned_abs())
    };
    huge_pages(bytes);
    fill(bytes)?;
    Ok(made)
}
