//! The connection that a channel has at a time.

use crate::socket::Socket;
use crate::tls::Session;
use ndbytes::io::channel::tls::Client;
use ndbytes::io::channel::{Address, TlsOptions};
use ndbytes::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

/// How long it waits before it tries to connect once more, at first and at most.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

/// One connection behind the other, each with its turn, the first of which is 1.
#[derive(Debug)]
pub(crate) struct Lines {
    /// Where to connect again.
    again: Option<Target>,
    timeout: Duration,
    /// Whether all of them are Unix sockets.
    is_unix: bool,
    turn: AtomicU64,
    closed: AtomicBool,
    /// `None` once it is lost or closed.
    now: Mutex<Option<Arc<Socket>>>,
    /// Held by who makes a new one, for as long as that takes.
    connecting: tokio::sync::Mutex<()>,
    peer: Mutex<String>,
}

/// What there is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// The connection of this turn.
    Open(u64),
    /// A new one.
    Again(u64),
    Closed,
}

impl Lines {
    pub(crate) fn new(socket: Socket, again: Option<Target>, timeout: Duration) -> Self {
        let (turn, closed) = (AtomicU64::new(1), AtomicBool::new(false));
        let is_unix = socket.is_unix();
        let (peer, now) = (Mutex::new(socket.peer()), Mutex::new(Some(Arc::new(socket))));
        Self { again, timeout, is_unix, turn, closed, now, connecting: Default::default(), peer }
    }

    /// Whether descriptors can go over it.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_unix(&self) -> bool {
        self.is_unix
    }

    /// The connection that there is; where it was lost, a new one, for which it tries as long as the time-out says.
    ///
    /// # Errors
    /// As [`Target::connect`].
    pub(crate) async fn open(&self) -> Result<Line> {
        if self.is_closed() {
            return Ok(Line::Closed);
        }
        let Some(target) = self.again.as_ref().filter(|_| self.is_lost()) else {
            return Ok(Line::Open(self.turn()));
        };
        let _alone = self.connecting.lock().await;
        // Somebody else may have made one meanwhile.
        if !self.is_lost() {
            return Ok(Line::Open(self.turn()));
        }
        let (started, mut pause) = (Instant::now(), PAUSE);
        loop {
            let left = self.timeout.saturating_sub(started.elapsed());
            let opened = target.connect(left.max(PAUSE)).await;
            if self.is_closed() {
                return Ok(Line::Closed);
            }
            match opened {
                Ok(socket) => return Ok(Line::Again(self.put(socket))),
                Err(error) if left.is_zero() || !may_pass(error.kind()) => return Err(error),
                Err(_) => sleep(pause.min(left)).await,
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Makes this the connection that there is, and tells its turn.
    fn put(&self, socket: Socket) -> u64 {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = socket.peer();
        let mut now = self.lock();
        *now = Some(Arc::new(socket));
        self.turn.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The connection of this turn, if it is the one that there is.
    pub(crate) fn hold(&self, turn: u64) -> Option<Arc<Socket>> {
        let now = self.lock();
        now.as_ref().filter(|_| turn == self.turn()).map(Arc::clone)
    }

    /// The connection of this turn is of no use any more.
    pub(crate) fn lose(&self, turn: u64) {
        let mut now = self.lock();
        if turn == self.turn()
            && let Some(socket) = now.take()
        {
            // Others may have a hold on it.
            socket.shut();
        }
    }

    /// Ends the connection between two messages.
    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel)
            && let Some(socket) = self.lock().take()
        {
            socket.close();
        }
    }

    /// Ends it so that the peer sees that not everything was taken.
    pub(crate) fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(socket) = self.lock().take() {
            socket.refuse();
        }
    }

    /// Whether there is none now.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock().is_none()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The turn of the connection that there is, or was lost last.
    pub(crate) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    pub(crate) fn peer(&self) -> String {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Socket>>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a peer that is not there now may be there soon: it is about to start again.
fn may_pass(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Peer | ErrorKind::Timeout | ErrorKind::Io)
}

/// Where to connect to, and whom to expect there.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: Address,
    client: Option<Client>,
}

impl Target {
    /// # Errors
    /// As [`TlsOptions::client`].
    pub(crate) async fn new(address: &Address, tls: &TlsOptions) -> Result<Self> {
        let (address, tls) = (address.clone(), tls.clone());
        // Files may have to be read.
        let made = tokio::task::spawn_blocking(move || {
            let client = tls.client(&address)?;
            Ok(Self { address, client })
        });
        made.await.map_err(std::io::Error::other)?
    }

    /// Connects to whoever listens there.
    ///
    /// # Errors
    /// [`Peer`](ErrorKind::Peer) if nobody does, or somebody else; [`Timeout`](ErrorKind::Timeout); [`Io`](ErrorKind::Io);
    /// [`Argument`](ErrorKind::Argument) for datagrams, which have no connection.
    pub(crate) async fn connect(&self, most: Duration) -> Result<Socket> {
        let opened = timeout(most, self.open()).await.unwrap_or_else(|_| {
            let message = format!("no answer in {} s", most.as_secs_f32());
            Err(Error::new(ErrorKind::Timeout, message))
        });
        opened.map_err(|error| error.context(format!("cannot connect to {}", self.address)))
    }

    async fn open(&self) -> Result<Socket> {
        let (host, port) = match &self.address {
            Address::Tcp { host, port } | Address::Tls { host, port } => (host.as_str(), *port),
            Address::Unix(path) => return Ok(Socket::Unix(UnixStream::connect(path).await?)),
            Address::Udp { .. } => {
                return Err(Error::argument(
                    "datagrams have no connection: nothing is answered over udp://; use DatagramSender",
                ));
            }
        };
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        Ok(match &self.client {
            Some(client) => Socket::Tls(Box::new(Session::connect(socket, client).await?)),
            None => Socket::Tcp(socket),
        })
    }
}
