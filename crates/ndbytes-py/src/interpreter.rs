//! The one interpreter that may have this module, and its end.

use ndbytes::{Error, ErrorKind};
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Whether the interpreter is about to end: so much is told before the threads of others may be stopped anywhere.
static ENDS: AtomicBool = AtomicBool::new(false);

/// Hears of its end.
pub(crate) fn listen_for_end(py: Python<'_>) -> PyResult<()> {
    let heard = |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        ENDS.store(true, Ordering::Release);
    };
    let heard = PyCFunction::new_closure(py, None, None, heard)?;
    py.import("atexit")?.call_method1("register", (heard,)).map(drop)
}

/// Does something with the interpreter, in a thread that has let go of it; `None` where it ends meanwhile, under a thread that nobody
/// waits for: such a one must not touch it any more.
pub(crate) fn attach<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    if ENDS.load(Ordering::Acquire) && !is_main_thread() {
        return None;
    }
    Python::try_attach(work)
}

/// What is said of work that needed an interpreter that [has ended](attach).
pub(crate) fn ended() -> Error {
    Error::new(ErrorKind::Interrupted, "the interpreter has ended")
}

/// Whether this is the thread that a process begins with, or the only one that a forked child does.
pub(crate) fn is_main_thread() -> bool {
    #[cfg(target_os = "linux")]
    return rustix::thread::gettid() == rustix::process::getpid();
    #[cfg(not(target_os = "linux"))]
    true
}
