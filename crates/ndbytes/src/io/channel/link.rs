//! The socket under a connection.

#[cfg(all(unix, feature = "tls"))]
use super::tls::{Tls, Wait};
use crate::io::stream::{Socket, Steps};
#[cfg(unix)]
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::{Read, Result as IoResult, Write};
use std::net::{Shutdown, TcpStream};
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
    #[cfg(all(unix, feature = "tls"))]
    Tls(Tls),
}

impl Link {
    /// A Unix socket, with room for more than the system gives it: half as quick it would wait for the reader every 200 KiB.
    #[cfg(unix)]
    pub(super) fn unix(socket: UnixStream) -> Self {
        /// More is no quicker, and lets what waits grow old. Where less is allowed, the system gives that.
        const ROOM: usize = 1 << 19;
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, ROOM);
        Self::Unix(socket)
    }

    pub(super) fn try_clone(&self) -> IoResult<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            #[cfg(unix)]
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => Self::Tls(tls.try_clone()?),
        })
    }

    /// Whether more may be read of it than was asked for. Not of a Unix socket: descriptors that come with bytes are lost to
    /// a plain read.
    pub(super) fn is_read_ahead(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) => false,
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(_) => true,
        }
    }

    /// The socket, where it is one of TCP.
    pub(super) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) => Some(socket),
            #[cfg(unix)]
            Self::Unix(_) => None,
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => Some(tls.socket()),
        }
    }

    /// Whether bytes that the socket has may be none for who reads yet, and the other way round.
    #[cfg(unix)]
    pub(super) fn is_secret(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(_) => true,
        }
    }

    /// Whether something is here that was taken from the socket.
    #[cfg(unix)]
    pub(super) fn holds_some(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Unix(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.holds_some(),
        }
    }

    /// Reads without waiting.
    #[cfg(unix)]
    pub(super) fn read_now(&self, space: &mut [u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(recv(self, space, RecvFlags::DONTWAIT)?.0),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.read(space, Wait::Never),
        }
    }

    /// The same, and the bytes stay.
    #[cfg(unix)]
    pub(super) fn peek(&self, space: &mut [u8]) -> IoResult<usize> {
        Ok(recv(self, space, RecvFlags::PEEK | RecvFlags::DONTWAIT)?.0)
    }

    /// Sends a few bytes without waiting; where there is no room for any, an error that says so.
    #[cfg(unix)]
    pub(super) fn write_now(&self, bytes: &[u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => {
                Ok(send(self, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
            }
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.write(bytes, Wait::Never),
        }
    }

    /// Says that nothing more will come, without waiting: within TLS there may be no room for that yet, and an error says so.
    pub(super) fn finish(&self) -> IoResult<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => tls.finish(),
        }
    }
}

#[cfg(unix)]
impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.as_fd(),
        }
    }
}

impl Read for Link {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(socket) => socket.read(space),
            #[cfg(unix)]
            Self::Unix(socket) => socket.read(space),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => tls.read(space, Wait::Tick),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            #[cfg(unix)]
            Self::Unix(socket) => socket.write(bytes),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => tls.write(bytes, Wait::Tick),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        match self {
            Self::Tcp(_) => Ok(()),
            #[cfg(unix)]
            Self::Unix(_) => Ok(()),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => tls.flush(Wait::Tick),
        }
    }
}

impl Socket for Link {
    fn prepare(&self, tick: Duration) -> IoResult<()> {
        match self {
            Self::Tcp(socket) => socket.prepare(tick),
            #[cfg(unix)]
            Self::Unix(socket) => socket.prepare(tick),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => tls.prepare(tick),
        }
    }

    fn steps(&self) -> Steps {
        match self {
            Self::Tcp(socket) => socket.steps(),
            #[cfg(unix)]
            Self::Unix(socket) => socket.steps(),
            #[cfg(all(unix, feature = "tls"))]
            Self::Tls(tls) => tls.socket().steps(),
        }
    }
}
