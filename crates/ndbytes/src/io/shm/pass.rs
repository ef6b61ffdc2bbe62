//! Handing memory over: one record on a Unix socket, and the descriptor with its first byte.

use super::segment::{Segment, system};
use crate::array::{Array, ArrayRef, Layout, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{ChecksumState, Decoded, LENT_FRONT, Lent, Received};
use crate::io::map::Mode;
use crate::io::stream::Places;
use crate::kernel::to_bytes;
use crate::limits::Limits;
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut, Read, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Room for so many descriptors: more than one is an error, and those that there is no room for are closed by the system.
const ROOM: usize = 4;

/// An array in memory that another process has handed over, and may still write to.
#[derive(Debug)]
pub struct Handed {
    /// What the array is, and where its items lie.
    pub lent: Lent,
    /// The memory.
    pub segment: Segment,
}

impl Handed {
    /// What a record and the descriptors that came with it make.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) unless there is exactly one, with as much memory as the record says; as [`Lent::decode`] and
    /// [`Segment::from_fd`].
    pub fn new(record: &[u8], fds: Vec<OwnedFd>, limits: &Limits) -> Result<Self> {
        let lent = Lent::decode(record, limits)?;
        let [fd] = <[OwnedFd; 1]>::try_from(fds).map_err(|fds| {
            let count = fds.len();
            let message = format!("a record came with {count} descriptors; it has exactly one");
            Error::malformed(message).at(0)
        })?;
        let mode = if lent.writable { Mode::ReadWrite } else { Mode::Read };
        let segment = Segment::from_fd(fd, mode, limits)?;
        if segment.len() as u64 != lent.size {
            let (size, found) = (lent.size, segment.len());
            let message =
                format!("memory of {size} bytes was announced, the descriptor's has {found}");
            return Err(Error::malformed(message).at(16));
        }
        Ok(Self { lent, segment })
    }

    /// The message that it is, of an array as `places` take it.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for a part of a message; whatever `places` returns.
    pub fn received(self, places: &mut dyn Places) -> Result<Received> {
        let message = self.lent.metadata.message;
        if message.is_some_and(|message| message.count != 1) {
            return Err(Error::unsupported("memory that is handed over is a message of its own"));
        }
        Ok(Received { message, arrays: vec![places.lend(self)?] })
    }

    /// The array, in memory that others may write to.
    ///
    /// # Errors
    /// None: its items were held against the memory when it came.
    pub fn array(&self) -> Result<ArrayRef<'_>> {
        let Lent { dtype, layout, .. } = &self.lent;
        Ok(ArrayRef::new(dtype.clone(), layout.clone(), self.segment.bytes())?.shared())
    }

    /// What is said of it, as of an array that was received: nothing vouches for items that others may write to.
    #[must_use]
    pub fn decoded(&self) -> Decoded {
        let (header, metadata) = (self.lent.header(), self.lent.metadata.clone());
        Decoded { header, state: ChecksumState::Unchecked, metadata, array: None }
    }

    /// A copy of the items as they are now, in C order.
    ///
    /// # Errors
    /// As [`to_bytes`].
    pub fn copied(&self) -> Result<Array> {
        let array = self.array()?;
        let layout = Layout::contiguous(array.shape(), array.itemsize(), Order::C)?;
        Array::new(array.dtype().clone(), layout, to_bytes(&array, Order::C)?.into())
    }
}

/// Hands memory over. The receiver has it from now on too, and this process still.
///
/// # Errors
/// As [`Lent::encode`]; [`Peer`](ErrorKind::Peer) if the other side is gone; [`Timeout`](ErrorKind::Timeout) after the socket's
/// own write time-out; [`Io`](ErrorKind::Io).
pub fn send(mut socket: &UnixStream, lent: &Lent, memory: impl AsFd) -> Result<()> {
    let bytes = lent.encode()?;
    let sent = loop {
        match send_with(socket, &bytes, &memory, SendFlags::empty()) {
            Err(Errno::INTR) => {}
            sent => break sent.map_err(told)?,
        }
    };
    // Records are shorter than any socket's buffer, so that nothing is left but in odd cases.
    let rest = bytes.get(sent..).unwrap_or_default();
    socket.write_all(rest).map_err(|error| told(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
}

/// Sends bytes, and a descriptor with the first of them.
pub(crate) fn send_with(
    socket: impl AsFd,
    bytes: &[u8],
    fd: impl AsFd,
    how: SendFlags,
) -> rustix::io::Result<usize> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, how | SendFlags::NOSIGNAL)
}

