//! `ndbytes._core`: the door between Python's arrays and the core.
//!
//! One file per verb. What they have in common: arrays come in through `array`, dtypes through `dtype`, files through
//! `file`; work runs without the GIL in `work`; errors leave through `errors`.

mod array;
mod compare;
mod decode;
mod dtype;
mod dumps;
mod errors;
mod file;
mod frombuffer;
mod fromfile;
mod info;
mod limits;
mod load;
mod map;
mod options;
mod save;
mod tobytes;
mod work;
mod zlib;

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
    module.add_class::<map::Map>()?;
    module.add_class::<info::Report>()?;
    module.add_function(wrap_pyfunction!(map::map_file, module)?)?;
    module.add_function(wrap_pyfunction!(info::peek, module)?)?;
    module.add_function(wrap_pyfunction!(info::spec, module)?)?;
    module.add_function(wrap_pyfunction!(info::verify, module)?)?;
    module.add_function(wrap_pyfunction!(info::checksum, module)?)?;
    module.add_function(wrap_pyfunction!(compare::compare, module)?)?;
    module.add_function(wrap_pyfunction!(zlib::compress, module)?)?;
    module.add_function(wrap_pyfunction!(zlib::decompress, module)?)
}
