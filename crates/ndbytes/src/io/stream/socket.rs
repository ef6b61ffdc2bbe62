//! Sockets whose waits end several times a second, so that a clock and Ctrl-C have their say.

use super::Steps;
use super::clock::Clock;
use crate::error::{Error, ErrorKind, Result};
use std::io::{ErrorKind as IoKind, Read, Result as IoResult, Write};
use std::net::TcpStream;
use std::ops::Range;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long one wait for a socket lasts.
const TICK: Duration = Duration::from_millis(100);

/// A connection that arrays can be sent over.
pub trait Socket: Read + Write {
    /// Lets it wait, each time for no longer than `tick`, and small messages go at once.
    ///
    /// # Errors
    /// Those of the system.
    fn prepare(&self, tick: Duration) -> IoResult<()>;

    /// How many bytes at a time suit it.
    fn steps(&self) -> Steps {
        Steps::TCP
    }

    /// Memory that the system takes as it is, where it has some.
    fn pages(&mut self) -> Option<&mut dyn Pages> {
        None
    }
}

/// Memory of a socket's own, out of which the peer reads: the system makes no copy of it.
pub trait Pages {
    /// A message begins that has much to send.
    fn begin(&mut self);

    /// Where the next bytes may be made; `None` where they must be written.
    fn space(&mut self) -> Option<&mut [u8]>;

    /// Sends some of the bytes that were made there last, and gives how many.
    ///
    /// # Errors
    /// As those of a write.
    fn send(&mut self, made: Range<usize>) -> IoResult<usize>;
}

impl Socket for &TcpStream {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        self.set_nonblocking(false)?;
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
        self.set_nonblocking(false)?;
        self.set_read_timeout(Some(tick))?;
        self.set_write_timeout(Some(tick))
    }

    fn steps(&self) -> Steps {
        Steps::UNIX
    }
}

#[cfg(unix)]
impl Socket for UnixStream {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        (&self).prepare(tick)
    }

    fn steps(&self) -> Steps {
        (&self).steps()
    }
}

/// A socket made ready, or a stream of another kind as it is.
#[derive(Debug)]
pub(super) struct Wire<S> {
    pub(super) stream: S,
    /// Whether "would block" means that a tick has passed.
    ticks: bool,
    pub(super) steps: Steps,
    /// What its pages are, if it may have some.
    pages: fn(&mut S) -> Option<&mut dyn Pages>,
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
        Self { stream, ticks: false, steps: Steps::TCP, pages: |_| None }
    }

    pub(super) fn over(stream: S) -> Result<Self>
    where
        S: Socket,
    {
        stream.prepare(TICK)?;
        let steps = stream.steps();
        Ok(Self { stream, ticks: true, steps, pages: S::pages })
    }

    pub(super) fn pages(&mut self) -> Option<&mut dyn Pages> {
        (self.pages)(&mut self.stream)
    }

    /// One try of `step`, in the peer's time.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) and its like, other than a lost connection.
    pub(super) fn attempt(
        &mut self,
        clock: &mut Clock,
        step: impl FnOnce(&mut Self) -> IoResult<usize>,
    ) -> Result<Moved> {
        let started = Instant::now();
        let moved = step(self);
        // A wait on a socket that was longer than a tick had the process stopped in it.
        let longest = if self.ticks { TICK } else { Duration::MAX };
        clock.waited(started.elapsed().min(longest));
        match moved {
            Ok(n) => Ok(Moved::Bytes(n)),
            Err(error) => match error.kind() {
                IoKind::Interrupted => Ok(Moved::Tick),
                IoKind::WouldBlock if self.ticks => Ok(Moved::Tick),
                IoKind::TimedOut if self.ticks && cfg!(windows) => Ok(Moved::Tick),
                // Elsewhere that is no tick: the system has given the connection up.
                IoKind::TimedOut if self.ticks => Ok(Moved::Lost(lost(error))),
                _ if is_lost(&error) => Ok(Moved::Lost(lost(error))),
                _ => Err(error.into()),
            },
        }
    }
}

/// Whether it says that the connection is gone. An error of this crate's own says something of what it read.
fn is_lost(error: &std::io::Error) -> bool {
    use IoKind as Io;
    let is_own = error.get_ref().is_some_and(|inner| inner.is::<Error>());
    let closed = matches!(
        error.kind(),
        Io::BrokenPipe | Io::ConnectionReset | Io::ConnectionAborted | Io::UnexpectedEof
    );
    let unreachable =
        matches!(error.kind(), Io::HostUnreachable | Io::NetworkUnreachable | Io::NetworkDown);
    !is_own && (closed || unreachable)
}

/// What an error of a socket means: [`Peer`](ErrorKind::Peer) where the connection is gone.
#[must_use]
pub fn of_socket(error: std::io::Error) -> Error {
    let is_lost = is_lost(&error) || error.kind() == IoKind::TimedOut;
    if is_lost { lost(error) } else { error.into() }
}

fn lost(error: std::io::Error) -> Error {
    let what = match error.kind() {
        // So TLS says it, where an end was not announced.
        IoKind::UnexpectedEof => "the connection broke off",
        IoKind::BrokenPipe | IoKind::ConnectionReset | IoKind::ConnectionAborted => {
            "the peer closed the connection"
        }
        _ => "the peer is not there any more",
    };
    // On a socket a broken pipe is a peer that has gone.
    Error::io(error).of_kind(ErrorKind::Peer).context(what)
}
