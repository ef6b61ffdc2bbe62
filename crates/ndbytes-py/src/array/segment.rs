//! Memory that processes share, under arrays.

use super::memory::fill_view;
use super::region::FileRegion;
use super::source::Source;
use crate::errors::IntoPy as _;
use crate::fd::duplicate;
use crate::limits::{self, Limits};
use crate::options;
use crate::work::wait;
use ndbytes::io::map::Mode;
use ndbytes::io::shm::Segment as Core;
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A piece of shared memory, which stays mapped as long as an array looks at it.
#[pyclass(module = "ndbytes._core.shm", frozen, weakref)]
pub(crate) struct Segment {
    start: *mut u8,
    len: usize,
    is_read_only: bool,
    number: RawFd,
    /// Moves as a handle; the bytes themselves stay. Held while it is filled.
    core: Mutex<Core>,
}

// SAFETY: the pages are the segment's and go with it; who writes to them through a buffer is Python's business.
unsafe impl Send for Segment {}
// SAFETY: as above; the core has a lock.
unsafe impl Sync for Segment {}

impl Segment {
    pub(crate) fn over(mut core: Core) -> Self {
        let (len, number) = (core.len(), core.as_fd().as_raw_fd());
        let is_read_only = !core.is_writable();
        let start = match core.bytes_mut() {
            Ok(bytes) => bytes.as_mut_ptr(),
            Err(_) => core.bytes().as_ptr().cast_mut(),
        };
        ANY.store(true, Ordering::Relaxed);
        Self { start, len, is_read_only, number, core: Mutex::new(core) }
    }

    /// Whether there ever was one.
    pub(crate) fn any() -> bool {
        ANY.load(Ordering::Relaxed)
    }
}

static ANY: AtomicBool = AtomicBool::new(false);

fn owned(number: RawFd) -> PyResult<OwnedFd> {
    duplicate(number).map_err(ndbytes::Error::from).py()
}

impl Segment {
    /// Another descriptor of it.
    pub(crate) fn descriptor(&self) -> ndbytes::Result<OwnedFd> {
        let core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(core.as_fd().try_clone_to_owned()?)
    }
}

#[pymethods]
impl Segment {
    /// So many zero bytes.
    #[new]
    fn new(size: u64) -> PyResult<Self> {
        Core::new(size).py().map(Self::over)
    }

    /// The memory behind a descriptor, which stays the caller's.
    #[staticmethod]
    #[pyo3(signature = (number, writable, limits = None))]
    fn of(number: RawFd, writable: bool, limits: Option<Limits>) -> PyResult<Self> {
        let mode = if writable { Mode::ReadWrite } else { Mode::Read };
        let limits = limits::or(limits, ndbytes::Limits::local());
        Core::from_fd(owned(number)?, mode, &limits).py().map(Self::over)
    }

    /// The same for changes that nobody else sees.
    #[staticmethod]
    #[pyo3(signature = (number, limits = None))]
    fn private(number: RawFd, limits: Option<Limits>) -> PyResult<FileRegion> {
        let limits = limits::or(limits, ndbytes::Limits::local());
        Core::private(owned(number)?, &limits).py().map(FileRegion::private)
    }

    /// Its descriptor, for as long as it lives.
    fn fileno(&self) -> RawFd {
        self.number
    }

    /// Where it lies in this process.
    #[getter]
    fn address(&self) -> usize {
        self.start.addr()
    }

    #[getter]
    pub(crate) fn readonly(&self) -> bool {
        self.is_read_only
    }

    fn __len__(&self) -> usize {
        self.len
    }

    /// Copies an array to the front, in this order.
    fn fill(&self, py: Python<'_>, a: &Bound<'_, PyAny>, order: &str) -> PyResult<()> {
        let (source, order) = (Source::untyped(a)?, order.parse().py()?);
        let how = options::copying(None, true)?;
        wait(py, |_| {
            let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
            core.fill(&source.view()?, order, how)
        })
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let Self { start, len, is_read_only, .. } = slf.get();
        // SAFETY: the segment has so many bytes there and keeps them mapped as long as this object lives, for writing where
        // it was opened for that. Nobody can cut them: that is sealed.
        unsafe { fill_view(&slf, view, flags, *start, *len, !is_read_only) }
    }
}

/// Where the memory begins that the items of an array reach, and how many bytes it has.
#[pyfunction]
pub(crate) fn reach(a: &Bound<'_, PyAny>) -> PyResult<(usize, usize)> {
    let (start, len) = Source::untyped(a)?.reach();
    Ok((start.addr(), len))
}
