//! One connection, used in both directions by any task.

use crate::input::{Coming, Input};
use crate::lines::{Line, Lines, Target};
use crate::output::Output;
use crate::socket::Socket;
#[cfg(target_os = "linux")]
use ndbytes::Lent;
use ndbytes::frame::EncodeOptions;
use ndbytes::io::channel::{Address, ChannelOptions, Counts, Ledger, Stats};
use ndbytes::io::now_ns;
use ndbytes::io::stream::{Owned, Places, Received};
use ndbytes::{ArrayRef, Error, ErrorKind, Message, Result};
use std::future::poll_fn;
#[cfg(target_os = "linux")]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A connection with a peer: messages of arrays go both ways.
///
/// Any task may send and any receive, at the same time; two that do the same take turns. Dropped, it is closed, without waiting for
/// anything.
///
/// A compressed array is compressed by the task that sends it, some blocks at a time, between which others have their turn.
#[derive(Debug)]
pub struct Channel {
    pub(crate) options: ChannelOptions,
    pub(crate) lines: Lines,
    pub(crate) ledger: Ledger,
    pub(crate) sending: Mutex<Sending>,
    pub(crate) receiving: Mutex<Receiving>,
}

#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// Over which connection.
    pub(crate) turn: u64,
    pub(crate) socket: Option<Arc<Socket>>,
    /// The number of the next message.
    pub(crate) next: u64,
    /// Whether a message has begun and was not sent to its end.
    pub(crate) inside: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Receiving {
    pub(crate) turn: u64,
    pub(crate) input: Option<Input>,
}

/// What a message is made of.
enum Parcel<'p> {
    Arrays(&'p [(ArrayRef<'p>, EncodeOptions)]),
    #[cfg(target_os = "linux")]
    Memory(Box<Lent>, BorrowedFd<'p>),
}

impl Parcel<'_> {
    fn len(&self) -> u64 {
        match self {
            Self::Arrays(arrays) => arrays.len() as u64,
            #[cfg(target_os = "linux")]
            Self::Memory(..) => 1,
        }
    }

    async fn send(&mut self, message: Message, output: Output<'_>) -> Result<()> {
        match self {
            Self::Arrays(arrays) => output.send(message.encoders(arrays)?).await,
            #[cfg(target_os = "linux")]
            Self::Memory(lent, memory) => {
                lent.metadata.message = Some(message);
                output.hand_over(&lent.encode()?, *memory).await
            }
        }
    }
}

impl Channel {
    /// Connects to whoever listens there.
    ///
    /// # Errors
    /// [`Peer`](ErrorKind::Peer) if nobody does, or at `tls://` somebody else; [`Timeout`](ErrorKind::Timeout);
    /// [`Io`](ErrorKind::Io); [`Argument`](ErrorKind::Argument) for `udp://`; as
    /// [`TlsOptions::client`](ndbytes::io::channel::TlsOptions::client).
    pub async fn connect(address: &Address, options: ChannelOptions) -> Result<Self> {
        let target = Target::new(address, &options.tls).await?;
        let socket = target.connect(options.timeout).await?;
        let again = options.reconnect.then_some(target);
        Ok(Self::on(Lines::new(socket, again, options.timeout), options, Arc::default()))
    }

    /// Over the connection of a peer that has come.
    pub(crate) fn over(socket: Socket, options: ChannelOptions, counts: Arc<Counts>) -> Self {
        let options = ChannelOptions { reconnect: false, ..options };
        Self::on(Lines::new(socket, None, options.timeout), options, counts)
    }

    fn on(lines: Lines, options: ChannelOptions, counts: Arc<Counts>) -> Self {
        let ledger = Ledger::new(counts, options.reconnect);
        Self { options, lines, ledger, sending: Mutex::default(), receiving: Mutex::default() }
    }

