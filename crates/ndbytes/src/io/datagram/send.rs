//! Sending arrays.

use super::socket::{Socket, TICK};
use crate::array::ArrayRef;
use crate::error::{Error, Result};
use crate::format::datagram::{FragmentOptions, Fragmenter, MAX_DATAGRAM, Pacer};
use crate::format::{Encode, Message, Metadata, Piece, frame};
use crate::io::{Watch, now_ns, unwatched};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// Bytes of one call, at most.
const BATCH: usize = 1 << 15;
/// Bytes that may have gone ahead of the pace before it, at least, and else what goes in one part of this many of a second: a sleep
/// lasts longer than it was told to, and what was missed is made up for. A receiver with the usual buffer of its system has room for
/// both at the usual rate.
const AHEAD: u64 = 1 << 15;
const AHEAD_PARTS: u64 = 2500;

/// How arrays are sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SendOptions {
    /// Which part of the datagrams may be lost, from 0 to below 0.5, damaged ones counted: see
    /// [`FragmentOptions`](crate::datagram::FragmentOptions).
    pub loss: f64,
    /// Bytes of a datagram at most: up to [`MAX_DATAGRAM`](crate::datagram::MAX_DATAGRAM).
    pub datagram: usize,
    /// Bytes a second, at most. What is sent faster than the slowest link on the way, or the receiver, can take is lost.
    pub rate: u64,
}

impl Default for SendOptions {
    /// No loss, 1,440 bytes, 100 MB/s: what a gigabit link takes.
    fn default() -> Self {
        Self { loss: 0.0, datagram: MAX_DATAGRAM, rate: 100_000_000 }
    }
}

/// What comes next of a message on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next call to the system, at once.
    Go,
    /// So long a wait, for the pace.
    Wait(Duration),
    /// A wait for room in the system.
    Room,
    /// All of it has gone.
    Done,
}

/// A message on its way.
#[derive(Debug)]
pub struct Flight<'a> {
    fragmenter: Fragmenter<'a>,
    number: u64,
    /// What goes in one call, and how much of it has gone.
    batch: Vec<u8>,
    done: usize,
    sent: u64,
}

impl Flight<'_> {
    /// The number of the message: the first of a sender is 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of its datagrams that have gone.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

/// Sends arrays to one address. It is never told whether they arrived.
#[derive(Debug)]
pub struct DatagramSender {
    socket: Socket,
    to: SocketAddr,
    options: SendOptions,
    /// What this sender calls itself.
    stream: u32,
    /// The number of the next message.
    number: u64,
    pacer: Pacer,
    started: Instant,
    /// Memory for what goes in one call.
    batch: Vec<u8>,
}

impl DatagramSender {
    /// To the first of these addresses, with default options. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) from the system; [`Argument`](crate::ErrorKind::Argument) for a name without an address.
    pub fn connect(to: impl ToSocketAddrs) -> Result<Self> {
        let to = to.to_socket_addrs()?.next();
        let to = to.ok_or_else(|| Error::argument("the name has no address"))?;
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let options = SendOptions::default();
        Ok(Self {
            socket: Socket::new(UdpSocket::bind(any)?)?,
            to,
            pacer: pacer(&options)?,
            options,
            stream: random(),
            number: 0,
            started: Instant::now(),
            batch: Vec::new(),
        })
    }

    /// The same with other options.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a rate of 0.
    pub fn with(mut self, options: SendOptions) -> Result<Self> {
        self.pacer = pacer(&options)?;
        self.options = options;
        Ok(self)
    }

    /// Sends an array.
    ///
    /// # Errors
    /// As [`DatagramSender::send_named`].
    pub fn send(&mut self, array: &ArrayRef<'_>) -> Result<()> {
        self.send_named(array, Metadata::default(), &mut unwatched)
    }

    /// Sends an array with a name and attributes; `watch` counts the bytes of its datagrams, and is called several times a second.
    ///
    /// # Errors
    /// As [`frame::Encoder::new`] and [`DatagramSender::send_pieces`].
    pub fn send_named(
        &mut self,
        array: &ArrayRef<'_>,
        metadata: Metadata,
        watch: Watch<'_>,
    ) -> Result<()> {
        let options = frame::EncodeOptions { metadata, ..frame::EncodeOptions::default() };
        let mut encoder = frame::Encoder::new(array, &options)?;
        self.send_pieces(all(&mut encoder)?, watch).map(|_| ())
    }

