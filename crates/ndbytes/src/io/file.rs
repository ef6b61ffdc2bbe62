//! Files opened without surprises.

use super::at::At;
use super::{Watch, read_file, unwatched};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{DecodeOptions, Decoded, Dest};
use crate::threads::Threads;
use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

/// What may stand at a path, as far as reading and replacing go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A file with a length.
    Regular,
    /// A FIFO or socket: bytes without a length.
    Stream,
}

/// A file opened for reading.
#[derive(Debug)]
pub struct Input {
    file: File,
    len: Option<u64>,
}

impl Input {
    /// A file that is open already.
    pub(super) fn of(file: File) -> Result<Self> {
        let mut input = Self { file, len: None };
        input.len = Some(input.measured()?);
        Ok(input)
    }

    /// Its length; a stream has none.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.len
    }

    /// Its length as it is now.
    pub(super) fn measured(&self) -> Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Its bytes from the first one on, whatever was read of it.
    pub(super) fn at(&self, offset: u64) -> At<'_> {
        At::new(&self.file, offset)
    }

    /// Whether it is known to hold nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == Some(0)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

/// To wait for the bytes of a stream with other things in view.
#[cfg(unix)]
impl std::os::fd::AsFd for Input {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Opens a file or FIFO for reading. Directories and devices are refused, and a FIFO that nobody opens for
/// writing within `patience` is a time-out, not a hang.
///
/// # Errors
/// [`Io`](ErrorKind::Io) with the system's errno (`EISDIR` for a directory, `ENODEV` for a device);
/// [`Timeout`](ErrorKind::Timeout).
pub fn open(path: impl AsRef<Path>, patience: Duration) -> Result<Input> {
    open_watched(path, patience, &mut unwatched)
}

/// The same, where `watch` is called several times a second during the wait and can end it.
///
/// # Errors
/// As [`open`], and whatever `watch` returns.
pub fn open_watched(path: impl AsRef<Path>, patience: Duration, watch: Watch<'_>) -> Result<Input> {
    let path = path.as_ref();
    open_at(path, patience, watch).map_err(|error| error.in_file(path))
}

fn open_at(path: &Path, patience: Duration, watch: Watch<'_>) -> Result<Input> {
    let metadata = std::fs::metadata(path)?;
    if kind(&metadata)? == FileKind::Stream {
        return Ok(Input { file: open_stream(path, patience, watch)?, len: None });
    }
    Input::of(File::open(path)?)
}

/// Opens a file that has a length, and nothing else; nothing is waited for.
pub(super) fn open_regular(path: &Path, write: bool) -> Result<File> {
    refuse_stream(path)?;
    let mut options = File::options();
    options.read(true).write(write);
    // Something else may have taken the name just now.
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(path)?;
    match kind(&file.metadata()?)? {
        FileKind::Regular => Ok(file),
        FileKind::Stream => Err(no_map()),
    }
}

/// That no FIFO or socket stands at `path`, nor a directory or device.
pub(super) fn refuse_stream(path: &Path) -> Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if kind(&metadata)? == FileKind::Stream => Err(no_map()),
        // Whoever opens it hears why not.
        _ => Ok(()),
    }
}

fn no_map() -> Error {
    no_device("a FIFO or socket has no bytes that could be mapped; read it as a stream")
}

/// That `path` still names the file: what another has put in its place is not overwritten.
pub(super) fn check_place(file: &File, path: &Path) -> Result<()> {
    match std::fs::metadata(path).and_then(|there| Ok(is_same(&there, &file.metadata()?))) {
        Ok(true) => Ok(()),
        Ok(false) => Err(stale()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(unix)]
fn stale() -> Error {
    let error = std::io::Error::from(rustix::io::Errno::STALE);
    Error::io(error).context("another file has taken its place since it was opened; open that one")
}

#[cfg(not(unix))]
fn stale() -> Error {
    Error::io(std::io::ErrorKind::StaleNetworkFileHandle.into())
}

/// The error of a file that is another's for now.
#[cfg(unix)]
pub(super) fn busy() -> Error {
    Error::io(std::io::Error::from(rustix::io::Errno::BUSY))
}

#[cfg(not(unix))]
pub(super) fn busy() -> Error {
    Error::io(std::io::ErrorKind::ResourceBusy.into())
}

/// Whether both are of one file.
#[cfg(unix)]
pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
pub(super) fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

pub(super) fn kind(metadata: &Metadata) -> Result<FileKind> {
    if metadata.is_file() {
        return Ok(FileKind::Regular);
    }
    if metadata.is_dir() {
        return Err(is_directory());
    }
    if is_device(metadata) {
        return Err(no_device("a device, not a file; read it or write to it as a stream"));
    }
    Ok(FileKind::Stream)
}

#[cfg(unix)]
fn is_device(metadata: &Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    metadata.file_type().is_char_device() || metadata.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_directory() -> Error {
    Error::io(rustix::io::Errno::ISDIR.into())
}

#[cfg(not(unix))]
fn is_directory() -> Error {
    Error::io(std::io::ErrorKind::IsADirectory.into())
}

#[cfg(unix)]
fn no_device(why: &str) -> Error {
    Error::io(rustix::io::Errno::NODEV.into()).context(why)
}

#[cfg(not(unix))]
fn no_device(why: &str) -> Error {
    Error::io(std::io::ErrorKind::Unsupported.into()).context(why)
}

/// Opening a FIFO waits for the other side: do it without waiting, and wait for bytes with a clock.
#[cfg(unix)]
fn open_stream(path: &Path, patience: Duration, watch: Watch<'_>) -> Result<File> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{Mode, OFlags};
    let fd =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
            .map_err(std::io::Error::from)?;
    let started = Instant::now();
    loop {
        watch(0)?;
        let left = patience.saturating_sub(started.elapsed()).min(Duration::from_millis(100));
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Timespec::try_from(left).ok().as_ref()) {
            Ok(0) if started.elapsed() >= patience => {
                let seconds = patience.as_secs_f32();
                let message = format!("a FIFO that nobody wrote to within {seconds} s");
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => break,
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
    let flags = rustix::fs::fcntl_getfl(&fd).map_err(std::io::Error::from)?;
    rustix::fs::fcntl_setfl(&fd, flags - OFlags::NONBLOCK).map_err(std::io::Error::from)?;
    Ok(fd.into())
}

#[cfg(not(unix))]
fn open_stream(path: &Path, _: Duration, _: Watch<'_>) -> Result<File> {
    Ok(File::open(path)?)
}

/// Reads the `.npy` or `.ndb` file at `path`, also compressed with zlib or gzip; the length of one that is not is held against its header before memory is taken.
///
/// # Errors
/// As [`open`] and [`read_file`].
pub fn load(
    path: impl AsRef<Path>,
    options: DecodeOptions,
    dest: Dest<'_>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    let path = path.as_ref();
    let input = open(path, PATIENCE)?;
    read_file(input, options, |_| Ok(dest), Threads::default(), watch)
        .map_err(|error| error.in_file(path))
}

/// How long a FIFO may stay without a writer.
pub const PATIENCE: Duration = Duration::from_secs(10);
