//! One connection, over a socket of either kind.

use super::ahead::{AHEAD, Ahead};
use super::link::Link;
use super::{Address, TICK};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Watch;
use crate::io::stream::Socket;
#[cfg(unix)]
use crate::threads::Threads;
#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Error as IoError, ErrorKind as IoKind, Read, Result as IoResult, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How long a wait stays awake: an answer that comes at once is had without the time that waking up takes.
#[cfg(unix)]
const AWAKE: Duration = Duration::from_micros(40);

/// A connection with a peer.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    ahead: Arc<Ahead>,
}

impl Connection {
    pub(super) fn on(link: Link) -> Self {
        Self { link, ahead: Arc::default() }
    }

    /// Connects to whoever listens there.
    ///
    /// # Errors
    /// [`ErrorKind::Peer`] if nobody does; [`ErrorKind::Timeout`]; [`ErrorKind::Io`]; whatever `watch` returns.
    pub fn open(address: &Address, timeout: Duration, watch: Watch<'_>) -> Result<Self> {
        let about = |error: Error| error.context(format!("cannot connect to {address}"));
        let (done, opened) = mpsc::channel();
        let wanted = address.clone();
        // In a thread of its own: neither looking a name up nor a Unix socket whose queue is full can be interrupted.
        let connecting = move || done.send(connect(&wanted, timeout));
        std::thread::Builder::new().spawn(connecting).map_err(|error| about(error.into()))?;
        let started = Instant::now();
        loop {
            watch(0)?;
            let left = timeout.saturating_sub(started.elapsed());
            match opened.recv_timeout(left.min(TICK)) {
                Ok(opened) => return opened.map_err(about),
                Err(_) if !left.is_zero() => {}
                Err(_) => {
                    let message = format!("no answer in {} s", timeout.as_secs_f32());
                    return Err(about(Error::new(ErrorKind::Timeout, message)));
                }
            }
        }
    }

    /// Another hold on the same connection: one for each direction.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self { link: self.link.try_clone()?, ahead: Arc::clone(&self.ahead) })
    }

    /// The socket, where it is a Unix one.
    #[cfg(unix)]
    pub(super) fn unix(&self) -> Option<&UnixStream> {
        match &self.link {
            Link::Unix(socket) => Some(socket),
            Link::Tcp(_) => None,
        }
    }

    /// Looks at the next bytes without taking them, and without waiting: an error that says so where there are none yet.
    #[cfg(unix)]
    pub(super) fn peek(&self, space: &mut [u8]) -> IoResult<usize> {
        if !self.link.is_read_ahead() {
            return self.link.peek(space);
        }
        let come = match self.ahead.len() < space.len() {
            true => self.fill(),
            false => Ok(0),
        };
        match self.ahead.look(space) {
            0 => come,
            n => Ok(n),
        }
    }

    /// Whether there are bytes, an end or an error for who reads, without waiting.
    #[cfg(unix)]
    pub(super) fn has_come(&self) -> IoResult<bool> {
        if self.has_ahead() {
            return Ok(true);
        }
        if !self.link.is_read_ahead() {
            let none = Timespec::default();
            return Ok(poll(&mut [PollFd::new(self, PollFlags::IN)], Some(&none))? > 0);
        }
        match self.fill() {
            Err(error) if is_tick(&error) => Ok(false),
            _ => Ok(true),
        }
    }

    /// Whether something was read of it that nobody has asked for yet: its descriptor does not tell.
    #[cfg(unix)]
    pub(super) fn has_ahead(&self) -> bool {
        self.ahead.has_some()
    }

    /// Reads ahead without waiting; an error other than that there is nothing yet is kept for who reads.
    #[cfg(unix)]
    fn fill(&self) -> IoResult<usize> {
        let mut bytes = [0; AHEAD];
        let come = self.link.read_now(&mut bytes);
        match come {
            Ok(n) => self.ahead.keep(bytes.get(..n).unwrap_or_default()),
            Err(error) if is_tick(&error) => return Err(error),
            Err(error) => self.ahead.fail(error),
        }
        Ok(self.ahead.len())
    }

    /// Waits for bytes, or an end, for no longer than `most` and a tick; whether there are some.
    #[cfg(unix)]
    pub(super) fn is_ready(&self, most: Duration) -> IoResult<bool> {
        let started = Instant::now();
        loop {
            if self.has_come()? {
                return Ok(true);
            }
            if !stays_awake(started, most) {
                return poll_for(&mut [PollFd::new(self, PollFlags::IN)], most);
            }
            std::hint::spin_loop();
        }
    }

    /// Takes bytes that were looked at.
    #[cfg(unix)]
    pub(super) fn take(&self, space: &mut [u8]) -> IoResult<()> {
        let n = match self.ahead.give(space) {
            Some(given) => given?,
            None => self.link.read_now(space)?,
        };
        if n == space.len() { Ok(()) } else { Err(IoKind::UnexpectedEof.into()) }
    }

    /// Sends a few bytes, all of them or, where there is no room now, none.
    ///
    /// # Errors
    /// If only a part of them has gone, behind which nothing can be sent.
    #[cfg(unix)]
    pub(super) fn put(&self, bytes: &[u8]) -> IoResult<()> {
        use rustix::net::{SendFlags, send};
        match send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(n) if n < bytes.len() => Err(IoKind::WriteZero.into()),
            // A peer that takes nothing any more finds out by itself.
            _ => Ok(()),
        }
    }

    /// Ends both directions, for whoever has a hold on it.
    #[cfg(unix)]
    pub(super) fn shut(&self) {
        let _ = rustix::net::shutdown(self, rustix::net::Shutdown::Both);
    }

    /// Says that nothing more will come.
    ///
    /// # Errors
    /// [`ErrorKind::Peer`] and [`ErrorKind::Io`].
    pub fn finish(&self) -> Result<()> {
        self.link.finish().map_err(Error::from)
    }

    /// Closes between two arrays, so that the peer sees that it was not the end.
    pub fn abort(self) {
        self.distrust();
    }

    /// From here on its end is a reset, whatever ends it, until [`Connection::settle`].
    pub(super) fn distrust(&self) {
        #[cfg(unix)]
        if let Link::Tcp(socket) = &self.link {
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }

    /// Everything was taken: closed, its end is an end.
    pub fn settle(&self) {
        #[cfg(unix)]
        if let Link::Tcp(socket) = &self.link {
            let _ = rustix::net::sockopt::set_socket_linger(socket, None);
        }
    }

    /// Closes so that the sender sees that not everything was taken, even if all of it was read.
    pub fn refuse(self) {
        #[cfg(unix)]
        if let Link::Unix(socket) = &self.link {
            let mut socket: &UnixStream = socket;
            // It cannot be reset. One byte is no frame, so the direction that nobody uses ends inside of one.
            let _ = socket.set_nonblocking(true).and_then(|()| socket.write(&[0]));
            return;
        }
        self.abort();
    }

    /// Whether the peer has ended it so that it says that not everything was taken, where it could not reset it.
    #[cfg(unix)]
    pub(super) fn is_refused(&self) -> bool {
        let mut front = [1; 2];
        self.unix().is_some() && matches!(self.peek(&mut front), Ok(1)) && front[0] == 0
    }

    /// What is known of who it is.
    #[must_use]
    pub fn peer(&self) -> String {
        self.link.peer().map_or_else(|| "a peer".to_owned(), |address| address.to_string())
    }
}

