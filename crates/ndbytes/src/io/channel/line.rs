//! The connection that a channel has at a time.

use super::Connection;
use super::target::Target;
use crate::error::{ErrorKind, Result};
use crate::io::{Turns, Watch, unwatched};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long it waits before it tries to connect once more, at first and at most.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// Bytes that a peer sent and nobody asked for, which are thrown away so that its system does not throw away ours.
const UNREAD: usize = 1 << 20;

/// One connection behind the other, each with its turn, the first of which is 1.
#[derive(Debug)]
pub(super) struct Lines {
    /// Where to connect again.
    again: Option<Target>,
    timeout: Duration,
    turn: AtomicU64,
    closed: AtomicBool,
    /// `None` once it is lost or closed.
    now: Mutex<Option<Connection>>,
    /// Held by who makes a new one, for as long as that takes.
    connecting: Turns<()>,
    peer: Mutex<String>,
    /// The process that it belongs to: a child has its descriptors too, and must not end what the parent goes on with.
    process: u32,
}

/// What there is to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// The connection of this turn.
    Open(u64),
    /// A new one.
    Again(u64),
    Closed,
}

impl Lines {
    pub(super) fn new(connection: Connection, again: Option<Target>, timeout: Duration) -> Self {
        let (turn, closed) = (AtomicU64::new(1), AtomicBool::new(false));
        let (peer, now) = (Mutex::new(connection.peer()), Mutex::new(Some(connection)));
        let (connecting, process) = (Turns::default(), std::process::id());
        Self { again, timeout, turn, closed, now, connecting, peer, process }
    }

    /// Whether this is a child of the process that it belongs to.
    pub(super) fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }

    /// The connection that there is; where it was lost, a new one, for which it tries as long as the time-out says.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(super) fn open(&self, watch: Watch<'_>) -> Result<Line> {
        if self.is_closed() {
            return Ok(Line::Closed);
        }
        let Some(target) = self.again.as_ref().filter(|_| self.is_lost()) else {
            return Ok(Line::Open(self.turn()));
        };
        let _alone = self.connecting.write(watch)?;
        // Somebody else may have made one meanwhile.
        if !self.is_lost() {
            return Ok(Line::Open(self.turn()));
        }
        let (started, mut pause) = (Instant::now(), PAUSE);
        loop {
            let left = self.timeout.saturating_sub(started.elapsed());
            let mut stopped = None;
            let mut look = |seen| watch(seen).inspect_err(|error| stopped = Some(error.clone()));
            let opened = Connection::reach(target, left.max(PAUSE), &mut look);
            match (opened, stopped) {
                (_, Some(error)) => return Err(error),
                _ if self.is_closed() => return Ok(Line::Closed),
                (Ok(connection), None) => return Ok(Line::Again(self.put(connection))),
                (Err(error), None) if left.is_zero() || !may_pass(error.kind()) => {
                    return Err(error);
                }
                (Err(_), None) => {}
            }
            watch(0)?;
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Makes this the connection that there is, and tells its turn.
    fn put(&self, connection: Connection) -> u64 {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = connection.peer();
        let mut now = self.lock();
        *now = Some(connection);
        self.turn.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// A hold of one's own on the connection of this turn, if it is the one that there is.
    ///
    /// # Errors
    /// As [`Connection::try_clone`].
    pub(super) fn hold(&self, turn: u64) -> Result<Option<Connection>> {
        let now = self.lock();
        match &*now {
            Some(connection) if turn == self.turn() => connection.try_clone().map(Some),
            _ => Ok(None),
        }
    }

    /// The connection of this turn is of no use any more.
    pub(super) fn lose(&self, turn: u64) {
        let mut now = self.lock();
        if turn == self.turn()
            && let Some(connection) = now.take()
        {
            // Others may have a hold on it.
            connection.shut();
        }
    }

    /// Says that nothing more will come, and lets the connection go. Where what says so has no room yet, it is waited for as long
    /// as `watch` and the time-out let it; by a thread behind that.
    ///
    /// # Errors
    /// Whatever `watch` returns; it is closed then, too.
    pub(super) fn close(&self, watch: Watch<'_>) -> Result<()> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let Some(connection) = self.lock().take() else { return Ok(()) };
        if self.is_inherited() {
            return Ok(());
        }
        connection.settle();
        let waited = finish(&connection, self.timeout, watch);
        let Err(error) = waited else {
            end(connection);
            return Ok(());
        };
        let timeout = self.timeout;
        let mine = Closing::begin();
        if mine.is_one_too_many() {
            end(connection);
            return Err(error);
        }
        let later = move || {
            let _ = finish(&connection, timeout, &mut unwatched);
            end(connection);
            drop(mine);
        };
        // Where there is none to be had, it ends as it does when the process is killed.
        let _ = std::thread::Builder::new().name("ndbytes-close".to_owned()).spawn(later);
        Err(error)
    }

    /// Ends it so that the peer sees that not everything was taken.
    pub(super) fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(connection) = self.lock().take().filter(|_| !self.is_inherited()) {
            connection.refuse();
        }
    }

    /// Whether there is none now.
    pub(super) fn is_lost(&self) -> bool {
        self.lock().is_none()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The turn of the connection that there is, or was lost last.
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }

    pub(super) fn peer(&self) -> String {
        self.peer.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that nothing more will come, as soon as there is room for that. A peer that has gone needs to hear nothing.
fn finish(connection: &Connection, timeout: Duration, watch: Watch<'_>) -> Result<()> {
    let started = Instant::now();
    while matches!(connection.finish_now(), Ok(false)) && started.elapsed() < timeout {
        watch(0)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Lets a connection go whose end was said.
fn end(connection: Connection) {
    connection.throw_away(UNREAD);
    connection.shut();
}

/// Whether a peer that is not there now may be there soon: it is about to start again.
fn may_pass(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Peer | ErrorKind::Timeout | ErrorKind::Io)
}

/// A connection whose end is said by a thread of its own: peers that take nothing must not make many.
struct Closing(usize);

static CLOSING: AtomicUsize = AtomicUsize::new(0);

impl Closing {
    const MOST: usize = 64;

    fn begin() -> Self {
        Self(CLOSING.fetch_add(1, Ordering::AcqRel))
    }

    fn is_one_too_many(&self) -> bool {
        self.0 >= Self::MOST
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        CLOSING.fetch_sub(1, Ordering::AcqRel);
    }
}
