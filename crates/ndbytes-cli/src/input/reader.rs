//! Opening what the command line names; every wait can be interrupted.

use super::named;
use crate::session::Session;
use crate::sources::{IN_ARCHIVE, Source};
use ndbytes::{Error, Result, io};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An open input whose waits end on Ctrl-C.
#[derive(Debug)]
pub(crate) struct Reader<'s> {
    stream: Stream,
    /// Its length, if it is a file.
    pub(crate) len: Option<u64>,
    moved: Arc<AtomicU64>,
    session: &'s Session,
}

#[derive(Debug)]
enum Stream {
    Stdin(File),
    File(io::Input),
}

/// Opens a source.
///
/// # Errors
/// As [`io::open`].
pub(crate) fn open<'s>(session: &'s Session, source: &Source) -> Result<Reader<'s>> {
    match source {
        Source::Stdin => {
            let file = stdin().map_err(|error| named(error.into(), source))?;
            Ok(Reader::new(Stream::Stdin(file), None, session))
        }
        Source::Member(..) => Err(Error::argument(IN_ARCHIVE).in_file(source.name())),
        Source::File(path) => {
            let file = io::open_watched(path, session.patience, &mut |_| session.check())
                .map_err(about_folder)?;
            let len = file.len();
            Ok(Reader::new(Stream::File(file), len, session))
        }
    }
}

fn about_folder(error: Error) -> Error {
    let kind = error.io_error().map(std::io::Error::kind);
    if kind == Some(std::io::ErrorKind::IsADirectory) {
        return error.context("a folder; -r takes the array files in it");
    }
    error
}

/// Standard input without a buffer that could hide from `poll` what has arrived.
#[cfg(unix)]
fn stdin() -> std::io::Result<File> {
    use std::os::fd::AsFd as _;
    std::io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn stdin() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    std::io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

impl Read for Reader<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.wait()?;
        let n = match &mut self.stream {
            Stream::Stdin(file) => file.read(space),
            Stream::File(file) => file.read(space),
        }?;
        self.moved.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match &mut self.stream {
            Stream::Stdin(file) => file.seek(to),
            Stream::File(file) => file.seek(to),
        }
    }
}

impl<'s> Reader<'s> {
    fn new(stream: Stream, len: Option<u64>, session: &'s Session) -> Self {
        Self { stream, len, moved: Arc::default(), session }
    }

    /// The file behind it, or else itself: a stream, or a file that is compressed.
    pub(crate) fn plain_file(mut self) -> Result<std::result::Result<io::Input, Self>> {
        if self.len.is_some() {
            let container = io::sniff(&mut self)?.container();
            self.rewind()?;
            self.moved.store(0, Ordering::Relaxed);
            if container.is_none()
                && let Stream::File(input) = self.stream
            {
                return Ok(Ok(input));
            }
        }
        Ok(Err(self))
    }

    /// The bytes read so far, for whoever lends it to others.
    pub(crate) fn moved(&self) -> Arc<AtomicU64> {
        self.moved.clone()
    }

    /// Waits for bytes, or the end, with an eye on Ctrl-C.
    #[cfg(unix)]
    fn wait(&self) -> std::io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        use std::os::fd::AsFd as _;
        let fd = match &self.stream {
            Stream::Stdin(file) => file.as_fd(),
            Stream::File(file) => file.as_fd(),
        };
        // A signal ends a wait early, unless it came just before: then the clock does.
        let step = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        loop {
            self.session.check().map_err(std::io::Error::other)?;
            match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&step)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[cfg(not(unix))]
    fn wait(&self) -> std::io::Result<()> {
        self.session.check().map_err(std::io::Error::other)
    }
}
