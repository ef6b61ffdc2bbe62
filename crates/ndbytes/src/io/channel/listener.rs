//! The messages of all peers that connect.

use super::connection::poll_awake;
use super::ring::Ring;
use super::{Acceptor, Address, Channel, ChannelOptions, Connection, Counts, Stats, TICK};
use crate::error::{Error, ErrorKind, Result};
use crate::io::stream::{Owned, Places, Received};
use crate::io::{Turns, Watch};
use rustix::event::{PollFd, PollFlags};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Peers at a time: more wait in the system's queue, or are turned away where their messages are taken at once.
pub(super) const PEERS: usize = 512;

/// Which messages a listener keeps until they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// All: they wait at the peer, who waits too. Nothing is received before it is asked for.
    #[default]
    All,
    /// So many of the newest, at least one: older ones are dropped, and counted. All are received as they come, by threads. Where it
    /// is one, and the next has begun to come less than 10 ms ago, who asks waits so long for that.
    Last(usize),
}

/// Takes messages from all peers that connect.
#[derive(Debug)]
pub struct Listener {
    /// None once it was closed.
    acceptor: Mutex<Option<Arc<Acceptor>>>,
    address: Address,
    is_public: bool,
    pin: Option<String>,
    options: ChannelOptions,
    counts: Arc<Counts>,
    /// Where messages wait at the peers.
    peers: Turns<Peers>,
    /// Where the newest wait here.
    ring: Option<Arc<Ring>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// The process that it belongs to.
    process: u32,
}

#[derive(Debug, Default)]
struct Peers {
    all: Vec<Peer>,
    /// Of which one the next message is, if it has one.
    turn: usize,
}

#[derive(Debug)]
struct Peer {
    channel: Channel,
    /// A hold on its connection, to see whether something has come.
    connection: Connection,
    /// Who it is.
    name: String,
}

impl Listener {
    /// Listens at an address.
    ///
    /// # Errors
    /// As [`Acceptor::bind_with`]; [`Argument`](ErrorKind::Argument) for keeping no message.
    pub fn bind(address: &Address, keep: Keep, options: ChannelOptions) -> Result<Self> {
        if keep == Keep::Last(0) {
            return Err(Error::argument("keep: expected at least 1 message, found 0"));
        }
        let acceptor = Arc::new(Acceptor::bind_with(address, &options.tls, options.timeout)?);
        let counts = Arc::<Counts>::default();
        let (ring, accepting) = match keep {
            Keep::All => (None, None),
            Keep::Last(keep) => {
                let shared = (Arc::clone(&acceptor), Arc::clone(&counts));
                let (ring, thread) = Ring::start(shared.0, keep, options.clone(), shared.1)?;
                (Some(ring), Some(thread))
            }
        };
        let (address, is_public) = (acceptor.address().clone(), acceptor.is_public());
        let pin = acceptor.pin().map(str::to_owned);
        let (acceptor, accepting) = (Mutex::new(Some(acceptor)), Mutex::new(accepting));
        let peers = Turns::default();
        let process = std::process::id();
        Ok(Self {
            acceptor,
            address,
            is_public,
            pin,
            options,
            counts,
            peers,
            ring,
            accepting,
            process,
        })
    }

