//! Long work: without the GIL, and with an ear for Ctrl-C.

use crate::errors::{IntoPy as _, carry};
use crate::interpreter::is_main_thread;
use ndbytes::Result;
use ndbytes::io::Watch;
use pyo3::prelude::*;
use std::time::{Duration, Instant};

/// From this many bytes on it pays to let other threads run meanwhile.
pub(crate) const LONG: u64 = 1 << 16;
/// How often signals are looked for: half of what a person notices.
const EAR: Duration = Duration::from_millis(50);

/// Does `work` on so many bytes; without the GIL where they are many.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    bytes: u64,
    work: impl FnOnce(Watch<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    if bytes <= LONG {
        return work(&mut ndbytes::io::unwatched).py();
    }
    wait(py, work)
}

/// Does `work` of any length, a wait for others among it, without the GIL.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(Watch<'_>) -> Result<T> + Send,
) -> PyResult<T> {
    py.detach(|| work(&mut signals())).py()
}

/// A watch that runs the handlers of signals that have come, and ends the work with what they raise.
pub(crate) fn signals() -> impl FnMut(u64) -> Result<()> {
    let mut last = Instant::now();
    move |_| {
        if last.elapsed() < EAR {
            return Ok(());
        }
        last = Instant::now();
        // Handlers run on the main thread only.
        let checked =
            is_main_thread().then(|| Python::try_attach(|py| py.check_signals())).flatten();
        checked.unwrap_or(Ok(())).map_err(carry)
    }
}
