//! Messages that are sent by a thread, the newest of those that wait.

use super::Channel;
use super::channel::lock;
use crate::array::{Array, ArrayRef};
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame;
use crate::io::Watch;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// Arrays of one's own, each a frame as its options say.
pub type Post = Vec<(Array, frame::EncodeOptions)>;

/// Sends messages over a channel without making anybody wait: one is on its way, one waits, and gives way to the next.
///
/// Dropped, it sends what waits, and nobody hears of it: see [`Outbox::drain`].
#[derive(Debug)]
pub struct Outbox {
    channel: Arc<Channel>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Option<Post>,
    /// Whether one is on its way.
    busy: bool,
    stopped: bool,
    /// What the last one ended with.
    failed: Option<Error>,
}

impl Outbox {
    /// For a channel, with a thread of its own.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where no thread is to be had.
    pub fn new(channel: Arc<Channel>) -> Result<Self> {
        let shared = Arc::<Shared>::default();
        let (work, over) = (Arc::clone(&shared), Arc::clone(&channel));
        let sending = move || work.run(&over);
        Builder::new().name("ndbytes-send".to_owned()).spawn(sending)?;
        Ok(Self { channel, shared })
    }

    /// Sends a message when it can. One that waits gives way to it, and is counted as dropped.
    ///
    /// # Errors
    /// What an earlier one ended with.
    pub fn post(&self, arrays: Post) -> Result<()> {
        if self.channel.is_closed() {
            return Err(Error::argument("the channel was closed"));
        }
        let mut state = self.shared.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        let old = state.waiting.replace(arrays);
        drop(state);
        self.shared.changed.notify_all();
        if old.is_some() {
            self.channel.count_dropped();
        }
        Ok(())
    }

    /// Waits until nothing waits and nothing is on its way.
    ///
    /// # Errors
    /// What the last one ended with; whatever `watch` returns.
    pub fn drain(&self, watch: Watch<'_>) -> Result<()> {
        loop {
            watch(0)?;
            let mut state = lock(&self.shared.state, None, watch)?;
            if let Some(error) = state.failed.take() {
                return Err(error);
            }
            if state.waiting.is_none() && !state.busy {
                return Ok(());
            }
            let _ = self.shared.changed.wait_timeout(state, Duration::from_millis(50));
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn run(&self, channel: &Channel) {
        while let Some(post) = self.next() {
            let views = post.iter().map(|(array, options)| (array.view(), options.clone()));
            let views: Vec<(ArrayRef<'_>, frame::EncodeOptions)> = views.collect();
            let sent = channel.send(&views, &mut |_| match channel.is_closed() {
                true => Err(Error::new(ErrorKind::Interrupted, "the channel was closed")),
                false => Ok(()),
            });
            let mut state = self.lock();
            state.busy = false;
            // The first is what somebody must hear of.
            state.failed = state.failed.take().or_else(|| sent.err());
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The next message; `None` where none will come.
    fn next(&self) -> Option<Post> {
        let mut state = self.lock();
        loop {
            if let Some(post) = state.waiting.take() {
                state.busy = true;
                return Some(post);
            }
            if state.stopped {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
