//! Much data over a Unix socket without the system's own copy: the peer reads out of the very pages that they were made in.
//!
//! Those are written over once they were read. That is right only where whoever reads the socket copies what it reads; who does has
//! a descriptor of ours, and keeps it (`spec/WIRE.md`, section 13). All others get copies.

mod pages;

use super::TICK;
use crate::io::shm::send_with;
use pages::{Memory, SHARES, room};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::net::sockopt::socket_send_buffer_size;
use rustix::pipe::{PipeFlags, pipe_with};
use std::io::{Result as IoResult, Write as _};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long what the process does with signals is taken to stay as it was.
const LOOK: Duration = Duration::from_millis(100);

/// What one side of a connection sends so.
#[derive(Debug, Default)]
pub(super) struct Uncopied {
    state: State,
    /// Bytes that were sent, in either way.
    sent: u64,
    /// When a broken pipe was seen to end nothing.
    looked: Option<Instant>,
}

#[derive(Debug, Default)]
enum State {
    /// There was nothing to ask for.
    #[default]
    Idle,
    /// A descriptor goes with the next byte.
    Asking,
    /// It has gone with bytes up to this one, by one call; this is the other end of its pipe.
    Asked(OwnedFd, u64),
    /// The peer keeps it.
    Open(OwnedFd, Memory),
    /// It has let it go, or the system cannot: bytes are copied.
    Closed,
}

impl Uncopied {
    /// A message begins that has much to send.
    pub(super) fn begin(&mut self) {
        let may_ask = matches!(self.state, State::Idle | State::Asking);
        let is_kept = match &self.state {
            State::Asked(ours, _) | State::Open(ours, _) => !is_gone(ours),
            _ => false,
        };
        self.state = match std::mem::take(&mut self.state) {
            _ if !may_ask && !is_kept || !self.is_pipe_harmless() => State::Closed,
            State::Idle => State::Asking,
            other => other,
        };
    }

    /// Writes bytes that are copied.
    pub(super) fn write(&mut self, mut socket: &UnixStream, bytes: &[u8]) -> IoResult<usize> {
        let (n, ours) = match self.state {
            State::Asking => match ask(socket, bytes) {
                Ok((n, ours)) => (n, Some(ours)),
                Err(Errno::AGAIN | Errno::INTR) => {
                    let mut fds = [PollFd::new(socket, PollFlags::OUT)];
                    let _ = poll(&mut fds, Timespec::try_from(TICK).ok().as_ref());
                    return Err(Errno::AGAIN.into());
                }
                Err(error @ (Errno::PIPE | Errno::CONNRESET)) => return Err(error.into()),
                // None can be had, or may be sent: that is no reason to send nothing.
                Err(_) => {
                    self.state = State::Closed;
                    (socket.write(bytes)?, None)
                }
            },
            _ => (socket.write(bytes)?, None),
        };
        self.sent += n as u64;
        if let Some(ours) = ours {
            self.state = State::Asked(ours, self.sent);
        }
        Ok(n)
    }

    /// Where the next bytes may be made.
    pub(super) fn space(&mut self, socket: &UnixStream) -> Option<&mut [u8]> {
        if let State::Asked(ours, end) = &self.state {
            let buffer = socket_send_buffer_size(socket).ok()?;
            // The read that takes the descriptor ends with the bytes of that call: behind them somebody has read, so it is kept or gone.
            if self.sent <= end + room(buffer) as u64 {
                return None;
            }
            // Where others have them all, it may be had for a later message.
            let share = SHARES.take()?;
            let pages = if is_gone(ours) { None } else { Memory::new(buffer, share).ok() };
            self.state = match (std::mem::take(&mut self.state), pages) {
                (State::Asked(ours, _), Some(pages)) => State::Open(ours, pages),
                _ => State::Closed,
            };
        }
        match &mut self.state {
            State::Open(_, pages) => pages.space(self.sent),
            _ => None,
        }
    }

