//! Sending arrays.

use super::clock::Clock;
use super::socket::{Moved, Pages, Wire};
use super::{Socket, StreamOptions};
use crate::array::ArrayRef;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::format::{Encode, Message, Metadata, frame, npy};
use crate::io::{Watch, now_ns, unwatched};
use std::io::{Result as IoResult, Write};
use std::ops::Range;

/// Up to so many bytes an array goes with its header and tail in one write.
const COALESCED: usize = 1 << 16;
/// From so many bytes on a message may go out of pages of the socket's.
const MUCH: u64 = 1 << 20;

/// One side of a connection: the side that sends.
#[derive(Debug)]
pub struct Sender<W> {
    wire: Wire<W>,
    options: StreamOptions,
    /// Whether an array has begun and was not sent to its end.
    inside: bool,
    /// Whether the same is so of a message.
    within: bool,
    /// The number of the next message.
    seq: u64,
    /// What a receiver knows the sender by, behind the loss of a connection.
    stream: Option<u64>,
}

impl<W: Write> Sender<W> {
    /// Over any `Write`, with default options.
    pub fn new(writer: W) -> Self {
        Self::on(Wire::plain(writer))
    }

    /// Over a socket: small arrays go at once, and waits can be interrupted.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) from the socket.
    pub fn over(socket: W) -> Result<Self>
    where
        W: Socket,
    {
        Ok(Self::on(Wire::over(socket)?))
    }

    fn on(wire: Wire<W>) -> Self {
        let options = StreamOptions::default();
        Self { wire, options, inside: false, within: false, seq: 0, stream: None }
    }

    /// The same with other options.
    #[must_use]
    pub fn with(mut self, options: StreamOptions) -> Self {
        self.options = options;
        self
    }

    /// The same with messages from this number on, which say that they are of this stream.
    #[cfg(unix)]
    pub(crate) fn numbered(mut self, seq: u64, stream: Option<u64>) -> Self {
        (self.seq, self.stream) = (seq, stream);
        self
    }

    /// What the next message says of itself, if it is one array that goes otherwise; then it is no more the next.
    #[cfg(all(target_os = "linux", feature = "map"))]
    pub(crate) fn take_number(&mut self) -> Message {
        let (seq, stream) = (self.seq, self.stream);
        self.seq += 1;
        Message { count: 1, seq, sent_ns: now_ns(), stream }
    }

    /// Sends an array.
    ///
    /// # Errors
    /// As [`Sender::send_named`].
    pub fn send(&mut self, array: &ArrayRef<'_>) -> Result<()> {
        self.send_named(array, Metadata::default(), &mut unwatched)
    }

    /// Sends an array with a name and attributes; `watch` counts its bytes.
    ///
    /// # Errors
    /// As [`frame::Encoder::new`] (as [`npy::Encoder::new`] where `.npy` is spoken, which has no place for a name,
    /// attributes and extension dtypes: [`Argument`](ErrorKind::Argument)), and as [`Sender::send_pieces`].
    pub fn send_named(
        &mut self,
        array: &ArrayRef<'_>,
        metadata: Metadata,
        watch: Watch<'_>,
    ) -> Result<()> {
        if self.options.npy {
            if array.dtype().has_extension() {
                let dtype = array.dtype();
                return Err(Error::argument(format!(
                    "a bare .npy cannot say that its dtype is {dtype}"
                )));
            }
            let options = npy::EncodeOptions { metadata, ..npy::EncodeOptions::bare() };
            let array = array.clone().unshared();
            return self.send_pieces(&mut npy::Encoder::new(&array, &options)?, watch);
        }
        let options = frame::EncodeOptions { metadata, ..frame::EncodeOptions::default() };
        self.send_pieces(&mut frame::Encoder::new(array, &options)?, watch)
    }

    /// Sends what a machine gives: the bytes of one array.
    ///
    /// # Errors
    /// As [`Outgoing::push`], and whatever the machine returns.
    pub fn send_pieces<'a>(
        &mut self,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        self.check()?;
        self.announce(is_large(encoder));
        push_all(self.begin(), encoder, watch)
    }

    /// Sends arrays as one message, each a frame as its options say, and gives the message's number: the first of a sender is 0.
    /// `watch` counts the bytes of each array.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for no arrays and where `.npy` is spoken; as [`frame::Encoder::new`], in both cases before
    /// anything is sent; as [`Sender::send_pieces`].
    pub fn send_message<'a>(
        &mut self,
        arrays: &[(ArrayRef<'a>, frame::EncodeOptions)],
        watch: Watch<'_>,
    ) -> Result<u64> {
        if self.options.npy {
            return Err(Error::argument("a bare .npy cannot say that it is one of a message"));
        }
        let (count, seq, stream) = (arrays.len() as u64, self.seq, self.stream);
        let encoders = Message { count, seq, sent_ns: now_ns(), stream }.encoders(arrays)?;
        self.check()?;
        self.seq += 1;
        self.announce(encoders.iter().any(is_large));
        self.within = true;
        for mut encoder in encoders {
            push_all(self.begin(), &mut encoder, watch)?;
        }
        self.within = false;
        Ok(seq)
    }

    /// Begins an array whose bytes come from elsewhere: header, data and tail, in pieces of any size.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) if an array or a message before was cut: sent in part, and not to its end.
    pub fn outgoing(&mut self) -> Result<Outgoing<'_, W>> {
        self.check()?;
        Ok(self.begin())
    }

    fn check(&self) -> Result<()> {
        if !self.is_broken() {
            return Ok(());
        }
        let what = if self.inside { "an array" } else { "a message" };
        let message =
            format!("{what} on this stream was not sent to its end; nothing can follow it");
        Err(Error::argument(message))
    }

    /// A message begins; where it is `large` it may go out of pages of the socket's.
    fn announce(&mut self, large: bool) {
        if let Some(pages) = self.wire.pages().filter(|_| large) {
            pages.begin();
        }
    }

    fn begin(&mut self) -> Outgoing<'_, W> {
        let mut clock = Clock::new(self.options.timeout);
        clock.start();
        let (wire, inside) = (&mut self.wire, &mut self.inside);
        Outgoing { wire, inside, clock, held: Vec::new(), sent: 0 }
    }

    /// Whether the connection is of no use any more: an array or a message has begun on it and was not sent to its end.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.inside || self.within
    }

    /// The stream; a socket keeps the time-outs it was given.
    pub fn into_inner(self) -> W {
        self.wire.stream
    }

    /// The stream, to look at.
    pub fn get_ref(&self) -> &W {
        &self.wire.stream
    }
}

