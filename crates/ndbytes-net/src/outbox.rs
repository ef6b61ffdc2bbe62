//! Messages that are sent by a task, the newest of those that wait.

use crate::channel::Channel;
use ndbytes::io::channel::{Outgoing, Post};
use ndbytes::{Error, Result};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::Notify;

/// Sends messages over a channel without making anybody wait: one is on its way, one waits, and gives way to the next.
///
/// Dropped, it sends what waits, and nobody hears of it: see [`Outbox::drain`].
///
/// ```
/// use ndbytes::{Array, frame};
/// use ndbytes_net::{Channel, ChannelOptions, Keep, Listener, Outbox};
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> ndbytes::Result<()> {
/// let listener = Listener::bind(&"tcp://:0".parse()?, Keep::All, ChannelOptions::default()).await?;
/// let channel = Arc::new(Channel::connect(listener.address(), ChannelOptions::default()).await?);
/// let outbox = Outbox::new(Arc::clone(&channel));
/// for temperature in [20.5f32, 20.6, 20.7] {
///     let array = Array::from_vec(vec![temperature], &[])?;
///     outbox.post(vec![(array, frame::EncodeOptions::default())])?;
/// }
/// let newest = listener.recv().await?;
/// outbox.drain().await?;
/// assert_eq!(newest.arrays.len() as u64, channel.stats().sent);
/// assert_eq!(channel.stats().dropped, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Outbox {
    channel: Arc<Channel>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    outgoing: Mutex<Outgoing>,
    posted: Notify,
    done: Notify,
}

impl Outbox {
    /// For a channel, with a task of its own.
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    #[must_use]
    pub fn new(channel: Arc<Channel>) -> Self {
        let shared = Arc::<Shared>::default();
        let (work, over) = (Arc::clone(&shared), Arc::clone(&channel));
        tokio::spawn(async move { work.run(&over).await });
        Self { channel, shared }
    }

    /// Sends a message when it can. One that waits gives way to it, and is counted as dropped.
    ///
    /// # Errors
    /// [`Argument`](ndbytes::ErrorKind::Argument) if the channel was closed; what an earlier message ended with.
    pub fn post(&self, arrays: Post) -> Result<()> {
        if self.channel.is_closed() {
            return Err(Error::argument("the channel was closed"));
        }
        let old = self.shared.lock().post(arrays)?;
        self.shared.posted.notify_one();
        if old.is_some() {
            self.channel.ledger.counts().count(|stats| stats.dropped += 1);
        }
        Ok(())
    }

    /// Waits until nothing waits and nothing is on its way.
    ///
    /// # Errors
    /// What a message ended with.
    pub async fn drain(&self) -> Result<()> {
        loop {
            let mut done = pin!(self.shared.done.notified());
            // What is done from here on is heard.
            done.as_mut().enable();
            if self.shared.lock().is_drained()? {
                return Ok(());
            }
            done.await;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.shared.lock().stop();
        self.shared.posted.notify_one();
    }
}

impl Shared {
    async fn run(&self, channel: &Channel) {
        while let Some(post) = self.next().await {
            let views: Vec<_> =
                post.iter().map(|(array, options)| (array.view(), options.clone())).collect();
            let sent = channel.send(&views).await;
            self.lock().done(sent.map(drop));
            self.done.notify_waiters();
        }
    }

    /// The next message; `None` where none will come.
    async fn next(&self) -> Option<Post> {
        loop {
            let posted = self.posted.notified();
            if let Poll::Ready(next) = self.lock().take() {
                return next;
            }
            posted.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
