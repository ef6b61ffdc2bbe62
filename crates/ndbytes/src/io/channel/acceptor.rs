//! Waiting for peers, on a socket of either kind.

use super::link::Link;
#[cfg(not(unix))]
use super::target::no_unix;
use super::target::{no_connection, no_tls};
#[cfg(all(unix, feature = "tls"))]
use super::tls::Handshakes;
use super::{Address, Connection, TICK, TlsOptions};
use crate::error::{Error, Result};
use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Waits for peers.
#[derive(Debug)]
pub struct Acceptor {
    socket: Socket,
    address: Address,
    is_public: bool,
    /// What its peers can give as `pin`.
    pin: Option<String>,
    /// The name of a Unix socket goes with it.
    #[cfg(unix)]
    _name: Option<OwnName>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
    #[cfg(all(unix, feature = "tls"))]
    Tls(Handshakes),
}

impl fmt::Display for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Acceptor {
    /// Listens at an address that is not `tls://`.
    ///
    /// # Errors
    /// As [`Acceptor::bind_with`].
    pub fn bind(address: &Address) -> Result<Self> {
        Self::bind_with(address, &TlsOptions::default(), Duration::ZERO)
    }

    /// Listens at an address. At `tls://` a peer has so long for the handshake, and whoever reads of a connection hears that it
    /// failed.
    ///
    /// # Errors
    /// As [`TlsOptions::server`]; [`crate::ErrorKind::Io`] (`EADDRINUSE` if somebody else does, or another file has the name of a
    /// Unix socket).
    pub fn bind_with(address: &Address, tls: &TlsOptions, timeout: Duration) -> Result<Self> {
        let server = tls.server(address);
        let about = |error: Error| error.context(format!("cannot listen on {address}"));
        #[cfg(all(unix, feature = "tls"))]
        if let Some(server) = server? {
            return Self::bind_tls(address, server, timeout).map_err(about);
        }
        #[cfg(not(all(unix, feature = "tls")))]
        let _ = (server?, timeout);
        Self::bind_at(address).map_err(about)
    }

    fn bind_at(address: &Address) -> Result<Self> {
        match address {
            Address::Tcp { host, port } => {
                let (socket, bound) = bind_tcp(host, *port)?;
                let address = Address::Tcp { host: bound.ip().to_string(), port: bound.port() };
                Ok(Self::on(Socket::Tcp(socket), address, !bound.ip().is_loopback()))
            }
            Address::Tls { .. } => Err(no_tls()),
            Address::Udp { .. } => Err(no_connection()),
            #[cfg(unix)]
            Address::Unix(path) => {
                let socket = bind_unix(path)?;
                socket.set_nonblocking(true)?;
                let _name = OwnName::of(path);
                Ok(Self { _name, ..Self::on(Socket::Unix(socket), address.clone(), false) })
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(no_unix()),
        }
    }

    /// It keeps the name of the host: a number is not what the certificate has.
    #[cfg(all(unix, feature = "tls"))]
    fn bind_tls(address: &Address, server: super::tls::Server, timeout: Duration) -> Result<Self> {
        let Address::Tls { host, port } = address else { return Self::bind_at(address) };
        let (socket, bound) = bind_tcp(host, *port)?;
        let address = Address::Tls { host: host.clone(), port: bound.port() };
        let pin = Some(server.pin().to_owned());
        let socket = Socket::Tls(Handshakes::start(socket, server, timeout)?);
        Ok(Self { pin, ..Self::on(socket, address, !bound.ip().is_loopback()) })
    }

    fn on(socket: Socket, address: Address, is_public: bool) -> Self {
        Self {
            socket,
            address,
            is_public,
            pin: None,
            #[cfg(unix)]
            _name: None,
        }
    }

    /// Where it listens, with the port that it got.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether machines other than this one can reach it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// What whoever connects can give as [`TlsOptions::pin`]; `None` where no TLS is spoken.
    #[must_use]
    pub fn pin(&self) -> Option<&str> {
        self.pin.as_deref()
    }

    /// The next peer; `None` if none came for a moment.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`].
    pub fn accept(&self) -> Result<Option<Connection>> {
        let accepted = self.accept_now()?;
        if accepted.is_none() {
            self.wait();
        }
        Ok(accepted)
    }

    /// The same without waiting.
    pub(super) fn accept_now(&self) -> Result<Option<Connection>> {
        let accepted = match &self.socket {
            Socket::Tcp(socket) => accept_tcp(socket).map(|socket| socket.map(Link::Tcp)),
            #[cfg(unix)]
            Socket::Unix(socket) => {
                let accepted = socket.accept().and_then(|(socket, _)| {
                    socket.set_nonblocking(false)?;
                    Ok(socket)
                });
                come(accepted).map(|socket| socket.map(Link::unix))
            }
            #[cfg(all(unix, feature = "tls"))]
            Socket::Tls(handshakes) => return handshakes.next().map_err(|error| self.about(error)),
        };
        let connection = accepted.map_err(|error| self.about(error))?.map(Connection::on);
        // Killed, too, it must not look like an end.
        Ok(connection.inspect(Connection::distrust))
    }

    fn about(&self, error: Error) -> Error {
        error.context(format!("cannot listen on {self}"))
    }

    #[cfg(unix)]
    fn wait(&self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let (fd, tick) = (self.as_fd(), Timespec::try_from(TICK).ok());
        let _ = poll(&mut [PollFd::new(&fd, PollFlags::IN)], tick.as_ref());
    }

    #[cfg(not(unix))]
    fn wait(&self) {
        std::thread::sleep(TICK);
    }
}

#[cfg(unix)]
impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
            #[cfg(feature = "tls")]
            Socket::Tls(handshakes) => handshakes.as_fd(),
        }
    }
}

