//! A connected socket of any kind, used in both directions.

use crate::tls::Session;
use ndbytes::io::stream::Steps;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use std::io::{Error as IoError, ErrorKind as IoKind, Result as IoResult};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
#[cfg(target_os = "linux")]
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// Bytes that a peer sent and nobody asked for, which are thrown away so that its system does not throw away ours.
const UNREAD: usize = 1 << 20;

/// One task at a time may read, and one write.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Tls(Box<Session>),
    Unix(UnixStream),
}

impl Socket {
    /// Reads what has come, to the front of `space`; nothing is lost where it is not asked again.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<IoResult<usize>> {
        match self {
            Self::Tcp(socket) => poll_tcp_read(socket, cx, space),
            Self::Tls(session) => session.poll_read(cx, space),
            Self::Unix(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                if let Some(read) = come(socket.try_read(space)) {
                    return Poll::Ready(read);
                }
            },
        }
    }

    /// The same, with the descriptors that come with it where such can: then the read ends behind the bytes that have some.
    pub(crate) fn poll_read_with(
        &self,
        cx: &mut Context<'_>,
        space: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<IoResult<usize>> {
        #[cfg(target_os = "linux")]
        if let Self::Unix(socket) = self {
            loop {
                ready!(socket.poll_read_ready(cx))?;
                let read = || ndbytes::io::shm::read_some(socket, space, fds);
                if let Some(read) = come(socket.try_io(Interest::READABLE, read)) {
                    return Poll::Ready(read);
                }
            }
        }
        let _ = fds;
        self.poll_read(cx, space)
    }

    /// Takes what there is room for.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        match self {
            Self::Tcp(socket) => poll_tcp_write(socket, cx, bytes),
            Self::Tls(session) => session.poll_write(cx, bytes),
            Self::Unix(socket) => loop {
                ready!(socket.poll_write_ready(cx))?;
                if let Some(written) = come(socket.try_write(bytes)) {
                    return Poll::Ready(written);
                }
            },
        }
    }

    /// The same, and a descriptor with the first of the bytes.
    ///
    /// # Errors
    /// Those of the system; [`Unsupported`](IoKind::Unsupported) where no descriptor can go.
    #[cfg(target_os = "linux")]
    pub(crate) fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        fd: BorrowedFd<'_>,
    ) -> Poll<IoResult<usize>> {
        let Self::Unix(socket) = self else {
            return Poll::Ready(Err(IoKind::Unsupported.into()));
        };
        loop {
            ready!(socket.poll_write_ready(cx))?;
            let write = || ndbytes::io::shm::write_some(socket, bytes, fd);
            if let Some(written) = come(socket.try_io(Interest::WRITABLE, write)) {
                return Poll::Ready(written);
            }
        }
    }

    /// Gives the system all that was taken.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        match self {
            Self::Tls(session) => session.poll_flush(cx),
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    /// Sends a few bytes, all of them or, where there is no room now, none: false.
    ///
    /// # Errors
    /// If only a part of them has gone, behind which nothing can be sent.
    pub(crate) fn put(&self, bytes: &[u8]) -> IoResult<bool> {
        let sent = match self {
            Self::Tls(session) => {
                let mut cx = Context::from_waker(Waker::noop());
                // Behind what waits, a part of them could be taken.
                if session.poll_flush(&mut cx).is_pending() {
                    return Ok(false);
                }
                let taken = session.poll_write(&mut cx, bytes);
                // What does not go now goes with what is sent next.
                let _ = session.poll_flush(&mut cx);
                taken
            }
            Self::Tcp(_) | Self::Unix(_) => {
                match send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                    Err(Errno::AGAIN) => Poll::Pending,
                    sent => Poll::Ready(sent.map_err(IoError::from)),
                }
            }
        };
        // A peer that takes nothing any more finds out by itself.
        match sent {
            Poll::Ready(Ok(n)) if n < bytes.len() => Err(IoKind::WriteZero.into()),
            sent => Ok(sent.is_ready()),
        }
    }

    /// Says that nothing more will come.
    pub(crate) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        match self {
            Self::Tls(session) => session.poll_finish(cx),
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(shutdown(self, Shutdown::Write)?)),
        }
    }

    /// Breaks off what is sent: the peer sees that it was no end.
    pub(crate) fn cut(&self) {
        let _ = shutdown(self, Shutdown::Write);
    }

    /// Ends both directions, for whoever has a hold on it.
    pub(crate) fn shut(&self) {
        let _ = shutdown(self, Shutdown::Both);
    }

    /// Ends it between two messages, everything taken.
    pub(crate) fn close(&self) {
        self.linger(None);
        let _ = self.poll_finish(&mut Context::from_waker(Waker::noop()));
        let (mut scratch, mut unread) = ([0; 4096], 0);
        while unread < UNREAD
            && let Ok((n @ 1.., _)) = recv(self, &mut scratch, RecvFlags::DONTWAIT)
        {
            unread += n;
        }
        self.shut();
    }

    /// Ends it so that the peer sees that not everything was taken, even if all of it was read.
    pub(crate) fn refuse(&self) {
        match self {
            // It cannot be reset. One byte is no frame, so the direction that nobody uses ends inside of one.
            Self::Unix(_) => drop(self.put(&[0])),
            Self::Tcp(_) | Self::Tls(_) => self.distrust(),
        }
    }

    /// From here on its end is a reset, whatever ends it, until it is closed.
    pub(crate) fn distrust(&self) {
        self.linger(Some(Duration::ZERO));
    }

    fn linger(&self, time: Option<Duration>) {
        if let Some(socket) = self.tcp() {
            let _ = sockopt::set_socket_linger(socket, time);
        }
    }

    /// Whether a peer that refuses what it was sent says so by one byte.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// How many bytes at a time suit it.
    pub(crate) fn steps(&self) -> Steps {
        if self.is_unix() { Steps::UNIX } else { Steps::TCP }
    }

    /// What is known of who it is.
    pub(crate) fn peer(&self) -> String {
        let address = self.tcp().and_then(|socket| socket.peer_addr().ok());
        address.map_or_else(|| "a peer".to_owned(), |address| address.to_string())
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) => Some(socket),
            Self::Tls(session) => Some(session.socket()),
            Self::Unix(_) => None,
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Tls(session) => session.socket().as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

pub(crate) fn poll_tcp_read(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    space: &mut [u8],
) -> Poll<IoResult<usize>> {
    loop {
        ready!(socket.poll_read_ready(cx))?;
        if let Some(read) = come(socket.try_read(space)) {
            return Poll::Ready(read);
        }
    }
}

pub(crate) fn poll_tcp_write(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<IoResult<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        if let Some(written) = come(socket.try_write(bytes)) {
            return Poll::Ready(written);
        }
    }
}

/// What has come of a try, unless it is to be made again.
fn come(moved: IoResult<usize>) -> Option<IoResult<usize>> {
    match moved {
        Err(error) if matches!(error.kind(), IoKind::WouldBlock | IoKind::Interrupted) => None,
        moved => Some(moved),
    }
}
