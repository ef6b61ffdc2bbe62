//! Bytes of a file that arrays stand on.

use super::memory::fill_view;
use crate::errors::IntoPy as _;
use crate::fd::duplicate;
use ndbytes::io::map::{Mode, Region};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::fs::File;
use std::ops::Range;
use std::os::fd::RawFd;

/// A range of a file in memory, which stays mapped as long as an array looks at it.
#[pyclass(module = "ndbytes._core", name = "Region", frozen)]
pub(crate) struct FileRegion {
    start: *mut u8,
    len: usize,
    is_read_only: bool,
    /// Moves as a handle; the bytes themselves stay.
    region: Region,
}

// SAFETY: the pages are the region's and go with it; who writes to them through a buffer is Python's business.
unsafe impl Send for FileRegion {}
// SAFETY: as above; nothing here reads or writes the bytes.
unsafe impl Sync for FileRegion {}

impl FileRegion {
    /// Maps bytes of the file that an object has open under this descriptor.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub(crate) fn new(number: RawFd, range: Range<u64>, mode: Mode) -> PyResult<Self> {
        Self::of(&File::from(duplicate(number).map_err(ndbytes::Error::from).py()?), range, mode)
    }

    /// Maps bytes of a file.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub(crate) fn of(file: &File, range: Range<u64>, mode: Mode) -> PyResult<Self> {
        Ok(Self::over(Region::new(file, range, mode).py()?, mode == Mode::Read))
    }

    /// Over bytes that can be written to, and that nobody else sees.
    #[cfg(target_os = "linux")]
    pub(super) fn private(region: Region) -> Self {
        Self::over(region, false)
    }

    fn over(mut region: Region, is_read_only: bool) -> Self {
        let start = match region.bytes_mut() {
            Ok(bytes) => bytes.as_mut_ptr(),
            Err(_) => region.bytes().as_ptr().cast_mut(),
        };
        Self { start, len: region.bytes().len(), is_read_only, region }
    }
}

#[pymethods]
impl FileRegion {
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
        let Self { start, len, is_read_only, .. } = slf.get();
        // SAFETY: the region has so many bytes there and keeps them mapped as long as this object lives, for writing
        // where it was opened for that. A file that is cut meanwhile ends the process when they are touched (SIGBUS), and
        // reads no memory of another.
        unsafe { fill_view(&slf, view, flags, *start, *len, !is_read_only) }
    }
}