    /// Sends arrays as one message, each a frame as its options say, and gives the message's number: the first of a channel is 0.
    ///
    /// Where it reconnects, a connection that is lost meanwhile is made anew, within the time-out, and the message sent again: the
    /// peer has not got it whole.
    ///
    /// A future that is dropped between the first byte and the last leaves a message that was cut: the peer sees
    /// [`Truncated`](ErrorKind::Truncated), and the next send is an error, or, where the channel reconnects, goes over a new connection.
    /// Dropped before, nothing was sent.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for no arrays, and if it was closed; as
    /// [`frame::Encoder::new`](ndbytes::frame::Encoder::new), before anything is sent; [`Peer`](ErrorKind::Peer) if the connection is
    /// lost, or was in the middle of a message; [`Timeout`](ErrorKind::Timeout) if the peer takes nothing; [`Io`](ErrorKind::Io).
    pub async fn send(&self, arrays: &[(ArrayRef<'_>, EncodeOptions)]) -> Result<u64> {
        self.pass(Parcel::Arrays(arrays)).await
    }

    /// Hands an array in shared memory over to a peer on a Unix socket, and gives the message's number; `None` over any other
    /// connection. THE PEER SHARES IT from now on. As [`Channel::send`] if its future is dropped.
    ///
    /// ```
    /// use ndbytes::io::shm::Segment;
    /// use ndbytes::{ArrayRef, Copying, Lent, Metadata, Order};
    /// use ndbytes_net::{Channel, ChannelOptions, Keep, Listener};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let address = format!("unix:{}", folder.path().join("socket").display()).parse()?;
    /// let listener = Listener::bind(&address, Keep::All, ChannelOptions::default()).await?;
    /// let channel = Channel::connect(&address, ChannelOptions::default()).await?;
    ///
    /// let array = ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?;
    /// let mut segment = Segment::new(8)?;
    /// segment.fill(&array, Order::C, Copying::default())?;
    /// let (dtype, layout) = (array.dtype().clone(), array.layout().clone());
    /// let lent = Lent { dtype, layout, metadata: Metadata::default(), size: 8, writable: false };
    /// assert_eq!(channel.hand_over(lent, &segment).await?, Some(0));
    /// assert_eq!(listener.recv().await?.arrays[0].header.shape, [2]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Channel::send`] and [`Lent::encode`].
    #[cfg(target_os = "linux")]
    pub async fn hand_over(&self, lent: Lent, memory: impl AsFd) -> Result<Option<u64>> {
        if !self.lines.is_unix() {
            return Ok(None);
        }
        self.pass(Parcel::Memory(Box::new(lent), memory.as_fd())).await.map(Some)
    }

    async fn pass(&self, mut parcel: Parcel<'_>) -> Result<u64> {
        let mut sending = self.sending.lock().await;
        let started = Instant::now();
        loop {
            let turn = self.prepare_to_send(&mut sending).await?;
            let Sending { socket: Some(socket), next, inside, .. } = &mut *sending else {
                return Err(closed());
            };
            if *inside {
                let message = "a message on this channel was not sent to its end: its connection was lost, or its future \
                               dropped; nothing can follow it: connect anew";
                return Err(Error::new(ErrorKind::Peer, message));
            }
            let (seq, stream) = (*next, self.ledger.stream());
            let message = Message { count: parcel.len(), seq, sent_ns: now_ns(), stream };
            let output = Output::new(socket, inside, self.options.timeout);
            let Err(error) = parcel.send(message, output).await else {
                sending.next = seq + 1;
                self.ledger.counts().count(|stats| stats.sent += 1);
                self.acknowledge(&sending, false);
                return Ok(seq);
            };
            let may_pass = sending.inside && self.ledger.stream().is_some();
            if may_pass {
                self.lines.lose(turn);
                if *error.kind() == ErrorKind::Peer && started.elapsed() < self.options.timeout {
                    continue;
                }
            }
            return Err(if self.is_closed() { closed() } else { error });
        }
    }

    /// Makes the connection ready that there is, or a new one.
    async fn prepare_to_send(&self, sending: &mut Sending) -> Result<u64> {
        loop {
            if sending.inside && self.ledger.stream().is_some() {
                self.lines.lose(sending.turn);
            }
            let turn = self.open().await?;
            if turn != sending.turn {
                self.ledger.account(sending.next);
                let Some(socket) = self.lines.hold(turn) else { continue };
                (sending.socket, sending.turn, sending.inside) = (Some(socket), turn, false);
            }
            // What the peer has said meanwhile; whoever receives at the same time hears it, too.
            if self.ledger.stream().is_some()
                && let Ok(mut receiving) = self.receiving.try_lock()
                && self.prepare_to_receive(&mut receiving, turn)
                && self.listen(&mut receiving) == Poll::Ready(Coming::End)
            {
                self.lines.lose(turn);
                continue;
            }
            self.ledger.begin(sending.next);
            return Ok(turn);
        }
    }

    /// Whether there is an input for this connection: it may have been lost.
    pub(crate) fn prepare_to_receive(&self, receiving: &mut Receiving, turn: u64) -> bool {
        if receiving.turn != turn {
            let Some(socket) = self.lines.hold(turn) else { return false };
            let input = Input::new(socket, &self.options.limits, self.options.timeout);
            (receiving.input, receiving.turn) = (Some(input), turn);
        }
        receiving.input.is_some()
    }

    /// The next message of the peer, each array in a buffer of its own; `None` at the end.
    ///
    /// Nothing is lost where the future is dropped: what has come of a message stays, and the next call goes on there.
    ///
    /// # Errors
    /// As [`MessageDecoder::filled`](ndbytes::MessageDecoder::filled) and [`BodyDecoder::filled`](ndbytes::BodyDecoder::filled);
    /// [`Timeout`](ErrorKind::Timeout) if a message has begun and does not go on; [`Peer`](ErrorKind::Peer) if the connection was lost
    /// between two messages, and [`Truncated`](ErrorKind::Truncated) within one. Where it reconnects, a connection that is lost or ends is
    /// made anew instead, and there is no end. [`Argument`](ErrorKind::Argument) if it was closed.
    pub async fn recv(&self) -> Result<Option<Received>> {
        self.recv_into(&mut Owned).await
    }

    /// The same, each array to where `places` says.
    ///
    /// A future that is dropped while it receives into the caller's memory leaves the channel at no known place: the next call is an error,
    /// and where it reconnects the one behind that goes on over a new connection. Before a message begins, and wherever `places` say
    /// [`Dest::Owned`](ndbytes::Dest::Owned), nothing is lost.
    ///
    /// # Errors
    /// As [`Channel::recv`], and whatever `places` returns, which ends the channel.
    pub async fn recv_into(&self, places: &mut (dyn Places + Send)) -> Result<Option<Received>> {
        let mut receiving = self.receiving.lock().await;
        self.confirm_last();
        loop {
            let turn = self.open().await?;
            if !self.prepare_to_receive(&mut receiving, turn) {
                continue;
            }
            let Some(input) = &mut receiving.input else { continue };
            let received = match self.coming(input).await {
                Ok(Coming::Message) => input.message(places).await.map(Some),
                Ok(Coming::Refused) => Err(Error::new(
                    ErrorKind::Peer,
                    "the peer broke the channel off, and has not taken everything",
                )),
                Ok(Coming::End | Coming::Part) => input.lost().map_or(Ok(None), Err),
                Err(error) => Err(error),
            };
            if received.is_err() || matches!(received, Ok(None)) {
                if self.is_closed() {
                    return Err(closed());
                }
                receiving.input = None;
            }
            let is_again = self.ledger.stream().is_some();
            match received {
                Ok(Some(received)) => {
                    self.note(&received, turn);
                    return Ok(Some(received));
                }
                Ok(None) if !is_again => {
                    receiving.turn = 0;
                    return Ok(None);
                }
                Ok(None) => self.lines.lose(turn),
                // A receipt may have met a peer that has closed: the numbers of the next connection tell what is missing.
                Err(error) if *error.kind() == ErrorKind::Peer && self.ledger.is_numbered() => {
                    self.drop_line(turn);
                    if !is_again {
                        return Ok(None);
                    }
                }
                Err(error)
                    if is_again
                        && matches!(error.kind(), ErrorKind::Peer | ErrorKind::Truncated) =>
                {
                    self.lines.lose(turn);
                }
                Err(error) => {
                    self.drop_line(turn);
                    return Err(error);
                }
            }
        }
    }

    /// Whether there is something to receive, or the end, for a listener that has it to itself.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.remind();
        let Ok(mut receiving) = self.receiving.try_lock() else { return Poll::Pending };
        if !self.prepare_to_receive(&mut receiving, self.lines.turn()) {
            return Poll::Ready(());
        }
        match &mut receiving.input {
            Some(input) => input.poll_coming(cx, &self.ledger).map(|_| ()),
            None => Poll::Ready(()),
        }
    }

    /// Whether a message has begun to come, and has not come whole.
    pub(crate) fn is_within(&self) -> bool {
        let receiving = self.receiving.try_lock();
        receiving.is_ok_and(|now| now.input.as_ref().is_some_and(Input::is_within))
    }

    /// The turn of the connection that there is, or of a new one.
    pub(crate) async fn open(&self) -> Result<u64> {
        match self.lines.open().await? {
            Line::Open(turn) => Ok(turn),
            Line::Again(turn) => {
                self.ledger.counts().count(|stats| stats.reconnects += 1);
                Ok(turn)
            }
            Line::Closed => Err(closed()),
        }
    }

    /// Nothing can follow on the connection of this turn.
    pub(crate) fn drop_line(&self, turn: u64) {
        match self.ledger.stream() {
            Some(_) => self.lines.lose(turn),
            None => self.lines.refuse(),
        }
    }

    /// What became of its messages.
    #[must_use]
    pub fn stats(&self) -> Stats {
        if let Ok(sending) = self.sending.try_lock()
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
    /// says. Whoever waits for messages on it stops. Twice is once. Dropped instead, a channel over `tls://` whose peer is slow may
    /// not get to say that it was the end.
    pub async fn close(&self) {
        self.wait_for_arrival().await;
        if let Ok(sending) = self.sending.try_lock()
            && !self.is_closed()
        {
            self.ledger.close(sending.next);
            self.acknowledge(&sending, true);
            if let Some(socket) = self.lines.hold(self.lines.turn()) {
                // Within TLS that is said in so many bytes, which need room.
                let finished = poll_fn(|cx| socket.poll_finish(cx));
                let _ = timeout(self.options.timeout, finished).await;
            }
        }
        self.let_go();
    }

    /// Says that nothing more will come, and lets the connection go.
    fn let_go(&self) {
        self.confirm_last();
        self.lines.close();
        // Who is in the middle of something drops its hold behind that.
        if let Ok(mut sending) = self.sending.try_lock() {
            sending.socket = None;
        }
        if let Ok(mut receiving) = self.receiving.try_lock() {
            receiving.input = None;
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.let_go();
    }
}

pub(crate) fn closed() -> Error {
    Error::argument("the channel was closed")
}
