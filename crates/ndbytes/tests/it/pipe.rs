//! Streams that no system is behind.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::sync::{Arc, Condvar, Mutex};

/// A pair in memory: what is written to one is read from the other; it holds so many bytes.
pub(crate) fn pipe(capacity: usize) -> (PipeWriter, PipeReader) {
    let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), capacity });
    (PipeWriter(shared.clone()), PipeReader(shared))
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    ended: bool,
}

pub(crate) struct PipeWriter(Arc<Shared>);

pub(crate) struct PipeReader(Arc<Shared>);

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let Shared { state, changed, capacity } = &*self.0;
        let full = |state: &mut State| state.bytes.len() >= *capacity;
        let mut state = changed.wait_while(state.lock().unwrap(), full).unwrap();
        let n = bytes.len().min(capacity - state.bytes.len());
        state.bytes.extend(&bytes[..n]);
        changed.notify_all();
        Ok(n)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().ended = true;
        self.0.changed.notify_all();
    }
}

impl Read for PipeReader {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        let Shared { state, changed, .. } = &*self.0;
        let idle = |state: &mut State| state.bytes.is_empty() && !state.ended;
        let mut state = changed.wait_while(state.lock().unwrap(), idle).unwrap();
        let n = state.bytes.read(space)?;
        changed.notify_all();
        Ok(n)
    }
}

/// Moves at most so many bytes at a time, and is interrupted before each.
pub(crate) struct Choppy<T> {
    inner: T,
    most: usize,
    interrupted: bool,
}

impl<T> Choppy<T> {
    pub(crate) fn new(inner: T, most: usize) -> Self {
        Self { inner, most, interrupted: false }
    }

    fn interrupt(&mut self) -> Result<()> {
        self.interrupted = !self.interrupted;
        if self.interrupted { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
    }
}

impl<R: Read> Read for Choppy<R> {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        self.interrupt()?;
        let n = space.len().min(self.most);
        self.inner.read(&mut space[..n])
    }
}

impl<W: Write> Write for Choppy<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.interrupt()?;
        self.inner.write(&bytes[..bytes.len().min(self.most)])
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}
