//! `ndbytes.Limits`.

use ndbytes::Limits as Core;
use pyo3::prelude::*;

/// Bounds on what an input may ask for, checked before memory is taken.
///
/// Parameters
/// ----------
/// header : int
///     Bytes of a header. Default 1 MiB.
/// fields : int
///     Fields of a structured dtype, nested ones counted. Default 4,096.
/// array : int or None
///     Bytes of one array; None for as many as memory holds. Default None.
/// members : int
///     Members of an archive. Default 65,535.
///
/// Examples
/// --------
/// >>> import ndbytes as ndb
/// >>> ndb.Limits(array=1 << 20)
/// Limits(header=1048576, fields=4096, array=1048576, members=65535)
/// >>> ndb.Limits.untrusted().array
/// 1073741824
#[pyclass(module = "ndbytes", frozen, eq, from_py_object)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Limits {
    pub(crate) core: Core,
}

#[pymethods]
impl Limits {
    #[new]
    #[pyo3(signature = (*, header = 1_048_576, fields = 4096, array = None, members = 65_535))]
    fn new(header: usize, fields: usize, array: Option<u64>, members: usize) -> Self {
        let array = array.unwrap_or(u64::MAX);
        let core = Core { header, fields, array, members, ..Core::local() };
        Self { core }
    }

    /// For files of one's own: header 1 MiB, 4,096 fields, arrays up to the memory there is.
    #[staticmethod]
    fn local() -> Self {
        Self { core: Core::local() }
    }

    /// For bytes from strangers: header 64 KiB, 256 fields, arrays up to 1 GiB.
    #[staticmethod]
    fn untrusted() -> Self {
        Self { core: Core::untrusted() }
    }

    /// For a connection: header 64 KiB, 256 fields; an array takes memory as it arrives.
    #[staticmethod]
    fn stream() -> Self {
        Self { core: Core::stream() }
    }

    /// Bytes of a header.
    #[getter]
    fn header(&self) -> usize {
        self.core.header
    }

    /// Fields of a structured dtype.
    #[getter]
    fn fields(&self) -> usize {
        self.core.fields
    }

    /// Bytes of one array; None for as many as memory holds.
    #[getter]
    fn array(&self) -> Option<u64> {
        (self.core.array != u64::MAX).then_some(self.core.array)
    }

    /// Members of an archive.
    #[getter]
    fn members(&self) -> usize {
        self.core.members
    }

    fn __repr__(&self) -> String {
        let array = self.array().map_or_else(|| "None".to_owned(), |bytes| bytes.to_string());
        let Core { header, fields, members, .. } = self.core;
        format!("Limits(header={header}, fields={fields}, array={array}, members={members})")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let keywords = pyo3::types::PyDict::new(py);
        let this = slf.get();
        keywords.set_item("header", this.core.header)?;
        keywords.set_item("fields", this.core.fields)?;
        keywords.set_item("array", this.array())?;
        keywords.set_item("members", this.core.members)?;
        let partial =
            py.import("functools")?.getattr("partial")?.call((slf.get_type(),), Some(&keywords))?;
        Ok((partial, ()).into_pyobject(py)?.into_any())
    }
}

/// The caller's limits, or `otherwise`.
pub(crate) fn or(given: Option<Limits>, otherwise: Core) -> Core {
    given.map_or(otherwise, |limits| limits.core)
}
