//! What comes on a connection: receipts, and the messages between them.

mod record;

use crate::STEP;
use crate::ahead::{AHEAD, Ahead};
use crate::patience::Patience;
use crate::socket::Socket;
use ndbytes::io::channel::Ledger;
use ndbytes::io::stream::{Places, Received, of_socket};
use ndbytes::{
    Dest, Error, ErrorKind, Event, Limits, MessageDecoder, Progress, Receipt, ReceiptFront, Result,
};
use std::future::poll_fn;
use std::io::Result as IoResult;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::yield_now;

/// Receipts that are taken at a time.
const RECEIPTS: usize = 1 << 10;

/// What comes next on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coming {
    /// A part of a receipt, or of a message's first bytes.
    Part,
    Message,
    /// The peer has ended it, and has not taken everything.
    Refused,
    /// The connection has ended.
    End,
}

/// The receiving side of a connection, with all that has come of the next message: whoever waits for it can stop at any time.
#[derive(Debug)]
pub(crate) struct Input {
    source: Source,
    patience: Patience,
    machine: MessageDecoder,
    limits: Limits,
    /// Bytes since other tasks had their turn.
    moved: usize,
}

impl Input {
    pub(crate) fn new(socket: Arc<Socket>, limits: &Limits, timeout: Duration) -> Self {
        Self {
            source: Source { socket, ahead: Ahead::default(), lost: None },
            patience: Patience::new(timeout),
            machine: MessageDecoder::new(limits),
            limits: limits.clone(),
            moved: 0,
        }
    }

    /// Waits until a message begins, or goes on. Receipts go to the ledger.
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) for a receipt that does not come whole.
    pub(crate) async fn coming(&mut self, ledger: &Ledger) -> Result<Coming> {
        if !self.machine.is_empty() {
            return Ok(Coming::Message);
        }
        let source = &mut self.source;
        match poll_fn(|cx| source.poll_coming(cx, ledger, true)).await {
            Coming::Part => {}
            coming => return Ok(coming),
        }
        self.patience.go_on();
        let coming = self.patience.wait(|cx| source.poll_coming(cx, ledger, false)).await;
        self.patience.stop();
        coming.map_err(|error| error.context("a receipt, or the first bytes of a message"))
    }

    /// Whether a message begins or goes on, or the connection has ended: then [`Input::coming`] says which at once.
    pub(crate) fn poll_coming(&mut self, cx: &mut Context<'_>, ledger: &Ledger) -> Poll<Coming> {
        match self.machine.is_empty() {
            true => self.source.poll_coming(cx, ledger, false),
            false => Poll::Ready(Coming::Message),
        }
    }

    /// Whether a message has begun, and has not come whole.
    pub(crate) fn is_within(&self) -> bool {
        !self.machine.is_empty()
    }

    /// Reads the message that has begun, each array to where `places` says.
    ///
    /// # Errors
    /// As [`MessageDecoder::filled`] and [`ndbytes::BodyDecoder::filled`]; [`Timeout`](ErrorKind::Timeout);
    /// [`Argument`](ErrorKind::Argument) where one before was given up within the caller's memory;
    /// as [`Source::record`]; whatever `places` returns.
    pub(crate) async fn message(&mut self, places: &mut (dyn Places + Send)) -> Result<Received> {
        if self.machine.is_away() {
            return Err(Error::argument(
                "a message was not received to its end, since the future that received it into the caller's memory was \
                 dropped; nothing can be found behind it: connect anew",
            ));
        }
        if self.machine.is_empty() {
            places.begin();
            self.patience.start();
            if self.source.hands_over(&mut self.patience).await? {
                let received = self.source.record(places, &self.limits, &mut self.patience).await;
                self.patience.stop();
                return received;
            }
            self.patience.start();
        }
        loop {
            let progress = match self.machine.header() {
                Some(header) => match places.place(header)? {
                    Dest::Owned => self.machine.own()?,
                    dest => self.elsewhere(dest).await?,
                },
                None => self.more().await?,
            };
            match progress {
                Progress::Whole => break,
                Progress::Header | Progress::Array => self.patience.start(),
                Progress::More => {}
            }
        }
        self.patience.stop();
        std::mem::replace(&mut self.machine, MessageDecoder::new(&self.limits)).finish()
    }

    /// Moves the machine on by what comes. Behind its last wait nothing can stop it, so that nothing that came is lost.
    async fn more(&mut self) -> Result<Progress> {
        self.rest().await;
        let n = self.source.fill(self.machine.space()?, &mut self.patience).await?;
        self.moved += n;
        self.machine.filled(n).map_err(|error| self.source.explain(error))
    }

    /// Reads an array to where its data go; the machine is at no known place until it is there.
    async fn elsewhere(&mut self, dest: Dest<'_>) -> Result<Progress> {
        let mut body = self.machine.body(dest)?;
        loop {
            self.rest().await;
            let space = body.space()?;
            if space.is_empty() {
                break;
            }
            let n = self.source.fill(space, &mut self.patience).await?;
            self.moved += n;
            if body.filled(n).map_err(|error| self.source.explain(error))? == Event::Done {
                break;
            }
        }
        Ok(self.machine.give(body.finish()?))
    }

    /// Other tasks have their turn now and then.
    async fn rest(&mut self) {
        if self.moved >= STEP {
            self.moved = 0;
            yield_now().await;
        }
    }

    /// Why the connection has ended, unless that was an end as it should be.
    pub(crate) fn lost(&mut self) -> Option<Error> {
        self.source.lost.take()
    }
}

