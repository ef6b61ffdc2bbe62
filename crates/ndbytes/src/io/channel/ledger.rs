//! What is known of the messages of a channel: which were sent, and what peers said of them. No socket is touched here.

use super::counts::{Counts, Stats};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Receipt, Received};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps account of the messages of a channel, for whatever drives its connections: receipts that came, receipts that are due, and what
/// is lost with a connection (`spec/WIRE.md`, section 11).
#[derive(Debug)]
pub struct Ledger {
    /// What the peer knows the channel by behind the loss of a connection, where it makes another one.
    stream: Option<u64>,
    counts: Arc<Counts>,
    /// How many of its messages the peer has used, as far as it has said, and how many have arrived.
    confirmed: AtomicU64,
    arrived: AtomicU64,
    /// How many have been begun, and of how many it was told that they are lost, unless they were confirmed.
    begun: AtomicU64,
    accounted: AtomicU64,
    /// How many lost ones were told of.
    told: AtomicU64,
    /// Whether the peer is one that connects again.
    is_numbered: AtomicBool,
    /// What the peer is to hear of the message that was received last.
    due: Mutex<Option<Due>>,
}

#[derive(Debug, Clone, Copy)]
struct Due {
    /// The connection that it came on.
    turn: u64,
    /// That it has arrived; whether this was said.
    receipt: Receipt,
    told: bool,
}

impl Ledger {
    /// Of a channel that has done nothing yet; where it `reconnects` it draws the number of its stream, and receipts come to it.
    #[must_use]
    pub fn new(counts: Arc<Counts>, reconnects: bool) -> Self {
        let (confirmed, arrived, begun, accounted, told) = Default::default();
        let (is_numbered, due) = Default::default();
        let stream = reconnects.then(random);
        Self { stream, counts, confirmed, arrived, begun, accounted, told, is_numbered, due }
    }

    /// The number of its stream.
    #[must_use]
    pub fn stream(&self) -> Option<u64> {
        self.stream
    }

    /// The message of this number is about to be sent: to be said before it is, since a receipt may be quicker than whoever notes that it
    /// has gone.
    pub fn begin(&self, seq: u64) {
        self.begun.store(seq.saturating_add(1), Ordering::Release);
    }

    /// A receipt has come. False if it is of a message that never was: nothing behind it can be believed. One of another stream is passed
    /// over.
    #[must_use]
    pub fn hear(&self, receipt: Receipt) -> bool {
        if Some(receipt.stream) != self.stream {
            return true;
        }
        if receipt.seq >= self.begun.load(Ordering::Acquire) {
            return false;
        }
        let count = receipt.seq.saturating_add(1);
        self.arrived.fetch_max(count, Ordering::AcqRel);
        if receipt.used {
            let before = self.confirmed.fetch_max(count, Ordering::AcqRel);
            let before = before.max(self.accounted.load(Ordering::Acquire));
            self.counts.count(|stats| stats.confirmed += count.saturating_sub(before));
        }
        true
    }

