//! One connection, used in both directions by any thread.

#[cfg(all(target_os = "linux", feature = "map"))]
use super::handover;
use super::line::{Line, Lines};
use super::target::Target;
use super::{Address, Connection, Counts, Ledger, Stats, TlsOptions};
use crate::array::ArrayRef;
use crate::error::{Error, ErrorKind, Result};
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::format::Lent;
use crate::format::frame;
use crate::io::stream::{Places, Received, Receiver, Sender, StreamOptions};
use crate::io::{Turns, Watch};
use crate::limits::Limits;
#[cfg(all(target_os = "linux", feature = "map"))]
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a channel is used.
#[derive(Debug, Clone)]
pub struct ChannelOptions {
    /// Bounds on what a peer may ask for.
    pub limits: Limits,
    /// Bounds connecting, and what the peer may take for a header and for each 64 KiB behind it; not the wait between messages.
    pub timeout: Duration,
    /// Whether a connection that is lost is made anew. Then the peer sends receipts, and what came to no receipt is counted.
    pub reconnect: bool,
    /// Receives bare `.npy`, from peers that have only NumPy, each a message of its own. Nothing is checked then, and nothing sent.
    pub npy: bool,
    /// What `tls://` takes.
    pub tls: TlsOptions,
}

impl Default for ChannelOptions {
    /// [`Limits::stream`], 10 seconds, one connection, frames.
    fn default() -> Self {
        let (limits, tls) = (Limits::stream(), TlsOptions::default());
        let timeout = Duration::from_secs(10);
        Self { limits, timeout, reconnect: false, npy: false, tls }
    }
}

impl ChannelOptions {
    fn stream(&self) -> StreamOptions {
        let limits = self.limits.clone();
        StreamOptions { limits, npy: self.npy, timeout: Some(self.timeout) }
    }
}

/// A connection with a peer: messages of arrays go both ways.
///
/// Any thread may send and any receive, at the same time; two that do the same take turns. Dropped, it is closed.
#[derive(Debug)]
pub struct Channel {
    pub(super) options: ChannelOptions,
    pub(super) lines: Lines,
    pub(super) ledger: Ledger,
    pub(super) sending: Turns<Sending>,
    pub(super) receiving: Turns<Receiving>,
}

#[derive(Debug, Default)]
pub(super) struct Sending {
    /// Over which connection.
    pub(super) turn: u64,
    pub(super) sender: Option<Sender<Connection>>,
    /// The number of the next message.
    pub(super) next: u64,
}

#[derive(Debug, Default)]
pub(super) struct Receiving {
    pub(super) turn: u64,
    pub(super) receiver: Option<Receiver<Connection>>,
}

/// What comes next on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coming {
    /// Nothing yet.
    Nothing,
    /// A part of a receipt, or of a message's first bytes.
    Part,
    Message,
    /// The connection has ended.
    End,
}

impl Channel {
    /// Connects to whoever listens there.
    ///
    /// # Errors
    /// As [`Connection::open_with`].
    pub fn connect(address: &Address, options: ChannelOptions, watch: Watch<'_>) -> Result<Self> {
        let target = Target::new(address, &options.tls)?;
        let connection = Connection::reach(&target, options.timeout, watch)?;
        let again = options.reconnect.then_some(target);
        let lines = Lines::new(connection, again, options.timeout);
        Ok(Self::on(lines, options, Arc::default()))
    }

    /// Over the connection of a peer that has come.
    pub(super) fn over(
        connection: Connection,
        options: ChannelOptions,
        counts: Arc<Counts>,
    ) -> Self {
        let options = ChannelOptions { reconnect: false, ..options };
        Self::on(Lines::new(connection, None, options.timeout), options, counts)
    }

    fn on(lines: Lines, options: ChannelOptions, counts: Arc<Counts>) -> Self {
        let ledger = Ledger::new(counts, options.reconnect);
        Self { options, lines, ledger, sending: Turns::default(), receiving: Turns::default() }
    }

