//! Waiting for peers, on a socket of either kind.

use crate::TICK;
use crate::socket::Socket;
use ndbytes::Result;
use ndbytes::io::channel::{Acceptor, Address};
use rustix::net::sockopt;
use std::io::{ErrorKind as IoKind, Result as IoResult};
use std::os::fd::AsFd as _;
use std::task::{Context, Poll, ready};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;

/// An [`Acceptor`], which binds and owns the name, and the runtime's hold on its socket.
#[derive(Debug)]
pub(crate) struct Door {
    acceptor: Acceptor,
    socket: Hold,
}

#[derive(Debug)]
enum Hold {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    /// Listens at an address.
    ///
    /// # Errors
    /// As [`Acceptor::bind`].
    pub(crate) async fn bind(address: &Address) -> Result<Self> {
        let wanted = address.clone();
        // A name may have to be looked up.
        let bound = tokio::task::spawn_blocking(move || Acceptor::bind(&wanted)).await;
        let acceptor = bound.map_err(std::io::Error::other)??;
        let hold = acceptor.as_fd().try_clone_to_owned()?;
        let socket = match acceptor.address() {
            Address::Unix(_) => Hold::Unix(UnixListener::from_std(hold.into())?),
            _ => Hold::Tcp(TcpListener::from_std(hold.into())?),
        };
        Ok(Self { acceptor, socket })
    }

    pub(crate) fn address(&self) -> &Address {
        self.acceptor.address()
    }

    pub(crate) fn is_public(&self) -> bool {
        self.acceptor.is_public()
    }

    /// The next peer.
    pub(crate) async fn accept(&self) -> Socket {
        loop {
            match std::future::poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(socket) => return socket,
                Err(error) if is_passing(error.kind()) => {}
                // The system has no room for one more connection now, or a network of its has gone: neither is for ever.
                Err(_) => sleep(TICK).await,
            }
        }
    }

    /// The same, as far as one has come.
    ///
    /// # Errors
    /// Those of the system; the next peer may be there all the same.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<IoResult<Socket>> {
        let socket = match &self.socket {
            Hold::Tcp(socket) => {
                let (socket, _) = ready!(socket.poll_accept(cx))?;
                socket.set_nodelay(true)?;
                // Between arrays there is no time-out: the system finds out whether a silent peer is still there.
                sockopt::set_socket_keepalive(&socket, true)?;
                Socket::Tcp(socket)
            }
            Hold::Unix(socket) => Socket::Unix(ready!(socket.poll_accept(cx))?.0),
        };
        socket.distrust(); // Killed, too, it must not look like an end.
        Poll::Ready(Ok(socket))
    }
}

/// Whether whoever was there has gone again.
pub(crate) fn is_passing(kind: IoKind) -> bool {
    matches!(kind, IoKind::Interrupted | IoKind::ConnectionAborted | IoKind::ConnectionReset)
}
