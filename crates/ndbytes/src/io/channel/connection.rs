//! One connection, over a socket of either kind.

use super::ahead::{AHEAD, Ahead};
use super::link::Link;
use super::target::{Target, connect, no_answer};
#[cfg(all(target_os = "linux", feature = "map"))]
use super::uncopied::Uncopied;
use super::{Address, TICK, TlsOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::io::Watch;
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::io::stream::Pages;
#[cfg(unix)]
use crate::io::stream::awake;
use crate::io::stream::{Socket, Steps};
#[cfg(unix)]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Error as IoError, ErrorKind as IoKind, Read, Result as IoResult, Write};
#[cfg(all(target_os = "linux", feature = "map"))]
use std::ops::Range;
#[cfg(all(target_os = "linux", feature = "map"))]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
#[cfg(all(target_os = "linux", feature = "map"))]
use std::sync::OnceLock;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// A connection with a peer.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    ahead: Arc<Ahead>,
    #[cfg(all(target_os = "linux", feature = "map"))]
    uncopied: Uncopied,
    /// A descriptor that the peer has given, to be kept and no more.
    #[cfg(all(target_os = "linux", feature = "map"))]
    kept: OnceLock<OwnedFd>,
}

impl Connection {
    pub(super) fn on(link: Link) -> Self {
        Self::sharing(link, Arc::default())
    }

    fn sharing(link: Link, ahead: Arc<Ahead>) -> Self {
        Self {
            link,
            ahead,
            #[cfg(all(target_os = "linux", feature = "map"))]
            uncopied: Uncopied::default(),
            #[cfg(all(target_os = "linux", feature = "map"))]
            kept: OnceLock::new(),
        }
    }

    /// One that came to nothing: whoever reads of it hears why.
    #[cfg(all(unix, feature = "tls"))]
    pub(super) fn failed(link: Link, error: Error) -> Self {
        let connection = Self::on(link);
        connection.ahead.fail(error.into());
        connection
    }

    /// Connects to whoever listens there; at `tls://` the system says who may sign certificates.
    ///
    /// # Errors
    /// As [`Connection::open_with`].
    pub fn open(address: &Address, timeout: Duration, watch: Watch<'_>) -> Result<Self> {
        Self::open_with(address, &TlsOptions::default(), timeout, watch)
    }

    /// The same with one's own word on whom to trust.
    ///
    /// # Errors
    /// As [`TlsOptions::client`]; [`ErrorKind::Peer`] if nobody listens there, or somebody else than there should;
    /// [`ErrorKind::Timeout`]; [`ErrorKind::Io`]; whatever `watch` returns.
    pub fn open_with(
        address: &Address,
        tls: &TlsOptions,
        timeout: Duration,
        watch: Watch<'_>,
    ) -> Result<Self> {
        Self::reach(&Target::new(address, tls)?, timeout, watch)
    }

    pub(super) fn reach(target: &Target, timeout: Duration, watch: Watch<'_>) -> Result<Self> {
        let about = |error: Error| error.context(format!("cannot connect to {}", target.address));
        let (done, opened) = mpsc::channel();
        let wanted = target.clone();
        // In a thread of its own: neither looking a name up nor a Unix socket whose queue is full can be interrupted.
        let connecting = move || drop(done.send(connect(&wanted, timeout)));
        std::thread::Builder::new().spawn(connecting).map_err(|error| about(error.into()))?;
        let started = Instant::now();
        loop {
            watch(0)?;
            let left = timeout.saturating_sub(started.elapsed());
            match opened.recv_timeout(left.min(TICK)) {
                Ok(opened) => return opened.map_err(about),
                Err(_) if !left.is_zero() => {}
                Err(_) => return Err(about(no_answer(timeout))),
            }
        }
    }

