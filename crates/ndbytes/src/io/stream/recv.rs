//! Receiving arrays.

use super::clock::Clock;
use super::socket::{Moved, Wire};
use super::{Socket, StreamOptions};
use crate::array::Array;
use crate::buffer::BufferMut;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    Accept, Checks, DecodeOptions, Decoded, Dest, Gathering, Header, HeaderDecoder, Received,
};
use crate::io::read::{fill_body, fill_header};
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::io::shm::Handed;
use crate::io::{Watch, unwatched};
use std::io::Read;

/// One side of a connection: the side that receives.
///
/// As an iterator it gives each array in a buffer of its own, and ends with the stream or behind the first error.
#[derive(Debug)]
pub struct Receiver<R> {
    wire: Wire<R>,
    options: StreamOptions,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    /// An array has begun and was not read to its end.
    Inside,
    /// An error has come, and nothing can come behind it.
    Failed,
    Ended,
}

impl<R: Read> Receiver<R> {
    /// Over any `Read`, with default options. Its time-out is looked at whenever a read returns.
    pub fn new(reader: R) -> Self {
        Self::on(Wire::plain(reader))
    }

    /// Over a socket, whose waits can be interrupted and end at the time-out.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) from the socket.
    pub fn over(socket: R) -> Result<Self>
    where
        R: Socket,
    {
        Ok(Self::on(Wire::over(socket)?))
    }

    fn on(wire: Wire<R>) -> Self {
        Self { wire, options: StreamOptions::default(), state: State::Between }
    }

    /// The same with other options.
    #[must_use]
    pub fn with(mut self, options: StreamOptions) -> Self {
        self.options = options;
        self
    }

    /// The next array, in a buffer of its own; `None` at the end of the stream.
    ///
    /// # Errors
    /// As [`Receiver::incoming`] and [`Incoming::read`].
    pub fn recv(&mut self) -> Result<Option<Decoded>> {
        match self.incoming(&mut unwatched)? {
            Some(incoming) => incoming.read(Dest::Owned, &mut unwatched).map(Some),
            None => Ok(None),
        }
    }

    /// Waits for the next array and reads its header, so that the caller can choose where its data go;
    /// `None` at the end of the stream. `watch` is called several times a second.
    ///
    /// # Errors
    /// As [`HeaderDecoder::filled`]; [`Peer`](ErrorKind::Peer) if the connection was lost between two arrays;
    /// [`Timeout`](ErrorKind::Timeout) once the first byte has come; [`Argument`](ErrorKind::Argument) if the array
    /// before was not read to its end, or an error has come before; whatever `watch` returns.
    pub fn incoming(&mut self, watch: Watch<'_>) -> Result<Option<Incoming<'_, R>>> {
        self.begin(false, watch)
    }

    /// The same `within` a message or not: there the peer has no time of its own between two arrays.
    fn begin(&mut self, within: bool, watch: Watch<'_>) -> Result<Option<Incoming<'_, R>>> {
        match self.state {
            State::Ended => return Ok(None),
            State::Inside => {
                let message = "an array of this stream was not read to its end; nothing can be found behind it";
                return Err(Error::argument(message));
            }
            State::Failed => {
                let message = "this stream has failed before; nothing can be found behind that";
                return Err(Error::argument(message));
            }
            State::Between => {}
        }
        let mut machine = HeaderDecoder::new(self.decode_options());
        let mut flow = Flow {
            wire: &mut self.wire,
            clock: Clock::new(self.options.timeout),
            seen: 0,
            lost: None,
        };
        // Until the first byte there is no clock, and an end is the end.
        if within {
            flow.clock.start();
        }
        let first = flow.read(machine.space(), watch)?;
        if first == 0 {
            self.state = if flow.lost.is_some() { State::Failed } else { State::Ended };
            return flow.lost.map_or(Ok(None), Err);
        }
        self.state = State::Inside;
        flow.clock.start();
        flow.clock.count(first);
        let header = match machine.filled(first) {
            Ok(Some(header)) => Ok(header),
            Ok(None) => fill_header(&mut |space| flow.read(space, watch), &mut machine),
            Err(error) => Err(error),
        };
        let header = header.map_err(|error| flow.explain(error))?;
        let seen = flow.seen;
        Ok(Some(Incoming { receiver: self, machine, header, seen }))
    }

    /// The next message, each of its arrays in a buffer of its own; `None` at the end of the stream. An array that says nothing of
    /// one is a message of its own.
    ///
    /// # Errors
    /// As [`Receiver::incoming`] and [`Incoming::read`]; [`Limit`](ErrorKind::Limit) for more arrays than `limits.members`;
    /// [`Truncated`](ErrorKind::Truncated) where the stream ends between two of them, and [`Malformed`](ErrorKind::Malformed) where
    /// another message begins there.
    pub fn recv_message(&mut self, watch: Watch<'_>) -> Result<Option<Received>> {
        self.recv_message_into(&mut Owned, watch)
    }

    /// The same, each array to where `places` says.
    ///
    /// # Errors
    /// As [`Receiver::recv_message`], and whatever `places` returns.
    pub fn recv_message_into(
        &mut self,
        places: &mut dyn Places,
        watch: Watch<'_>,
    ) -> Result<Option<Received>> {
        let received = self.message(places, watch);
        if received.is_err() && self.state == State::Between {
            self.state = State::Failed;
        }
        received
    }

    fn message(&mut self, places: &mut dyn Places, watch: Watch<'_>) -> Result<Option<Received>> {
        let limits = self.options.limits.clone();
        let Some(first) = self.incoming(watch)? else { return Ok(None) };
        let mut gathering = Gathering::begin(first.header(), &limits)?;
        let dest = places.place(first.header())?;
        let mut is_whole = gathering.push(first.read(dest, watch)?);
        while !is_whole {
            let Some(next) = self.begin(true, watch)? else {
                self.state = State::Failed;
                return Err(gathering.cut());
            };
            gathering.check(next.header())?;
            let dest = places.place(next.header())?;
            is_whole = gathering.push(next.read(dest, watch)?);
        }
        Ok(Some(gathering.finish()))
    }

    fn decode_options(&self) -> DecodeOptions {
        let (accept, checks) = match self.options.npy {
            true => (Accept::Npy, Checks::Ignored),
            false => (Accept::Frame, Checks::Required),
        };
        DecodeOptions { limits: self.options.limits.clone(), accept, checks, ..Default::default() }
    }

    /// The stream; a socket keeps the time-outs it was given. What an unfinished array has left is still in it.
    pub fn into_inner(self) -> R {
        self.wire.stream
    }

    /// The stream, to look at.
    pub fn get_ref(&self) -> &R {
        &self.wire.stream
    }
}

impl<R: Read> Iterator for Receiver<R> {
    type Item = Result<Decoded>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Failed {
            return None;
        }
        let next = self.recv().transpose();
        if let Some(Err(_)) = next {
            self.state = State::Failed;
        }
        next
    }
}

/// Where the arrays of a message go.
pub trait Places {
    /// A message begins; one before may not have come whole.
    fn begin(&mut self) {}