    /// Whether the process ignores the signal of a broken pipe, which `sendfile` cannot be told not to raise.
    fn is_pipe_harmless(&mut self) -> bool {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = is_pipe_ignored().then(Instant::now);
        }
        self.looked.is_some()
    }

    /// Sends bytes that were made there.
    pub(super) fn send(&mut self, socket: &UnixStream, made: Range<usize>) -> IoResult<usize> {
        let State::Open(_, pages) = &mut self.state else { return Ok(0) };
        let n = pages.send(socket, made, self.sent)?;
        self.sent += n as u64;
        Ok(n)
    }
}

/// Writes bytes without waiting, and with the first of them a descriptor; its pipe is open here for no longer than that, since a child of the process
/// that came of a fork would have both ends.
fn ask(socket: &UnixStream, bytes: &[u8]) -> rustix::io::Result<(usize, OwnedFd)> {
    let (theirs, ours) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((send_with(socket, bytes, theirs, SendFlags::DONTWAIT)?, ours))
}

/// Whether nobody has the other end of a pipe any more.
fn is_gone(ours: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(ours, PollFlags::empty())];
    let looked = poll(&mut fds, Some(&Timespec::default()));
    looked.is_err() || fds.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

/// Whether the system says so.
fn is_pipe_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.unwrap_or_default() & 1 << (rustix::process::Signal::PIPE.as_raw() - 1) != 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::shm::peek_some;
    use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};
    use std::io::Read as _;
    use std::thread;

    /// Bytes of one write.
    const WRITTEN: usize = 1 << 18;

    /// Bytes of which no two blocks are alike.
    fn bytes(seed: u64, len: usize) -> Vec<u8> {
        (0..).flat_map(|i: u64| (i * 31 + seed * 7919).to_le_bytes()).take(len).collect()
    }

    /// Sends as a sender of messages does: the front by a write, the rest as it may be.
    fn send(uncopied: &mut Uncopied, socket: &UnixStream, bytes: &[u8]) -> IoResult<()> {
        uncopied.begin();
        let mut sent = uncopied.write(socket, bytes.get(..100).unwrap_or(bytes))?;
        while let Some(left) = bytes.get(sent..).filter(|left| !left.is_empty()) {
            if let Some(space) = uncopied.space(socket) {
                let n = left.len().min(space.len());
                space[..n].copy_from_slice(&left[..n]);
                let mut made = 0;
                while made < n {
                    made += uncopied.send(socket, made..n)?;
                }
                sent += n;
            } else {
                sent += uncopied.write(socket, &left[..left.len().min(WRITTEN)])?;
            }
        }
        Ok(())
    }

    /// Takes the descriptor that comes with the next byte.
    fn take(socket: &UnixStream) -> OwnedFd {
        let mut fds = Vec::new();
        while fds.is_empty() {
            let _ = peek_some(socket, &mut [0], &mut fds);
        }
        fds.remove(0)
    }

    fn read(mut socket: &UnixStream, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // Reads of many sizes, none of which fits a page.
        for (i, mut part) in bytes.chunks_mut(77_777).enumerate() {
            while !part.is_empty() {
                let most = part.len().min(1 + i * 997);
                let n = socket.read(&mut part[..most]).unwrap();
                assert!(n > 0, "the end, before all has come");
                part = &mut part[n..];
            }
        }
        bytes
    }

    const SIZES: [usize; 5] = [3 << 20, (9 << 20) + 5, 1 << 20, (2 << 20) - 1, 6 << 20];

    /// What `peer` made of messages of these sizes, and how the sender was in the end.
    fn messages(
        peer: impl FnOnce(UnixStream) -> Vec<u8> + Send + 'static,
        mut between: impl FnMut(&mut Uncopied),
    ) -> Uncopied {
        let (here, there) = UnixStream::pair().unwrap();
        let reader = thread::spawn(|| peer(there));
        let (mut uncopied, mut all) = (Uncopied::default(), Vec::new());
        for (seed, len) in (0..).zip(SIZES) {
            let message = bytes(seed, len);
            send(&mut uncopied, &here, &message).unwrap();
            all.extend(message);
            between(&mut uncopied);
        }
        drop(here);
        assert!(reader.join().unwrap() == all, "other bytes than were sent");
        uncopied
    }

    #[test]
    fn who_keeps_the_descriptor_reads_out_of_the_pages() {
        let keeps = |socket: UnixStream| {
            let _kept = take(&socket);
            read(&socket, SIZES.iter().sum())
        };
        let uncopied = messages(keeps, |_| ());
        let State::Open(_, pages) = uncopied.state else { panic!("{:?}", uncopied.state) };
        assert!(pages.has_some_under_way());
    }

    #[test]
    fn who_reads_as_ever_gets_copies() {
        let uncopied = messages(|socket| read(&socket, SIZES.iter().sum()), |_| ());
        assert!(matches!(uncopied.state, State::Closed), "{:?}", uncopied.state);
    }

    #[test]
    fn who_lets_it_go_gets_copies_from_the_next_message_on() {
        let lets_go = |socket: UnixStream| {
            let kept = take(&socket);
            let mut come = read(&socket, SIZES[..2].iter().sum());
            drop(kept);
            come.extend(read(&socket, SIZES[2..].iter().sum()));
            come
        };
        let mut opened = 0;
        let uncopied = messages(lets_go, |uncopied| {
            if let State::Open(ours, _) = &uncopied.state {
                opened += 1;
                // Whoever reads has not come to the end of the second message yet.
                while opened == 2 && !is_gone(ours) {
                    thread::yield_now();
                }
            }
        });
        assert!(matches!(uncopied.state, State::Closed), "{:?}", uncopied.state);
        assert_eq!(opened, 2);
    }

    /// A relay that moves pages, and holds many of them before it hands them on, as those of Go's `io.Copy` and of systemd do.
    #[test]
    fn a_relay_of_pages_gets_none_that_change() {
        let relays = |socket: UnixStream| {
            let (from, to) = pipe_with(PipeFlags::CLOEXEC).unwrap();
            let size = fcntl_setpipe_size(&to, 1 << 20).unwrap();
            let (mut come, mut all) = (std::fs::File::from(from), Vec::new());
            loop {
                let mut held = 0;
                while held < size / 2 {
                    let flags = SpliceFlags::empty();
                    match splice(&socket, None, &to, None, size / 2 - held, flags).unwrap() {
                        0 => break,
                        n => held += n,
                    }
                }
                let mut part = vec![0; held];
                come.read_exact(&mut part).unwrap();
                all.extend(part);
                if held < size / 2 {
                    return all;
                }
            }
        };
        let uncopied = messages(relays, |_| ());
        assert!(matches!(uncopied.state, State::Closed), "{:?}", uncopied.state);
    }

    #[test]
    fn what_is_under_way_stays_when_the_sender_goes() {
        let (here, there) = UnixStream::pair().unwrap();
        let reader = thread::spawn(move || {
            let kept = take(&there);
            let first = read(&there, 3 << 20);
            (there, kept, first)
        });
        let mut uncopied = Uncopied::default();
        let (first, second) = (bytes(1, 3 << 20), bytes(2, 50_000));
        send(&mut uncopied, &here, &first).unwrap();
        let (there, _kept, come) = reader.join().unwrap();
        assert!(come == first);
        send(&mut uncopied, &here, &second).unwrap();
        assert!(matches!(uncopied.state, State::Open(..)), "{:?}", uncopied.state);
        drop((uncopied, here));
        // Memory that is asked for now may be what was given back.
        let others: Vec<_> = (0..64).map(|seed| bytes(seed + 9, WRITTEN)).collect();
        assert!(read(&there, second.len()) == second);
        assert!(others.iter().all(|other| other.len() == WRITTEN));
    }

    #[test]
    fn a_signal_that_is_not_ignored_is_seen() {
        // Rust's own start ignores it.
        assert!(is_pipe_ignored());
    }
}
