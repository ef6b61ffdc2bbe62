//! The socket under a connection.

use crate::io::stream::Socket;
#[cfg(unix)]
use rustix::net::{RecvFlags, recv};
use std::io::{Read, Result as IoResult, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[derive(Debug)]
pub(super) enum Link {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Link {
    pub(super) fn try_clone(&self) -> IoResult<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            #[cfg(unix)]
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    /// Whether more may be read of it than was asked for. Not of a Unix socket: descriptors that come with bytes are lost to
    /// a plain read.
    pub(super) fn is_read_ahead(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    /// Reads without waiting.
    #[cfg(unix)]
    pub(super) fn read_now(&self, space: &mut [u8]) -> IoResult<usize> {
        Ok(recv(self, space, RecvFlags::DONTWAIT)?.0)
    }

    /// The same, and the bytes stay.
    #[cfg(unix)]
    pub(super) fn peek(&self, space: &mut [u8]) -> IoResult<usize> {
        Ok(recv(self, space, RecvFlags::PEEK | RecvFlags::DONTWAIT)?.0)
    }

    /// Says that nothing more will come.
    pub(super) fn finish(&self) -> IoResult<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }

    pub(super) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }
}

#[cfg(unix)]
impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Read for Link {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(socket) => socket.read(space),
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(space),
        }
    }
}

impl Write for Link {
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

impl Socket for Link {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        match self {
            Self::Tcp(socket) => socket.prepare(tick),
            #[cfg(unix)]
            Self::Unix(socket) => socket.prepare(tick),
        }
    }
}
