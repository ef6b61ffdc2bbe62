//! What a handle stands on until it is closed.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that is there until it is taken; whoever had it before goes on with it.
///
/// May be waited for with the GIL, since nothing of Python's runs under its lock: making an exception could give the GIL
/// to a thread that waits for the lock.
#[derive(Debug)]
pub(crate) struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Mutex::new(Some(inner)))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.lock().take()
    }

    /// Puts another one there, and gives back the old one: or the other one, if nothing is there any more.
    pub(crate) fn replace(&self, inner: T) -> T {
        match &mut *self.lock() {
            Some(there) => std::mem::replace(there, inner),
            None => inner,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Slot<T> {
    pub(crate) fn get(&self) -> Option<T> {
        self.lock().clone()
    }
}
