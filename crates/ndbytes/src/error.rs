//! The one error type: what went wrong, where, what was found, what is allowed, what to do.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation failed; one word wide and cheap to clone.
///
/// [`Error::kind`] is what a program matches on, `Display` is what a person reads, and
/// [`Error::offset`] is the byte of the input at which the fault was seen, where there is one.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    offset: Option<u64>,
    path: Option<PathBuf>,
    io: Option<Arc<std::io::Error>>,
}

/// The kinds of failure; each has its own exit code on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller gave a dtype, shape, order, slice or option that cannot be meant.
    Argument,
    /// The dtype or shape is not the expected one.
    Mismatch,
    /// The bytes do not follow the format.
    Malformed,
    /// The bytes end before the array does.
    Truncated,
    /// A checksum does not hold.
    Checksum {
        /// Index of the damaged block of the data; `None` for damage in a header or tail.
        block: Option<u64>,
        /// The damaged bytes: offsets from the start of the input.
        range: Range<u64>,
    },
    /// Well formed, but not something this crate reads: object dtypes, unknown versions.
    Unsupported,
    /// A bound was exceeded; sizes that overflow count as such.
    Limit {
        /// What is bounded: `array`, `npy header`, `frame header`, `metadata`, `dtype depth`, `dtype fields`,
        /// `itemsize`, `size`, `decompressed`, `npz members`.
        name: &'static str,
        /// What was asked for; `u64::MAX` where it does not fit.
        asked: u64,
        /// What is allowed.
        max: u64,
    },
    /// The allocator or the system had no memory left.
    Memory,
    /// The system refused: [`Error::io_error`] tells which errno.
    Io,
    /// The other side took too long.
    Timeout,
    /// The other side of a connection is not there, or has gone.
    Peer,
    /// The caller stopped it.
    Interrupted,
}

