//! What comes in as an array, and what does not.

use super::capi::is_array;
use crate::dtype::numpy;
use crate::errors::{argument, argument_type, unsupported};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::{ffi, intern};

/// The array that an object is, without a copy of its items.
///
/// # Errors
/// `ArgumentTypeError` for what is no array, with what to do; `UnsupportedError` for masked arrays.
pub(super) fn array_of<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = given.py();
    if is_array(given)? {
        return Ok(given.clone());
    }
    let asarray =
        |object: &Bound<'py, PyAny>| numpy(py)?.call_method1(intern!(py, "asarray"), (object,));
    if given.is_instance(ndarray(py)?)? {
        refuse_masked(given)?;
        // Without the subclass, whose own attributes could say anything of its memory.
        return asarray(given);
    }
    if given.is_instance(&numpy(py)?.getattr(intern!(py, "generic"))?)? {
        return asarray(given);
    }
    if exports_buffer(given) {
        let view = py.get_type::<pyo3::types::PyMemoryView>().call1((given,))?;
        return asarray(view.as_any());
    }
    for name in ["__array_struct__", "__array_interface__"] {
        if given.hasattr(name)? {
            return asarray(given);
        }
    }
    if given.hasattr("__dlpack__")? {
        return from_dlpack(given);
    }
    if given.hasattr("__array__")? && !is_sequence(given) {
        let array = asarray(given)?;
        refuse_masked(&array)?;
        return Ok(array);
    }
    let name = given.get_type().name()?;
    Err(argument_type(format!(
        "expected an array, or an object with a buffer, found {name}; np.asarray makes an array of lists and numbers"
    )))
}

/// The class `numpy.ndarray`.
pub(super) fn ndarray(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS
        .get_or_try_init(py, || numpy(py)?.getattr(intern!(py, "ndarray")).map(Bound::unbind))?;
    Ok(class.bind(py))
}

/// Lists and tuples, however clever their subclass.
fn is_sequence(given: &Bound<'_, PyAny>) -> bool {
    given.is_instance_of::<pyo3::types::PyList>() || given.is_instance_of::<pyo3::types::PyTuple>()
}

/// A mask has no place in bytes, and must not be lost in silence.
fn refuse_masked(given: &Bound<'_, PyAny>) -> PyResult<()> {
    if !is_masked(given)? {
        return Ok(());
    }
    Err(unsupported(
        "a masked array would lose its mask; store a.filled(value), or a.data and np.ma.getmaskarray(a) side by side",
    ))
}

/// Whether it is a masked array.
pub(super) fn is_masked(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = given.py();
    // Without an import: who has no masked array has not loaded the module either.
    let modules = py.import("sys")?.getattr(intern!(py, "modules"))?;
    let Ok(masked) = modules.get_item("numpy.ma") else { return Ok(false) };
    given.is_instance(&masked.getattr(intern!(py, "MaskedArray"))?)
}

fn exports_buffer(given: &Bound<'_, PyAny>) -> bool {
    // SAFETY: any object may be asked, and the GIL is held.
    unsafe { ffi::PyObject_CheckBuffer(given.as_ptr()) == 1 }
}

/// Memory of other libraries, where it is the processor's own.
fn from_dlpack<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    const CPU: i64 = 1;
    let py = given.py();
    let (device, _): (i64, i64) =
        given.call_method0(intern!(py, "__dlpack_device__"))?.extract()?;
    if device != CPU {
        return Err(argument(format!(
            "the array lies on another device (DLPack's number {device}); bring it to the CPU first, as with .cpu()"
        )));
    }
    numpy(py)?.call_method1(intern!(py, "from_dlpack"), (given,))
}
