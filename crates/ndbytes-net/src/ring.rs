//! The newest messages of all peers, received by tasks before anybody asks.

use crate::channel::Channel;
use crate::door::Door;
use crate::listener::PEERS;
use ndbytes::io::channel::{ChannelOptions, Counts};
use ndbytes::io::stream::Received;
use ndbytes::{Error, Result};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

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
            match channel.recv().await {
                Ok(Some(received)) => self.put(received),
                Ok(None) => return,
                Err(error) => return self.fail(error.context(channel.peer())),
            }
        }
    }

    fn put(&self, received: Received) {
        let mut waiting = self.lock();
        waiting.messages.push_back(received);
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
        if waiting.errors.len() < ERRORS {
            waiting.errors.push_back(error);
        }
        drop(waiting);
        self.ready.notify_one();
    }

    /// The oldest message that is kept, or what a peer's connection ended with.
    pub(crate) async fn take(&self) -> Result<Received> {
        loop {
            let ready = self.ready.notified();
            if let Some(next) = self.next() {
                return next;
            }
            ready.await;
        }
    }

    fn next(&self) -> Option<Result<Received>> {
        let mut waiting = self.lock();
        let next = match waiting.errors.pop_front() {
            Some(error) => Some(Err(error)),
            None => waiting.messages.pop_front().map(Ok),
        };
        // Whoever waits beside this one has something, too.
        if next.is_some() && !(waiting.errors.is_empty() && waiting.messages.is_empty()) {
            self.ready.notify_one();
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