    /// Sends arrays as one message, each a frame as its options say, and gives the message's number: the first of a sender is 0.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for no arrays; as [`frame::Encoder::new`] and [`DatagramSender::send_pieces`].
    pub fn send_message<'a>(
        &mut self,
        arrays: &[(ArrayRef<'a>, frame::EncodeOptions)],
        watch: Watch<'_>,
    ) -> Result<u64> {
        let (count, seq) = (arrays.len() as u64, self.number);
        let message = Message { count, seq, sent_ns: now_ns(), stream: None };
        let mut pieces = Vec::new();
        for mut encoder in message.encoders(arrays)? {
            pieces.extend(all(&mut encoder)?);
        }
        self.send_pieces(pieces, watch)
    }

    /// The number of the next message.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.number
    }

    /// Sends the bytes of one or more frames as one message, and gives its number.
    ///
    /// # Errors
    /// As [`DatagramSender::begin`] and [`DatagramSender::advance`], and whatever `watch` returns: the message is lost then, and the next
    /// one may be sent.
    pub fn send_pieces(&mut self, pieces: Vec<Piece<'_>>, watch: Watch<'_>) -> Result<u64> {
        let mut flight = self.begin(pieces)?;
        loop {
            watch(flight.sent())?;
            match self.advance(&mut flight)? {
                Next::Go => {}
                Next::Wait(time) => std::thread::sleep(time.min(TICK)),
                Next::Room => self.socket.wait_to_send(),
                Next::Done => return Ok(flight.number()),
            }
        }
    }

    /// Begins a message of one or more frames, for whoever waits in a way of their own; nothing is sent yet. One that is dropped is lost.
    ///
    /// # Errors
    /// As [`Fragmenter::new`](crate::datagram::Fragmenter::new).
    pub fn begin<'a>(&mut self, pieces: Vec<Piece<'a>>) -> Result<Flight<'a>> {
        let SendOptions { loss, datagram, .. } = self.options;
        let (number, options) = (self.number, FragmentOptions { loss, datagram });
        let fragmenter = Fragmenter::new(pieces, self.stream, number, &options)?;
        self.number += 1;
        let mut batch = std::mem::take(&mut self.batch);
        batch.clear();
        Ok(Flight { fragmenter, number, batch, done: 0, sent: 0 })
    }

    /// Sends what may go now of a message, by one call to the system at most, and says what comes next.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) from the system, and [`Memory`](crate::ErrorKind::Memory).
    pub fn advance(&mut self, flight: &mut Flight<'_>) -> Result<Next> {
        if flight.done >= flight.batch.len() && !self.fill(flight)? {
            self.batch = std::mem::take(&mut flight.batch);
            return Ok(Next::Done);
        }
        let wait = self.pacer.wait(self.started.elapsed());
        if !wait.is_zero() {
            return Ok(Next::Wait(wait));
        }
        let len = flight.fragmenter.datagram_len();
        let rest = flight.batch.get(flight.done..).unwrap_or_default();
        let now = if self.socket.at_once() > 1 { rest.len() } else { len.min(rest.len()) };
        if self.socket.send(self.to, rest.get(..now).unwrap_or_default(), len)? {
            self.pacer.sent(now as u64, self.started.elapsed());
            flight.done += now;
            flight.sent += now as u64;
        } else if self.socket.at_once() > 1 || now == len {
            return Ok(Next::Room);
        }
        Ok(Next::Go)
    }

    /// Makes as many datagrams as go at once; whether there are any.
    fn fill(&mut self, flight: &mut Flight<'_>) -> Result<bool> {
        let len = flight.fragmenter.datagram_len();
        let most = self.socket.at_once().min(BATCH / len).max(1);
        flight.batch.resize(most * len, 0);
        flight.done = 0;
        let mut filled = 0;
        for space in flight.batch.chunks_exact_mut(len) {
            match flight.fragmenter.next(space)? {
                Some(n) => filled += n,
                None => break,
            }
        }
        flight.batch.truncate(filled);
        Ok(filled > 0)
    }

    /// What this sender calls itself in its datagrams: drawn at random.
    #[must_use]
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// Where it sends to.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.to
    }

    /// The socket, to look at.
    #[must_use]
    pub fn get_ref(&self) -> &UdpSocket {
        self.socket.get_ref()
    }
}

fn pacer(options: &SendOptions) -> Result<Pacer> {
    Pacer::new(options.rate, AHEAD.max(options.rate / AHEAD_PARTS))
}

fn all<'a>(encoder: &mut dyn Encode<'a>) -> Result<Vec<Piece<'a>>> {
    let mut pieces = Vec::new();
    while let Some(piece) = encoder.next()? {
        pieces.push(piece);
    }
    Ok(pieces)
}

/// A number that no other sender has, as far as chance goes.
fn random() -> u32 {
    let bits = RandomState::new().hash_one(std::process::id());
    u32::try_from(bits >> 32).unwrap_or_default()
}