/// The next array that is handed over, for reading and, where the sender lets it be, writing; `None` once it sends no more.
///
/// # Errors
/// [`Malformed`](ErrorKind::Malformed) for anything else than one record with one descriptor; as [`Lent::decode`] and
/// [`Segment::from_fd`]; [`Truncated`](ErrorKind::Truncated) for an end within a record; [`Timeout`](ErrorKind::Timeout) after
/// the socket's own read time-out; [`Io`](ErrorKind::Io). After an error nothing more can be read from the socket.
pub fn recv(socket: &UnixStream, limits: &Limits) -> Result<Option<Handed>> {
    let (mut front, mut fds) = ([0; LENT_FRONT], Vec::new());
    let found = read_with(socket, &mut front, &mut fds, RecvFlags::empty()).map_err(told)?;
    if found == 0 {
        return Ok(None);
    }
    read(socket, front.get_mut(found..).unwrap_or_default(), found)?;
    let mut bytes = vec![0; Lent::len(&front, limits)?];
    let (start, rest) = bytes.split_at_mut(LENT_FRONT);
    start.copy_from_slice(&front);
    read(socket, rest, LENT_FRONT)?;
    Handed::new(&bytes, fds, limits).map(Some)
}

/// Reads bytes of a Unix socket, and the descriptors that come with them: the read ends behind bytes that have some. For drivers that do
/// not wait in [`recv`].
///
/// # Errors
/// Those of the system; where the socket does not wait, [`WouldBlock`](std::io::ErrorKind::WouldBlock) among them.
pub fn read_some(
    socket: impl AsFd,
    space: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> std::io::Result<usize> {
    Ok(read_with(socket, space, fds, RecvFlags::empty())?)
}

/// Writes bytes to a Unix socket, and a descriptor with the first of them. For drivers that do not wait in [`send`].
///
/// # Errors
/// Those of the system; where the socket does not wait, [`WouldBlock`](std::io::ErrorKind::WouldBlock) among them.
pub fn write_some(socket: impl AsFd, bytes: &[u8], fd: impl AsFd) -> std::io::Result<usize> {
    Ok(send_with(socket, bytes, fd, SendFlags::empty())?)
}

/// What a receiver that copies all that it reads may keep of the descriptors that came with the first byte of a frame: the one, which is of the reading end of
/// a pipe (`spec/WIRE.md`, section 13). Whatever else there is is closed: it could hold up more than a page.
#[must_use]
pub fn kept(fds: Vec<OwnedFd>) -> Option<OwnedFd> {
    let [fd] = <[OwnedFd; 1]>::try_from(fds).ok()?;
    let is_pipe = FileType::from_raw_mode(fstat(&fd).ok()?.st_mode).is_fifo();
    let access = fcntl_getfl(&fd).ok()? & OFlags::ACCMODE;
    (is_pipe && access == OFlags::RDONLY).then_some(fd)
}

/// Looks at the next bytes without taking them, and without waiting; `fds` are other holds on the descriptors that come with them.
pub(crate) fn peek_some(
    socket: impl AsFd,
    space: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> std::io::Result<usize> {
    Ok(read_with(socket, space, fds, RecvFlags::PEEK | RecvFlags::DONTWAIT)?)
}

fn read_with(
    socket: impl AsFd,
    bytes: &mut [u8],
    fds: &mut Vec<OwnedFd>,
    how: RecvFlags,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(ROOM))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = how | RecvFlags::CMSG_CLOEXEC;
    let found = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(bytes)], &mut control, flags) {
            Err(Errno::INTR) => {}
            found => break found?.bytes,
        }
    };
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(come) = message {
            fds.extend(come);
        }
    }
    Ok(found)
}

/// Fills the rest of a record of which so many bytes have come.
fn read(mut socket: &UnixStream, mut space: &mut [u8], mut come: usize) -> Result<()> {
    while !space.is_empty() {
        match socket.read(space) {
            Ok(0) => {
                let message = format!("the stream ends within a record, after {come} bytes");
                return Err(Error::truncated(message).at(come as u64));
            }
            Ok(n) => {
                space = space.get_mut(n..).unwrap_or_default();
                come += n;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(told(Errno::from_io_error(&error).unwrap_or(Errno::IO))),
        }
    }
    Ok(())
}

fn told(errno: Errno) -> Error {
    match errno {
        Errno::AGAIN => {
            Error::new(ErrorKind::Timeout, "nothing moved within the time-out of the socket")
        }
        Errno::PIPE | Errno::CONNRESET => Error::new(ErrorKind::Peer, "the other side is gone"),
        other => system(other),
    }
}
