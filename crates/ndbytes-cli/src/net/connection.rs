//! One connection, over a socket of either kind.

use super::{Address, TICK};
use crate::session::Session;
use ndbytes::io::stream::Socket;
use ndbytes::{Error, ErrorKind, Result};
use std::io::{Error as IoError, ErrorKind as IoKind, Read, Result as IoResult, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A connection with a peer.
#[derive(Debug)]
pub(crate) enum Connection {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Connection {
    /// Connects to whoever listens there.
    ///
    /// # Errors
    /// [`ErrorKind::Peer`] if nobody does; [`ErrorKind::Timeout`]; [`ErrorKind::Io`]; [`ErrorKind::Interrupted`].
    pub(crate) fn open(session: &Session, address: &Address, timeout: Duration) -> Result<Self> {
        let about = |error: Error| error.context(format!("cannot connect to {address}"));
        let (done, opened) = mpsc::channel();
        let wanted = address.clone();
        // In a thread of its own: neither looking a name up nor a Unix socket whose queue is full can be interrupted.
        let connecting = move || done.send(connect(&wanted, timeout));
        std::thread::Builder::new().spawn(connecting).map_err(|error| about(error.into()))?;
        let started = Instant::now();
        loop {
            session.check()?;
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

    /// Says that nothing more will come.
    ///
    /// # Errors
    /// [`ErrorKind::Peer`] and [`ErrorKind::Io`].
    pub(crate) fn finish(&self) -> Result<()> {
        let finished = match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
        };
        finished.map_err(Error::from)
    }

    /// Closes between two arrays, so that the peer sees that it was not the end.
    pub(crate) fn abort(self) {
        self.distrust();
    }

    /// From here on its end is a reset, whatever ends it, until [`Connection::settle`].
    pub(super) fn distrust(&self) {
        #[cfg(unix)]
        if let Self::Tcp(socket) = self {
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
    }

    /// Closes it: everything was taken.
    pub(crate) fn settle(self) {
        #[cfg(unix)]
        if let Self::Tcp(socket) = &self {
            let _ = rustix::net::sockopt::set_socket_linger(socket, None);
        }
    }

    /// Closes so that the sender sees that not everything was taken, even if all of it was read.
    pub(crate) fn refuse(self) {
        #[cfg(unix)]
        if let Self::Unix(mut socket) = self {
            // It cannot be reset. One byte is no frame, so the direction that nobody uses ends inside of one.
            let _ = socket.set_nonblocking(true).and_then(|()| socket.write(&[0]));
            return;
        }
        self.abort();
    }

    /// What is known of who it is.
    pub(crate) fn peer(&self) -> String {
        match self {
            Self::Tcp(socket) => {
                socket.peer_addr().map_or_else(|_| "a peer".to_owned(), |a| a.to_string())
            }
            #[cfg(unix)]
            Self::Unix(_) => "a peer".to_owned(),
        }
    }
}

fn connect(address: &Address, timeout: Duration) -> Result<Connection> {
    let (host, port) = match address {
        Address::Tcp { host, port } => (host.as_str(), *port),
        #[cfg(unix)]
        Address::Unix(path) => return Ok(Connection::Unix(UnixStream::connect(path)?)),
        #[cfg(not(unix))]
        Address::Unix(_) => return Err(no_unix()),
    };
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => return Ok(Connection::Tcp(socket)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Error::new(ErrorKind::Peer, "no such host"), Error::from))
}

#[cfg(not(unix))]
pub(super) fn no_unix() -> Error {
    Error::unsupported("this system has no Unix sockets")
}

impl Read for Connection {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(socket) => socket.read(space),
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(space),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            #[cfg(unix)]
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

impl Socket for Connection {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        match self {
            Self::Tcp(socket) => socket.prepare(tick),
            #[cfg(unix)]
            Self::Unix(socket) => socket.prepare(tick),
        }
    }
}

/// Waits until the receiver has closed its side; false if it did not in time.
///
/// # Errors
/// [`ErrorKind::Peer`] if it said that it has not everything, [`ErrorKind::Interrupted`].
pub(crate) fn wait_for_close(
    session: &Session,
    connection: &mut Connection,
    timeout: Duration,
) -> Result<bool> {
    let started = Instant::now();
    let (mut scratch, mut found) = ([0; 4096], 0);
    while started.elapsed() < timeout {
        session.check()?;
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
