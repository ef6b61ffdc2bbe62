//! The newest messages of all peers, received by tasks before anybody asks.

use crate::channel::Channel;
use crate::door::Door;
use crate::listener::PEERS;
use ndbytes::io::channel::{ChannelOptions, Counts, Newest, Next};
use ndbytes::io::stream::{Places, Received};
use ndbytes::{Dest, Error, Header, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

/// What the tasks of a listener share.
#[derive(Debug)]
pub(crate) struct Ring {
    newest: Mutex<Newest<Received>>,
    ready: Notify,
    counts: Arc<Counts>,
}

/// Each array in a buffer of its own; the first one's header is heard of.
struct Heard<'r> {
    ring: &'r Ring,
    is_first: bool,
}

impl Places for Heard<'_> {
    fn begin(&mut self) {
        self.is_first = true;
    }

    fn place(&mut self, _: &Header) -> Result<Dest<'_>> {
        if std::mem::take(&mut self.is_first) {
            self.ring.lock().expect(Instant::now().into_std());
        }
        Ok(Dest::Owned)
    }
}

impl Ring {
    /// Receives all that comes, in tasks of its own, and keeps so many messages. They end with the one that is given.
    pub(crate) fn start(
        door: Arc<Door>,
        keep: usize,
        options: ChannelOptions,
        counts: Arc<Counts>,
    ) -> (Arc<Self>, AbortHandle) {
        let newest = Mutex::new(Newest::new(keep));
        let ring = Arc::new(Self { newest, ready: Notify::new(), counts });
        let work = Arc::clone(&ring);
        let task = tokio::spawn(async move { work.accept(&door, &options).await });
        (ring, task.abort_handle())
    }

    async fn accept(self: Arc<Self>, door: &Door, options: &ChannelOptions) {
        // Dropped, it ends them all.
        let mut peers = JoinSet::new();
        loop {
            let accepted = door.accept().await;
            while peers.try_join_next().is_some() {}
            match accepted {
                Ok(socket) if peers.len() < PEERS => {
                    let channel = Channel::over(socket, options.clone(), Arc::clone(&self.counts));
                    let ring = Arc::clone(&self);
                    peers.spawn(async move { ring.receive(&channel).await });
                }
                Ok(_) => {}
                Err(error) => self.fail(error),
            }
        }
    }

    /// Takes all that a peer sends.
    async fn receive(&self, channel: &Channel) {
        loop {
            match channel.recv_into(&mut Heard { ring: self, is_first: true }).await {
                Ok(Some(received)) => self.put(received),
                Ok(None) => return,
                Err(error) => return self.fail(error.context(channel.peer())),
            }
        }
    }

    fn put(&self, received: Received) {
        let old = self.lock().put(received);
        self.ready.notify_one();
        if !old.is_empty() {
            self.counts.count(|stats| stats.dropped += old.len() as u64);
        }
    }

    fn fail(&self, error: Error) {
        self.counts.count(|stats| stats.failed += 1);
        self.lock().fail(error);
        self.ready.notify_one();
    }

    /// The oldest message that is kept, or what a peer's connection ended with. Where one is kept and the next will soon be there, that
    /// one.
    pub(crate) async fn take(&self) -> Result<Received> {
        let mut until = None;
        loop {
            let ready = self.ready.notified();
            match self.next(&mut until) {
                Next::Now(next) => return next,
                Next::Soon(until) => drop(timeout_at(until.into(), ready).await),
                Next::Nothing => ready.await,
            }
        }
    }

    fn next(&self, until: &mut Option<std::time::Instant>) -> Next<Received> {
        let mut newest = self.lock();
        let next = newest.next(Instant::now().into_std(), until);
        // Whoever waits beside this one has something, too.
        if matches!(next, Next::Now(_)) && !newest.is_empty() {
            self.ready.notify_one();
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Newest<Received>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
