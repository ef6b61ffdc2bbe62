//! A UDP socket whose waits end several times a second, so that a clock and Ctrl-C have their say.

use crate::error::{Error, Result};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use std::io::{ErrorKind as IoKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// How long one wait for a socket lasts, at most.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// A socket that takes and gives several datagrams at a time where the system can.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Socket {
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    pub(super) fn new(socket: UdpSocket) -> Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state })
    }

    pub(super) fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    pub(super) fn get_ref(&self) -> &UdpSocket {
        &self.socket
    }

    /// How many datagrams of one length one call takes.
    pub(super) fn at_once(&self) -> usize {
        self.state.max_gso_segments().max(1)
    }

    /// Sends datagrams of `len` bytes each; whether they went: where they did not, the system has no room yet, or takes only one at a
    /// time from now on.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) and its like.
    pub(super) fn send(&self, to: SocketAddr, datagrams: &[u8], len: usize) -> Result<bool> {
        let several = datagrams.len() > len;
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents: datagrams,
            segment_size: several.then_some(len),
            src_ip: None,
        };
        match self.state.try_send((&self.socket).into(), &transmit) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == IoKind::WouldBlock => Ok(false),
            Err(_) if several && self.at_once() == 1 => Ok(false),
            Err(error) if quinn_udp::is_msg_size_err(&error) => {
                let hint = format!(
                    "datagrams of {len} bytes are too long for a link on the way; send shorter ones \
                     (SendOptions::datagram)"
                );
                Err(Error::io(error).context(hint))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Fills buffers with what has come, several datagrams of one length in each; how many buffers, and none if nothing has come.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) and its like.
    pub(super) fn recv(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Result<usize> {
        match self.state.recv((&self.socket).into(), buffers, meta) {
            Ok(n) => Ok(n),
            // So Windows says that something that this socket sent did not arrive.
            Err(error) if error.kind() == IoKind::ConnectionReset => Ok(0),
            Err(error) if error.kind() == IoKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the system to keep so many bytes that nobody has read yet; how many it says that it keeps.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    pub(super) fn keep(&self, bytes: usize) -> Result<usize> {
        let (state, socket) = (&self.state, &self.socket);
        state.set_recv_buffer_size(socket.into(), bytes)?;
        let granted = state.recv_buffer_size(socket.into())?;
        #[cfg(target_os = "linux")]
        if granted < bytes {
            // Who may, has more than the usual limit.
            let forced = rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, bytes);
            if forced.is_ok() {
                return Ok(state.recv_buffer_size(socket.into())?);
            }
        }
        Ok(granted)
    }

    /// Waits until something has come, but no longer than a tick.
    pub(super) fn wait_to_recv(&self, most: Duration) {
        self.wait(most, true);
    }

    /// Waits until there is room, but no longer than a tick.
    pub(super) fn wait_to_send(&self) {
        self.wait(TICK, false);
    }

    #[cfg(unix)]
    fn wait(&self, most: Duration, to_recv: bool) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let what = if to_recv { PollFlags::IN } else { PollFlags::OUT };
        let tick = Timespec::try_from(most.min(TICK)).ok();
        // Whatever it says, the next try tells.
        let _ = poll(&mut [PollFd::new(&self.socket, what)], tick.as_ref());
    }

    #[cfg(not(unix))]
    fn wait(&self, most: Duration, _: bool) {
        std::thread::sleep(most.min(Duration::from_millis(1)));
    }
}
