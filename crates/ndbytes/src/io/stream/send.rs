//! Sending arrays.

use super::clock::Clock;
use super::socket::{Moved, Wire};
use super::{Socket, StreamOptions};
use crate::array::ArrayRef;
use crate::error::{Error, Result};
use crate::format::{Encode, Metadata, frame, npy};
use crate::io::{Watch, unwatched};
use std::io::Write;

/// Up to so many bytes an array goes with its header and tail in one write.
const COALESCED: u64 = 1 << 16;

/// One side of a connection: the side that sends.
#[derive(Debug)]
pub struct Sender<W> {
    wire: Wire<W>,
    options: StreamOptions,
}

impl<W: Write> Sender<W> {
    /// Over any `Write`, with default options.
    pub fn new(writer: W) -> Self {
        Self { wire: Wire::plain(writer), options: StreamOptions::default() }
    }

    /// Over a socket: small arrays go at once, and waits can be interrupted.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) from the socket.
    pub fn over(socket: W) -> Result<Self>
    where
        W: Socket,
    {
        Ok(Self { wire: Wire::over(socket)?, options: StreamOptions::default() })
    }

    /// The same with other options.
    #[must_use]
    pub fn with(mut self, options: StreamOptions) -> Self {
        self.options = options;
        self
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
    /// As [`frame::Encoder::new`] (as [`npy::Encoder::new`] where `.npy` is spoken, which has no place for name and
    /// attributes), and as [`Sender::send_pieces`].
    pub fn send_named(
        &mut self,
        array: &ArrayRef<'_>,
        metadata: Metadata,
        watch: Watch<'_>,
    ) -> Result<()> {
        if self.options.npy {
            let options = npy::EncodeOptions { metadata, ..npy::EncodeOptions::bare() };
            return self.send_pieces(&mut npy::Encoder::new(array, &options)?, watch);
        }
        let options = frame::EncodeOptions { metadata, ..frame::EncodeOptions::default() };
        self.send_pieces(&mut frame::Encoder::new(array, &options)?, watch)
    }

    /// Sends what a machine gives: the bytes of one array.
    ///
    /// # Errors
    /// [`Peer`](crate::ErrorKind::Peer) if the connection is lost, [`Timeout`](crate::ErrorKind::Timeout),
    /// [`Io`](crate::ErrorKind::Io) from the writer, and whatever the machine or `watch` return. After any of them
    /// the connection is of no use.
    pub fn send_pieces<'a>(
        &mut self,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let mut clock = Clock::new(self.options.timeout);
        clock.start();
        let mut sent = 0;
        if encoder.total() <= COALESCED {
            let mut whole = Vec::new();
            while let Some(piece) = encoder.next()? {
                whole.extend_from_slice(&piece);
            }
            self.write(&whole, &mut sent, &mut clock, watch)?;
        } else {
            while let Some(piece) = encoder.next()? {
                self.write(&piece, &mut sent, &mut clock, watch)?;
            }
        }
        Ok(self.wire.stream.flush()?)
    }

    fn write(
        &mut self,
        mut bytes: &[u8],
        sent: &mut u64,
        clock: &mut Clock,
        watch: Watch<'_>,
    ) -> Result<()> {
        while !bytes.is_empty() {
            match self.wire.attempt(|stream| stream.write(bytes))? {
                Moved::Bytes(0) => {
                    return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
                }
                Moved::Bytes(n) => {
                    bytes = bytes.get(n..).unwrap_or_default();
                    *sent += n as u64;
                    clock.count(n);
                }
                Moved::Tick => {}
                Moved::Lost(error) => return Err(after(error, *sent)),
            }
            watch(*sent)?;
            if !bytes.is_empty() {
                clock.check()?;
            }
        }
        Ok(())
    }

    /// The stream, between two arrays.
    pub fn into_inner(self) -> W {
        self.wire.stream
    }

    /// The stream, to look at.
    pub fn get_ref(&self) -> &W {
        &self.wire.stream
    }
}

fn after(error: Error, sent: u64) -> Error {
    error.context(format!("after {sent} bytes of an array"))
}