    /// Another hold on the same connection: one for each direction.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self::sharing(self.link.try_clone()?, Arc::clone(&self.ahead)))
    }

    /// The socket, where it is a Unix one.
    #[cfg(unix)]
    pub(super) fn unix(&self) -> Option<&UnixStream> {
        match &self.link {
            Link::Unix(socket) => Some(socket),
            _ => None,
        }
    }

    /// Keeps a descriptor as long as this lives, one and no more: so the peer knows that what is read here is copied.
    #[cfg(all(target_os = "linux", feature = "map"))]
    pub(super) fn keep(&self, fd: OwnedFd) {
        let _ = self.kept.set(fd);
    }

    /// Whether it has one.
    #[cfg(all(target_os = "linux", feature = "map"))]
    pub(super) fn keeps_one(&self) -> bool {
        self.kept.get().is_some()
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
        if self.ahead.has_some() {
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
        self.ahead.has_some() || self.link.holds_some() && self.has_come().unwrap_or(true)
    }

    /// Whether there is something for who reads, now that its descriptor is ready.
    #[cfg(unix)]
    pub(super) fn has_more(&self) -> IoResult<bool> {
        if self.link.is_secret() { self.has_come() } else { Ok(true) }
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
        if awake(most, || self.has_come())? {
            return Ok(true);
        }
        let is_ready = poll_for(&mut [PollFd::new(self, PollFlags::IN)], most)?;
        if is_ready { self.has_more() } else { Ok(false) }
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

    /// Sends a few bytes, all of them or, where there is no room now, none: false.
    ///
    /// # Errors
    /// If only a part of them has gone, behind which nothing can be sent.
    #[cfg(unix)]
    pub(super) fn put(&self, bytes: &[u8]) -> IoResult<bool> {
        match self.link.write_now(bytes) {
            Ok(n) if n < bytes.len() => Err(IoKind::WriteZero.into()),
            Err(error) if is_tick(&error) => Ok(false),
            // A peer that takes nothing any more finds out by itself.
            _ => Ok(true),
        }
    }

    /// Throws away what has come and nobody has taken, so that its system does not reset it, up to so many bytes.
    #[cfg(unix)]
    pub(super) fn throw_away(&self, most: usize) {
        let (mut scratch, mut thrown) = ([0; 4096], 0);
        while thrown < most
            && let Ok((n @ 1.., _)) =
                rustix::net::recv(self, &mut scratch, rustix::net::RecvFlags::DONTWAIT)
        {
            thrown += n;
        }
    }

    /// Ends both directions, for whoever has a hold on it.
    #[cfg(unix)]
    pub(super) fn shut(&self) {
        let _ = rustix::net::shutdown(self, rustix::net::Shutdown::Both);
    }

    /// Says that nothing more will come. Where there is no room for that yet, [`wait_for_close`] says it.
    ///
    /// # Errors
    /// [`ErrorKind::Peer`] and [`ErrorKind::Io`].
    pub fn finish(&self) -> Result<()> {
        self.finish_now().map(|_| ())
    }

    /// The same; whether it was said.
    pub(super) fn finish_now(&self) -> Result<bool> {
        match self.link.finish() {
            Err(error) if is_tick(&error) => Ok(false),
            finished => Ok(finished.map(|()| true)?),
        }
    }

    /// Closes between two arrays, so that the peer sees that it was not the end.
    pub fn abort(self) {
        self.distrust();
    }

    /// From here on its end is a reset, whatever ends it, until [`Connection::settle`].
    pub(super) fn distrust(&self) {
        #[cfg(unix)]
        if let Some(socket) = self.link.tcp() {
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }

    /// Everything was taken: closed, its end is an end, which within TLS is said.
    pub fn settle(&self) {
        #[cfg(unix)]
        if let Some(socket) = self.link.tcp() {
            let _ = rustix::net::sockopt::set_socket_linger(socket, None);
        }
        #[cfg(unix)]
        if self.link.is_secret() {
            let _ = self.link.finish();
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
        let address = self.link.tcp().and_then(|socket| socket.peer_addr().ok());
        address.map_or_else(|| "a peer".to_owned(), |address| address.to_string())
    }
}

/// Waits until one of them is ready, for no longer than `most` and a tick; whether one is.
#[cfg(unix)]
pub(super) fn poll_awake(fds: &mut [PollFd<'_>], most: Duration) -> IoResult<bool> {
    let none = Timespec::default();
    if awake(most, || Ok::<_, IoError>(poll(fds, Some(&none))? > 0))? {
        return Ok(true);
    }
    poll_for(fds, most)
}

#[cfg(unix)]
pub(super) fn poll_for(fds: &mut [PollFd<'_>], most: Duration) -> IoResult<bool> {
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
        match &mut self.link {
            #[cfg(all(target_os = "linux", feature = "map"))]
            Link::Unix(socket) => self.uncopied.write(socket, bytes),
            link => link.write(bytes),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        self.link.flush()
    }
}

impl Socket for Connection {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        self.link.prepare(tick)
    }

    fn steps(&self) -> Steps {
        self.link.steps()
    }

    #[cfg(all(target_os = "linux", feature = "map"))]
    fn pages(&mut self) -> Option<&mut dyn Pages> {
        if self.unix().is_some() { Some(self) } else { None }
    }
}

#[cfg(all(target_os = "linux", feature = "map"))]
impl Pages for Connection {
    fn begin(&mut self) {
        self.uncopied.begin();
    }

    fn space(&mut self) -> Option<&mut [u8]> {
        match &self.link {
            Link::Unix(socket) => self.uncopied.space(socket),
            _ => None,
        }
    }

    fn send(&mut self, made: Range<usize>) -> IoResult<usize> {
        match &self.link {
            Link::Unix(socket) => self.uncopied.send(socket, made),
            _ => Ok(0),
        }
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
    let (mut scratch, mut found, mut finished) = ([0; 4096], 0, false);
    while started.elapsed() < timeout {
        watch(0)?;
        // Said twice to a peer that has gone meanwhile is once; whether it has everything is read below.
        finished = finished
            || match connection.link.finish() {
                Err(error) if is_tick(&error) => false,
                Err(error) if error.kind() == IoKind::NotConnected => true,
                said => said.map(|()| true)?,
            };
        match connection.read(&mut scratch) {
            Ok(0) if found == 1 => return Err(Error::new(ErrorKind::Peer, "it says so")),
            Ok(0) => return Ok(true),
            // Arrays of the peer's own are for somebody else.
            Ok(n) => found += n,
            Err(error) if is_tick(&error) => {}
            // An end that was not said.
            Err(error) if error.kind() == IoKind::UnexpectedEof => {
                return Err(Error::new(ErrorKind::Peer, "the connection broke off"));
            }
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
