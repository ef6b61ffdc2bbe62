//! Files as memory.

use crate::array::FileRegion;
use crate::errors::IntoPy as _;
use ndbytes::io::map::{Mode, Region};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Maps the bytes from `start` to `end` of the file under a descriptor.
#[pyfunction]
pub(crate) fn map(descriptor: i32, mode: &str, start: u64, end: u64) -> PyResult<FileRegion> {
    let mode = if mode == "w+" { Mode::ReadWrite } else { mode.parse().py()? };
    FileRegion::new(descriptor, start..end, mode)
}

/// Makes a file of `head` and so many zeros, in the old one's place.
#[pyfunction]
pub(crate) fn create(py: Python<'_>, path: PathBuf, head: &[u8], zeros: u64) -> PyResult<()> {
    py.detach(|| Region::create(path, head, zeros)).py()
}