    /// Takes an array that was received before anybody asked for it, and whose items are in `memory`.
    ///
    /// # Errors
    /// As [`Places::place`].
    fn keep(&mut self, decoded: &mut Decoded, memory: BufferMut) -> Result<()> {
        let Header { dtype, .. } = &decoded.header;
        let array = Array::new(dtype.clone(), decoded.header.layout()?, memory.freeze()?)?;
        decoded.array = Some(array);
        Ok(())
    }

    /// Takes an array that came as memory that another process shares; what is said of it.
    ///
    /// # Errors
    /// As [`Places::place`].
    #[cfg(all(target_os = "linux", feature = "map"))]
    fn lend(&mut self, handed: Handed) -> Result<Decoded> {
        Ok(Decoded { array: Some(handed.copied()?), ..handed.decoded() })
    }

    /// Hears what a channel's connection ends with, before its peer does.
    fn failed(&mut self, _: &Error) {}

    /// Where the data of the next one go, whose header has come.
    ///
    /// # Errors
    /// What there is against it: then it ends the stream.
    fn place(&mut self, header: &Header) -> Result<Dest<'_>>;
}

/// Each array in a buffer of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owned;

impl Places for Owned {
    fn place(&mut self, _: &Header) -> Result<Dest<'_>> {
        Ok(Dest::Owned)
    }
}

/// An array whose header has come.
#[derive(Debug)]
#[must_use = "a stream goes on only behind an array that was read"]
pub struct Incoming<'r, R> {
    receiver: &'r mut Receiver<R>,
    machine: HeaderDecoder,
    header: Header,
    seen: u64,
}

impl<R: Read> Incoming<'_, R> {
    /// What it will be.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The stream that it comes from. Who reads of it takes bytes of the array.
    pub fn stream(&mut self) -> &mut R {
        &mut self.receiver.wire.stream
    }

    /// Receives the array into `dest`; `watch` counts its bytes, and is called several times a second.
    ///
    /// # Errors
    /// As [`HeaderDecoder::body`] and [`BodyDecoder::filled`](crate::BodyDecoder::filled), where a connection that is
    /// lost inside the array makes it [`Truncated`](ErrorKind::Truncated); [`Timeout`](ErrorKind::Timeout);
    /// whatever `watch` returns.
    pub fn read(self, dest: Dest<'_>, watch: Watch<'_>) -> Result<Decoded> {
        let machine = self.machine.body(dest)?;
        let Receiver { wire, options, state } = self.receiver;
        let mut flow =
            Flow { wire, clock: Clock::new(options.timeout), seen: self.seen, lost: None };
        flow.clock.start();
        let decoded = fill_body(&mut |space| flow.read(space, watch), machine, &mut unwatched)
            .map_err(|error| flow.explain(error))?;
        *state = State::Between;
        watch(flow.seen)?;
        Ok(decoded)
    }
}

/// The bytes of one array on their way in.
struct Flow<'w, R> {
    wire: &'w mut Wire<R>,
    clock: Clock,
    seen: u64,
    /// Why there are no more.
    lost: Option<Error>,
}

impl<R: Read> Flow<'_, R> {
    /// Waits for bytes; 0 at the end of the stream, or of the connection.
    fn read(&mut self, space: &mut [u8], watch: Watch<'_>) -> Result<usize> {
        let most = space.len().min(self.wire.steps.taken);
        let space = space.get_mut(..most).unwrap_or_default();
        loop {
            watch(self.seen)?;
            self.clock.check().map_err(|error| error.at(self.seen))?;
            match self.wire.attempt(&mut self.clock, |wire| wire.stream.read(space))? {
                Moved::Bytes(n) => {
                    self.seen += n as u64;
                    self.clock.count(n);
                    return Ok(n);
                }
                Moved::Tick => {}
                Moved::Lost(error) => {
                    self.lost = Some(error);
                    return Ok(0);
                }
            }
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
