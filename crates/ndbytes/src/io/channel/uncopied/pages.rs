//! The memory: which of it is under way, and what tells when it is not any more.

use crate::array::{ArrayRef, Order};
use crate::error::{Error, Result};
use crate::io::shm::Segment;
use crate::kernel::Copying;
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::param::page_size;
use std::collections::VecDeque;
use std::io::Result as IoResult;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that are made at a time.
const STEP: usize = 1 << 18;
/// Bytes of a page, as far as copying cares.
const PAGE: usize = 1 << 12;
/// Where in a page bytes begin. Whoever reads them has them near the start of a page, and some processors (AMD's Zen 3) copy a third as
/// fast to where is a few bytes further in its page.
const SHIFT: usize = PAGE / 2;

/// How many connections of a process may have pages at a time: memory that waits for the next message is not to be had for nothing.
#[derive(Debug)]
pub(super) struct Shares(AtomicUsize);

pub(super) static SHARES: Shares = Shares(AtomicUsize::new(0));

impl Shares {
    const MOST: usize = 64;

    /// One of them, if there is one left.
    pub(super) fn take(&'static self) -> Option<Share> {
        let more = |taken| (taken < Self::MOST).then_some(taken + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok().map(|_| Share(self))
    }
}

#[derive(Debug)]
pub(super) struct Share(&'static Shares);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Memory of which a socket has some under way.
#[derive(Debug)]
pub(super) struct Memory {
    segment: Segment,
    _share: Share,
    /// Bytes that the socket holds at most.
    room: u64,
    /// Where the next bytes are made.
    at: usize,
    /// What was sent, and how many bytes all were then.
    under_way: VecDeque<(Range<usize>, u64)>,
}

impl Memory {
    /// For a socket with a buffer of that size.
    pub(super) fn new(buffer: usize, share: Share) -> Result<Self> {
        let room = room(buffer);
        // By a write: without memory that fails, where a touch would end the process.
        let zeros = vec![0u8; room + 3 * STEP];
        let mut memory = Segment::new(zeros.len() as u64)?;
        memory.fill(
            &ArrayRef::from_slice(&zeros, &[zeros.len()])?,
            Order::C,
            Copying::default(),
        )?;
        if !is_counted(&memory, buffer, room)? {
            return Err(Error::unsupported("the system does not count what is under way"));
        }
        Ok(Self {
            segment: memory,
            _share: share,
            room: room as u64,
            at: SHIFT,
            under_way: VecDeque::new(),
        })
    }

    /// Where the next bytes may be made, when so many were sent in all.
    pub(super) fn space(&mut self, sent: u64) -> Option<&mut [u8]> {
        while self.under_way.front().is_some_and(|(_, end)| end + self.room <= sent) {
            self.under_way.pop_front();
        }
        if self.at + STEP > self.segment.len() {
            self.at = SHIFT;
        }
        let wanted = self.at..self.at + STEP;
        let is_held =
            |(held, _): &(Range<usize>, u64)| held.start < wanted.end && wanted.start < held.end;
        if self.under_way.iter().any(is_held) {
            return None;
        }
        self.segment.bytes_mut().ok()?.get_mut(wanted)
    }

    #[cfg(test)]
    pub(super) fn has_some_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Sends bytes that were made there.
    pub(super) fn send(
        &mut self,
        socket: &UnixStream,
        made: Range<usize>,
        sent: u64,
    ) -> IoResult<usize> {
        let start = self.at + made.start;
        let n = sendfile(socket, &self.segment, Some(&mut (start as u64)), made.len())?;
        self.under_way.push_back((start..start + n, sent + n as u64));
        if n == made.len() {
            self.at = (start + n).next_multiple_of(PAGE) + SHIFT;
        }
        Ok(n)
    }
}

/// Bytes that a Unix socket with such a buffer holds at most: the piece that goes beyond it has half of it at most, or the pages that `sendfile`
/// moves at a time.
pub(super) fn room(buffer: usize) -> usize {
    buffer / 2 * 3 + 16 * page_size()
}

/// Whether a socket with such a buffer, which nobody reads, takes no more than `room` bytes of these pages.
fn is_counted(memory: &Segment, buffer: usize, room: usize) -> Result<bool> {
    let (socket, _reader) = UnixStream::pair()?;
    // The system doubles what is asked for.
    set_socket_send_buffer_size(&socket, buffer / 2).map_err(std::io::Error::from)?;
    socket.set_nonblocking(true)?;
    let mut taken = 0;
    while taken <= room {
        match sendfile(&socket, memory, Some(&mut 0), memory.len()) {
            Ok(0) => return Ok(false),
            Ok(n) => taken += n,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(taken > 0),
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::socket_send_buffer_size;

    #[test]
    fn a_share_that_is_given_back_is_there_for_another() {
        static OWN: Shares = Shares(AtomicUsize::new(0));
        let mut shares: Vec<_> = std::iter::from_fn(|| OWN.take()).collect();
        assert_eq!(shares.len(), Shares::MOST);
        drop(shares.pop());
        shares.extend(OWN.take());
        assert!(shares.len() == Shares::MOST && OWN.take().is_none());
    }

    #[test]
    fn a_system_that_takes_more_than_is_thought_is_found_out() {
        let (socket, _reader) = UnixStream::pair().unwrap();
        let buffer = socket_send_buffer_size(&socket).unwrap();
        static OWN: Shares = Shares(AtomicUsize::new(0));
        let memory = Memory::new(buffer, OWN.take().unwrap()).unwrap();
        assert!(is_counted(&memory.segment, buffer, room(buffer)).unwrap());
        assert!(!is_counted(&memory.segment, buffer, buffer / 2).unwrap());
    }
}
