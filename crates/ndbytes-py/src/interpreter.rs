//! The one interpreter that may have this module, and its end.

use ndbytes::Error;
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use std::sync::atomic::{AtomicI32, Ordering};

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

/// The system's number of the thread that handlers of signals run on; 0 where it is not known.
static MAIN: AtomicI32 = AtomicI32::new(0);

/// Remembers which thread that is, here and in children that are forked.
pub(crate) fn know_main_thread(py: Python<'_>) -> PyResult<()> {
    #[cfg(target_os = "linux")]
    {
        let main = py.import("threading")?.call_method0("main_thread")?.getattr("native_id")?;
        MAIN.store(main.extract()?, Ordering::Release);
        let forked = |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            MAIN.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Release);
        };
        let hooks = PyDict::new(py);
        hooks.set_item("after_in_child", PyCFunction::new_closure(py, None, None, forked)?)?;
        py.import("os")?.call_method("register_at_fork", (), Some(&hooks))?;
    }
    let _ = py;
    Ok(())
}

/// Whether this thread is it, or may be.
pub(crate) fn is_main_thread() -> bool {
    #[cfg(target_os = "linux")]
    return MAIN.load(Ordering::Acquire) == rustix::thread::gettid().as_raw_nonzero().get();
    #[cfg(not(target_os = "linux"))]
    return MAIN.load(Ordering::Acquire) == 0;
}

/// What is said of work that needed the interpreter, in a thread that nobody waited for at its end.
pub(crate) fn ended() -> Error {
    Error::io(std::io::Error::other("the interpreter has ended"))
}
