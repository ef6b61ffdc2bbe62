//! Connecting: to whom, and within TLS making sure of that.

use super::link::Link;
#[cfg(all(unix, feature = "tls"))]
use super::tls::{Client, Tls};
use super::{Address, Connection, TlsOptions};
use crate::error::{Error, ErrorKind, Result};
#[cfg(all(unix, feature = "tls"))]
use rustix::event::PollFd;
use std::net::{TcpStream, ToSocketAddrs as _};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Where to connect, and what that takes.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) address: Address,
    #[cfg(all(unix, feature = "tls"))]
    client: Option<Client>,
}

impl Target {
    /// # Errors
    /// As [`TlsOptions::client`].
    pub(super) fn new(address: &Address, tls: &TlsOptions) -> Result<Self> {
        #[cfg(all(unix, feature = "tls"))]
        let client = tls.client(address)?;
        #[cfg(not(all(unix, feature = "tls")))]
        tls.client(address)?;
        Ok(Self {
            address: address.clone(),
            #[cfg(all(unix, feature = "tls"))]
            client,
        })
    }
}

/// Connects, in its own time.
pub(super) fn connect(target: &Target, timeout: Duration) -> Result<Connection> {
    let started = Instant::now();
    let (host, port) = match &target.address {
        Address::Tcp { host, port } | Address::Tls { host, port } => (host.as_str(), *port),
        Address::Udp { .. } => return Err(no_connection()),
        #[cfg(unix)]
        Address::Unix(path) => return Ok(Connection::on(Link::unix(UnixStream::connect(path)?))),
        #[cfg(not(unix))]
        Address::Unix(_) => return Err(no_unix()),
    };
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => match &target.address {
                Address::Tls { .. } => return within_tls(socket, target, timeout, started),
                _ => return Ok(Connection::on(Link::Tcp(socket))),
            },
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| Error::new(ErrorKind::Peer, "no such host"), Error::from))
}

/// Makes sure of whom it is connected to.
#[cfg(all(unix, feature = "tls"))]
fn within_tls(
    socket: TcpStream,
    target: &Target,
    timeout: Duration,
    started: Instant,
) -> Result<Connection> {
    let Some(client) = &target.client else { return Err(no_tls()) };
    socket.set_nodelay(true)?;
    let tls = Tls::client(socket, client)?;
    while let Some(wants) = tls.shake()? {
        let left = timeout.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(no_answer(timeout));
        }
        super::connection::poll_for(&mut [PollFd::new(&tls, wants)], left)?;
    }
    Ok(Connection::on(Link::Tls(tls)))
}

#[cfg(not(all(unix, feature = "tls")))]
fn within_tls(_: TcpStream, _: &Target, _: Duration, _: Instant) -> Result<Connection> {
    Err(no_tls())
}

/// For an address that is never spoken to in the clear.
pub(super) fn no_tls() -> Error {
    Error::unsupported("TLS is not available on this system")
}

pub(super) fn no_answer(timeout: Duration) -> Error {
    Error::new(ErrorKind::Timeout, format!("no answer in {} s", timeout.as_secs_f32()))
}

pub(super) fn no_connection() -> Error {
    Error::argument("datagrams have no connection: nothing is answered over udp://")
}

#[cfg(not(unix))]
pub(super) fn no_unix() -> Error {
    Error::unsupported("this system has no Unix sockets")
}
