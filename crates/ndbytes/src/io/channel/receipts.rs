//! What peers say of the messages that they have: heard, said, and waited for.

use super::Channel;
use super::channel::{Coming, Due, Receiving, Sending, lock};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Receipt, Received};
use crate::io::Watch;
use crate::io::stream::Sender;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Receipts that are taken at a time.
const RECEIPTS: usize = 1 << 10;

impl Channel {
    /// Takes the receipts that have come, and says what follows.
    pub(super) fn listen(&self, receiving: &Receiving) -> Result<Coming> {
        let Some(receiver) = &receiving.receiver else { return Ok(Coming::Nothing) };
        let connection = receiver.get_ref();
        // Whoever floods it with receipts keeps nobody here.
        for _ in 0..RECEIPTS {
            let mut bytes = [0; Receipt::LEN];
            let n = match connection.peek(&mut bytes) {
                Ok(0) => return Ok(Coming::End),
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Ok(Coming::Nothing);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Coming::End),
            };
            let is_receipt = bytes.iter().zip(Receipt::MAGIC).take(n).all(|(a, b)| *a == b);
            match Receipt::decode(&bytes) {
                _ if !is_receipt => return Ok(Coming::Message),
                None if n < Receipt::LEN => return Ok(Coming::Part),
                // Behind a damaged one nothing can be found.
                None => return Ok(Coming::End),
                Some(receipt) => {
                    connection.take(&mut bytes)?;
                    if Some(receipt.stream) != self.stream {
                        continue;
                    }
                    if receipt.seq >= self.begun.load(Ordering::Acquire) {
                        // It is of a message that never was.
                        return Ok(Coming::End);
                    }
                    self.confirm(receipt);
                }
            }
        }
        Ok(Coming::Nothing)
    }

    fn confirm(&self, receipt: Receipt) {
        let count = receipt.seq.saturating_add(1);
        self.arrived.fetch_max(count, Ordering::AcqRel);
        if !receipt.used {
            return;
        }
        let before = self.confirmed.fetch_max(count, Ordering::AcqRel);
        let before = before.max(self.accounted.load(Ordering::Acquire));
        self.counts.count(|stats| stats.confirmed += count.saturating_sub(before));
    }

    /// How many messages there is nothing more to hear of.
    pub(super) fn settled(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire).max(self.accounted.load(Ordering::Acquire))
    }

    /// Counts what was sent over a connection that is lost, and came to no receipt.
    pub(super) fn account(&self, next: u64) {
        if self.stream.is_none() {
            return;
        }
        let first = self.settled();
        if first < next {
            self.counts.lose(first..=next - 1);
        }
        self.accounted.fetch_max(next, Ordering::AcqRel);
    }

    pub(super) fn note(&self, received: &Received, turn: u64) {
        let Some(message) = received.message else {
            return self.counts.receive(None, 0);
        };
        self.counts.receive(message.stream, message.seq);
        let due = message.stream.map(|stream| {
            let receipt = Receipt { stream, seq: message.seq, used: false };
            Due { turn, receipt, told: false }
        });
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        if message.stream.is_some() {
            self.is_numbered.store(true, Ordering::Release);
            if let Ok(sending) = self.sending.try_lock() {
                self.acknowledge(&sending, false);
            }
        }
    }

    /// Sends the receipt that is due, that a message was `used` or that it has arrived, between two messages of its own. One that
    /// cannot go now is left to the next.
    pub(super) fn acknowledge(&self, sending: &Sending, used: bool) {
        let mut place = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(due) = place.as_mut().filter(|due| used || !due.told).copied() else { return };
        *place = (!used).then_some(Due { told: true, ..due });
        drop(place);
        let is_broken = sending.sender.as_ref().is_some_and(Sender::is_broken);
        if let Ok(Some(connection)) = self.lines.hold(due.turn)
            && !is_broken
        {
            // A peer that takes nothing any more finds out by itself.
            if connection.put(&Receipt { used, ..due.receipt }.encode()).is_err() {
                self.drop_line(due.turn);
            }
        }
    }

    /// Waits until the peer has said that it has all messages, for no longer than `patience`; whether it has.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for a channel that does not reconnect, to which no receipts come; [`Peer`](ErrorKind::Peer) if
    /// messages were lost since it was asked last; as [`Channel::connect`]; whatever `watch` returns.
    pub fn flush(&self, patience: Option<Duration>, watch: Watch<'_>) -> Result<bool> {
        if self.stream.is_none() {
            return Err(Error::argument("receipts come to a channel that reconnects alone"));
        }
        let started = Instant::now();
        let next = lock(&self.sending, patience, watch)?.next;
        while self.settled() < next {
            watch(0)?;
            if patience.is_some_and(|patience| started.elapsed() >= patience) {
                return Ok(false);
            }
            let turn = self.open(watch)?;
            // Who receives at the same time hears of it, too.
            if let Ok(mut receiving) = self.receiving.try_lock()
                && self.prepare_to_receive(&mut receiving, turn)?
            {
                if self.listen(&receiving)? == Coming::End {
                    self.lines.lose(turn);
                    self.account(next);
                } else if let Some(receiver) = &receiving.receiver {
                    let _ = receiver.get_ref().is_ready(Duration::from_millis(5));
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let lost = self.counts.stats().lost;
        match lost.saturating_sub(self.told.swap(lost, Ordering::AcqRel)) {
            0 => Ok(true),
            lost => {
                let message =
                    format!("{lost} messages were lost with their connection, as far as is known");
                Err(Error::new(ErrorKind::Peer, message))
            }
        }
    }

    /// A connection that is closed under receipts that come is reset, and takes with it what is still under way.
    pub(super) fn wait_for_arrival(&self, watch: Watch<'_>) -> Result<()> {
        let (mut started, mut before) = (Instant::now(), 0);
        while self.stream.is_some() && !self.is_closed() && !self.lines.is_lost() {
            watch(0)?;
            let next = lock(&self.sending, None, watch)?.next;
            let Ok(mut receiving) = self.receiving.try_lock() else {
                // Who receives hears of it, and stops when it is closed.
                if self.arrived.load(Ordering::Acquire) >= next
                    || started.elapsed() >= self.options.timeout
                {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            let is_there = self.prepare_to_receive(&mut receiving, self.lines.turn())?;
            if !is_there || self.listen(&receiving)? == Coming::End {
                break;
            }
            let arrived = self.arrived.load(Ordering::Acquire);
            if arrived > before {
                (started, before) = (Instant::now(), arrived);
            }
            if arrived >= next || started.elapsed() >= self.options.timeout {
                break;
            }
            if let Some(receiver) = &receiving.receiver {
                let _ = receiver.get_ref().is_ready(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    /// Tells the peer that its last message was used: so says who asks for the next one.
    pub(super) fn confirm_last(&self) {
        if let Ok(sending) = self.sending.try_lock() {
            self.acknowledge(&sending, true);
        }
    }
}