    /// How many messages there is nothing more to hear of.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire).max(self.accounted.load(Ordering::Acquire))
    }

    /// How many messages have arrived, as far as the peer has said.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    /// Counts as lost what was sent over a connection that is lost, up to message `next`, and came to no receipt.
    pub fn account(&self, next: u64) {
        if self.stream.is_none() {
            return;
        }
        let first = self.settled();
        if first < next {
            self.counts.lose(first..=next - 1);
        }
        self.accounted.fetch_max(next, Ordering::AcqRel);
    }

    /// The same of a channel that is closed: what has arrived is not lost, whether it was used or not.
    pub fn close(&self, next: u64) {
        self.accounted.fetch_max(self.arrived(), Ordering::AcqRel);
        self.account(next);
    }

    /// Tells of each lost message once.
    ///
    /// # Errors
    /// [`Peer`](ErrorKind::Peer) if messages were lost since it was asked last.
    pub fn tell(&self) -> Result<()> {
        let lost = self.counts.stats().lost;
        match lost.saturating_sub(self.told.swap(lost, Ordering::AcqRel)) {
            0 => Ok(()),
            lost => {
                let message =
                    format!("{lost} messages were lost with their connection, as far as is known");
                Err(Error::new(ErrorKind::Peer, message))
            }
        }
    }

    /// A message has come, on the connection of this turn. A receipt may be due for it.
    pub fn receive(&self, received: &Received, turn: u64) {
        let Some(message) = received.message else {
            return self.counts.receive(None, 0);
        };
        self.counts.receive(message.stream, message.seq);
        let due = message.stream.map(|stream| {
            let receipt = Receipt { stream, seq: message.seq, used: false };
            Due { turn, receipt, told: false }
        });
        *self.due() = due;
        if message.stream.is_some() {
            self.is_numbered.store(true, Ordering::Release);
        }
    }

    /// The receipt to send now, and on the connection of which turn: that a message was `used`, or that it has arrived, which is said once.
    #[must_use]
    pub fn take_due(&self, used: bool) -> Option<(u64, Receipt)> {
        let mut place = self.due();
        let due = place.as_mut().filter(|due| used || !due.told).copied()?;
        let used = used || due.receipt.used;
        *place = (!used).then_some(Due { told: true, ..due });
        Some((due.turn, Receipt { used, ..due.receipt }))
    }

    /// It could not be said: it is due again, unless something newer is.
    pub fn put_back(&self, turn: u64, receipt: Receipt) {
        let mut place = self.due();
        if place.is_none_or(|due| due.turn == turn && due.receipt.seq == receipt.seq) {
            *place = Some(Due { turn, receipt, told: false });
        }
    }

    /// Whether a receipt is due that has not been said.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.due().is_some_and(|due| !due.told)
    }

    /// Whether the peer is one that connects again: then the numbers of its next connection tell what is missing of this one.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.is_numbered.load(Ordering::Acquire)
    }

    /// What is counted, of this channel or of several.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What became of the messages.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counts.stats()
    }

    fn due(&self) -> MutexGuard<'_, Option<Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that no other sender has, in all likelihood: what the standard library seeds its hash maps with.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish() >> 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Message;

    fn receipt(ledger: &Ledger, seq: u64, used: bool) -> Receipt {
        Receipt { stream: ledger.stream().unwrap(), seq, used }
    }

    #[test]
    fn what_came_to_no_receipt_is_lost_and_told_once() {
        let ledger = Ledger::new(Arc::default(), true);
        for seq in 0..5 {
            ledger.begin(seq);
        }
        assert!(ledger.hear(receipt(&ledger, 1, true)));
        assert!(ledger.hear(receipt(&ledger, 3, false)));
        assert_eq!((ledger.settled(), ledger.arrived()), (2, 4));
        ledger.account(5);
        let stats = ledger.stats();
        assert_eq!((stats.confirmed, stats.lost), (2, 3));
        assert_eq!(stats.lost_seqs, [2..=4]);
        let told = ledger.tell().unwrap_err();
        assert!(told.message().starts_with("3 messages were lost"), "{}", told.message());
        ledger.tell().unwrap();
        // What was accounted for is not confirmed behind that.
        assert!(ledger.hear(receipt(&ledger, 4, true)));
        assert_eq!(ledger.stats().confirmed, 2);
    }

    #[test]
    fn what_has_arrived_is_not_lost_when_it_is_closed() {
        let ledger = Ledger::new(Arc::default(), true);
        ledger.begin(2);
        assert!(ledger.hear(receipt(&ledger, 1, false)));
        ledger.close(3);
        assert_eq!(ledger.stats().lost_seqs, [2..=2]);
    }

    #[test]
    fn a_receipt_for_nothing_is_refused_and_one_for_another_passed_over() {
        let ledger = Ledger::new(Arc::default(), true);
        assert!(!ledger.hear(receipt(&ledger, 0, true)));
        ledger.begin(0);
        assert!(!ledger.hear(receipt(&ledger, 1, false)));
        let other = Receipt { stream: ledger.stream().unwrap() ^ 1, seq: 9, used: true };
        assert!(ledger.hear(other));
        assert_eq!(ledger.settled(), 0);
    }

    #[test]
    fn a_receipt_is_due_that_it_arrived_once_and_then_that_it_was_used() {
        let ledger = Ledger::new(Arc::default(), false);
        assert_eq!(ledger.take_due(true), None);
        let message = Message { count: 1, seq: 7, sent_ns: 0, stream: Some(3) };
        ledger.receive(&Received { message: Some(message), arrays: Vec::new() }, 2);
        let receipt = |used| Some((2, Receipt { stream: 3, seq: 7, used }));
        assert_eq!(ledger.take_due(false), receipt(false));
        assert_eq!(ledger.take_due(false), None);
        assert_eq!(ledger.take_due(true), receipt(true));
        assert_eq!(ledger.take_due(true), None);
        assert!(ledger.is_numbered());
    }
}
