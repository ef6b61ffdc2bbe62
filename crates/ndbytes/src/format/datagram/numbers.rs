//! Which messages of a sender are still awaited.

use std::time::Duration;

/// Gaps that are kept, at most.
const GAPS: usize = 64;

/// The numbers of a sender's messages: a gap is waited for, and then lost.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Behind the highest that has come.
    next: u64,
    gaps: Vec<Gap>,
}

/// Messages of which nothing has come, though something of a later one has.
#[derive(Debug, Clone, Copy)]
struct Gap {
    from: u64,
    to: u64,
    /// When that was seen.
    since: Duration,
    /// What was sent before the first that came may have been sent before anybody listened.
    counted: bool,
}

impl Numbers {
    /// Whether a message of this number may begin: it is new, or in a gap.
    pub(super) fn is_open(&self, number: u64) -> bool {
        number >= self.next || self.gaps.iter().any(|gap| gap.holds(number))
    }

    /// A message begins whose number is open. Gives how many messages are given up as lost, for there are too many gaps.
    pub(super) fn begin(&mut self, number: u64, now: Duration) -> u64 {
        if let Some(at) = self.gaps.iter().position(|gap| gap.holds(number)) {
            let gap = self.gaps.remove(at);
            let parts = [Gap { to: number, ..gap }, Gap { from: number + 1, ..gap }];
            let parts = parts.into_iter().filter(|part| part.from < part.to);
            self.gaps.splice(at..at, parts);
        } else if number >= self.next {
            let counted = self.next > 0;
            if number > self.next {
                self.gaps.push(Gap { from: self.next, to: number, since: now, counted });
            }
            self.next = number + 1;
        }
        if self.gaps.len() <= GAPS { 0 } else { self.gaps.remove(0).lost() }
    }

    /// Gives up the gaps that were seen when it `is_over`; how many messages are lost so.
    pub(super) fn expire(&mut self, is_over: impl Fn(Duration) -> bool) -> u64 {
        let mut lost = 0u64;
        self.gaps.retain(|gap| {
            let is_over = is_over(gap.since);
            if is_over {
                lost = lost.saturating_add(gap.lost());
            }
            !is_over
        });
        lost
    }

    /// When the oldest gap was seen.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.gaps.iter().map(|gap| gap.since).min()
    }

    /// How many messages are missing in all gaps.
    pub(super) fn missing(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.lost()).fold(0, u64::saturating_add)
    }
}

impl Gap {
    fn holds(&self, number: u64) -> bool {
        (self.from..self.to).contains(&number)
    }

    fn lost(&self) -> u64 {
        if self.counted { self.to - self.from } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn gaps_are_waited_for_and_then_lost() {
        let mut numbers = Numbers::default();
        assert!(numbers.is_open(5));
        assert_eq!(numbers.begin(5, SECOND), 0);
        // What came before the first may come, and is no loss if it does not.
        assert!(numbers.is_open(4) && !numbers.is_open(5) && numbers.is_open(6));
        assert_eq!(numbers.missing(), 0);
        numbers.begin(10, 2 * SECOND);
        numbers.begin(7, 3 * SECOND);
        assert_eq!(numbers.missing(), 3);
        assert!(numbers.is_open(6) && !numbers.is_open(7) && numbers.is_open(8));
        numbers.begin(4, 3 * SECOND);
        assert!(!numbers.is_open(4) && numbers.is_open(3));
        assert_eq!(numbers.oldest(), Some(SECOND));
        assert_eq!(numbers.expire(|since| since <= SECOND), 0);
        assert!(!numbers.is_open(3) && numbers.is_open(6));
        assert_eq!(numbers.expire(|since| since <= 2 * SECOND), 3);
        assert!((0..11).all(|number| !numbers.is_open(number)) && numbers.is_open(11));
        assert_eq!((numbers.oldest(), numbers.missing()), (None, 0));
    }

    #[test]
    fn so_many_gaps_and_no_more_are_kept() {
        let mut numbers = Numbers::default();
        let lost: u64 = (0..1000).map(|at| numbers.begin(at * 3, SECOND)).sum();
        assert_eq!(numbers.gaps.len(), GAPS);
        assert_eq!(lost + numbers.missing(), 999 * 2);
        let mut numbers = Numbers::default();
        numbers.begin(0, SECOND);
        numbers.begin((1 << 48) - 1, SECOND);
        // Every second number of one gap.
        let lost: u64 = (1..1000).map(|at| numbers.begin(at * 2, SECOND)).sum();
        assert!(numbers.gaps.len() <= GAPS && lost > 0);
    }
}
