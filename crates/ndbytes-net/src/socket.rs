//! A connected socket of either kind, used in both directions.

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use std::io::{ErrorKind as IoKind, Result as IoResult};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Bytes that a peer sent and nobody asked for, which are thrown away so that its system does not throw away ours.
const UNREAD: usize = 1 << 20;

/// One task at a time may read, and one write.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Reads what has come, to the front of `space`; nothing is lost where it is not asked again.
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        space: &mut [u8],
    ) -> Poll<IoResult<usize>> {
        loop {
            let read = match self {
                Self::Tcp(socket) => {
                    ready!(socket.poll_read_ready(cx))?;
                    socket.try_read(space)
                }
                Self::Unix(socket) => {
                    ready!(socket.poll_read_ready(cx))?;
                    socket.try_read(space)
                }
            };
            match read {
                Err(error) if is_passing(error.kind()) => {}
                read => return Poll::Ready(read),
            }
        }
    }

    /// Writes what there is room for.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        loop {
            let written = match self {
                Self::Tcp(socket) => {
                    ready!(socket.poll_write_ready(cx))?;
                    socket.try_write(bytes)
                }
                Self::Unix(socket) => {
                    ready!(socket.poll_write_ready(cx))?;
                    socket.try_write(bytes)
                }
            };
            match written {
                Err(error) if is_passing(error.kind()) => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Sends a few bytes, all of them or, where there is no room now, none.
    ///
    /// # Errors
    /// If only a part of them has gone, behind which nothing can be sent.
    pub(crate) fn put(&self, bytes: &[u8]) -> IoResult<()> {
        match send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(n) if n < bytes.len() => Err(IoKind::WriteZero.into()),
            // A peer that takes nothing any more finds out by itself.
            _ => Ok(()),
        }
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&self) {
        let _ = shutdown(self, Shutdown::Write);
    }

    /// Ends both directions, for whoever has a hold on it.
    pub(crate) fn shut(&self) {
        let _ = shutdown(self, Shutdown::Both);
    }

    /// Ends it between two messages, everything taken.
    pub(crate) fn close(&self) {
        self.settle();
        self.finish();
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
        if let Self::Unix(_) = self {
            // It cannot be reset. One byte is no frame, so the direction that nobody uses ends inside of one.
            let _ = self.put(&[0]);
        } else {
            self.distrust();
        }
    }

    /// From here on its end is a reset, whatever ends it, until it is closed.
    pub(crate) fn distrust(&self) {
        self.linger(Some(Duration::ZERO));
    }

    fn settle(&self) {
        self.linger(None);
    }

    fn linger(&self, time: Option<Duration>) {
        if let Self::Tcp(socket) = self {
            let _ = sockopt::set_socket_linger(socket, time);
        }
    }

    /// Whether a peer that refuses what it was sent says so by one byte.
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// What is known of who it is.
    pub(crate) fn peer(&self) -> String {
        match self {
            Self::Tcp(socket) => {
                socket.peer_addr().map_or_else(|_| "a peer".to_owned(), |a| a.to_string())
            }
            Self::Unix(_) => "a peer".to_owned(),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

fn is_passing(kind: IoKind) -> bool {
    matches!(kind, IoKind::WouldBlock | IoKind::Interrupted)
}
