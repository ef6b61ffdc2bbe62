//! Waiting in a peer's time.

use crate::TICK;
use ndbytes::Result;
use ndbytes::io::stream::Clock;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A clock that goes on where a future that waited was dropped.
#[derive(Debug)]
pub(crate) struct Patience {
    timeout: Duration,
    clock: Clock,
    /// When the wait began that goes on, or was given up.
    since: Option<Instant>,
    runs: bool,
}

impl Patience {
    /// The clock stands still.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, clock: Clock::new(Some(timeout)), since: None, runs: false }
    }

    /// The peer has the full time from now on.
    pub(crate) fn start(&mut self) {
        (self.since, self.runs) = (None, true);
        self.clock.start();
    }

    /// The same, unless its time runs already.
    pub(crate) fn go_on(&mut self) {
        if !self.runs {
            self.start();
        }
    }

    /// The peer may take its time.
    pub(crate) fn stop(&mut self) {
        *self = Self::new(self.timeout);
    }

    /// So many bytes have moved.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.clock.count(bytes);
    }

    /// Waits until `poll` is ready.
    ///
    /// # Errors
    /// [`Timeout`](ndbytes::ErrorKind::Timeout).
    pub(crate) async fn wait<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Result<T> {
        loop {
            self.pass();
            self.clock.check()?;
            self.since = Some(Instant::now());
            if let Ok(ready) = tokio::time::timeout(TICK, poll_fn(&mut poll)).await {
                self.pass();
                return Ok(ready);
            }
        }
    }

    /// The wait is over. One that was longer than a tick had the process busy with something else.
    fn pass(&mut self) {
        if let Some(since) = self.since.take() {
            self.clock.waited(since.elapsed().min(TICK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndbytes::ErrorKind;

    /// Whoever asks for a message again and again, each time for less than a tick, meets the time-out all the same.
    #[tokio::test]
    async fn waits_that_are_given_up_count() {
        let mut patience = Patience::new(Duration::from_millis(200));
        patience.start();
        let started = Instant::now();
        loop {
            let never = patience.wait(|_| Poll::<()>::Pending);
            match tokio::time::timeout(Duration::from_millis(20), never).await {
                Err(_) => assert!(started.elapsed() < Duration::from_secs(5)),
                Ok(ended) => {
                    assert_eq!(*ended.unwrap_err().kind(), ErrorKind::Timeout);
                    return;
                }
            }
        }
    }
}
