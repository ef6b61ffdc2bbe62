//! Callbacks that are told how far a message has come.

use crate::errors::carry;
use ndbytes::Result;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often they are told, at most.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells a callable of Python's how many bytes of how many have moved, where there is one.
pub(crate) struct Progress {
    tell: Option<Py<PyAny>>,
    /// Bytes of all arrays that are known of.
    total: Arc<AtomicU64>,
    /// Bytes of the arrays before this one, and of this one.
    before: u64,
    seen: u64,
    told: Instant,
}

impl Progress {
    /// Of a total that may still grow.
    pub(crate) fn new(tell: Option<Bound<'_, PyAny>>, total: &Arc<AtomicU64>) -> Self {
        let (tell, total) = (tell.map(Bound::unbind), Arc::clone(total));
        Self { tell, total, before: 0, seen: 0, told: Instant::now() }
    }

    /// Of a message of so many bytes.
    pub(crate) fn of(tell: Option<Bound<'_, PyAny>>, bytes: u64) -> Self {
        Self::new(tell, &Arc::new(bytes.into()))
    }

    /// So many bytes of an array have moved; fewer than before are of the next one.
    ///
    /// # Errors
    /// What the callable raises.
    pub(crate) fn moved(&mut self, seen: u64) -> Result<()> {
        if seen < self.seen {
            self.before = self.before.saturating_add(self.seen);
        }
        self.seen = seen;
        let done = self.before.saturating_add(seen);
        if self.tell.is_none() || done == 0 || self.told.elapsed() < PAUSE {
            return Ok(());
        }
        self.told = Instant::now();
        // Headers and sums have moved, too.
        let total = self.total.load(Ordering::Relaxed);
        self.call(done.min(total), total).map_err(carry)
    }

    /// All of it has moved.
    ///
    /// # Errors
    /// What the callable raises.
    pub(crate) fn done(&self) -> PyResult<()> {
        let total = self.total.load(Ordering::Relaxed);
        self.call(total, total)
    }

    fn call(&self, done: u64, total: u64) -> PyResult<()> {
        let Some(tell) = &self.tell else { return Ok(()) };
        Python::try_attach(|py| tell.call1(py, (done, total)).map(drop)).unwrap_or(Ok(()))
    }
}
