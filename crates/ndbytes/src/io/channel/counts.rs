//! What is counted of a channel, and which messages of a peer have come.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Runs of lost messages that are remembered one by one.
const RUNS: usize = 1 << 10;
/// Streams of peers that are remembered.
const STREAMS: usize = 1 << 10;

/// What became of the messages of a channel, or of all channels of a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that were sent whole.
    pub sent: u64,
    /// Of these, those that a receipt has come for; only where the channel reconnects.
    pub confirmed: u64,
    /// Messages that were sent, and lost with their connection as far as is known: no receipt has come.
    pub lost: u64,
    /// The numbers of those, in runs; of very many the last ones.
    pub lost_seqs: Vec<RangeInclusive<u64>>,
    /// Messages received.
    pub received: u64,
    /// Messages of peers that reconnect which never came: gaps in their numbers, behind the first that came.
    pub missed: u64,
    /// Messages that gave way to newer ones before anybody asked for them.
    pub dropped: u64,
    /// Connections that were made anew.
    pub reconnects: u64,
    /// Connections that ended with an error.
    pub failed: u64,
}

/// The same while it is counted, by any number of channels.
#[derive(Debug, Default)]
pub struct Counts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    stats: Stats,
    /// The number that follows the last message of each stream.
    next: HashMap<u64, u64>,
}

impl Counts {
    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    /// Counts whatever `count` says.
    pub fn count(&self, count: impl FnOnce(&mut Stats)) {
        count(&mut self.lock().stats);
    }

    /// Messages that no receipt came for before their connection was lost.
    pub fn lose(&self, seqs: RangeInclusive<u64>) {
        let stats = &mut self.lock().stats;
        stats.lost += seqs.end().saturating_sub(*seqs.start()).saturating_add(1);
        match stats.lost_seqs.last_mut() {
            Some(last) if last.end().checked_add(1) == Some(*seqs.start()) => {
                *last = *last.start()..=*seqs.end();
            }
            _ => stats.lost_seqs.push(seqs),
        }
        let more = stats.lost_seqs.len().saturating_sub(RUNS);
        stats.lost_seqs.drain(..more);
    }

    /// A message has come: what is missing before it is counted, on whichever connection of its stream it came.
    pub fn receive(&self, stream: Option<u64>, seq: u64) {
        let inner = &mut *self.lock();
        inner.stats.received += 1;
        let Some(stream) = stream else { return };
        if inner.next.len() >= STREAMS && !inner.next.contains_key(&stream) {
            inner.next.clear();
        }
        let next = inner.next.entry(stream).or_insert(seq);
        inner.stats.missed = match seq.checked_sub(*next) {
            Some(gap) => inner.stats.missed.saturating_add(gap),
            // It was taken for missed: a later connection was quicker.
            None => inner.stats.missed.saturating_sub(1),
        };
        *next = seq.saturating_add(1).max(*next);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_missed_and_runs_are_joined() {
        let counts = Counts::default();
        for (stream, seq) in [(1, 5), (1, 6), (2, 0), (1, 10), (2, 1), (1, 8)] {
            counts.receive(Some(stream), seq);
        }
        counts.receive(None, 77);
        for seqs in [1..=2, 3..=3, 7..=9] {
            counts.lose(seqs);
        }
        let stats = counts.stats();
        assert_eq!((stats.received, stats.missed, stats.lost), (7, 2, 6));
        assert_eq!(stats.lost_seqs, [1..=3, 7..=9]);
    }

    #[test]
    fn memory_is_bounded() {
        let counts = Counts::default();
        for at in 0..3000 {
            counts.receive(Some(at), 0);
            counts.lose(3 * at..=3 * at);
        }
        assert_eq!(counts.stats().lost, 3000);
        assert_eq!(counts.stats().lost_seqs.len(), RUNS);
        assert!(counts.lock().next.len() <= STREAMS);
    }
}
