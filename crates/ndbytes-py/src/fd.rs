//! A descriptor that Python lends: bytes move over it without the interpreter, and its modes stay as they are.

use ndbytes::io::stream::{Socket, Steps, awake};
use pyo3::intern;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, sockopt};
use std::io::{Error, Read, Result, Write};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

/// Sockets of Python's are written to without waiting: shorter steps have both ends share a processor in every second run.
const STEPS: Steps = Steps { made: 1 << 20, taken: 1 << 18 };
/// How long one wait lasts: what is left of 100 ms is for whoever looks for signals.
const TICK: Duration = Duration::from_millis(25);
const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// Up to so many bytes are looked at before they are taken.
const SEEN: usize = 1 << 12;
/// A pipe that can be written to takes so many bytes without waiting (POSIX: `PIPE_BUF` is no less than 512).
const PIPE_STEP: usize = if cfg!(target_os = "linux") { 4096 } else { 512 };

/// The descriptor of what a Python object has open. Without the interpreter it is one of our own, so that closing the object
/// meanwhile hurts nobody.
///
/// It never waits for longer than a tick: then it says [`WouldBlock`](std::io::ErrorKind::WouldBlock). How it waits is
/// not a mode of the open file, which others use too, but a matter of each call.
#[derive(Debug)]
pub(crate) struct Descriptor {
    hold: Hold,
    kind: Kind,
    tick: Duration,
    seen: Seen,
}

#[derive(Debug)]
enum Hold {
    Owned(OwnedFd),
    /// That of a socket, for a thread with the interpreter: it is asked each time which one it is.
    Lent(Py<PyAny>),
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
        Ok(Self { hold: Hold::Owned(fd), kind, tick: TICK, seen: Seen::default() })
    }

    /// That of a socket, with waits of at most `most`, during which other threads run.
    pub(crate) fn of_socket(socket: &Bound<'_, PyAny>, most: Option<Duration>) -> Self {
        let tick = most.map_or(TICK, |most| most.min(TICK));
        let hold = Hold::Lent(socket.clone().unbind());
        Self { hold, kind: Kind::Socket, tick, seen: Seen::default() }
    }

    /// Makes it one of our own, for use without the interpreter.
    ///
    /// # Errors
    /// Those of the system, such as `EBADF` where the object is closed.
    pub(crate) fn own(&mut self) -> Result<()> {
        if let Hold::Lent(socket) = &self.hold {
            let fd = Python::attach(|py| number(socket.bind(py)).and_then(duplicate))?;
            self.hold = Hold::Owned(fd);
        }
        Ok(())
    }

    /// Does something with the descriptor, in an instant.
    fn with<T>(&self, step: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>) -> Result<T> {
        match &self.hold {
            Hold::Owned(fd) => Ok(step(fd.as_fd())?),
            // With the interpreter, so that no other thread closes it before the step is done.
            Hold::Lent(socket) => Python::attach(|py| Ok(step(lent(number(socket.bind(py))?)?)?)),
        }
    }

    /// Over TCP the end of an array goes at once, and does not wait for the answer to the one before.
    pub(crate) fn send_at_once(&self) {
        if self.kind == Kind::Socket {
            // Another kind of socket has no such option.
            let _ = self.with(|fd| sockopt::set_tcp_nodelay(fd, true));
        }
    }

    /// Waits until it is ready, or for a tick.
    fn wait(&self, flags: PollFlags) -> Result<()> {
        let tick = Timespec { tv_sec: 0, tv_nsec: self.tick.subsec_nanos().into() };
        let ready = |fd: BorrowedFd<'_>| {
            let mut fds = [PollFd::new(&fd, flags)];
            let is_socket = self.kind == Kind::Socket;
            if is_socket
                && awake(self.tick, || Ok::<_, Errno>(poll(&mut fds, Some(&NO_TIME))? > 0))?
            {
                return Ok(1);
            }
            poll(&mut fds, Some(&tick))
        };
        let ready = match &self.hold {
            Hold::Owned(fd) => ready(fd.as_fd()),
            Hold::Lent(socket) => Python::attach(|py| {
                let fd = number(socket.bind(py)).and_then(lent)?;
                // Nothing is read or written: if it is closed meanwhile, and is another file's, a wait ends too soon.
                Ok::<_, Error>(py.detach(|| ready(fd)))
            })?,
        };
        match ready? {
            0 => Err(Errno::WOULDBLOCK.into()),
            // Errors and hang-ups are for the call to find.
            _ => Ok(()),
        }
    }

    /// A try that does not wait, and where it would have to, one more behind a wait.
    fn attempt<T>(
        &self,
        flags: PollFlags,
        mut step: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Result<T> {
        match self.with(&mut step) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.wait(flags)?;
                self.with(step)
            }
            done => done,
        }
    }
}