fn is_large<'a>(encoder: &(impl Encode<'a> + ?Sized)) -> bool {
    encoder.total().is_some_and(|total| total >= MUCH)
}

/// Sends all that a machine gives.
fn push_all<'a>(
    mut outgoing: Outgoing<'_, impl Write>,
    encoder: &mut dyn Encode<'a>,
    watch: Watch<'_>,
) -> Result<()> {
    encoder.set_step(outgoing.wire.steps.made);
    let is_large = is_large(encoder);
    loop {
        if is_large && outgoing.push_made(encoder, watch)? {
            continue;
        }
        let Some(piece) = encoder.next()? else { return outgoing.finish(watch) };
        outgoing.push(&piece, watch)?;
    }
}

/// An array on its way out. Dropped before [`Outgoing::finish`] it never was, or, once more than 64 KiB of it have been
/// pushed, reaches the peer as an array that was cut.
#[derive(Debug)]
pub struct Outgoing<'s, W> {
    wire: &'s mut Wire<W>,
    inside: &'s mut bool,
    clock: Clock,
    /// What waits for company.
    held: Vec<u8>,
    sent: u64,
}

impl<W: Write> Outgoing<'_, W> {
    /// Sends the next bytes; small ones wait for others to go with.
    ///
    /// # Errors
    /// [`Peer`](ErrorKind::Peer) if the connection is lost, [`Timeout`](ErrorKind::Timeout),
    /// [`Io`](ErrorKind::Io) from the writer, and whatever `watch` returns. After any of them the connection is of
    /// no use.
    pub fn push(&mut self, bytes: &[u8], watch: Watch<'_>) -> Result<()> {
        if self.held.len() + bytes.len() <= COALESCED {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        self.release(watch)?;
        self.write(bytes, watch)
    }

    /// Makes the next bytes where the socket takes them as they are, and sends them; false where it takes none so, or they are no
    /// bytes to be made.
    fn push_made<'a>(&mut self, encoder: &mut dyn Encode<'a>, watch: Watch<'_>) -> Result<bool> {
        let Some(space) = self.wire.pages().and_then(Pages::space) else { return Ok(false) };
        let made = encoder.fill(space)?;
        if made == 0 {
            return Ok(false);
        }
        self.release(watch)?;
        let send = |wire: &mut Wire<W>, left| wire.pages().map_or(Ok(0), |pages| pages.send(left));
        self.move_all(made, send, watch)?;
        Ok(true)
    }

    /// Sends what has waited: the array is complete.
    ///
    /// # Errors
    /// As [`Outgoing::push`].
    pub fn finish(mut self, watch: Watch<'_>) -> Result<()> {
        self.release(watch)?;
        while self.attempt(|wire| wire.stream.flush().map(|()| 0), watch)?.is_none() {}
        *self.inside = false;
        Ok(())
    }

    fn release(&mut self, watch: Watch<'_>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        self.write(&held, watch)
    }

    fn write(&mut self, bytes: &[u8], watch: Watch<'_>) -> Result<()> {
        let write = |wire: &mut Wire<W>, left| {
            wire.stream.write(bytes.get::<Range<usize>>(left).unwrap_or_default())
        };
        self.move_all(bytes.len(), write, watch)
    }

    /// Sends `len` bytes by steps that are told which of them are left.
    fn move_all(
        &mut self,
        len: usize,
        mut step: impl FnMut(&mut Wire<W>, Range<usize>) -> IoResult<usize>,
        watch: Watch<'_>,
    ) -> Result<()> {
        *self.inside = true;
        let mut sent = 0;
        while sent < len {
            match self.attempt(|wire| step(wire, sent..len), watch)? {
                Some(0) => return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
                Some(n) => sent += n,
                None => {}
            }
        }
        Ok(())
    }

    /// One try of `step`, which moves so many bytes; `None` if it may do so the next time.
    fn attempt(
        &mut self,
        step: impl FnOnce(&mut Wire<W>) -> IoResult<usize>,
        watch: Watch<'_>,
    ) -> Result<Option<usize>> {
        let sent = self.sent;
        let after = |error: Error| error.context(format!("after {sent} bytes of an array"));
        self.clock.check().map_err(after)?;
        let moved = match self.wire.attempt(&mut self.clock, step)? {
            Moved::Bytes(n) => Some(n),
            Moved::Tick => None,
            Moved::Lost(error) => return Err(after(error)),
        };
        let n = moved.unwrap_or_default();
        self.sent += n as u64;
        self.clock.count(n);
        watch(self.sent)?;
        Ok(moved)
    }
}