fn bind_tcp(host: &str, port: u16) -> Result<(TcpListener, SocketAddr)> {
    let socket = TcpListener::bind((host, port))?;
    socket.set_nonblocking(true)?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// A peer that has come, without waiting for one.
pub(super) fn accept_tcp(listener: &TcpListener) -> Result<Option<TcpStream>> {
    come(listener.accept().and_then(|(socket, _)| {
        socket.set_nonblocking(false)?;
        keep_alive(&socket);
        Ok(socket)
    }))
}

fn come<T>(accepted: std::io::Result<T>) -> Result<Option<T>> {
    match accepted {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if is_passing(&error) => Ok(None),
        Err(error) if is_shortage(&error) => {
            std::thread::sleep(TICK);
            Ok(None)
        }
        Err(error) => Err(error.into()),
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

/// Whether the system has no room for one more connection now, or a network of its has gone: neither is for ever.
#[cfg(unix)]
fn is_shortage(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let fatal = [Errno::BADF, Errno::INVAL, Errno::NOTSOCK, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| !fatal.contains(&errno))
}

#[cfg(not(unix))]
fn is_shortage(_: &std::io::Error) -> bool {
    false
}

/// Between arrays there is no time-out: the system finds out whether a silent peer is still there.
fn keep_alive(socket: &TcpStream) {
    #[cfg(unix)]
    let _ = rustix::net::sockopt::set_socket_keepalive(socket, true);
    #[cfg(not(unix))]
    let _ = socket;
}

/// Binds a socket that only its owner may connect to. One that was left by a process that is no more is in nobody's
/// way.
#[cfg(unix)]
fn bind_unix(path: &Path) -> Result<UnixListener> {
    use std::os::unix::fs::FileTypeExt as _;
    match bind_private(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let is_socket = path.symlink_metadata().is_ok_and(|m| m.file_type().is_socket());
            if !is_socket || !is_left(path) {
                return Err(error.into());
            }
            std::fs::remove_file(path)?;
            Ok(bind_private(path)?)
        }
        bound => Ok(bound?),
    }
}

/// Whether nobody listens at a socket.
#[cfg(unix)]
fn is_left(path: &Path) -> bool {
    use rustix::io::{Errno, Result as IoResult, ioctl_fionbio};
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
    let connected = || -> IoResult<()> {
        let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        ioctl_fionbio(&socket, true)?; // A listener whose queue is full would let it wait.
        connect(&socket, &SocketAddrUnix::new(path)?)
    };
    connected() == Err(Errno::CONNREFUSED)
}

/// Only its owner may connect to it: it listens once it has its mode.
#[cfg(unix)]
fn bind_private(path: &Path) -> std::io::Result<UnixListener> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket_with};
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;
    const WAITING: i32 = 128;
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, CLOSES, None)?;
    bind(&socket, &address)?;
    let listening = set_permissions(path, Permissions::from_mode(0o600))
        .and_then(|()| Ok(listen(&socket, WAITING)?));
    if listening.is_err() {
        let _ = std::fs::remove_file(path);
    }
    listening.map(|()| socket.into())
}

/// Programs that are started do not get it, where a socket can be born so.
#[cfg(unix)]
const CLOSES: rustix::net::SocketFlags = if cfg!(target_os = "linux") {
    rustix::net::SocketFlags::CLOEXEC
} else {
    rustix::net::SocketFlags::empty()
};

/// The name of a socket, removed with it if it is still this socket's.
#[cfg(unix)]
#[derive(Debug)]
struct OwnName {
    path: PathBuf,
    id: (u64, u64),
    /// The process that made it: a child that was forked leaves it alone.
    process: u32,
}

#[cfg(unix)]
impl OwnName {
    fn of(path: &Path) -> Option<Self> {
        Some(Self { path: path.to_path_buf(), id: id(path)?, process: std::process::id() })
    }
}

#[cfg(unix)]
impl Drop for OwnName {
    fn drop(&mut self) {
        if self.process == std::process::id() && id(&self.path) == Some(self.id) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Which file it is, whatever it is called.
#[cfg(unix)]
fn id(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    path.symlink_metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
