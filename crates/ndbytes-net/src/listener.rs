//! The messages of all peers that connect.

use crate::channel::Channel;
use crate::door::{Came, Door};
use crate::ring::Ring;
use crate::socket::Socket;
use crate::{Address, ChannelOptions, Keep, Stats, TICK};
#[cfg(doc)]
use ndbytes::ErrorKind;
use ndbytes::io::channel::Counts;
use ndbytes::io::stream::Received;
use ndbytes::{Error, Result};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Peers at a time: more wait in the system's queue, or are turned away where their messages are taken at once.
pub(crate) const PEERS: usize = 512;

/// Takes messages from all peers that connect.
#[derive(Debug)]
pub struct Listener {
    /// None once it was closed.
    door: Mutex<Option<Arc<Door>>>,
    address: Address,
    is_public: bool,
    options: ChannelOptions,
    counts: Arc<Counts>,
    /// Where messages wait at the peers.
    peers: tokio::sync::Mutex<Peers>,
    /// Where the newest wait here, and the task that takes them.
    ring: Option<(Arc<Ring>, AbortHandle)>,
    closing: Notify,
}

#[derive(Debug, Default)]
struct Peers {
    all: Vec<Channel>,
    /// Of which one the next message is, if it has one.
    turn: usize,
}

impl Listener {
    /// Listens at an address. With [`Keep::Last`] a task of its own receives what comes, until the listener is closed or dropped.
    ///
    /// # Errors
    /// As [`Acceptor::bind`](ndbytes::io::channel::Acceptor::bind) and [`TlsOptions::server`](crate::TlsOptions::server);
    /// [`Argument`](ErrorKind::Argument) for keeping no message, and for `udp://`.
    pub async fn bind(address: &Address, keep: Keep, options: ChannelOptions) -> Result<Self> {
        if keep == Keep::Last(0) {
            return Err(Error::argument("keep: expected at least 1 message, found 0"));
        }
        let door = Arc::new(Door::bind(address, &options).await?);
        let counts = Arc::<Counts>::default();
        let ring = match keep {
            Keep::All => None,
            Keep::Last(keep) => {
                let shared = (Arc::clone(&door), Arc::clone(&counts));
                Some(Ring::start(shared.0, keep, options.clone(), shared.1))
            }
        };
        let (address, is_public) = (door.address().clone(), door.is_public());
        let (door, peers, closing) = (Mutex::new(Some(door)), Default::default(), Notify::new());
        Ok(Self { door, address, is_public, options, counts, peers, ring, closing })
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

    /// What whoever connects can give as [`TlsOptions::pin`](crate::TlsOptions::pin); `None` where no TLS is spoken, and once it was closed.
    #[must_use]
    pub fn pin(&self) -> Option<String> {
        self.door().ok().and_then(|door| door.pin().map(str::to_owned))
    }

    /// The next message of any peer, each array in a buffer of its own.
    ///
    /// Nothing is lost where the future is dropped: what has come of a message stays, and the next call goes on there.
    ///
    /// # Errors
    /// As [`Channel::recv`], with the peer whose connection has ended so: call again for what others send.
    /// [`Argument`](ErrorKind::Argument) if it was closed.
    pub async fn recv(&self) -> Result<Received> {
        let received = self.until_closed(async {
            match &self.ring {
                Some((ring, _)) => ring.take().await,
                None => self.next().await,
            }
        });
        let received = received.await;
        if received.is_err() && self.door().is_err() {
            self.forget();
        }
        received
    }

    /// A message of a peer that has one.
    async fn next(&self) -> Result<Received> {
        let mut peers = self.peers.lock().await;
        peers.all.iter().for_each(Channel::confirm_last);
        loop {
            let at = self.ready(&mut peers).await?;
            let Some(channel) = peers.all.get(at) else { continue };
            match channel.recv().await {
                Ok(Some(received)) => {
                    peers.turn = at + 1;
                    return Ok(received);
                }
                Ok(None) => drop(peers.all.remove(at)),
                Err(error) => {
                    let error = error.context(channel.peer());
                    peers.all.remove(at);
                    self.counts.count(|stats| stats.failed += 1);
                    return Err(error);
                }
            }
        }
    }

    /// Waits for peers, new ones too; which of them has something: that whose message has begun, else those first that come behind the
    /// last one.
    async fn ready(&self, peers: &mut Peers) -> Result<usize> {
        if let Some(at) = peers.all.iter().position(Channel::is_within) {
            return Ok(at);
        }
        let door = self.door()?;
        loop {
            let ready = poll_fn(|cx| {
                if let Err(error) = self.poll_door(&door, peers, cx) {
                    return Poll::Ready(Err(error));
                }
                let len = peers.all.len();
                let mut places = (0..len).map(|at| (peers.turn + at) % len);
                let is_ready = |at: &usize| {
                    peers.all.get(*at).is_some_and(|channel| channel.poll_ready(cx).is_ready())
                };
                places.find(is_ready).map_or(Poll::Pending, |at| Poll::Ready(Ok(at)))
            });
            // Now and then it looks at the door without being told: that may have had no room for somebody.
            if let Ok(ready) = tokio::time::timeout(TICK, ready).await {
                return ready;
            }
        }
    }

    /// Takes the peers that have come.
    ///
    /// # Errors
    /// What is wrong with one, of which nothing can be received.
    fn poll_door(&self, door: &Door, peers: &mut Peers, cx: &mut Context<'_>) -> Result<()> {
        while peers.all.len() < PEERS
            && let Poll::Ready(came) = door.poll_accept(cx)
        {
            match came {
                Came::Peer(socket) => peers.all.push(self.channel(socket)),
                Came::Failed(error) => {
                    self.counts.count(|stats| stats.failed += 1);
                    return Err(error);
                }
                Came::Nobody => {}
                Came::NoRoom => return Ok(()),
            }
        }
        Ok(())
    }

    /// The next peer, for itself: its messages come over its channel, and not here. It takes turns with [`Listener::recv`]. One that fails
    /// before it is there is counted, and waited for no more.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) if it was closed, or keeps the newest messages of all peers.
    pub async fn accept(&self) -> Result<Channel> {
        if self.ring.is_some() {
            return Err(Error::argument("this listener receives what all peers send: call recv"));
        }
        let door = self.door()?;
        let accepted = self.until_closed(async {
            let _turn = self.peers.lock().await;
            loop {
                match door.accept().await {
                    Ok(socket) => return Ok(self.channel(socket)),
                    Err(_) => self.counts.count(|stats| stats.failed += 1),
                }
            }
        });
        accepted.await
    }

    fn channel(&self, socket: Socket) -> Channel {
        Channel::over(socket, self.options.clone(), Arc::clone(&self.counts))
    }

    /// Works until it is closed.
    async fn until_closed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let mut closing = pin!(self.closing.notified());
        closing.as_mut().enable();
        self.door()?;
        let mut work = pin!(work);
        poll_fn(|cx| match closing.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(closed())),
            Poll::Pending => work.as_mut().poll(cx),
        })
        .await
    }

    /// What became of the messages of all peers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counts.stats()
    }

    fn door(&self) -> Result<Arc<Door>> {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner).clone();
        door.ok_or_else(closed)
    }

    /// Lets all peers go, unless somebody is in the middle of something with one.
    fn forget(&self) {
        if let Ok(mut peers) = self.peers.try_lock() {
            peers.all.clear();
        }
    }

    /// Stops listening, and lets all peers go; whoever waits for messages stops. Twice is once.
    pub fn close(&self) {
        // Tasks that wait at it, and have not been told yet, do not keep its address.
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner).take();
        door.iter().for_each(|door| door.close());
        if let Some((_, task)) = &self.ring {
            task.abort();
        }
        self.closing.notify_waiters();
        self.forget();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

fn closed() -> Error {
    Error::argument("the listener was closed")
}
