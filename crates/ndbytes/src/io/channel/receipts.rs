//! What peers say of the messages that they have: heard, said, and waited for.

use super::Channel;
use super::channel::{Coming, Receiving, Sending};
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::format::{Receipt, ReceiptFront, Received};
use crate::io::Watch;
use crate::io::stream::Sender;
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
            match Receipt::front(bytes.get(..n).unwrap_or_default()) {
                ReceiptFront::Other => return Ok(Coming::Message),
                ReceiptFront::Part => return Ok(Coming::Part),
                // Behind a damaged one nothing can be found.
                ReceiptFront::Damaged => return Ok(Coming::End),
                ReceiptFront::Receipt(receipt) => {
                    connection.take(&mut bytes)?;
                    if !self.ledger.hear(receipt) {
                        return Ok(Coming::End);
                    }
                }
            }
        }
        Ok(Coming::Nothing)
    }

    pub(super) fn note(&self, received: &Received, turn: u64) {
        self.ledger.receive(received, turn);
        self.remind();
    }

    /// Says what is due, if nobody is sending.
    pub(super) fn remind(&self) {
        if let Some(sending) = self.sending.try_write() {
            self.acknowledge(&sending, false);
        }
    }

    /// Sends the receipt that is due, that a message was `used` or that it has arrived, between two messages of its own. One that
    /// cannot go now stays due.
    pub(super) fn acknowledge(&self, sending: &Sending, used: bool) {
        let Some((turn, receipt)) = self.ledger.take_due(used) else { return };
        let is_broken = sending.sender.as_ref().is_some_and(Sender::is_broken);
        if let Ok(Some(connection)) = self.lines.hold(turn)
            && !is_broken
        {
            match connection.put(&receipt.encode()) {
                Ok(true) => {}
                Ok(false) => self.ledger.put_back(turn, receipt),
                Err(_) => self.drop_line(turn),
            }
        }
    }

    /// Waits until the peer has said that it has all messages, for no longer than `patience`; whether it has.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for a channel that does not reconnect, to which no receipts come; [`Peer`](ErrorKind::Peer) if
    /// messages were lost since it was asked last; as [`Channel::connect`]; whatever `watch` returns.
    pub fn flush(&self, patience: Option<Duration>, watch: Watch<'_>) -> Result<bool> {
        if self.ledger.stream().is_none() {
            return Err(Error::argument("receipts come to a channel that reconnects alone"));
        }
        let started = Instant::now();
        let Some(sending) = self.sending.write_within(patience, watch)? else { return Ok(false) };
        let next = sending.next;
        drop(sending);
        while self.ledger.settled() < next {
            watch(0)?;
            if patience.is_some_and(|patience| started.elapsed() >= patience) {
                return Ok(false);
            }
            let turn = self.open(watch)?;
            // Who receives at the same time hears of it, too.
            if let Some(mut receiving) = self.receiving.try_write()
                && self.prepare_to_receive(&mut receiving, turn)?
            {
                if self.listen(&receiving)? == Coming::End {
                    self.lines.lose(turn);
                    self.ledger.account(next);
                } else if let Some(receiver) = &receiving.receiver {
                    let _ = receiver.get_ref().is_ready(Duration::from_millis(5));
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.ledger.tell().map(|()| true)
    }

    /// A connection that is closed under receipts that come is reset, and takes with it what is still under way.
    pub(super) fn wait_for_arrival(&self, watch: Watch<'_>) -> Result<()> {
        // Whoever closes it in the middle of a call of its own does not wait for that.
        if self.sending.is_mine() || self.receiving.is_mine() {
            return Ok(());
        }
        let (mut started, mut before) = (Instant::now(), 0);
        while self.ledger.stream().is_some() && !self.is_closed() && !self.lines.is_lost() {
            watch(0)?;
            let next = self.sending.write(watch)?.next;
            let Some(mut receiving) = self.receiving.try_write() else {
                // Who receives hears of it, and stops when it is closed.
                if self.ledger.arrived() >= next || started.elapsed() >= self.options.timeout {
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            let is_there = self.prepare_to_receive(&mut receiving, self.lines.turn())?;
            if !is_there || self.listen(&receiving)? == Coming::End {
                break;
            }
            let arrived = self.ledger.arrived();
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
        if let Some(sending) = self.sending.try_write() {
            self.acknowledge(&sending, true);
        }
    }
}
