//! The newest message that waits to be sent. No socket, lock or clock is touched here.

use crate::array::Array;
use crate::error::{Error, Result};
use crate::format::frame;
use std::task::Poll;

/// Arrays of one's own, each a frame as its options say.
pub type Post = Vec<(Array, frame::EncodeOptions)>;

/// Decides what an outbox sends next, for whatever sends: one message is on its way, one waits, and gives way to the next.
///
/// ```
/// use ndbytes::io::channel::Outgoing;
/// use std::task::Poll;
///
/// let mut outgoing = Outgoing::new();
/// outgoing.post("first")?;
/// assert_eq!(outgoing.take(), Poll::Ready(Some("first")));
/// assert_eq!(outgoing.post("second")?, None);
/// assert_eq!(outgoing.post("third")?, Some("second"));
/// outgoing.done(Ok(()));
/// assert_eq!(outgoing.take(), Poll::Ready(Some("third")));
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Outgoing<M = Post> {
    waiting: Option<M>,
    /// Whether one is on its way.
    busy: bool,
    stopped: bool,
    /// What the first that failed ended with.
    failed: Option<Error>,
}

impl<M> Default for Outgoing<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Outgoing<M> {
    /// Nothing is on its way, nothing waits.
    #[must_use]
    pub fn new() -> Self {
        Self { waiting: None, busy: false, stopped: false, failed: None }
    }

    /// A message waits; one that did gives way to it, and is given back.
    ///
    /// # Errors
    /// What an earlier message ended with, which is told once; this one does not wait then.
    pub fn post(&mut self, message: M) -> Result<Option<M>> {
        self.fail()?;
        Ok(self.waiting.replace(message))
    }

    /// The message that is on its way from now on, until it is [done](Self::done); None where none will come any more.
    pub fn take(&mut self) -> Poll<Option<M>> {
        match self.waiting.take() {
            Some(message) => {
                self.busy = true;
                Poll::Ready(Some(message))
            }
            None if self.stopped => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// What was on its way has gone, or failed. The first that fails is what somebody must hear of.
    pub fn done(&mut self, sent: Result<()>) {
        self.busy = false;
        self.failed = self.failed.take().or_else(|| sent.err());
    }

    /// Whether nothing waits and nothing is on its way.
    ///
    /// # Errors
    /// What a message ended with, which is told once.
    pub fn is_drained(&mut self) -> Result<bool> {
        self.fail()?;
        Ok(self.waiting.is_none() && !self.busy)
    }

    /// No message comes any more: what waits is the last.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    fn fail(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::Outgoing;
    use crate::error::Error;
    use std::task::Poll::{Pending, Ready};

    #[test]
    fn the_last_of_those_that_wait_goes() {
        for count in 1..6 {
            let mut outgoing = Outgoing::new();
            assert!(outgoing.is_drained().unwrap());
            assert_eq!(outgoing.take(), Pending);
            let old: Vec<_> = (0..count).map(|number| outgoing.post(number).unwrap()).collect();
            let before = (0..count).map(|number: i32| number.checked_sub(1).filter(|n| *n >= 0));
            assert_eq!(old, before.collect::<Vec<_>>());
            assert!(!outgoing.is_drained().unwrap());
            assert_eq!(outgoing.take(), Ready(Some(count - 1)));
            assert_eq!(outgoing.take(), Pending);
            assert!(!outgoing.is_drained().unwrap());
            outgoing.done(Ok(()));
            assert!(outgoing.is_drained().unwrap());
        }
    }

    #[test]
    fn what_waits_is_the_last_once_it_is_stopped() {
        let mut outgoing = Outgoing::new();
        drop(outgoing.post(1));
        outgoing.stop();
        assert_eq!(outgoing.take(), Ready(Some(1)));
        outgoing.done(Ok(()));
        assert_eq!(outgoing.take(), Ready(None));
    }

    #[test]
    fn the_first_that_failed_is_told_of_once() {
        let failing = || {
            let mut outgoing = Outgoing::new();
            assert_eq!(outgoing.post(1).unwrap(), None);
            assert_eq!(outgoing.take(), Ready(Some(1)));
            outgoing.done(Err(Error::argument("first")));
            outgoing.done(Err(Error::argument("second")));
            outgoing
        };
        let mut outgoing = failing();
        assert_eq!(outgoing.post(2).unwrap_err().to_string(), "first");
        assert!(outgoing.is_drained().unwrap(), "what was told of does not wait");
        let mut outgoing = failing();
        assert_eq!(outgoing.is_drained().unwrap_err().to_string(), "first");
        assert!(outgoing.is_drained().unwrap());
        assert_eq!(outgoing.post(2).unwrap(), None);
    }
}
