//! Bytes of a file that arrays stand on.

use crate::errors::IntoPy as _;
use crate::fd::duplicate;
use ndbytes::io::map::{Mode, Region};
use pyo3::exceptions::PyMemoryError;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::fs::File;
use std::ops::Range;
use std::os::fd::RawFd;

/// A range of a file in memory, which stays mapped as long as an array looks at it.
#[pyclass(module = "ndbytes._core", name = "Region", frozen)]
pub(crate) struct Mapped {
    start: *mut u8,
    len: usize,
    is_read_only: bool,
    /// Moves as a handle; the bytes themselves stay.
    region: Region,
}

// SAFETY: the pages are the region's and go with it; who writes to them through a buffer is Python's business.
unsafe impl Send for Mapped {}
// SAFETY: as above; nothing here reads or writes the bytes.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps bytes of the file that an object has open under this descriptor.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub(crate) fn new(number: RawFd, range: Range<u64>, mode: Mode) -> PyResult<Self> {
        let file = File::from(duplicate(number).map_err(ndbytes::Error::from).py()?);
        let mut region = Region::new(&file, range, mode).py()?;
        let is_read_only = mode == Mode::Read;
        let start = match region.bytes_mut() {
            Ok(bytes) => bytes.as_mut_ptr(),
            Err(_) => region.bytes().as_ptr().cast_mut(),
        };
        Ok(Self { start, len: region.bytes().len(), is_read_only, region })
    }
}

#[pymethods]
impl Mapped {
    fn __len__(&self) -> usize {
        self.len
    }

    /// Puts what was changed on the disk.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.region.flush()).py()
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let len =
            ffi::Py_ssize_t::try_from(this.len).map_err(|_| PyMemoryError::new_err("too large"))?;
        let read_only = c_int::from(this.is_read_only);
        // SAFETY: the view is Python's to be filled; it takes a reference to this object, which keeps the pages where
        // they are, and is refused for writing where they may not be written.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), this.start.cast(), len, read_only, flags)
        };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
