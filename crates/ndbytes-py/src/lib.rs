//! `ndbytes._core`
use pyo3::prelude::*;
#[pymodule(gil_used = true)]
fn _core(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
