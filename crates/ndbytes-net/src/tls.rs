//! A connection over TLS, used in both directions.

use crate::socket::{poll_tcp_read, poll_tcp_write};
use ndbytes::io::channel::tls::{Client, Server, explain};
use ndbytes::io::stream::of_socket;
use ndbytes::{Error, Result};
use rustix::net::{Shutdown, shutdown};
use std::io::{Error as IoError, Result as IoResult};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::Error as TlsError;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// The session of both directions, held only while bytes go through it: a direction that waits holds up no other.
#[derive(Debug)]
pub(crate) struct Session {
    socket: Arc<TcpStream>,
    stream: Mutex<TlsStream<Shared>>,
}

impl Session {
    /// Connects, and is sure of who is there.
    ///
    /// # Errors
    /// [`Peer`](ndbytes::ErrorKind::Peer), with what is wrong.
    pub(crate) async fn connect(socket: TcpStream, client: &Client) -> Result<Self> {
        let socket = Arc::new(socket);
        let connector = TlsConnector::from(client.config());
        let stream = connector.connect(client.name(), Shared(Arc::clone(&socket))).await;
        Ok(Self { socket, stream: Mutex::new(stream.map_err(failed)?.into()) })
    }

    /// Takes who has come.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub(crate) async fn accept(socket: TcpStream, server: &Server) -> Result<Self> {
        let socket = Arc::new(socket);
        let acceptor = TlsAcceptor::from(server.config());
        let stream = acceptor.accept(Shared(Arc::clone(&socket))).await;
        Ok(Self { socket, stream: Mutex::new(stream.map_err(failed)?.into()) })
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<IoResult<usize>> {
        let mut space = ReadBuf::new(space);
        ready!(Pin::new(&mut *self.lock()).poll_read(cx, &mut space)).map_err(told)?;
        Poll::Ready(Ok(space.filled().len()))
    }

    /// Takes what there is room for; some of it may wait here until more is written, or [`Session::poll_flush`] says that all has gone.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes).map_err(told)
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx).map_err(told)
    }

    /// Says that nothing more will come.
    pub(crate) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx).map_err(told)
    }

    /// The socket under it.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn lock(&self) -> MutexGuard<'_, TlsStream<Shared>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went wrong with a handshake.
fn failed(error: IoError) -> Error {
    of_socket(told(error))
}

/// The error, in words that say what to do where it is one of rustls.
fn told(error: IoError) -> IoError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    inner.map(|inner| explain(inner.clone())).map_or(error, IoError::from)
}

/// A hold on the socket, for the session.
#[derive(Debug)]
struct Shared(Arc<TcpStream>);

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let n = ready!(poll_tcp_read(&self.0, cx, space.initialize_unfilled()))?;
        space.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        poll_tcp_write(&self.0, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<IoResult<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<IoResult<()>> {
        Poll::Ready(Ok(shutdown(&*self.0, Shutdown::Write)?))
    }
}