fn connect(address: &Address, timeout: Duration) -> Result<Connection> {
    let (host, port) = match address {
        Address::Tcp { host, port } => (host.as_str(), *port),
        Address::Tls { .. } => return Err(Error::unsupported("nobody connects to tls:// yet")),
        Address::Udp { .. } => return Err(no_connection()),
        #[cfg(unix)]
        Address::Unix(path) => return Ok(Connection::on(Link::Unix(UnixStream::connect(path)?))),
        #[cfg(not(unix))]
        Address::Unix(_) => return Err(no_unix()),
    };
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => return Ok(Connection::on(Link::Tcp(socket))),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Error::new(ErrorKind::Peer, "no such host"), Error::from))
}

pub(super) fn no_connection() -> Error {
    Error::argument("datagrams have no connection: nothing is answered over udp://")
}

#[cfg(not(unix))]
pub(super) fn no_unix() -> Error {
    Error::unsupported("this system has no Unix sockets")
}

/// Waits until one of them is ready, for no longer than `most` and a tick; whether one is.
#[cfg(unix)]
pub(super) fn poll_awake(fds: &mut [PollFd<'_>], most: Duration) -> IoResult<bool> {
    let (started, none) = (Instant::now(), Timespec::default());
    loop {
        if poll(fds, Some(&none))? > 0 {
            return Ok(true);
        }
        if !stays_awake(started, most) {
            return poll_for(fds, most);
        }
        std::hint::spin_loop();
    }
}

/// Whether a wait of at most `most` looks once more before it sleeps. A processor alone would keep the peer from answering.
#[cfg(unix)]
fn stays_awake(started: Instant, most: Duration) -> bool {
    started.elapsed() < AWAKE.min(most) && Threads::default().get() > 1
}

#[cfg(unix)]
fn poll_for(fds: &mut [PollFd<'_>], most: Duration) -> IoResult<bool> {
    let tick = Timespec::try_from(most.min(TICK)).unwrap_or_default();
    match poll(fds, Some(&tick)) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        ready => Ok(ready? > 0),
    }
}

#[cfg(unix)]
impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}

impl Read for Connection {
    /// Small reads are given of what a larger one has brought; a large one goes to its own space.
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        if let Some(given) = self.ahead.give(space) {
            return given;
        }
        if space.len() >= AHEAD || space.is_empty() || !self.link.is_read_ahead() {
            return self.link.read(space);
        }
        let mut bytes = [0; AHEAD];
        let come = self.link.read(&mut bytes)?;
        let n = come.min(space.len());
        let (given, kept) = bytes.get(..come).unwrap_or_default().split_at(n);
        if let Some(space) = space.get_mut(..n) {
            space.copy_from_slice(given);
        }
        if !kept.is_empty() {
            self.ahead.keep(kept);
        }
        Ok(n)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.link.write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl Socket for Connection {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        self.link.prepare(tick)
    }
}

/// Waits until the receiver has closed its side; false if it did not in time.
///
/// # Errors
/// [`ErrorKind::Peer`] if it said that it has not everything; whatever `watch` returns.
pub fn wait_for_close(
    connection: &mut Connection,
    timeout: Duration,
    watch: Watch<'_>,
) -> Result<bool> {
    let started = Instant::now();
    let (mut scratch, mut found) = ([0; 4096], 0);
    while started.elapsed() < timeout {
        watch(0)?;
        match connection.read(&mut scratch) {
            Ok(0) if found == 1 => return Err(Error::new(ErrorKind::Peer, "it says so")),
            Ok(0) => return Ok(true),
            // Arrays of the peer's own are for somebody else.
            Ok(n) => found += n,
            Err(error) if is_tick(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Whether a wait has ended for a look at the clock.
fn is_tick(error: &IoError) -> bool {
    matches!(error.kind(), IoKind::WouldBlock | IoKind::Interrupted)
        || (cfg!(windows) && error.kind() == IoKind::TimedOut)
}
