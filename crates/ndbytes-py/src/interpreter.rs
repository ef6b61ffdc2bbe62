//! The one interpreter that may have this module.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// Lets the main interpreter pass: what this module keeps for the whole process are objects of one interpreter.
///
/// From Python 3.12 on it refuses the isolated ones itself. Those of older versions, and "legacy" ones, it does not.
///
/// # Errors
/// `ImportError` in any other interpreter.
pub(crate) fn only_main(py: Python<'_>) -> PyResult<()> {
    if is_main(py).unwrap_or(true) {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "ndbytes does not support subinterpreters: import it in the main interpreter, or in a process of its own",
    ))
}

/// Whether this is the main interpreter; an error where this Python has no word for it.
fn is_main(py: Python<'_>) -> PyResult<bool> {
    if let Ok(answer) = py.import("_thread")?.getattr("_is_main_interpreter") {
        return answer.call0()?.extract();
    }
    // Python 3.11.
    let interpreters = py.import("_xxsubinterpreters")?;
    interpreters.call_method0("get_current")?.eq(interpreters.call_method0("get_main")?)
}
