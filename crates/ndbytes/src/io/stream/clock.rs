//! How long a peer may take.

use crate::error::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// A peer that moves fewer bytes than this in the time it has is too slow.
const STEP: u64 = 1 << 16;

/// Counts bytes against time; it stands still between arrays.
#[derive(Debug)]
pub(super) struct Clock {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    /// Bytes moved since the deadline was set.
    moved: u64,
}

impl Clock {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, deadline: None, moved: 0 }
    }

    /// The peer has the full time from now on.
    pub(super) fn start(&mut self) {
        self.deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.moved = 0;
    }

    /// So many bytes have moved: each [`STEP`] earns the full time anew.
    pub(super) fn count(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.moved >= STEP && self.deadline.is_some() {
            self.start();
        }
    }

    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout).
    pub(super) fn check(&self) -> Result<()> {
        match (self.deadline, self.timeout) {
            (Some(deadline), Some(timeout)) if Instant::now() >= deadline => {
                let (seconds, moved) = (timeout.as_secs_f32(), self.moved);
                let message = format!(
                    "the peer moved {moved} bytes in {seconds} s; it has that long for a header and for each 64 KiB"
                );
                Err(Error::new(ErrorKind::Timeout, message))
            }
            _ => Ok(()),
        }
    }
}
