//! Sockets whose waits end several times a second, so that a clock and Ctrl-C have their say.

use crate::error::{Error, ErrorKind, Result};
use std::io::{ErrorKind as IoKind, Read, Result as IoResult, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long one wait for a socket lasts.
const TICK: Duration = Duration::from_millis(100);

/// A connection that arrays can be sent over.
pub trait Socket: Read + Write {
    /// Lets its waits end after `tick`, and small messages go at once.
    ///
    /// # Errors
    /// Those of the system.
    fn prepare(&self, tick: Duration) -> IoResult<()>;
}

impl Socket for &TcpStream {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        self.set_nodelay(true)?;
        self.set_read_timeout(Some(tick))?;
        self.set_write_timeout(Some(tick))
    }
}

impl Socket for TcpStream {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        (&self).prepare(tick)
    }
}

#[cfg(unix)]
impl Socket for &UnixStream {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        self.set_read_timeout(Some(tick))?;
        self.set_write_timeout(Some(tick))
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        (&self).prepare(tick)
    }
}

/// A socket made ready, or a stream of another kind as it is.
#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    /// Whether "would block" means that a tick has passed.
    ticks: bool,
}

/// What came of one try to move bytes.
pub(super) enum Moved {
    Bytes(usize),
    /// Nothing for now: look at clock and watch, and try again.
    Tick,
    /// The connection is gone.
    Lost(Error),
}

impl<S> Wire<S> {
    pub(super) fn plain(stream: S) -> Self {
        Self { stream, ticks: false }
    }

    pub(super) fn over(stream: S) -> Result<Self>
    where
        S: Socket,
    {
        stream.prepare(TICK)?;
        Ok(Self { stream, ticks: true })
    }

    /// One try of `step`.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) and its like, other than a lost connection.
    pub(super) fn attempt(
        &mut self,
        step: impl FnOnce(&mut S) -> IoResult<usize>,
    ) -> Result<Moved> {
        match step(&mut self.stream) {
            Ok(n) => Ok(Moved::Bytes(n)),
            Err(error) => match error.kind() {
                IoKind::Interrupted => Ok(Moved::Tick),
                IoKind::WouldBlock if self.ticks => Ok(Moved::Tick),
                IoKind::TimedOut if self.ticks && cfg!(windows) => Ok(Moved::Tick),
                // Elsewhere that is no tick: the system has given the connection up.
                IoKind::TimedOut if self.ticks => Ok(Moved::Lost(lost(error))),
                IoKind::BrokenPipe | IoKind::ConnectionReset | IoKind::ConnectionAborted => {
                    Ok(Moved::Lost(lost(error)))
                }
                _ => Err(error.into()),
            },
        }
    }
}

fn lost(error: std::io::Error) -> Error {
    let what = match error.kind() {
        IoKind::TimedOut => "the peer is not there any more",
        _ => "the peer closed the connection",
    };
    // On a socket a broken pipe is a peer that has gone.
    Error::io(error).of_kind(ErrorKind::Peer).context(what)
}