impl Error {
    /// Makes an error of any kind.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), offset: None, path: None, io: None }))
    }

    /// A dtype, shape, order, slice or option that cannot be meant.
    #[cold]
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Argument, message)
    }

    /// A dtype or shape other than the expected one.
    #[cold]
    pub fn mismatch(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Mismatch, message)
    }

    /// Bytes that do not follow the format.
    #[cold]
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// Bytes that end too early.
    #[cold]
    pub fn truncated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Truncated, message)
    }

    /// Something well formed that is not read here.
    #[cold]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A bound called `name` that was exceeded; the message is made from the three.
    #[cold]
    pub fn limit(name: &'static str, asked: u64, max: u64) -> Self {
        let message = if asked == u64::MAX {
            format!("{name} is too large to count; at most {max} are allowed")
        } else {
            format!("{name} is {asked}, at most {max} are allowed")
        };
        Self::new(ErrorKind::Limit { name, asked, max }, message)
    }

    /// A size that does not fit this machine's address space.
    #[cold]
    pub fn overflow(what: &str) -> Self {
        let max = isize::MAX.unsigned_abs() as u64;
        let kind = ErrorKind::Limit { name: "size", asked: u64::MAX, max };
        Self::new(kind, format!("{what} overflows; at most {max} bytes are allowed"))
    }

    /// No memory for `bytes` bytes.
    #[cold]
    pub fn memory(bytes: u64) -> Self {
        Self::new(ErrorKind::Memory, format!("no memory for {bytes} bytes"))
    }

    /// An error of the operating system; its errno stays at hand.
    ///
    /// Out of memory, time-outs and lost connections have their own kinds, and an error of this crate that went
    /// through a reader or writer comes out as it went in.
    #[cold]
    pub fn io(error: std::io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return own,
            Err(other) => other,
        };
        let kind = match error.kind() {
            std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => ErrorKind::Timeout,
            std::io::ErrorKind::OutOfMemory => ErrorKind::Memory,
            std::io::ErrorKind::ConnectionRefused
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::ConnectionAborted
            | std::io::ErrorKind::HostUnreachable
            | std::io::ErrorKind::NetworkUnreachable
            | std::io::ErrorKind::NotConnected => ErrorKind::Peer,
            _ => ErrorKind::Io,
        };
        let message = error.to_string();
        Self(Arc::new(Inner { kind, message, offset: None, path: None, io: Some(Arc::new(error)) }))
    }

    /// The same error, seen at byte `offset` of the input.
    #[must_use]
    pub fn at(self, offset: u64) -> Self {
        self.with(|inner| inner.offset = Some(offset))
    }

    /// The same error with its offset, where it has one, moved by `by` bytes.
    #[must_use]
    pub fn shifted(self, by: u64) -> Self {
        self.with(|inner| inner.offset = inner.offset.map(|offset| offset.saturating_add(by)))
    }

    /// The same error, about the file at `path`.
    #[must_use]
    pub fn in_file(self, path: impl AsRef<Path>) -> Self {
        self.with(|inner| inner.path = Some(path.as_ref().to_path_buf()))
    }

    /// The same error with words put before its message: `context: message`.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        self.with(|inner| inner.message = format!("{context}: {}", inner.message))
    }

    /// The same error in other words.
    #[must_use]
    pub(crate) fn with_message(self, message: String) -> Self {
        self.with(|inner| inner.message = message)
    }

    /// The same error of another kind.
    #[cfg(feature = "std")]
    #[must_use]
    pub(crate) fn of_kind(self, kind: ErrorKind) -> Self {
        self.with(|inner| inner.kind = kind)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The byte of the input at which it was seen, where there is one.
    #[must_use]
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// The file it is about, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The message without file and offset.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operating system's error, where it is one.
    #[must_use]
    pub fn io_error(&self) -> Option<&std::io::Error> {
        self.0.io.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.0.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.0.message)?;
        match self.0.offset {
            Some(offset) => write!(f, " (at byte {offset})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.io.as_ref().map(|error| &**error as &(dyn std::error::Error + 'static))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::io(error)
    }
}

/// For readers and writers that find more wrong than the system can.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Truncated => std::io::ErrorKind::UnexpectedEof,
            ErrorKind::Memory => std::io::ErrorKind::OutOfMemory,
            ErrorKind::Malformed | ErrorKind::Checksum { .. } => std::io::ErrorKind::InvalidData,
            ErrorKind::Unsupported => std::io::ErrorKind::Unsupported,
            ErrorKind::Argument => std::io::ErrorKind::InvalidInput,
            _ => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// What an error shows of something that an input may have made very long: its start.
pub(crate) fn shortened(thing: &impl fmt::Display) -> String {
    const SHOWN: usize = 200;
    let mut text = thing.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Text of an input as an error shows it: in quotes, and short whatever its length.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => {
            format!("{:?}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len())
        }
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_says_file_message_and_offset() {
        let error = Error::malformed("no magic").at(3).in_file("a.npy").context("reading");
        assert_eq!(error.to_string(), "a.npy: reading: no magic (at byte 3)");
        assert_eq!(error.shifted(7).offset(), Some(10));
    }

    #[test]
    fn io_errors_keep_errno_and_timeouts_their_kind() {
        let missing = Error::io(std::io::Error::from_raw_os_error(2));
        assert_eq!(missing.kind(), &ErrorKind::Io);
        assert_eq!(missing.io_error().and_then(std::io::Error::raw_os_error), Some(2));
        let late = Error::io(std::io::ErrorKind::TimedOut.into());
        assert_eq!(late.kind(), &ErrorKind::Timeout);
        let gone = Error::io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(gone.kind(), &ErrorKind::Peer);
    }

    #[test]
    fn own_errors_pass_through_io() {
        let cut = Error::truncated("cut").at(7);
        let io = std::io::Error::from(cut);
        assert_eq!(io.kind(), std::io::ErrorKind::UnexpectedEof);
        let back = Error::from(io);
        assert_eq!((back.kind(), back.offset()), (&ErrorKind::Truncated, Some(7)));
        assert_eq!(back.to_string(), "cut (at byte 7)");
        let stopped = Error::new(ErrorKind::Interrupted, "stopped");
        assert_eq!(Error::from(std::io::Error::other(stopped)).kind(), &ErrorKind::Interrupted);
    }

    #[test]
    fn one_word() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
