//! A short way into a function for its commonest call, one small array and nothing else: sorting out the arguments of any
//! other call takes as long as all the work on that.

use super::capi;
use super::source::SMALL;
use crate::dtype;
use ndbytes::Order;
use pyo3::exceptions::PyValueError;
use pyo3::ffi::{self, PyCFunctionFastWithKeywords, PyMethodDef, PyMethodDefPointer};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;
use pyo3::{Borrowed, intern};
use std::ffi::CString;

/// The function for all other calls.
static GENERAL: PyOnceLock<PyCFunctionFastWithKeywords> = PyOnceLock::new();

/// `tobytes` with the short way before it: the same name, signature and text.
///
/// # Errors
/// Those of Python.
pub(crate) fn with_front<'py>(general: &Bound<'py, PyCFunction>) -> PyResult<Bound<'py, PyAny>> {
    let (py, fast) = (general.py(), ffi::METH_FASTCALL | ffi::METH_KEYWORDS);
    // SAFETY: it is a function of C's.
    let (pointer, flags) = unsafe {
        let general = general.as_ptr();
        (ffi::PyCFunction_GetFunction(general), ffi::PyCFunction_GetFlags(general))
    };
    let Some(pointer) = pointer.filter(|_| flags & !ffi::METH_STATIC == fast) else {
        return Ok(general.clone().into_any());
    };
    // SAFETY: these flags are those of a function with these parameters.
    let pointer =
        unsafe { std::mem::transmute::<ffi::PyCFunction, PyCFunctionFastWithKeywords>(pointer) };
    let _ = GENERAL.set(py, pointer);
    let told = |name: &str| -> PyResult<String> { general.getattr(name)?.extract() };
    let name = told("__name__")?;
    let doc = format!("{name}{}\n--\n\n{}", told("__text_signature__")?, told("__doc__")?);
    let [name, doc] = [name, doc].map(CString::new);
    let definition = PyMethodDef {
        ml_name: name?.into_raw(),
        ml_meth: PyMethodDefPointer { PyCFunctionFastWithKeywords: call },
        ml_flags: flags,
        ml_doc: doc?.into_raw(),
    };
    let module = general.getattr(intern!(py, "__module__"))?;
    // SAFETY: the definition stays, as a function's must; it is that of `call`. The module is kept alive by Python.
    unsafe {
        let own = ffi::PyCFunction_GetSelf(general.as_ptr());
        let definition = Box::into_raw(Box::new(definition));
        Bound::from_owned_ptr_or_err(py, ffi::PyCFunction_NewEx(definition, own, module.as_ptr()))
    }
}

/// # Safety
/// Python calls it: with the GIL, and `count` arguments at `given`, then one for each of the keywords.
unsafe extern "C" fn call(
    module: *mut ffi::PyObject,
    given: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python's promise, which is also that of the general function.
    unsafe {
        let py = Python::assume_attached();
        if count == 1
            && keywords.is_null()
            && let Some((start, len)) = run(Borrowed::from_ptr(py, *given))
        {
            // The array has so many bytes from there on, and is held; nothing else runs before they are copied.
            return ffi::PyBytes_FromStringAndSize(start, len);
        }
        match GENERAL.get(py) {
            Some(general) => general(module, given, count, keywords),
            None => {
                PyValueError::new_err("the module is not complete").restore(py);
                std::ptr::null_mut()
            }
        }
    }
}

/// The bytes of a small array that lie as they are wanted. Nothing in it may panic, or run Python.
#[inline]
fn run(given: Borrowed<'_, '_, PyAny>) -> Option<(*const std::ffi::c_char, ffi::Py_ssize_t)> {
    let (start, count, dtype) = capi::known_run(&given, Order::C)?;
    let len = count.checked_mul(dtype::known(given.py(), dtype)?.itemsize())?;
    (1..=SMALL).contains(&len).then_some((start.cast_const().cast(), len.cast_signed()))
}