    /// Sends arrays as one message, each a frame as its options say, and gives the message's number: the first of a channel is 0.
    /// `watch` counts the bytes of each array.
    ///
    /// Where it reconnects, a connection that is lost meanwhile is made anew, within the time-out, and the message sent again: the
    /// peer has not got it whole.
    ///
    /// # Errors
    /// As [`Sender::send_message`](crate::io::stream::Sender::send_message), and as [`Channel::connect`] where it reconnects;
    /// [`Argument`](ErrorKind::Argument) if it was closed.
    pub fn send(
        &self,
        arrays: &[(ArrayRef<'_>, frame::EncodeOptions)],
        watch: Watch<'_>,
    ) -> Result<u64> {
        let mut sending = self.sending.write(watch)?;
        let started = Instant::now();
        loop {
            let turn = self.prepare_to_send(&mut sending, watch)?;
            let Some(sender) = &mut sending.sender else { return Err(closed()) };
            if sender.is_broken() {
                let message = "the connection was lost while a message was sent; connect anew";
                return Err(Error::new(ErrorKind::Peer, message));
            }
            let error = match sender.send_message(arrays, watch) {
                Ok(seq) => {
                    self.count_sent(&mut sending, seq);
                    return Ok(seq);
                }
                Err(error) => error,
            };
            if sender.is_broken() && self.ledger.stream().is_some() {
                sending.sender = None;
                self.lines.lose(turn);
                if *error.kind() == ErrorKind::Peer && started.elapsed() < self.options.timeout {
                    continue;
                }
            }
            // Closed meanwhile, its line is lost; what a watch says stays.
            let is_closed = *error.kind() == ErrorKind::Peer && self.is_closed();
            return Err(if is_closed { closed() } else { error });
        }
    }

    /// Hands an array in shared memory over to a peer on a Unix socket, and gives the message's number; `None` over any other
    /// connection. THE PEER SHARES IT from now on.
    ///
    /// # Errors
    /// As [`Channel::send`] and [`shm::send`](crate::io::shm::send).
    #[cfg(all(target_os = "linux", feature = "map"))]
    pub fn hand_over(
        &self,
        mut lent: Lent,
        memory: impl AsFd,
        watch: Watch<'_>,
    ) -> Result<Option<u64>> {
        let mut sending = self.sending.write(watch)?;
        let started = Instant::now();
        loop {
            let turn = self.prepare_to_send(&mut sending, watch)?;
            let Some(sender) = &mut sending.sender else { return Err(closed()) };
            if sender.get_ref().unix().is_none() {
                return Ok(None);
            }
            handover::wait(sender.get_ref(), self.options.timeout, watch)?;
            let message = sender.take_number();
            lent.metadata.message = Some(message);
            let Err(error) = handover::give(sender.get_ref(), &lent, &memory) else {
                self.count_sent(&mut sending, message.seq);
                return Ok(Some(message.seq));
            };
            sending.sender = None;
            self.drop_line(turn);
            let may_pass = *error.kind() == ErrorKind::Peer && self.ledger.stream().is_some();
            if !may_pass || started.elapsed() >= self.options.timeout {
                return Err(error);
            }
        }
    }

    fn count_sent(&self, sending: &mut Sending, seq: u64) {
        sending.next = seq + 1;
        self.ledger.counts().count(|stats| stats.sent += 1);
        self.acknowledge(sending, false);
    }

    /// Nothing can follow on the connection of this turn.
    pub(super) fn drop_line(&self, turn: u64) {
        match self.ledger.stream() {
            Some(_) => self.lines.lose(turn),
            None => self.lines.refuse(),
        }
    }

    /// Makes a sender for the connection that there is, or for a new one.
    fn prepare_to_send(&self, sending: &mut Sending, watch: Watch<'_>) -> Result<u64> {
        loop {
            let turn = self.open(watch)?;
            if turn != sending.turn {
                self.ledger.account(sending.next);
                let Some(connection) = self.lines.hold(turn)? else { continue };
                let sender = Sender::over(connection)?.with(self.options.stream());
                sending.sender = Some(sender.numbered(sending.next, self.ledger.stream()));
                sending.turn = turn;
            }
            // What the peer has said meanwhile; whoever receives at the same time hears it, too.
            if self.ledger.stream().is_some()
                && let Some(mut receiving) = self.receiving.try_write()
                && self.prepare_to_receive(&mut receiving, turn)?
                && self.listen(&receiving)? == Coming::End
            {
                self.lines.lose(turn);
                continue;
            }
            self.ledger.begin(sending.next);
            return Ok(turn);
        }
    }

    /// Whether there is a receiver for this connection: it may have been lost.
    pub(super) fn prepare_to_receive(&self, receiving: &mut Receiving, turn: u64) -> Result<bool> {
        if receiving.turn != turn {
            let Some(connection) = self.lines.hold(turn)? else { return Ok(false) };
            let receiver = Receiver::over(connection)?.with(self.options.stream());
            (receiving.receiver, receiving.turn) = (Some(receiver), turn);
        }
        Ok(receiving.receiver.is_some())
    }

    /// The next message of the peer, each array to where `places` says; `None` at the end. It is waited for `patience`, or for ever.
    ///
    /// # Errors
    /// As [`Receiver::recv_message`](crate::io::stream::Receiver::recv_message); where it reconnects a connection that is lost or
    /// ends is made anew, and there is no end. [`Timeout`](ErrorKind::Timeout) if none began in time, behind which it can be
    /// called again; [`Argument`](ErrorKind::Argument) if it was closed.
    pub fn recv(
        &self,
        places: &mut dyn Places,
        patience: Option<Duration>,
        watch: Watch<'_>,
    ) -> Result<Option<Received>> {
        let started = Instant::now();
        let Some(mut receiving) = self.receiving.write_within(patience, watch)? else {
            let seconds = patience.unwrap_or_default().as_secs_f32();
            let message =
                format!("no message began within {seconds} s: another thread waits for one");
            return Err(Error::new(ErrorKind::Timeout, message));
        };
        self.confirm_last();
        loop {
            let turn = self.open(watch)?;
            if !self.prepare_to_receive(&mut receiving, turn)? {
                continue;
            }
            let coming = self.wait(&receiving, patience, started, watch)?;
            let Some(receiver) = &mut receiving.receiver else { continue };
            let received = match coming {
                Coming::Nothing | Coming::Part => continue,
                Coming::End if self.ledger.stream().is_some() => Ok(None),
                #[cfg(all(target_os = "linux", feature = "map"))]
                Coming::Message if handover::has_come(receiver.get_ref()) => {
                    places.begin();
                    handover::take(receiver.get_ref(), places, &self.options.limits)
                }
                Coming::Message if receiver.get_ref().is_refused() => Err(Error::new(
                    ErrorKind::Peer,
                    "the peer broke the channel off, and has not taken everything",
                )),
                Coming::End | Coming::Message => {
                    places.begin();
                    receiver.recv_message_into(places, watch)
                }
            };
            match received {
                Ok(Some(received)) => {
                    self.note(&received, turn);
                    return Ok(Some(received));
                }
                Ok(None) if self.ledger.stream().is_none() => return Ok(None),
                // A receipt may have met a peer that has closed: the numbers of the next connection tell what is missing.
                Err(error) if *error.kind() == ErrorKind::Peer && self.ledger.is_numbered() => {
                    receiving.receiver = None;
                    self.drop_line(turn);
                    if self.ledger.stream().is_none() {
                        return Ok(None);
                    }
                }
                Err(error) if !self.is_survived(&error) => {
                    places.failed(&error);
                    receiving.receiver = None;
                    self.drop_line(turn);
                    return Err(error);
                }
                _ => {
                    receiving.receiver = None;
                    self.lines.lose(turn);
                }
            }
        }
    }

    /// Whether the next connection makes up for this.
    fn is_survived(&self, error: &Error) -> bool {
        self.ledger.stream().is_some()
            && matches!(error.kind(), ErrorKind::Peer | ErrorKind::Truncated)
    }

    /// Waits until something comes.
    fn wait(
        &self,
        receiving: &Receiving,
        patience: Option<Duration>,
        started: Instant,
        watch: Watch<'_>,
    ) -> Result<Coming> {
        let Some(receiver) = &receiving.receiver else { return Ok(Coming::Nothing) };
        let mut part: Option<Instant> = None;
        loop {
            watch(0)?;
            self.remind();
            let left = patience.map(|patience| patience.saturating_sub(started.elapsed()));
            match receiver.get_ref().is_ready(left.unwrap_or(Duration::MAX)) {
                Ok(true) if self.ledger.stream().is_some() => match self.listen(receiving)? {
                    Coming::Nothing => part = None,
                    Coming::Part
                        if part.get_or_insert_with(Instant::now).elapsed()
                            < self.options.timeout =>
                    {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Coming::Part => {
                        let seconds = self.options.timeout.as_secs_f32();
                        let message = format!(
                            "the peer sent a part of a receipt, and nothing for {seconds} s"
                        );
                        self.lines.lose(receiving.turn);
                        return Err(Error::new(ErrorKind::Timeout, message));
                    }
                    come => return Ok(come),
                },
                Ok(true) => return Ok(Coming::Message),
                Err(error) => return Err(error.into()),
                _ if self.lines.is_closed() => return Err(closed()),
                _ => {}
            }
            if let (Some(Duration::ZERO), Some(patience)) = (left, patience) {
                let message = format!("no message began within {} s", patience.as_secs_f32());
                return Err(Error::new(ErrorKind::Timeout, message));
            }
        }
    }

    /// The turn of the connection that there is, or of a new one.
    pub(super) fn open(&self, watch: Watch<'_>) -> Result<u64> {
        if self.lines.is_inherited() {
            let message =
                "the channel belongs to the process that this one was forked from; connect anew";
            return Err(Error::argument(message));
        }
        match self.lines.open(watch)? {
            Line::Open(turn) => Ok(turn),
            Line::Again(turn) => {
                self.ledger.counts().count(|stats| stats.reconnects += 1);
                Ok(turn)
            }
            Line::Closed => Err(closed()),
        }
    }

    /// Counts a message that gave way to a newer one before it was sent.
    pub(super) fn count_dropped(&self) {
        self.ledger.counts().count(|stats| stats.dropped += 1);
    }

    /// What became of its messages.
    #[must_use]
    pub fn stats(&self) -> Stats {
        if let Some(sending) = self.sending.try_write()
            && sending.turn > 0
            && !self.is_closed()
            && (sending.turn != self.lines.turn() || self.lines.is_lost())
        {
            self.ledger.account(sending.next);
        }
        self.ledger.stats()
    }

    /// What is known of who is at the other end.
    #[must_use]
    pub fn peer(&self) -> String {
        self.lines.peer()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lines.is_closed()
    }

    /// Lets the connection go, once all that was sent has arrived where receipts tell: for that it waits as long as the time-out
    /// says. Whoever waits for messages on it stops. Twice is once.
    ///
    /// # Errors
    /// Whatever `watch` returns; it is closed then, too.
    pub fn close(&self, watch: Watch<'_>) -> Result<()> {
        let waited = self.wait_for_arrival(watch);
        if let Some(sending) = self.sending.try_write()
            && !self.is_closed()
        {
            self.ledger.close(sending.next);
        }
        let closed = self.let_go(watch);
        waited.and(closed)
    }

    /// Lets the connection go so that the peer sees that not everything was taken, even if all of it has come.
    pub fn refuse(&self) {
        self.lines.refuse();
        self.drop_holds();
    }

    /// Says that nothing more will come, and lets the connection go.
    fn let_go(&self, watch: Watch<'_>) -> Result<()> {
        if !self.lines.is_inherited() {
            self.confirm_last();
        }
        let closed = self.lines.close(watch);
        self.drop_holds();
        closed
    }

    fn drop_holds(&self) {
        // Who is in the middle of something drops its hold behind that.
        if let Some(mut sending) = self.sending.try_write() {
            sending.sender = None;
        }
        if let Some(mut receiving) = self.receiving.try_write() {
            receiving.receiver = None;
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // Nobody waits here.
        let _ = self.let_go(&mut |_| Err(closed()));
    }
}

fn closed() -> Error {
    Error::argument("the channel was closed")
}
