//! A lock under which Python code may run: a signal handler, or the methods of a file object.

use ndbytes::{Error, Result};
use std::cell::RefCell;
use std::sync::{PoisonError, RwLock, TryLockError};

/// Something that readers share and writers have alone.
///
/// Python code that runs inside of a turn may ask for another one. It gets that, or an error, and never waits for its
/// own thread. Wait for a turn without the GIL only, since whoever has it may want the GIL.
#[derive(Debug, Default)]
pub(crate) struct Turns<T>(RwLock<T>);

thread_local! {
    /// The addresses of the locks that this thread holds.
    static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

impl<T> Turns<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(RwLock::new(inner))
    }

    /// A reader's turn.
    ///
    /// # Errors
    /// Argument if this thread is in a writer's turn; those of `read`.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        let held = Held::new(self);
        let inner = match held.again {
            true => self.0.try_read().or_else(poisoned)?,
            // Who panicked has left nothing half done that a reader could take for whole.
            false => self.0.read().unwrap_or_else(PoisonError::into_inner),
        };
        read(&inner)
    }

    /// A writer's turn.
    ///
    /// # Errors
    /// Argument if this thread is in a turn; those of `write`.
    pub(crate) fn write<R>(&self, write: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let held = Held::new(self);
        let mut inner = match held.again {
            true => self.0.try_write().or_else(poisoned)?,
            false => self.0.write().unwrap_or_else(PoisonError::into_inner),
        };
        write(&mut inner)
    }
}

fn poisoned<G>(error: TryLockError<G>) -> Result<G> {
    match error {
        TryLockError::Poisoned(poisoned) => Ok(poisoned.into_inner()),
        TryLockError::WouldBlock => Err(Error::argument(
            "in use by the very call that this one interrupts, from a signal handler or a method of its file; let that \
             return first",
        )),
    }
}

/// That this thread holds a lock, and whether it did already.
struct Held {
    again: bool,
}

impl Held {
    fn new<T>(turns: &Turns<T>) -> Self {
        let address = std::ptr::from_ref(turns).addr();
        HELD.with_borrow_mut(|held| {
            let again = held.contains(&address);
            held.push(address);
            Self { again }
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Turns end in the reverse order of their beginning.
        HELD.with_borrow_mut(Vec::pop);
    }
}
