//! `ndbytes._core`: the door between Python's arrays and the core.
//!
//! One file per verb. What they have in common: arrays come in through `array`, dtypes through `dtype`, files through
//! `file`; work runs without the GIL in `work`; errors leave through `errors`.

mod array;
mod decode;
mod dtype;
mod dumps;
mod errors;
mod file;
mod frombuffer;
mod fromfile;
mod limits;
mod load;
mod numpy;
mod options;
mod save;
mod tobytes;
mod work;

use pyo3::prelude::*;

/// The compiled half of the package `ndbytes`.
// Everything here holds the GIL or a lock of its own, but nothing was tested without a GIL so far.
#[pymodule(gil_used = true)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<limits::Limits>()?;
    module.add_function(wrap_pyfunction!(tobytes::tobytes, module)?)?;
    module.add_function(wrap_pyfunction!(frombuffer::frombuffer, module)?)?;
    module.add_function(wrap_pyfunction!(dumps::dumps, module)?)?;
    module.add_function(wrap_pyfunction!(dumps::loads, module)?)?;
    module.add_function(wrap_pyfunction!(fromfile::tofile, module)?)?;
    module.add_function(wrap_pyfunction!(fromfile::fromfile, module)?)?;
    module.add_function(wrap_pyfunction!(save::save, module)?)?;
    module.add_function(wrap_pyfunction!(load::load, module)?)?;
    numpy::add(module)
}
