//! The connection that a channel has at a time.

use super::{Address, Connection};
use crate::error::{ErrorKind, Result};
use crate::io::Watch;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
    again: Option<Address>,
    timeout: Duration,
    turn: AtomicU64,
    closed: AtomicBool,
    /// `None` once it is lost or closed.
    now: Mutex<Option<Connection>>,
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
    pub(super) fn new(connection: Connection, again: Option<Address>, timeout: Duration) -> Self {
        let (turn, closed) = (AtomicU64::new(1), AtomicBool::new(false));
        Self { again, timeout, turn, closed, now: Mutex::new(Some(connection)) }
    }

    /// The connection that there is; where it was lost, a new one, for which it tries as long as the time-out says.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(super) fn open(&self, watch: Watch<'_>) -> Result<Line> {
        if self.is_closed() {
            return Ok(Line::Closed);
        }
        let mut now = super::channel::lock(&self.now, watch)?;
        let (Some(address), None) = (&self.again, &*now) else {
            return Ok(Line::Open(self.turn()));
        };
        let (started, mut pause) = (Instant::now(), PAUSE);
        loop {
            let left = self.timeout.saturating_sub(started.elapsed());
            match Connection::open(address, left.max(PAUSE), watch) {
                Ok(connection) => {
                    *now = Some(connection);
                    return Ok(Line::Again(self.turn.fetch_add(1, Ordering::AcqRel) + 1));
                }
                Err(error) if left.is_zero() || !may_pass(error.kind()) => return Err(error),
                Err(_) if self.is_closed() => return Ok(Line::Closed),
                Err(_) => {}
            }
            watch(0)?;
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(LONGEST);
        }
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

    pub(super) fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(mut connection) = self.lock().take() else { return };
        connection.settle();
        let _ = connection.finish();
        let (mut scratch, mut unread) = ([0; 4096], 0);
        while unread < UNREAD
            && connection.is_ready(Duration::ZERO).is_ok_and(|ready| ready)
            && let Ok(n @ 1..) = connection.read(&mut scratch)
        {
            unread += n;
        }
        connection.shut();
    }

    /// Ends it so that the peer sees that not everything was taken.
    pub(super) fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
        if let Some(connection) = self.lock().take() {
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
        self.lock().as_ref().map_or_else(|| "a peer".to_owned(), Connection::peer)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a peer that is not there now may be there soon: it is about to start again.
fn may_pass(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Peer | ErrorKind::Timeout | ErrorKind::Io)
}
