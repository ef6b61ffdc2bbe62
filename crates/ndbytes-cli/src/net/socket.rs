//! Sockets of either kind.

use super::Address;
use crate::session::Session;
use ndbytes::io::stream::Socket;
use ndbytes::{Error, ErrorKind, Result};
use std::fmt;
use std::io::{Read, Result as IoResult, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often somebody who waits looks up.
const TICK: Duration = Duration::from_millis(100);

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
    /// [`ErrorKind::Peer`] if nobody does; [`ErrorKind::Timeout`]; [`ErrorKind::Io`].
    pub(crate) fn open(address: &Address, timeout: Duration) -> Result<Self> {
        let opened = match address {
            Address::Tcp { host, port } => connect((host, *port), timeout).map(Self::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => UnixStream::connect(path).map(Self::Unix).map_err(Error::from),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(no_unix()),
        };
        opened.map_err(|error| error.context(format!("cannot connect to {address}")))
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

    /// Closes so that the peer sees that it was not the end.
    pub(crate) fn abort(self) {
        #[cfg(unix)]
        if let Self::Tcp(socket) = &self {
            let _ = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
        }
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

fn connect(address: (&String, u16), timeout: Duration) -> Result<TcpStream> {
    let (host, port) = address;
    let mut last = None;
    for address in (host.as_str(), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Error::new(ErrorKind::Peer, "no such host"), Error::from))
}

#[cfg(not(unix))]
fn no_unix() -> Error {
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

/// Waits for peers.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListenerSocket,
    address: Address,
    /// The name of a Unix socket goes with it.
    _name: Option<OwnPath>,
}

#[derive(Debug)]
enum ListenerSocket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
struct OwnPath(PathBuf);

impl Drop for OwnPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Listener {
    /// Listens at an address.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] (`EADDRINUSE` if somebody else does, or another file has the name of a Unix socket).
    pub(crate) fn bind(address: &Address) -> Result<Self> {
        Self::bind_at(address).map_err(|error| error.context(format!("cannot listen on {address}")))
    }

    fn bind_at(address: &Address) -> Result<Self> {
        match address {
            Address::Tcp { host, port } => {
                let socket = TcpListener::bind((host.as_str(), *port))?;
                socket.set_nonblocking(true)?;
                let bound = socket.local_addr()?;
                let address = Address::Tcp { host: bound.ip().to_string(), port: bound.port() };
                Ok(Self { socket: ListenerSocket::Tcp(socket), address, _name: None })
            }
            #[cfg(unix)]
            Address::Unix(path) => {
                let socket = bind_unix(path)?;
                socket.set_nonblocking(true)?;
                let _name = Some(OwnPath(path.clone()));
                Ok(Self { socket: ListenerSocket::Unix(socket), address: address.clone(), _name })
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(no_unix()),
        }
    }

    /// Whether machines other than this one can reach it.
    pub(crate) fn is_public(&self) -> bool {
        match &self.socket {
            ListenerSocket::Tcp(socket) => {
                socket.local_addr().is_ok_and(|address: SocketAddr| !address.ip().is_loopback())
            }
            #[cfg(unix)]
            ListenerSocket::Unix(_) => false,
        }
    }

    /// The next peer; `None` if none came for a moment.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub(crate) fn accept(&self) -> Result<Option<Connection>> {
        let accepted = match &self.socket {
            ListenerSocket::Tcp(socket) => socket.accept().and_then(|(socket, _)| {
                socket.set_nonblocking(false)?;
                Ok(Connection::Tcp(socket))
            }),
            #[cfg(unix)]
            ListenerSocket::Unix(socket) => socket.accept().and_then(|(socket, _)| {
                socket.set_nonblocking(false)?;
                Ok(Connection::Unix(socket))
            }),
        };
        match accepted {
            Ok(connection) => Ok(Some(connection)),
            Err(error) if is_passing(&error) => {
                self.wait();
                Ok(None)
            }
            Err(error) if is_shortage(&error) => {
                std::thread::sleep(TICK);
                Ok(None)
            }
            Err(error) => Err(Error::from(error).context(format!("cannot listen on {self}"))),
        }
    }

    #[cfg(unix)]
    fn wait(&self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use std::os::fd::AsFd as _;
        let fd = match &self.socket {
            ListenerSocket::Tcp(socket) => socket.as_fd(),
            ListenerSocket::Unix(socket) => socket.as_fd(),
        };
        let tick = Timespec::try_from(TICK).ok();
        let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], tick.as_ref());
    }

    #[cfg(not(unix))]
    fn wait(&self) {
        std::thread::sleep(TICK);
    }
}

/// Whether the next try may be better: nobody is there, or whoever was has gone again.
fn is_passing(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Io;
    matches!(
        error.kind(),
        Io::WouldBlock | Io::Interrupted | Io::ConnectionAborted | Io::ConnectionReset
    )
}

/// Whether the system has no room for one more connection now; those that are open will end.
#[cfg(unix)]
fn is_shortage(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

#[cfg(not(unix))]
fn is_shortage(_: &std::io::Error) -> bool {
    false
}

/// Binds a socket that only its owner may connect to. One that was left by a process that is no more is in nobody's
/// way.
#[cfg(unix)]
fn bind_unix(path: &PathBuf) -> Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let is_socket = path.symlink_metadata().is_ok_and(|m| m.file_type().is_socket());
            let refused =
                |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
            if !is_socket || !UnixStream::connect(path).is_err_and(refused) {
                return Err(error.into());
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

/// Waits until the peer has closed its side; false if it did not in time.
///
/// # Errors
/// [`ErrorKind::Peer`] if it broke the connection off, [`ErrorKind::Interrupted`].
pub(crate) fn wait_for_close(
    session: &Session,
    connection: &mut Connection,
    timeout: Duration,
) -> Result<bool> {
    let started = Instant::now();
    let mut scratch = [0; 64];
    while started.elapsed() < timeout {
        session.check()?;
        match connection.read(&mut scratch) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) => match error.kind() {
                std::io::ErrorKind::WouldBlock
                | std::io::ErrorKind::TimedOut
                | std::io::ErrorKind::Interrupted => {}
                _ => return Err(error.into()),
            },
        }
    }
    Ok(false)
}