/// Where bytes come from.
#[derive(Debug)]
struct Source {
    socket: Arc<Socket>,
    ahead: Ahead,
    /// Why nothing more comes.
    lost: Option<Error>,
}

impl Source {
    /// What comes next, between two messages; a part of it only where that is asked for.
    fn poll_coming(&mut self, cx: &mut Context<'_>, ledger: &Ledger, part: bool) -> Poll<Coming> {
        // Whoever floods it with receipts keeps nobody here.
        for _ in 0..RECEIPTS {
            let front = self.ahead.bytes();
            let (is_part, may_refuse) = (!front.is_empty(), front == [0] && self.socket.is_unix());
            if is_part && !may_refuse {
                match Receipt::front(front) {
                    _ if ledger.stream().is_none() => return Poll::Ready(Coming::Message),
                    ReceiptFront::Other => return Poll::Ready(Coming::Message),
                    // Behind a damaged one nothing can be found.
                    ReceiptFront::Damaged => return Poll::Ready(Coming::End),
                    ReceiptFront::Receipt(receipt) => {
                        self.ahead.take(Receipt::LEN);
                        if !ledger.hear(receipt) {
                            return Poll::Ready(Coming::End);
                        }
                        continue;
                    }
                    ReceiptFront::Part => {}
                }
            }
            match self.ahead.poll_more(cx, &self.socket, AHEAD) {
                Poll::Pending if is_part && part => return Poll::Ready(Coming::Part),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(ended) => {
                    self.lost = ended.err().map(of_socket);
                    return Poll::Ready(match is_part {
                        true if may_refuse => Coming::Refused,
                        true => Coming::Message,
                        false => Coming::End,
                    });
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Fills the front of `space`, in the peer's time; 0 at the end of the stream, or of the connection.
    async fn fill(&mut self, space: &mut [u8], patience: &mut Patience) -> Result<usize> {
        let n = self.ahead.give(space);
        if n > 0 {
            patience.count(n);
            return Ok(n);
        }
        if space.len() < AHEAD {
            self.look(AHEAD, patience).await?;
            return Ok(self.ahead.give(space));
        }
        let most = space.len().min(self.socket.steps().taken).min(STEP);
        let space = space.get_mut(..most).unwrap_or_default();
        let read = patience.wait(|cx| self.socket.poll_read(cx, space)).await?;
        self.heard(read, patience)
    }

    /// Reads ahead, so that `most` bytes are here at most; how many more these are, 0 at the end.
    async fn look(&mut self, most: usize, patience: &mut Patience) -> Result<usize> {
        let Self { socket, ahead, .. } = self;
        let read = patience.wait(|cx| ahead.poll_more(cx, socket, most)).await?;
        self.heard(read, patience)
    }

    fn heard(&mut self, read: IoResult<usize>, patience: &mut Patience) -> Result<usize> {
        match read.map_err(of_socket) {
            Ok(n) => {
                patience.count(n);
                Ok(n)
            }
            Err(error) if *error.kind() == ErrorKind::Peer => {
                self.lost = Some(error);
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// The error, with what the system said where a lost connection is behind it.
    fn explain(&self, error: Error) -> Error {
        match (&self.lost, error.kind()) {
            (Some(lost), ErrorKind::Truncated) => error.context(lost.message()),
            _ => error,
        }
    }
}
