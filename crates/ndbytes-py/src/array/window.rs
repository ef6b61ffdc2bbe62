//! The data of a mapped file as a buffer of Python's.

use super::memory::fill_view;
use crate::work::{signals, wait};
use ndbytes::Result;
use ndbytes::io::map::Map;
use ndbytes::io::{Turns, Watch, unwatched};
use pyo3::ffi;
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::Arc;

/// A mapped file that a handle holds, and every array that looks at it.
///
/// Its map is never replaced by another, so its bytes stay where they are.
pub(crate) struct Mapped(Turns<Map>);

impl Mapped {
    pub(crate) fn new(map: Map) -> Arc<Self> {
        Arc::new(Self(Turns::new(map)))
    }

    /// Looks at the map. Call it without the GIL.
    ///
    /// # Errors
    /// As [`Turns::read`].
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Map) -> Result<T>) -> Result<T> {
        look(&*self.0.read(&mut signals())?)
    }

    /// As [`Map::flush_watched`]. Call it without the GIL.
    pub(crate) fn flush(&self, watch: Watch<'_>) -> Result<()> {
        self.0.write(watch)?.flush_watched(watch)
    }

    /// The start of the data and their size. With `write` a checksum tail is marked open first.
    fn reach(&self, write: bool, watch: Watch<'_>) -> Result<Reach> {
        if write {
            let mut map = self.0.write(watch)?;
            let bytes = map.bytes_mut()?;
            return Ok(Reach { start: bytes.as_mut_ptr(), len: bytes.len() });
        }
        let map = self.0.read(watch)?;
        let bytes = map.bytes()?;
        Ok(Reach { start: bytes.as_ptr().cast_mut(), len: bytes.len() })
    }
}

/// So many bytes from an address on.
#[derive(Clone, Copy)]
struct Reach {
    start: *mut u8,
    len: usize,
}

// SAFETY: an address alone does nothing; `Window` holds what keeps its memory.
unsafe impl Send for Reach {}
// SAFETY: as above.
unsafe impl Sync for Reach {}

/// The data of a mapped file, which stays mapped as long as an array looks at it.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Window {
    reach: Reach,
    write: bool,
    /// Whether the file is sealed when nobody looks any more: no handle will do that.
    seals: bool,
    /// In the process that made it: a child that was forked looks at the same file, and its parent goes on writing.
    process: u32,
    owner: Arc<Mapped>,
}

impl Window {
    /// A window on all of the data, which can be written to if `write`; it `seals` what was written when
    /// it goes.
    ///
    /// # Errors
    /// As [`Map::bytes`] and [`Map::bytes_mut`].
    pub(crate) fn new(
        py: Python<'_>,
        owner: Arc<Mapped>,
        write: bool,
        seals: bool,
    ) -> PyResult<Self> {
        let reach = wait(py, |watch| owner.reach(write, watch))?;
        Ok(Self { reach, write, seals, process: std::process::id(), owner })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if self.seals && self.process == std::process::id() {
            // Nobody is left to hear of an error: the tail stays open then, which says it.
            // Marked as open once more, for what was written behind a flush.
            let seal = || {
                self.owner.reach(self.write, &mut unwatched)?;
                self.owner.flush(&mut unwatched)
            };
            let _ = Python::try_attach(|py| py.detach(seal));
        }
    }
}

#[pymethods]
impl Window {
    fn __len__(&self) -> usize {
        self.reach.len
    }

    /// Puts what was written on the disk, and seals the file's checksums for the data as they are.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, |watch| self.owner.flush(watch))
    }

    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let Self { reach, write, .. } = slf.get();
        // SAFETY: the map that the window holds has so many bytes from there on, and they can be written where it was
        // opened for that: `Mapped` never lets go of its map. A file that is cut meanwhile ends the process when
        // they are touched (SIGBUS), and reads no memory of another; `Map` says so. Others may write to them at any
        // time, as the head of this room says.
        unsafe { fill_view(&slf, view, flags, reach.start, reach.len, *write) }
    }
}
