//! Bytes that have come and nobody has asked for, and the descriptors among them.

use crate::socket::Socket;
use std::collections::VecDeque;
use std::io::Result as IoResult;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

/// Bytes that are read ahead, where few are asked for.
pub(crate) const AHEAD: usize = 1 << 13;
/// Reads whose descriptors are kept: those of more are closed.
const HELD: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Ahead {
    memory: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that were taken, of all that ever came.
    taken: u64,
    /// Descriptors, and among which bytes they came: at the front of the last record there.
    fds: VecDeque<(Range<u64>, Vec<OwnedFd>)>,
    /// One that came with a frame and is kept, so that the peer knows that what is read here is copied (`spec/WIRE.md`, section 13).
    #[cfg(target_os = "linux")]
    kept: Option<OwnedFd>,
}

impl Ahead {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// The first `n` are made use of. Descriptors that came with them and nobody has taken are closed, but for one.
    pub(crate) fn take(&mut self, n: usize) {
        let n = n.min(self.end - self.start);
        self.start += n;
        self.taken += n as u64;
        while self.fds.front().is_some_and(|(range, _)| range.end <= self.taken) {
            let fds = self.fds.pop_front().map(|(_, fds)| fds).unwrap_or_default();
            #[cfg(target_os = "linux")]
            if self.kept.is_none() {
                self.kept = ndbytes::io::shm::kept(fds);
            }
            #[cfg(not(target_os = "linux"))]
            drop(fds);
        }
    }

    /// The descriptors of a record that begins here.
    pub(crate) fn take_fds(&mut self) -> Vec<OwnedFd> {
        let are_here = self.fds.front().is_some_and(|(range, _)| range.contains(&self.taken));
        let fds = if are_here { self.fds.pop_front() } else { None };
        fds.map(|(_, fds)| fds).unwrap_or_default()
    }

    /// Gives as many as fit.
    pub(crate) fn give(&mut self, space: &mut [u8]) -> usize {
        let bytes = self.bytes();
        let n = bytes.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..n), bytes.get(..n)) {
            to.copy_from_slice(from);
        }
        self.take(n);
        n
    }

    /// Reads more behind them, so that there are `most` of them at most; how many, 0 at the end.
    pub(crate) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        socket: &Socket,
        most: usize,
    ) -> Poll<IoResult<usize>> {
        self.memory.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.memory.resize(most.max(self.end), 0);
        let (space, mut fds) = (self.memory.get_mut(self.end..).unwrap_or_default(), Vec::new());
        let n = ready!(socket.poll_read_with(cx, space, &mut fds))?;
        let from = self.taken + self.end as u64;
        if !fds.is_empty() && self.fds.len() < HELD {
            self.fds.push_back((from..from + n as u64, fds));
        }
        self.end += n;
        Poll::Ready(Ok(n))
    }
}