    /// Where it listens, with the port that it got.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether machines other than this one can reach it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.is_public
    }

    /// What whoever connects can give as [`TlsOptions::pin`](super::TlsOptions::pin); `None` where no TLS is spoken.
    #[must_use]
    pub fn pin(&self) -> Option<&str> {
        self.pin.as_deref()
    }

    /// The next message of any peer, each array in a buffer of its own. It is waited for `patience`, or for ever.
    ///
    /// # Errors
    /// As [`Listener::recv_into`].
    pub fn recv(&self, patience: Option<Duration>, watch: Watch<'_>) -> Result<Received> {
        self.recv_into(&mut Owned, patience, watch)
    }

    /// The same, each array to where `places` says; of what was received before it was asked for it is told by [`Places::keep`].
    ///
    /// # Errors
    /// As [`Channel::recv`], with the peer whose connection has ended so: call again for what others send.
    /// [`Timeout`](ErrorKind::Timeout) if no message began in time; [`Argument`](ErrorKind::Argument) if it was closed.
    pub fn recv_into(
        &self,
        places: &mut dyn Places,
        patience: Option<Duration>,
        watch: Watch<'_>,
    ) -> Result<Received> {
        let started = Instant::now();
        loop {
            watch(0)?;
            let acceptor = self.acceptor()?;
            let left = patience.map(|patience| patience.saturating_sub(started.elapsed()));
            let most = left.unwrap_or(TICK).min(TICK);
            let mut look = |seen| self.acceptor().and_then(|_| watch(seen));
            let received = match &self.ring {
                Some(ring) => ring.take(places, most),
                None => self.next(&acceptor, places, most, &mut look).transpose(),
            };
            match (received, left, patience) {
                (Some(received), ..) => return received,
                (None, Some(Duration::ZERO), Some(patience)) => {
                    let message = format!("no message began within {} s", patience.as_secs_f32());
                    return Err(Error::new(ErrorKind::Timeout, message));
                }
                _ => {}
            }
        }
    }

    /// A message of a peer that has one; `None` if none has for a while.
    fn next(
        &self,
        acceptor: &Acceptor,
        places: &mut dyn Places,
        most: Duration,
        watch: Watch<'_>,
    ) -> Result<Option<Received>> {
        let Some(mut peers) = self.peers.write_within(Some(most), watch)? else { return Ok(None) };
        peers.all.iter().for_each(|peer| peer.channel.confirm_last());
        let Some(at) = self.ready(acceptor, &mut peers, most)? else { return Ok(None) };
        let Some(Peer { channel, name, .. }) = peers.all.get(at) else { return Ok(None) };
        match channel.recv(places, Some(Duration::ZERO), watch) {
            Ok(Some(received)) => {
                peers.turn = at + 1;
                Ok(Some(received))
            }
            // There was nothing after all.
            Err(error) if *error.kind() == ErrorKind::Timeout && !channel.is_closed() => Ok(None),
            Ok(None) => {
                peers.all.remove(at);
                Ok(None)
            }
            Err(error) => {
                let error = error.context(name);
                peers.all.remove(at);
                self.counts.count(|stats| stats.failed += 1);
                Err(error)
            }
        }
    }

    /// Waits for peers, new ones too; which of them has something, those first that come behind the last one.
    fn ready(
        &self,
        acceptor: &Acceptor,
        peers: &mut Peers,
        most: Duration,
    ) -> Result<Option<usize>> {
        let Peers { all, turn } = peers;
        let mut fds = vec![PollFd::new(acceptor, PollFlags::IN)];
        fds.extend(all.iter().map(|peer| PollFd::new(&peer.connection, PollFlags::IN)));
        let has_ahead: Vec<bool> = all.iter().map(|peer| peer.connection.has_ahead()).collect();
        let most = if has_ahead.contains(&true) { Duration::ZERO } else { most };
        poll_awake(&mut fds, most)?;
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let has_come = ready.next().unwrap_or_default();
        let ready: Vec<(bool, bool)> = ready.zip(has_ahead).collect();
        drop(fds);
        while has_come
            && all.len() < PEERS
            && let Some(connection) = acceptor.accept_now()?
        {
            let (hold, name) = (connection.try_clone()?, connection.peer());
            all.push(Peer { channel: self.channel(connection), connection: hold, name });
        }
        let len = ready.len();
        let mut places = (0..len).map(|at| (*turn + at) % len);
        Ok(places.find(|at| match (ready.get(*at), all.get(*at)) {
            (Some((_, true)), _) => true,
            // What is wrong with it, who reads of it hears.
            (Some((true, _)), Some(peer)) => peer.connection.has_more().unwrap_or(true),
            _ => false,
        }))
    }

    /// The next peer, for itself: its messages come over its channel, and not here.
    ///
    /// # Errors
    /// As [`Acceptor::accept`]; [`Timeout`](ErrorKind::Timeout) if none came in time; [`Argument`](ErrorKind::Argument) if it was
    /// closed, or keeps the newest messages of all peers.
    pub fn accept(&self, patience: Option<Duration>, watch: Watch<'_>) -> Result<Channel> {
        if self.ring.is_some() {
            return Err(Error::argument("this listener receives what all peers send: call recv"));
        }
        let started = Instant::now();
        loop {
            watch(0)?;
            if let Some(connection) = self.acceptor()?.accept()? {
                return Ok(self.channel(connection));
            }
            if let Some(patience) = patience
                && started.elapsed() >= patience
            {
                let message = format!("no peer came within {} s", patience.as_secs_f32());
                return Err(Error::new(ErrorKind::Timeout, message));
            }
        }
    }

    fn channel(&self, connection: Connection) -> Channel {
        Channel::over(connection, self.options.clone(), Arc::clone(&self.counts))
    }

    /// What became of the messages of all peers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counts.stats()
    }

    fn acceptor(&self) -> Result<Arc<Acceptor>> {
        let acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        acceptor.ok_or_else(|| {
            self.forget();
            Error::argument("the listener was closed")
        })
    }

    /// Lets all peers go, unless somebody is in the middle of something with one.
    fn forget(&self) {
        if let Some(mut peers) = self.peers.try_write() {
            peers.all.clear();
        }
    }

    /// Stops listening, and lets all peers go; whoever waits for messages stops. Twice is once. Its address is free
    /// behind that, unless it is called out of the `watch` of somebody who receives.
    pub fn close(&self) {
        let acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ring) = &self.ring {
            ring.stop();
        }
        self.forget();
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        // They look up several times a second. A child that was forked has no such threads.
        if self.process != std::process::id() {
            return;
        }
        accepting.map(JoinHandle::join);
        let Some(acceptor) = acceptor else { return };
        let since = Instant::now();
        while Arc::strong_count(&acceptor) > 1 && since.elapsed() < 2 * TICK {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}