/// A descriptor of one's own for one that an object has open.
///
/// # Errors
/// Those of the system, such as `EBADF` where the object is closed.
pub(crate) fn duplicate(number: RawFd) -> Result<OwnedFd> {
    lent(number)?.try_clone_to_owned()
}

/// The descriptor `number` of an object that the caller holds, for as long as he does not let the interpreter go.
fn lent<'fd>(number: RawFd) -> Result<BorrowedFd<'fd>> {
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: the caller is attached to the interpreter and holds the object, so nothing closes the descriptor between
    // its being told and its being used; if it were closed after all, a call is an error, and touches no memory.
    #[allow(unsafe_code)]
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// The descriptor of an object that has one.
pub(crate) fn number(object: &Bound<'_, PyAny>) -> Result<RawFd> {
    let number = object.call_method0(intern!(object.py(), "fileno"))?;
    Ok(number.extract()?)
}

impl Descriptor {
    /// Takes what the reader was given out of the socket.
    fn take_out(&mut self) -> Result<()> {
        let mut seen = std::mem::take(&mut self.seen);
        while seen.start > 0 {
            let given = seen.bytes.get_mut(..seen.start).unwrap_or_default();
            match self.with(|fd| rustix::net::recv(fd, given, RecvFlags::DONTWAIT)) {
                Ok((n @ 1.., _)) => seen.start -= n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return Err(Error::other("another reader has taken bytes of this array")),
            }
        }
        seen.end = 0;
        self.seen = seen;
        Ok(())
    }
}

impl Read for Descriptor {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        match self.kind {
            Kind::Socket if space.len() < SEEN => {
                if self.seen.is_empty() {
                    let mut seen = std::mem::take(&mut self.seen);
                    seen.bytes.resize(SEEN, 0);
                    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
                    let look = |fd: BorrowedFd<'_>| rustix::net::recv(fd, &mut *seen.bytes, flags);
                    let looked = self.attempt(PollFlags::IN, look);
                    self.seen = seen;
                    self.seen.end = looked?.0;
                }
                let n = self.seen.give(space);
                if self.seen.is_empty() {
                    self.take_out()?;
                }
                Ok(n)
            }
            Kind::Socket => {
                self.take_out()?;
                self.attempt(PollFlags::IN, |fd| {
                    rustix::net::recv(fd, &mut *space, RecvFlags::DONTWAIT).map(|(n, _)| n)
                })
            }
            Kind::Regular => self.with(|fd| rustix::io::read(fd, space)),
            Kind::Pipe => {
                self.wait(PollFlags::IN)?;
                self.with(|fd| rustix::io::read(fd, space))
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
            Kind::Regular => self.with(|fd| rustix::io::write(fd, bytes)),
            Kind::Pipe => {
                // More at a time could wait for as long as the reader likes, deaf to Ctrl-C.
                let step = bytes.get(..bytes.len().min(PIPE_STEP)).unwrap_or_default();
                self.wait(PollFlags::OUT)?;
                self.with(|fd| rustix::io::write(fd, step))
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

    fn steps(&self) -> Steps {
        match self.with(|fd| sockopt::socket_domain(fd)) {
            Ok(AddressFamily::UNIX) => Steps::UNIX,
            _ => STEPS,
        }
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
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let _ = self.take_out();
    }
}
