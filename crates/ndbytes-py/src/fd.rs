//! A descriptor that Python lends: bytes move over it without the interpreter, and its modes stay as they are.

use ndbytes::io::stream::Socket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};
use std::io::{Error, Read, Result, Write};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// How long one wait lasts: what is left of 100 ms is for whoever looks for signals.
const TICK: Duration = Duration::from_millis(25);
/// Up to so many bytes are looked at before they are taken.
const SEEN: usize = 1 << 12;
/// A pipe that can be written to takes so many bytes without waiting (POSIX: `PIPE_BUF` is no less than 512).
const PIPE_STEP: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// A descriptor of one's own for what a Python object has open, so that closing the object meanwhile hurts nobody.
///
/// It never waits for longer than a tick: then it says [`WouldBlock`](std::io::ErrorKind::WouldBlock). How it waits is
/// not a mode of the open file, which others use too, but a matter of each call.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: OwnedFd,
    kind: Kind,
    tick: Duration,
    seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Socket,
    /// Waits for nobody.
    Regular,
    /// A pipe, a terminal, or their like.
    Pipe,
}

impl Descriptor {
    /// Over the descriptor `number` of an object that the caller holds.
    ///
    /// # Errors
    /// Those of the system, such as `EBADF` where the object is closed.
    pub(crate) fn of_file(number: RawFd) -> Result<Self> {
        let fd = duplicate(number)?;
        let kind = match FileType::from_raw_mode(fstat(&fd)?.st_mode) {
            FileType::Socket => Kind::Socket,
            FileType::RegularFile => Kind::Regular,
            _ => Kind::Pipe,
        };
        Ok(Self { fd, kind, tick: TICK, seen: Seen::default() })
    }

    /// The same for one of a socket, with waits of at most `most`.
    ///
    /// # Errors
    /// As [`Descriptor::of_file`].
    pub(crate) fn of_socket(number: RawFd, most: Option<Duration>) -> Result<Self> {
        let tick = most.map_or(TICK, |most| most.min(TICK));
        Ok(Self { fd: duplicate(number)?, kind: Kind::Socket, tick, seen: Seen::default() })
    }

    /// Over TCP the end of an array goes at once, and does not wait for the answer to the one before.
    pub(crate) fn send_at_once(&self) {
        if self.kind == Kind::Socket {
            // Another kind of socket has no such option.
            let _ = sockopt::set_tcp_nodelay(&self.fd, true);
        }
    }

    /// Waits until it is ready, or for a tick.
    fn wait(&self, flags: PollFlags) -> Result<()> {
        let tick = Timespec { tv_sec: 0, tv_nsec: self.tick.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.fd, flags)], Some(&tick))? {
            0 => Err(Errno::WOULDBLOCK.into()),
            // Errors and hang-ups are for the call to find.
            _ => Ok(()),
        }
    }

    /// A try that does not wait, and where it would have to, one more behind a wait.
    fn attempt<T>(
        &self,
        flags: PollFlags,
        mut step: impl FnMut(&OwnedFd) -> rustix::io::Result<T>,
    ) -> Result<T> {
        match step(&self.fd) {
            Err(Errno::WOULDBLOCK) => {
                self.wait(flags)?;
                Ok(step(&self.fd)?)
            }
            done => Ok(done?),
        }
    }
}

/// A descriptor of one's own for one that an object has open.
///
/// # Errors
/// Those of the system, such as `EBADF` where the object is closed.
pub(crate) fn duplicate(number: RawFd) -> Result<OwnedFd> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: The loan lasts for the next call only. The caller is attached to the interpreter and holds the object,
    // so nothing closes the descriptor between its being told and its being duplicated; if it were closed after
    // all, duplicating it is an error, and touches no memory.
    #[allow(unsafe_code)]
    let lent = unsafe { BorrowedFd::borrow_raw(number) };
    lent.try_clone_to_owned()
}

impl Read for Descriptor {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        match self.kind {
            Kind::Socket if space.len() < SEEN => {
                if self.seen.is_empty() {
                    let mut seen = std::mem::take(&mut self.seen);
                    seen.bytes.resize(SEEN, 0);
                    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
                    let look = |fd: &OwnedFd| rustix::net::recv(fd, &mut *seen.bytes, flags);
                    let looked = self.attempt(PollFlags::IN, look);
                    self.seen = seen;
                    self.seen.end = looked?.0;
                }
                let n = self.seen.give(space);
                if self.seen.is_empty() {
                    self.seen.take_out(&self.fd)?;
                }
                Ok(n)
            }
            Kind::Socket => {
                self.seen.take_out(&self.fd)?;
                self.attempt(PollFlags::IN, |fd| {
                    rustix::net::recv(fd, &mut *space, RecvFlags::DONTWAIT).map(|(n, _)| n)
                })
            }
            Kind::Regular => Ok(rustix::io::read(&self.fd, space)?),
            Kind::Pipe => {
                self.wait(PollFlags::IN)?;
                Ok(rustix::io::read(&self.fd, space)?)
            }
        }
    }
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.kind {
            Kind::Socket => self.attempt(PollFlags::OUT, |fd| {
                rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }),
            Kind::Regular => Ok(rustix::io::write(&self.fd, bytes)?),
            Kind::Pipe => {
                // More at a time could wait for as long as the reader likes, deaf to Ctrl-C.
                let step = bytes.get(..bytes.len().min(PIPE_STEP)).unwrap_or_default();
                self.wait(PollFlags::OUT)?;
                Ok(rustix::io::write(&self.fd, step)?)
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Socket for Descriptor {
    /// Nothing: it waits as it does, and [`Descriptor::send_at_once`] is for who sends.
    fn prepare(&self, _: Duration) -> Result<()> {
        Ok(())
    }
}

/// Bytes that were looked at and are in the socket still: so a small array takes two calls instead of one for each of its parts,
/// and nothing of the next one is taken.
#[derive(Debug, Default)]
struct Seen {
    bytes: Vec<u8>,
    /// Bytes given to the reader, in front of those that are left.
    start: usize,
    end: usize,
}

impl Seen {
    fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Gives the reader some of them.
    fn give(&mut self, space: &mut [u8]) -> usize {
        let left = self.bytes.get(self.start..self.end).unwrap_or_default();
        let n = left.len().min(space.len());
        space.iter_mut().zip(left).for_each(|(to, from)| *to = *from);
        self.start += n;
        n
    }

    /// Takes what was given out of the socket.
    fn take_out(&mut self, fd: &OwnedFd) -> Result<()> {
        while self.start > 0 {
            let given = self.bytes.get_mut(..self.start).unwrap_or_default();
            match rustix::net::recv(fd, given, RecvFlags::DONTWAIT) {
                Ok((n @ 1.., _)) => self.start -= n,
                Err(Errno::INTR) => {}
                _ => {
                    self.start = 0;
                    return Err(Error::other("another reader has taken bytes of this array"));
                }
            }
        }
        self.end = 0;
        Ok(())
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let _ = self.seen.take_out(&self.fd);
    }
}
