//! Receiving arrays.

use super::socket::Socket;
use crate::error::{ErrorKind, Result};
use crate::format::datagram::{Arrival, Reassembler, ReassemblyOptions, Stats};
use crate::io::Watch;
use quinn_udp::RecvMeta;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

/// What the system is asked to keep of what nobody has read yet.
const KEPT: usize = 4 << 20;
/// Buffers that are filled at once, and their bytes: the most that the system puts into one.
const BUFFERS: usize = 8;
const BUFFER: usize = 1 << 16;

/// What has come by now.
#[derive(Debug)]
pub enum Came {
    /// A message, whole or in part.
    Message(Box<Arrival>),
    /// Datagrams, of which none made a message whole; there may be more.
    More,
    /// Nothing more.
    Nothing,
}

/// Receives the arrays of any number of senders. It answers nothing.
#[derive(Debug)]
pub struct DatagramReceiver {
    socket: Socket,
    reassembler: Reassembler,
    ready: VecDeque<Arrival>,
    memory: Vec<u8>,
    granted: usize,
    started: Instant,
}

impl DatagramReceiver {
    /// At this address, of port 0 at any that is free, with default options.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) from the system.
    pub fn bind(at: impl ToSocketAddrs) -> Result<Self> {
        let socket = Socket::new(UdpSocket::bind(at)?)?;
        let granted = socket.keep(KEPT)?;
        Ok(Self {
            socket,
            reassembler: Reassembler::new(ReassemblyOptions::default()),
            ready: VecDeque::new(),
            memory: vec![0; BUFFERS * BUFFER],
            granted,
            started: Instant::now(),
        })
    }

    /// The same with other options; to be said before anything is received.
    #[must_use]
    pub fn with(mut self, options: ReassemblyOptions) -> Self {
        self.reassembler = Reassembler::new(options);
        self
    }

    /// The next message that comes whole, or in part where the options allow it; `None` if none has come within `timeout`. `watch` is
    /// told how many datagrams have come so far, several times a second.
    ///
    /// Wrong datagrams and lost messages are no errors: they are counted in [`DatagramReceiver::stats`].
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) from the system, [`Memory`](ErrorKind::Memory), and whatever `watch` returns. It can go on behind each.
    pub fn recv(&mut self, timeout: Option<Duration>, watch: Watch<'_>) -> Result<Option<Arrival>> {
        let until = timeout.map(|timeout| self.started.elapsed().saturating_add(timeout));
        loop {
            watch(self.reassembler.stats().datagrams)?;
            match self.advance()? {
                Came::Message(arrival) => return Ok(Some(*arrival)),
                Came::More => {}
                Came::Nothing => {
                    let left = until.map(|until| until.saturating_sub(self.started.elapsed()));
                    if left.is_some_and(|left| left.is_zero()) {
                        return Ok(None);
                    }
                    let most = [left, self.patience()].into_iter().flatten().min();
                    self.socket.wait_to_recv(most.unwrap_or(Duration::MAX));
                }
            }
        }
    }

    /// Takes in what has come by now, by one call to the system at most, for whoever waits in a way of their own.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) from the system, and [`Memory`](ErrorKind::Memory). It can go on behind each.
    pub fn advance(&mut self) -> Result<Came> {
        if let Some(arrival) = self.ready.pop_front() {
            return Ok(Came::Message(Box::new(arrival)));
        }
        let now = self.started.elapsed();
        let came = self.take_in(now)?;
        while let Some(arrival) = self.reassembler.expire(now) {
            self.ready.push_back(arrival);
        }
        Ok(match self.ready.pop_front() {
            Some(arrival) => Came::Message(Box::new(arrival)),
            None if came => Came::More,
            None => Came::Nothing,
        })
    }

    /// How long until [`DatagramReceiver::advance`] may have something to do though nothing comes: a message may be over.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let deadline = self.reassembler.deadline();
        deadline.map(|deadline| deadline.saturating_sub(self.started.elapsed()))
    }

    /// Takes in what has come; whether that was anything.
    fn take_in(&mut self, now: Duration) -> Result<bool> {
        let mut meta = [RecvMeta::default(); BUFFERS];
        let mut buffers = self.memory.chunks_exact_mut(BUFFER).map(IoSliceMut::new);
        let mut buffers: [_; BUFFERS] =
            std::array::from_fn(|_| buffers.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let count = self.socket.recv(&mut buffers, &mut meta)?;
        for (buffer, meta) in buffers.iter().zip(meta).take(count) {
            let bytes = buffer.get(..meta.len).unwrap_or_default();
            // An empty one has no length to be cut by.
            for datagram in bytes.chunks(meta.stride.max(1)) {
                match self.reassembler.accept(datagram, now) {
                    Ok(arrival) => self.ready.extend(arrival),
                    Err(error) if *error.kind() == ErrorKind::Memory => return Err(error),
                    // It is counted.
                    Err(_) => {}
                }
            }
        }
        Ok(count > 0)
    }

    /// What has been seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.reassembler.stats()
    }

    /// How many messages are not whole yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.reassembler.pending()
    }

    /// Bytes that the system keeps of what nobody has read yet, as it says: 4 MiB were asked for. Linux says twice what it was asked for,
    /// since what it keeps of each datagram takes room too, and gives no more than `net.core.rmem_max` to who is not root.
    #[must_use]
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// Where it receives, with the real port.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) from the system.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The socket, to look at.
    #[must_use]
    pub fn get_ref(&self) -> &UdpSocket {
        self.socket.get_ref()
    }
}
