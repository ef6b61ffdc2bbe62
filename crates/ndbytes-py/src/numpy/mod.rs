//! What `ndbytes.numpy` needs of the core, as the module `ndbytes._core.numpy`: no signature here is NumPy's, and none
//! is for users.

mod header;
mod map;
mod write;
mod zip;

use pyo3::prelude::*;

/// Adds the module.
pub(crate) fn add(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "numpy")?;
    module.add_class::<crate::array::FileRegion>()?;
    module.add_function(wrap_pyfunction!(header::parse_header, &module)?)?;
    module.add_function(wrap_pyfunction!(map::create, &module)?)?;
    module.add_function(wrap_pyfunction!(map::map, &module)?)?;
    module.add_function(wrap_pyfunction!(write::write, &module)?)?;
    module.add_function(wrap_pyfunction!(zip::write_zip, &module)?)?;
    parent.add_submodule(&module)
}
