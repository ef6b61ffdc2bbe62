//! The newest messages that wait for whoever asks. No socket, lock or clock is touched here.

use crate::error::{Error, Result};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long, since its header came, a message is waited for by who would else get the one before it.
const SOON: Duration = Duration::from_millis(10);

/// Errors of peers that wait to be asked for.
const ERRORS: usize = 64;

/// Decides which messages a listener keeps and whoever asks gets, for whatever receives them and whatever waits.
///
/// ```
/// use ndbytes::io::channel::{Newest, Next};
/// use std::time::Instant;
///
/// let mut newest = Newest::new(1);
/// assert!(newest.put("first").is_empty());
/// assert_eq!(newest.put("second"), ["first"]);
/// assert!(matches!(newest.next(Instant::now(), &mut None), Next::Now(Ok("second"))));
/// assert!(newest.is_empty());
/// ```
#[derive(Debug)]
pub struct Newest<M> {
    keep: usize,
    messages: VecDeque<M>,
    errors: VecDeque<Error>,
    /// Until when a message is waited for whose header has come.
    expected: Option<Instant>,
}

/// What there is for who asks.
#[derive(Debug)]
pub enum Next<M> {
    /// A message, or what a peer's connection ended with.
    Now(Result<M>),
    /// A message, and until then perhaps a newer one.
    Soon(Instant),
    /// Not yet anything.
    Nothing,
}

impl<M> Newest<M> {
    /// Keeps so many messages.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        let (messages, errors, expected) = Default::default();
        Self { keep, messages, errors, expected }
    }

    /// The header of a message has come by `now`.
    pub fn expect(&mut self, now: Instant) {
        self.expected = Some(now + SOON);
    }

    /// A message has come: it waits, and those give way, the oldest first, that are more than are kept.
    #[must_use = "those are counted as dropped"]
    pub fn put(&mut self, message: M) -> Vec<M> {
        self.expected = None;
        self.messages.push_back(message);
        let more = self.messages.len().saturating_sub(self.keep);
        self.messages.drain(..more).collect()
    }

    /// A peer's connection has ended with an error. It waits before all messages, unless many do.
    pub fn fail(&mut self, error: Error) {
        self.expected = None;
        if self.errors.len() < ERRORS {
            self.errors.push_back(error);
        }
    }

    /// What there is by `now`: an error first, then the oldest message that is kept. Where only the newest is kept and a newer one will soon
    /// be there, it is waited for, once: `until` is None at first, and whoever asks keeps what is put there.
    pub fn next(&mut self, now: Instant, until: &mut Option<Instant>) -> Next<M> {
        if let Some(error) = self.errors.pop_front() {
            return Next::Now(Err(error));
        }
        if let Some(expected) = self.expected
            && self.keep == 1
            && !self.messages.is_empty()
            && let until = *until.get_or_insert(expected)
            && now < until
        {
            return Next::Soon(until);
        }
        self.messages.pop_front().map_or(Next::Nothing, |message| Next::Now(Ok(message)))
    }

    /// Whether neither a message nor an error waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.errors.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{ERRORS, Newest, Next, SOON};
    use crate::error::Error;
    use std::time::{Duration, Instant};

    const MS: Duration = Duration::from_millis(1);

    /// What there is now, for somebody who has not asked before.
    fn now<M>(newest: &mut Newest<M>) -> Option<M> {
        match newest.next(Instant::now(), &mut None) {
            Next::Now(message) => Some(message.unwrap()),
            Next::Soon(_) => panic!("is waited for"),
            Next::Nothing => None,
        }
    }

    #[test]
    fn the_last_ones_are_kept_in_their_order() {
        for keep in 1..5 {
            for count in 0..9 {
                let mut newest = Newest::new(keep);
                let dropped: Vec<_> = (0..count).flat_map(|number| newest.put(number)).collect();
                let kept: Vec<_> = std::iter::from_fn(|| now(&mut newest)).collect();
                assert_eq!([dropped, kept.clone()].concat(), (0..count).collect::<Vec<_>>());
                assert_eq!(kept.len(), keep.min(count));
                assert!(newest.is_empty());
            }
        }
    }

    #[test]
    fn errors_come_first_and_are_bounded() {
        let mut newest = Newest::new(2);
        drop(newest.put(1));
        for number in 0..2 * ERRORS {
            newest.fail(Error::argument(number.to_string()));
        }
        for number in 0..ERRORS {
            let Next::Now(Err(error)) = newest.next(Instant::now(), &mut None) else { panic!() };
            assert_eq!(error.to_string(), number.to_string());
            assert!(!newest.is_empty());
        }
        assert_eq!(now(&mut newest), Some(1));
    }

    #[test]
    fn one_that_is_nearly_there_is_waited_for_and_no_longer() {
        let start = Instant::now();
        let mut newest = Newest::new(1);
        drop(newest.put(1));
        newest.expect(start);
        let mut until = None;
        let Next::Soon(soon) = newest.next(start + MS, &mut until) else { panic!() };
        assert_eq!(soon, start + SOON);
        // It comes, and the header of one more: who waits already waits for that to the same moment only.
        assert_eq!(newest.put(2), [1]);
        newest.expect(start + 5 * MS);
        let Next::Soon(again) = newest.next(start + 6 * MS, &mut until) else { panic!() };
        assert_eq!(again, soon);
        let Next::Now(Ok(2)) = newest.next(soon, &mut until) else { panic!() };
    }

    #[test]
    fn nobody_waits_for_one_that_comes_to_nothing() {
        let start = Instant::now();
        // Nothing is kept yet; more than one is kept; the header is old; its connection was lost; it has come.
        let mut newest = Newest::new(1);
        newest.expect(start);
        assert!(matches!(newest.next(start, &mut None), Next::Nothing));
        let mut several = Newest::new(2);
        drop(several.put(1));
        several.expect(start);
        assert!(matches!(several.next(start, &mut None), Next::Now(Ok(1))));
        drop(newest.put(1));
        newest.expect(start);
        assert!(matches!(newest.next(start + SOON, &mut None), Next::Now(Ok(1))));
        drop(newest.put(2));
        newest.expect(start);
        newest.fail(Error::argument("lost"));
        assert!(matches!(newest.next(start, &mut None), Next::Now(Err(_))));
        assert!(matches!(newest.next(start, &mut None), Next::Now(Ok(2))));
        newest.expect(start);
        drop(newest.put(3));
        assert!(matches!(newest.next(start, &mut None), Next::Now(Ok(3))));
    }
}
