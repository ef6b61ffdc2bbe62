//! Messages that are sent by a thread, the newest of those that wait.

use super::{Channel, Outgoing, Post};
use crate::array::ArrayRef;
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame;
use crate::io::Watch;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::Builder;
use std::time::Duration;

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
    outgoing: Mutex<Outgoing>,
    changed: Condvar,
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
    /// [`Argument`](ErrorKind::Argument) if the channel was closed; what an earlier message ended with.
    pub fn post(&self, arrays: Post) -> Result<()> {
        if self.channel.is_closed() {
            return Err(Error::argument("the channel was closed"));
        }
        let old = self.shared.lock().post(arrays)?;
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
            let mut outgoing = self.shared.lock();
            if outgoing.is_drained()? {
                return Ok(());
            }
            let _ = self.shared.changed.wait_timeout(outgoing, Duration::from_millis(50));
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.shared.lock().stop();
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
            self.lock().done(sent.map(drop));
            self.changed.notify_all();
        }
    }

    /// The next message; `None` where none will come.
    fn next(&self) -> Option<Post> {
        let mut outgoing = self.lock();
        loop {
            if let Poll::Ready(next) = outgoing.take() {
                return next;
            }
            outgoing = self.changed.wait(outgoing).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
