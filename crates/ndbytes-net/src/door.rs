//! Waiting for peers, on a socket of any kind.

use crate::TICK;
use crate::listener::PEERS;
use crate::socket::Socket;
use crate::tls::Session;
use ndbytes::io::channel::tls::Server;
use ndbytes::io::channel::{Acceptor, Address, ChannelOptions};
use ndbytes::{Error, ErrorKind, Result};
use rustix::net::sockopt;
use std::io::{ErrorKind as IoKind, Result as IoResult};
use std::os::fd::AsFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Where peers come in. One task at a time may wait at it.
#[derive(Debug)]
pub(crate) struct Door {
    address: Address,
    is_public: bool,
    pin: Option<String>,
    /// `None` once it is closed. Tasks that wait at it have no hold on it in between.
    open: Mutex<Option<Open>>,
}

/// An [`Acceptor`], which binds and owns the name, and the runtime's hold on its socket.
#[derive(Debug)]
struct Open {
    socket: Hold,
    _acceptor: Acceptor,
}

#[derive(Debug)]
enum Hold {
    Tcp(TcpListener),
    Tls(TcpListener, Handshakes),
    Unix(UnixListener),
}

/// Who comes.
#[derive(Debug)]
pub(crate) enum Came {
    Peer(Socket),
    /// Somebody, but not so that anything can be received.
    Failed(Error),
    /// Whoever was there has gone again.
    Nobody,
    /// The system has no room for one more connection now, or a network of its has gone: neither is for ever.
    NoRoom,
}

impl Door {
    /// Listens at an address.
    ///
    /// # Errors
    /// As [`Acceptor::bind`] and [`TlsOptions::server`](ndbytes::io::channel::TlsOptions::server).
    pub(crate) async fn bind(address: &Address, options: &ChannelOptions) -> Result<Self> {
        let (wanted, tls) = (address.clone(), options.tls.clone());
        // A name may have to be looked up, and files be read.
        let bound = tokio::task::spawn_blocking(move || {
            let server = tls.server(&wanted)?;
            let under = match &wanted {
                Address::Tls { host, port } => Address::Tcp { host: host.clone(), port: *port },
                other => other.clone(),
            };
            let about = |error: Error| match server.is_some() {
                true => error.context(&wanted),
                false => error,
            };
            Ok::<_, Error>((Acceptor::bind(&under).map_err(about)?, server))
        });
        let (acceptor, server) = bound.await.map_err(std::io::Error::other)??;
        let hold = acceptor.as_fd().try_clone_to_owned()?;
        let (socket, address) = match (acceptor.address(), address, server) {
            (Address::Tcp { port, .. }, Address::Tls { host, .. }, Some(server)) => {
                let handshakes = Handshakes::new(server, options.timeout);
                // The name of the host, and not its number, is what the certificate has.
                let address = Address::Tls { host: host.clone(), port: *port };
                (Hold::Tls(TcpListener::from_std(hold.into())?, handshakes), address)
            }
            (bound @ Address::Unix(_), ..) => {
                (Hold::Unix(UnixListener::from_std(hold.into())?), bound.clone())
            }
            (bound, ..) => (Hold::Tcp(TcpListener::from_std(hold.into())?), bound.clone()),
        };
        let pin = match &socket {
            Hold::Tls(_, handshakes) => Some(handshakes.server.pin().to_owned()),
            Hold::Tcp(_) | Hold::Unix(_) => None,
        };
        let is_public = acceptor.is_public();
        let open = Mutex::new(Some(Open { socket, _acceptor: acceptor }));
        Ok(Self { address, is_public, pin, open })
    }

    /// Nobody comes in any more, and its address is free: whoever still waits here waits for nothing.
    pub(crate) fn close(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens, with the port that it got.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn is_public(&self) -> bool {
        self.is_public
    }

    /// What whoever connects can give as `pin`.
    pub(crate) fn pin(&self) -> Option<&str> {
        self.pin.as_deref()
    }

    /// The next peer, or what is wrong with it.
    pub(crate) async fn accept(&self) -> Result<Socket> {
        loop {
            match std::future::poll_fn(|cx| self.poll_accept(cx)).await {
                Came::Peer(socket) => return Ok(socket),
                Came::Failed(error) => return Err(error),
                Came::Nobody => {}
                Came::NoRoom => sleep(TICK).await,
            }
        }
    }

    /// The same, as far as one has come.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<Came> {
        let open = self.lock();
        let Some(Open { socket, .. }) = &*open else { return Poll::Pending };
        let accepted = match socket {
            Hold::Tcp(socket) => ready!(poll_tcp(socket, cx)).map(Socket::Tcp),
            Hold::Unix(socket) => ready!(socket.poll_accept(cx)).map(|(s, _)| Socket::Unix(s)),
            Hold::Tls(socket, handshakes) => return handshakes.poll_accept(socket, cx),
        };
        Poll::Ready(match accepted {
            Ok(socket) => {
                socket.distrust(); // Killed, too, it must not look like an end.
                Came::Peer(socket)
            }
            Err(error) => none(error.kind()),
        })
    }
}

fn poll_tcp(socket: &TcpListener, cx: &mut Context<'_>) -> Poll<IoResult<TcpStream>> {
    let (socket, _) = ready!(socket.poll_accept(cx))?;
    socket.set_nodelay(true)?;
    // Between arrays there is no time-out: the system finds out whether a silent peer is still there.
    sockopt::set_socket_keepalive(&socket, true)?;
    Poll::Ready(Ok(socket))
}

fn none(kind: IoKind) -> Came {
    match kind {
        IoKind::Interrupted | IoKind::ConnectionAborted | IoKind::ConnectionReset => Came::Nobody,
        _ => Came::NoRoom,
    }
}

/// The handshakes of TLS that go on, each in a task of its own: a peer that is slow in one holds up nobody.
#[derive(Debug)]
struct Handshakes {
    server: Server,
    timeout: Duration,
    /// Dropped, it ends them all.
    all: Mutex<JoinSet<Result<Socket>>>,
}

impl Handshakes {
    fn new(server: Server, timeout: Duration) -> Self {
        Self { server, timeout, all: Mutex::default() }
    }

    fn poll_accept(&self, socket: &TcpListener, cx: &mut Context<'_>) -> Poll<Came> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() < PEERS
            && let Poll::Ready(accepted) = poll_tcp(socket, cx)
        {
            match accepted {
                Ok(socket) => drop(all.spawn(shake(socket, self.server.clone(), self.timeout))),
                Err(error) => return Poll::Ready(none(error.kind())),
            }
        }
        match all.poll_join_next(cx) {
            Poll::Ready(Some(Ok(Ok(socket)))) => Poll::Ready(Came::Peer(socket)),
            Poll::Ready(Some(Ok(Err(error)))) => Poll::Ready(Came::Failed(error)),
            Poll::Ready(Some(Err(_))) => Poll::Ready(Came::Nobody),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

async fn shake(socket: TcpStream, server: Server, most: Duration) -> Result<Socket> {
    let peer = socket.peer_addr().map_or_else(|_| "a peer".to_owned(), |peer| peer.to_string());
    let session = timeout(most, Session::accept(socket, &server)).await.unwrap_or_else(|_| {
        let message = format!("no handshake of TLS in {} s", most.as_secs_f32());
        Err(Error::new(ErrorKind::Timeout, message))
    });
    let socket = Socket::Tls(Box::new(session.map_err(|error| error.context(peer))?));
    socket.distrust();
    Ok(socket)
}
