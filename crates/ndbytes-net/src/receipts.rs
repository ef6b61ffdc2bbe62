//! What peers say of the messages that they have: heard, said, and waited for.

use crate::channel::{Channel, Receiving, Sending};
use crate::input::{Coming, Input};
use ndbytes::io::stream::Received;
use ndbytes::{Error, Result};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long one waits for a receipt before looking up.
const SHORT: Duration = Duration::from_millis(5);

impl Channel {
    /// Takes the receipts that have come, and says what follows.
    pub(crate) fn listen(&self, receiving: &mut Receiving) -> Poll<Coming> {
        let mut cx = Context::from_waker(Waker::noop());
        match &mut receiving.input {
            Some(input) => input.poll_coming(&mut cx, &self.ledger),
            None => Poll::Pending,
        }
    }

    /// The same of whatever comes in a moment, unless that is a message, behind which nothing is heard.
    async fn listen_for(&self, receiving: &mut Receiving) -> Option<Coming> {
        let coming = match &mut receiving.input {
            Some(input) => {
                let heard = poll_fn(|cx| input.poll_coming(cx, &self.ledger));
                timeout(SHORT, heard).await.ok()
            }
            None => None,
        };
        if coming == Some(Coming::Message) || receiving.input.is_none() {
            sleep(SHORT).await;
        }
        coming
    }

    pub(crate) fn note(&self, received: &Received, turn: u64) {
        self.ledger.receive(received, turn);
        self.remind();
    }

    /// Says what is due, if nobody is sending.
    pub(crate) fn remind(&self) {
        if let Ok(sending) = self.sending.try_lock() {
            self.acknowledge(&sending, false);
        }
    }

    /// What comes next. Meanwhile what is due and could not be said is said.
    pub(crate) async fn coming(&self, input: &mut Input) -> Result<Coming> {
        loop {
            self.remind();
            if !self.ledger.is_due() {
                return input.coming(&self.ledger).await;
            }
            if let Ok(coming) = timeout(SHORT, input.coming(&self.ledger)).await {
                return coming;
            }
        }
    }

    /// Sends the receipt that is due, that a message was `used` or that it has arrived, between two messages of its own. One that
    /// cannot go now stays due.
    pub(crate) fn acknowledge(&self, sending: &Sending, used: bool) {
        let Some((turn, receipt)) = self.ledger.take_due(used) else { return };
        let Some(socket) = self.lines.hold(turn) else { return };
        // Within a message of its own, which was dropped, nothing can be said any more.
        if sending.inside {
            return;
        }
        match socket.put(&receipt.encode()) {
            Ok(true) => {}
            Ok(false) => self.ledger.put_back(turn, receipt),
            Err(_) => self.drop_line(turn),
        }
    }

    /// Tells the peer that its last message was used: so says who asks for the next one.
    pub(crate) fn confirm_last(&self) {
        if let Ok(sending) = self.sending.try_lock() {
            self.acknowledge(&sending, true);
        }
    }

    /// Waits until the peer has said that it has all messages. There is no bound to that: a future that is dropped loses nothing.
    ///
    /// # Errors
    /// [`Argument`](ndbytes::ErrorKind::Argument) for a channel that does not reconnect, to which no receipts come;
    /// [`Peer`](ndbytes::ErrorKind::Peer) if messages were lost since it was asked last; as [`Channel::connect`].
    pub async fn flush(&self) -> Result<()> {
        if self.ledger.stream().is_none() {
            return Err(Error::argument("receipts come to a channel that reconnects alone"));
        }
        let next = self.sending.lock().await.next;
        while self.ledger.settled() < next {
            let turn = self.open().await?;
            // Who receives at the same time hears of it, too.
            let Ok(mut receiving) = self.receiving.try_lock() else {
                sleep(SHORT).await;
                continue;
            };
            if self.prepare_to_receive(&mut receiving, turn)
                && self.listen_for(&mut receiving).await == Some(Coming::End)
            {
                self.lines.lose(turn);
                self.ledger.account(next);
            }
        }
        self.ledger.tell()
    }

    /// A connection that is closed under receipts that come is reset, and takes with it what is still under way.
    pub(crate) async fn wait_for_arrival(&self) {
        let (mut started, mut before) = (Instant::now(), 0);
        while self.ledger.stream().is_some() && !self.is_closed() && !self.lines.is_lost() {
            let next = self.sending.lock().await.next;
            let arrived = self.ledger.arrived();
            if arrived > before {
                (started, before) = (Instant::now(), arrived);
            }
            if arrived >= next || started.elapsed() >= self.options.timeout {
                return;
            }
            // Who receives hears of it, and stops when it is closed.
            let Ok(mut receiving) = self.receiving.try_lock() else {
                sleep(SHORT).await;
                continue;
            };
            if !self.prepare_to_receive(&mut receiving, self.lines.turn())
                || self.listen_for(&mut receiving).await == Some(Coming::End)
            {
                return;
            }
        }
    }
}
