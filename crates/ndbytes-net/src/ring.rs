//! The newest messages of all peers, received by tasks before anybody asks.

use crate::channel::Channel;
use crate::door::Door;
use crate::listener::PEERS;
use ndbytes::io::channel::{ChannelOptions, Counts};
use ndbytes::io::stream::{Places, Received};
use ndbytes::{Dest, Error, Header, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Duration, Instant, timeout_at};

/// How long, since its header came, a message is waited for by who would else get the one before it.
const SOON: Duration = Duration::from_millis(10);

/// Errors of peers that wait to be asked for.
const ERRORS: usize = 64;

/// What the tasks of a listener share.
#[derive(Debug)]
pub(crate) struct Ring {
    keep: usize,
    waiting: Mutex<Waiting>,
    ready: Notify,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Received>,
    errors: VecDeque<Error>,
    /// Until when a message is waited for whose header has come.
    expected: Option<Instant>,
}

/// What there is for who asks.
enum Next {
    Now(Result<Received>),
    /// A message, and until then perhaps a newer one.
    Soon(Instant),
    Nothing,
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
            self.ring.lock().expected = Some(Instant::now() + SOON);
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
        let ring = Arc::new(Self { keep, waiting: Mutex::default(), ready: Notify::new(), counts });
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
        let mut waiting = self.lock();
        waiting.messages.push_back(received);
        waiting.expected = None;
        let more = waiting.messages.len().saturating_sub(self.keep);
        let old: Vec<Received> = waiting.messages.drain(..more).collect();
        drop(waiting);
        self.ready.notify_one();
        if more > 0 {
            self.counts.count(|stats| stats.dropped += more as u64);
        }
        drop(old);
    }

    fn fail(&self, error: Error) {
        self.counts.count(|stats| stats.failed += 1);
        let mut waiting = self.lock();
        waiting.expected = None;
        if waiting.errors.len() < ERRORS {
            waiting.errors.push_back(error);
        }
        drop(waiting);
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
                Next::Soon(until) => drop(timeout_at(until, ready).await),
                Next::Nothing => ready.await,
            }
        }
    }

    /// What there is now; `until` when a message is waited for is said once.
    fn next(&self, until: &mut Option<Instant>) -> Next {
        let mut waiting = self.lock();
        if let Some(expected) = waiting.expected
            && self.keep == 1
            && waiting.errors.is_empty()
            && !waiting.messages.is_empty()
            && let until = *until.get_or_insert(expected)
            && Instant::now() < until
        {
            return Next::Soon(until);
        }
        let next = match waiting.errors.pop_front() {
            Some(error) => Some(Err(error)),
            None => waiting.messages.pop_front().map(Ok),
        };
        let Some(next) = next else { return Next::Nothing };
        // Whoever waits beside this one has something, too.
        if !(waiting.errors.is_empty() && waiting.messages.is_empty()) {
            self.ready.notify_one();
        }
        Next::Now(next)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
