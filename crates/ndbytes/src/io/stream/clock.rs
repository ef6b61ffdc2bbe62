//! How long a peer may take.

use crate::error::{Error, ErrorKind, Result};
use std::time::Duration;

/// A peer that moves fewer bytes than this in the time it has is too slow.
const STEP: u64 = 1 << 16;

/// Counts bytes against the time that the peer was waited for; it stands still between arrays. It is told the time.
#[derive(Debug)]
pub struct Clock {
    timeout: Option<Duration>,
    /// What is left of it, once an array has begun.
    left: Option<Duration>,
    /// Bytes moved since the peer had the full time.
    moved: u64,
}

impl Clock {
    /// It stands still; without a time-out it always does.
    #[must_use]
    pub fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, left: None, moved: 0 }
    }

    /// The peer has the full time from now on.
    pub fn start(&mut self) {
        self.left = self.timeout;
        self.moved = 0;
    }

    /// So many bytes have moved: each 64 KiB earn the full time anew.
    pub fn count(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.moved >= STEP && self.left.is_some() {
            self.start();
        }
    }

    /// The peer was waited for.
    pub fn waited(&mut self, time: Duration) {
        self.left = self.left.map(|left| left.saturating_sub(time));
    }

    /// Whether the peer's time is up.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout).
    pub fn check(&self) -> Result<()> {
        match (self.left, self.timeout) {
            (Some(Duration::ZERO), Some(timeout)) => {
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
