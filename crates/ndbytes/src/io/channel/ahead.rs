//! Bytes that have come and nobody has asked for yet.

use std::io::{Error as IoError, Result as IoResult};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reads of fewer bytes than this take up to so many at once: header, data and tail of a small message come by one call.
pub(super) const AHEAD: usize = 4096;

/// What was read of a connection ahead of its reader, and what it ended with then: shared by all holds on it.
#[derive(Debug, Default)]
pub(super) struct Ahead(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    /// Those in front of it were given.
    start: usize,
    /// For whoever reads behind the bytes; the system tells it once.
    failed: Option<IoError>,
}

impl Ahead {
    /// Whether there is something to give: bytes, or an error.
    pub(super) fn has_some(&self) -> bool {
        let inner = self.lock();
        !inner.left().is_empty() || inner.failed.is_some()
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.lock().left().len()
    }

    /// Gives bytes, or what came behind them; `None` if there is neither.
    pub(super) fn give(&self, space: &mut [u8]) -> Option<IoResult<usize>> {
        let mut inner = self.lock();
        let n = inner.copy(space);
        if n == 0 && inner.left().is_empty() {
            return inner.failed.take().map(Err);
        }
        inner.start += n;
        Some(Ok(n))
    }

    /// The same, and they stay.
    #[cfg(unix)]
    pub(super) fn look(&self, space: &mut [u8]) -> usize {
        self.lock().copy(space)
    }

    /// Keeps bytes that came behind those that there are.
    pub(super) fn keep(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        let start = std::mem::take(&mut inner.start);
        inner.bytes.drain(..start);
        inner.bytes.extend_from_slice(bytes);
    }

    /// Keeps what the connection ended with.
    #[cfg(unix)]
    pub(super) fn fail(&self, error: IoError) {
        self.lock().failed.get_or_insert(error);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    fn copy(&self, space: &mut [u8]) -> usize {
        let n = self.left().len().min(space.len());
        let (from, to) = (self.left().get(..n), space.get_mut(..n));
        if let (Some(from), Some(to)) = (from, to) {
            to.copy_from_slice(from);
        }
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind as IoKind;

    #[test]
    fn bytes_come_in_order_and_the_error_behind_them_once() {
        let ahead = Ahead::default();
        let mut space = [0; 4];
        assert!(ahead.give(&mut space).is_none() && !ahead.has_some());
        ahead.keep(b"abcdef");
        assert_eq!((ahead.look(&mut space), &space), (4, b"abcd"));
        assert_eq!(ahead.give(&mut space[..3]).unwrap().unwrap(), 3);
        ahead.keep(b"gh");
        ahead.fail(IoKind::ConnectionReset.into());
        assert_eq!((ahead.len(), ahead.give(&mut space).unwrap().unwrap()), (5, 4));
        assert_eq!(&space, b"defg");
        assert_eq!(ahead.give(&mut space).unwrap().unwrap(), 1);
        assert!(ahead.has_some() && ahead.len() == 0);
        let error = ahead.give(&mut space).unwrap().unwrap_err();
        assert_eq!(error.kind(), IoKind::ConnectionReset);
        assert!(ahead.give(&mut space).is_none());
    }
}
