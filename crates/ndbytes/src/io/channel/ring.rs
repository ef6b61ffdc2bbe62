//! The newest messages of all peers, received by threads before anybody asks.

use super::{Acceptor, Channel, ChannelOptions, Counts, Newest, Next};
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::array::Order;
use crate::buffer::BufferMut;
use crate::error::{Error, ErrorKind, Result};
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::format::Decoded;
use crate::format::{Dest, Header};
use crate::io::stream::{Places, Received};
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::io::{shm::Handed, unwatched};
#[cfg(all(target_os = "linux", feature = "map"))]
use crate::kernel::{Copying, copy_to};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// What the threads of a listener share.
#[derive(Debug)]
pub(super) struct Ring {
    waiting: Mutex<Waiting>,
    ready: Condvar,
    stopped: AtomicBool,
    /// Threads of peers.
    peers: AtomicUsize,
    counts: Arc<Counts>,
}

/// A message, and the memory of its arrays.
#[derive(Debug)]
struct Kept {
    received: Received,
    memory: Vec<BufferMut>,
}

impl Kept {
    fn give(mut self, places: &mut dyn Places) -> Result<Received> {
        places.begin();
        for (decoded, memory) in self.received.arrays.iter_mut().zip(self.memory) {
            places.keep(decoded, memory)?;
        }
        Ok(self.received)
    }
}

/// Memory for the arrays of one message.
#[derive(Debug)]
struct Fill<'r> {
    ring: &'r Ring,
    memory: Vec<BufferMut>,
}

impl Places for Fill<'_> {
    fn begin(&mut self) {
        self.memory.clear();
    }

    /// A copy: what is kept is what it was when it came.
    #[cfg(all(target_os = "linux", feature = "map"))]
    fn lend(&mut self, handed: Handed) -> Result<Decoded> {
        let array = handed.array()?;
        let mut memory = self.ring.space(array.nbytes() as u64, true)?;
        let how = Copying::default();
        copy_to(&array, Order::C, None, memory.all()?, how, &mut unwatched)?;
        self.memory.push(memory);
        Ok(handed.decoded())
    }

    fn place(&mut self, header: &Header) -> Result<Dest<'_>> {
        if self.memory.is_empty() {
            self.ring.lock().newest.expect(Instant::now());
        }
        self.memory.push(self.ring.space(header.nbytes(), header.coding.is_none())?);
        Ok(self.memory.last_mut().map_or(Dest::Discard, Dest::Fill))
    }
}

#[derive(Debug)]
struct Waiting {
    newest: Newest<Kept>,
    /// Memory of the last message that was dropped, for the next: new memory takes the system longer than the bytes take to come.
    spare: Vec<BufferMut>,
}

impl Ring {
    /// Receives all that comes, in threads of its own, and keeps so many messages.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where no thread is to be had.
    pub(super) fn start(
        acceptor: Arc<Acceptor>,
        keep: usize,
        options: ChannelOptions,
        counts: Arc<Counts>,
    ) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let waiting = Mutex::new(Waiting { newest: Newest::new(keep), spare: Vec::new() });
        let (ready, stopped, peers) = Default::default();
        let ring = Arc::new(Self { waiting, ready, stopped, peers, counts });
        let work = Arc::clone(&ring);
        let accepting = move || work.accept(&acceptor, &options);
        let thread = Builder::new().name("ndbytes-accept".to_owned()).spawn(accepting)?;
        Ok((ring, thread))
    }

    fn accept(self: Arc<Self>, acceptor: &Acceptor, options: &ChannelOptions) {
        while !self.is_stopped() {
            let connection = match acceptor.accept() {
                Ok(Some(connection))
                    if self.peers.load(Ordering::Acquire) < super::listener::PEERS =>
                {
                    connection
                }
                Ok(_) => continue,
                Err(error) => return self.fail(error),
            };
            let channel = Channel::over(connection, options.clone(), Arc::clone(&self.counts));
            let ring = Arc::clone(&self);
            self.peers.fetch_add(1, Ordering::AcqRel);
            let receiving = move || {
                ring.receive(&channel);
                ring.peers.fetch_sub(1, Ordering::AcqRel);
            };
            if let Err(error) = Builder::new().name("ndbytes-peer".to_owned()).spawn(receiving) {
                self.peers.fetch_sub(1, Ordering::AcqRel);
                self.fail(Error::io(error).context("no thread for one more peer"));
            }
        }
    }

    /// Takes all that a peer sends.
    fn receive(&self, channel: &Channel) {
        let peer = channel.peer();
        let stopped = |_| match self.is_stopped() {
            true => Err(Error::new(ErrorKind::Interrupted, "the listener was closed")),
            false => Ok(()),
        };
        loop {
            let mut fill = Fill { ring: self, memory: Vec::new() };
            match channel.recv(&mut fill, None, &mut { stopped }) {
                Ok(Some(received)) => self.put(Kept { received, memory: fill.memory }),
                Ok(None) => return,
                Err(_) if self.is_stopped() => return,
                Err(error) => return self.fail(error.context(&peer)),
            }
        }
    }

    fn put(&self, kept: Kept) {
        let mut waiting = self.lock();
        let mut old = waiting.newest.put(kept);
        let more = old.len();
        let spare = old.pop().map(|kept| std::mem::replace(&mut waiting.spare, kept.memory));
        drop(waiting);
        self.ready.notify_one();
        if more > 0 {
            self.counts.count(|stats| stats.dropped += more as u64);
        }
        drop((old, spare));
    }

    /// Memory for an array; that of one that was dropped only if all of it `is_written`.
    fn space(&self, nbytes: u64, is_written: bool) -> Result<BufferMut> {
        let fits = |spare: &BufferMut| is_written && spare.capacity() as u64 == nbytes;
        let mut waiting = self.lock();
        let found = waiting.spare.iter().position(fits);
        let found = found.map(|found| waiting.spare.swap_remove(found));
        drop(waiting);
        found.map_or_else(|| BufferMut::new(nbytes), Ok)
    }

    fn fail(&self, error: Error) {
        self.counts.count(|stats| stats.failed += 1);
        self.lock().newest.fail(error);
        self.ready.notify_one();
    }

    /// The oldest message that is kept, or what a peer's connection ended with; `None` if there is none for a while. Where one is kept
    /// and the next will soon be there, that one.
    pub(super) fn take(&self, places: &mut dyn Places, most: Duration) -> Option<Result<Received>> {
        let (last, mut until) = (Instant::now() + most, None);
        let mut waiting = self.lock();
        let next = loop {
            let now = Instant::now();
            let wake = match waiting.newest.next(now, &mut until) {
                Next::Now(next) => break next,
                Next::Soon(soon) => *until.insert(soon.min(last)),
                Next::Nothing if now >= last || self.is_stopped() => return None,
                Next::Nothing => last,
            };
            let waited = self.ready.wait_timeout(waiting, wake.saturating_duration_since(now));
            waiting =
                waited.map_or_else(|poisoned| poisoned.into_inner().0, |(waiting, _)| waiting);
        };
        // Whoever waits beside this one has something, too.
        if !waiting.newest.is_empty() {
            self.ready.notify_one();
        }
        drop(waiting);
        Some(next.and_then(|kept| kept.give(places)))
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.ready.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
