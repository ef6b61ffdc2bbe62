//! One piece of shared memory.

use crate::array::{ArrayRef, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::io::map::{Mode, Region};
use crate::kernel::{Copying, copy_to};
use crate::limits::Limits;
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create,
};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::fs::File;
use std::io::Error as IoError;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

/// What shows in `/proc/PID/maps`; no path leads there.
const NAME: &str = "ndbytes";

/// Memory without a name, of a length that nobody can change, which other processes may share.
///
/// Whoever has its descriptor may write to it at any time, so a byte that is read twice may be two bytes: copy out what must hold
/// still. It is for processes that trust each other with their values. What none of them can do is to cut it, which would
/// end the others when they touch what is gone.
#[derive(Debug)]
pub struct Segment {
    file: File,
    region: Region,
    mode: Mode,
    /// Whether some of its pages are there.
    touched: bool,
}

impl Segment {
    /// So many zero bytes, none of which takes memory before it is touched.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) where the system has no descriptor or no address left, or allows no file of that size;
    /// [`Limit`](ErrorKind::Limit) if they do not fit this machine.
    pub fn new(size: u64) -> Result<Self> {
        // Where a process may have no files of that size, the system would end it.
        if getrlimit(Resource::Fsize).current.is_some_and(|most| size > most) {
            return Err(system(Errno::FBIG));
        }
        let fd = unnamed()?;
        // Of what is sealed behind this, nothing can be lost any more: there is no map yet.
        ftruncate(&fd, size).map_err(system)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&fd, seals).map_err(system)?;
        Self::over(File::from(fd), Mode::ReadWrite)
    }

    /// The memory behind a descriptor, to be read, or to be written to for all to see.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) if others could cut it, as every file; [`Argument`](ErrorKind::Argument)
    /// for private changes, which [`Segment::private`] is for; [`Limit`](ErrorKind::Limit) if it is larger than an array may be;
    /// [`Io`](ErrorKind::Io) where it may not be written to.
    pub fn from_fd(fd: OwnedFd, mode: Mode, limits: &Limits) -> Result<Self> {
        if mode == Mode::CopyOnWrite {
            return Err(Error::argument(
                "private changes are not shared: Segment::private maps them",
            ));
        }
        let file = File::from(fd);
        check(&file, limits)?;
        Self::over(file, mode)
    }

    /// The memory behind a descriptor, of which changes are seen by nobody else; the descriptor is not needed any more then.
    ///
    /// # Errors
    /// As [`Segment::from_fd`].
    pub fn private(fd: impl AsFd, limits: &Limits) -> Result<Region> {
        let file = File::from(fd.as_fd().try_clone_to_owned()?);
        let size = check(&file, limits)?;
        Region::new(&file, 0..size, Mode::CopyOnWrite)
    }

    fn over(file: File, mode: Mode) -> Result<Self> {
        let found = file.metadata()?;
        let region = Region::new(&file, 0..found.len(), mode)?;
        Ok(Self { file, region, mode, touched: found.blocks() > 0 })
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.bytes().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it can be written to.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.mode == Mode::ReadWrite
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.region.bytes()
    }

    /// The bytes, for writing.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) if it is mapped for reading.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.region.bytes_mut()
    }

    /// Copies an array to the front, its items one behind the other in this order.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) if there is too little room, or it is mapped for reading; [`Io`](ErrorKind::Io) where memory has run out.
    pub fn fill(&mut self, array: &ArrayRef<'_>, order: Order, how: Copying) -> Result<()> {
        let (size, len) = (array.nbytes(), self.len());
        if size > len || !self.is_writable() {
            let message = format!("the array has {size} bytes, the memory {len} to write to");
            return Err(Error::argument(message));
        }
        let follow = array.layout().is_c_contiguous(array.itemsize())
            || array.is_fortran() && matches!(order, Order::F | Order::A);
        // Pages that are not there yet are made by a write at twice the speed of one fault after the other.
        if let (false, true, Some(run)) = (self.touched, follow, array.contiguous_bytes()) {
            self.file.write_all_at(run, 0)?;
        } else {
            let how = Copying { touched: true, ..how };
            let space = self.region.bytes_mut()?.get_mut(..size).unwrap_or_default();
            copy_to(array, order, None, space, how, &mut crate::io::unwatched)?;
        }
        self.touched = true;
        Ok(())
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A descriptor of memory that has no name, and no bytes yet.
fn unnamed() -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Nobody runs it; Linux before 6.3 does not know the flag.
    memfd_create(NAME, flags | MemfdFlags::NOEXEC_SEAL)
        .or_else(|_| memfd_create(NAME, flags))
        .map_err(system)
}

/// The size of memory that nobody can cut.
fn check(file: &File, limits: &Limits) -> Result<u64> {
    // What knows no seals has none.
    let sealed = fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK));
    if !sealed {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the descriptor is of memory or a file that others can cut, which would end this process when it touches what is \
             gone; it must be a memfd sealed against that (F_SEAL_SHRINK)",
        ));
    }
    let size = file.metadata()?.len();
    if size > limits.array {
        return Err(Error::limit("array", size, limits.array));
    }
    Ok(size)
}

pub(super) fn system(errno: Errno) -> Error {
    Error::io(IoError::from(errno))
}
