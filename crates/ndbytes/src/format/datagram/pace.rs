//! How fast datagrams go.

use crate::error::{Error, Result};
use std::time::Duration;

/// A token bucket: so many bytes a second, and so many at once. It is told the time, and says how long to wait.
///
/// ```
/// use ndbytes::datagram::Pacer;
/// use std::time::Duration;
///
/// let mut pacer = Pacer::new(1_000_000, 1_500)?;
/// let start = Duration::ZERO;
/// assert_eq!(pacer.wait(start), Duration::ZERO);
/// pacer.sent(1_500, start);
/// assert_eq!(pacer.wait(start), Duration::ZERO); // The bucket is just used up.
/// pacer.sent(1_000, start);
/// assert_eq!(pacer.wait(start), Duration::from_micros(1_000));
/// assert_eq!(pacer.wait(Duration::from_micros(1_000)), Duration::ZERO);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pacer {
    /// Bytes a second.
    rate: u64,
    /// How long the rate takes for what may go at once.
    burst: Duration,
    /// When it was full the last time, and what has gone since.
    full: Duration,
    gone: u64,
}

impl Pacer {
    /// A full bucket: `rate` in bytes a second, `burst` in bytes.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a rate of 0.
    pub fn new(rate: u64, burst: u64) -> Result<Self> {
        if rate == 0 {
            return Err(Error::argument("a rate of 0 bytes a second: nothing would ever be sent"));
        }
        Ok(Self { rate, burst: span(burst, rate), full: Duration::ZERO, gone: 0 })
    }

    /// Bytes a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// How long to wait from `now` on until something may go: nothing if it may at once.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        self.even().saturating_sub(now).saturating_sub(self.burst)
    }

    /// So many bytes have gone.
    pub fn sent(&mut self, bytes: u64, now: Duration) {
        if self.even() <= now {
            (self.full, self.gone) = (now, 0);
        }
        self.gone = self.gone.saturating_add(bytes);
    }

    /// When all that has gone will have gone at the rate.
    fn even(&self) -> Duration {
        self.full.saturating_add(span(self.gone, self.rate))
    }
}

/// How long so many bytes take.
fn span(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_any_time_no_more_than_burst_and_rate_go() {
        for (rate, burst, step) in [(1_000_000, 3_000, 1_440), (7, 0, 3), (1 << 36, 1 << 16, 1440)]
        {
            let mut pacer = Pacer::new(rate, burst).unwrap();
            let (mut gone, mut now) = (0u64, Duration::ZERO);
            for _ in 0..10_000 {
                let wait = pacer.wait(now);
                now += wait;
                if wait.is_zero() {
                    pacer.sent(step, now);
                    gone += step;
                }
                let due = u128::from(rate) * now.as_nanos() / 1_000_000_000;
                let slack = u128::from(step + 1 + rate / 1_000_000);
                assert!(u128::from(gone) <= due + u128::from(burst) + slack, "{gone} of {due}");
                // It does not lag behind either, where nobody is late.
                assert!(u128::from(gone) + slack >= due, "{gone} of {due}");
            }
        }
    }

    #[test]
    fn a_rest_earns_one_burst_and_no_more() {
        let mut pacer = Pacer::new(1000, 500).unwrap();
        let later = Duration::from_secs(1000);
        let mut gone = 0;
        while pacer.wait(later).is_zero() {
            pacer.sent(100, later);
            gone += 100;
        }
        assert_eq!(gone, 600);
        assert_eq!(pacer.wait(later), Duration::from_millis(100));
        assert_eq!(pacer.rate(), 1000);
        assert!(Pacer::new(0, 1).is_err());
    }

    #[test]
    fn numbers_at_their_ends_do_not_overflow() {
        let mut pacer = Pacer::new(1, u64::MAX).unwrap();
        pacer.sent(u64::MAX, Duration::MAX);
        pacer.sent(u64::MAX, Duration::MAX);
        assert_eq!(pacer.wait(Duration::MAX), Duration::ZERO);
        assert!(pacer.wait(Duration::ZERO) > Duration::ZERO);
    }
}
