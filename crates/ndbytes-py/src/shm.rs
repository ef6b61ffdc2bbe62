//! What `ndbytes.shm` needs of the core, as the module `ndbytes._core.shm`: memory that processes share, and the record
//! that goes with its descriptor. None of it is for users.

use crate::array::{Segment, reach};
use crate::dtype;
use crate::errors::{IntoPy as _, argument};
use crate::limits::{self, Limits};
use crate::options::metadata;
use ndbytes::io::shm::Handed;
use ndbytes::{LENT_FRONT, LENT_MAGIC, Layout, Lent, Metadata};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

/// Adds the module.
pub(crate) fn add(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "shm")?;
    module.add("FRONT", LENT_FRONT)?;
    module.add("MAGIC", PyBytes::new(parent.py(), &LENT_MAGIC))?;
    module.add_class::<Segment>()?;
    module.add_function(wrap_pyfunction!(reach, &module)?)?;
    module.add_function(wrap_pyfunction!(encode, &module)?)?;
    module.add_function(wrap_pyfunction!(length, &module)?)?;
    module.add_function(wrap_pyfunction!(decode, &module)?)?;
    parent.add_submodule(&module)
}

/// Where items lie in memory: offset in bytes, shape, and strides in bytes.
type Place = (usize, Vec<usize>, Vec<isize>);

/// The record of an array in memory of so many bytes.
#[pyfunction]
#[pyo3(signature = (dtype, place, size, writable, name = None, attrs = None))]
fn encode<'py>(
    py: Python<'py>,
    dtype: &Bound<'py, PyAny>,
    place: Place,
    size: u64,
    writable: bool,
    name: Option<String>,
    attrs: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let record = lent(dtype, place, size, writable, metadata(name, attrs)?)?.encode().py()?;
    Ok(PyBytes::new(py, &record))
}

/// An array that lies in shared memory, and where.
pub(crate) struct Shared<'py> {
    pub(crate) segment: Bound<'py, Segment>,
    place: Place,
}

/// Where an array lies in shared memory; None if it does not.
///
/// # Errors
/// What looking raises.
pub(crate) fn find<'py>(array: &Bound<'py, PyAny>) -> PyResult<Option<Shared<'py>>> {
    if !Segment::any() {
        return Ok(None);
    }
    let segments = array.py().import("ndbytes._segments")?;
    let found = segments.call_method1("find", (array,))?;
    let Ok(segment) = found.cast_into::<Segment>() else { return Ok(None) };
    let place = segments.call_method1("place", (&segment, array))?.extract()?;
    Ok(Some(Shared { segment, place }))
}

impl Shared<'_> {
    /// What is said of it.
    ///
    /// # Errors
    /// As [`lent`].
    pub(crate) fn lent(self, array: &Bound<'_, PyAny>, metadata: Metadata) -> PyResult<Lent> {
        let size = self.segment.len()? as u64;
        let is_writable = array.getattr("flags")?.getattr("writeable")?.extract::<bool>()?
            && !self.segment.get().readonly();
        lent(&array.getattr("dtype")?, self.place, size, is_writable, metadata)
    }
}

/// What is said of an array in memory of so many bytes.
fn lent(
    dtype: &Bound<'_, PyAny>,
    (offset, shape, strides): Place,
    size: u64,
    writable: bool,
    metadata: Metadata,
) -> PyResult<Lent> {
    let layout = Layout::new(shape, strides, offset).py()?;
    Ok(Lent { dtype: dtype::from_numpy(dtype)?, layout, metadata, size, writable })
}

/// How many bytes the record has that begins so.
#[pyfunction]
#[pyo3(signature = (front, limits = None))]
fn length(front: &[u8], limits: Option<Limits>) -> PyResult<usize> {
    let front = front.first_chunk().ok_or_else(|| argument("too few bytes of a record"))?;
    Lent::len(front, &limits::or(limits, ndbytes::Limits::stream())).py()
}

/// What a record says: dtype, place, size of the memory, and whether it may be written to.
#[pyfunction]
#[pyo3(signature = (record, limits = None))]
fn decode<'py>(
    py: Python<'py>,
    record: &[u8],
    limits: Option<Limits>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>, u64, bool)> {
    let lent = Lent::decode(record, &limits::or(limits, ndbytes::Limits::stream())).py()?;
    let layout = &lent.layout;
    let (shape, strides) = (layout.shape(), layout.strides());
    let place = (layout.offset(), PyTuple::new(py, shape)?, PyTuple::new(py, strides)?);
    Ok((dtype::to_numpy(py, &lent.dtype)?, place.into_pyobject(py)?, lent.size, lent.writable))
}

/// The array that another process has handed over.
///
/// # Errors
/// Those of `python/ndbytes/_segments.py`.
pub(crate) fn adopted<'py>(py: Python<'py>, handed: Handed) -> PyResult<Bound<'py, PyAny>> {
    let Handed { lent, segment } = handed;
    let layout = &lent.layout;
    let place =
        (layout.offset(), PyTuple::new(py, layout.shape())?, PyTuple::new(py, layout.strides())?);
    let dtype = dtype::to_numpy(py, &lent.dtype)?;
    let segment = Bound::new(py, Segment::over(segment))?;
    py.import("ndbytes._segments")?.call_method1("adopted", (segment, dtype, place))
}
