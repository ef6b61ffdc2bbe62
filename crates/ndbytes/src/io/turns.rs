//! What threads take turns with, each of which has an ear for what else happens while it waits.

use super::Watch;
use crate::error::{Error, Result};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

/// Who has waited for so long goes before those who come.
const HUNGRY: Duration = Duration::from_millis(20);
/// For so long a forked child looks whether nobody of its own has what somebody of its parent's had last.
const LOST: Duration = Duration::from_millis(100);
/// How long it rests between two looks, at most and at least: a part of what it has waited.
const REST: (Duration, Duration) = (Duration::from_micros(10), Duration::from_millis(1));

/// A lock for as long as a message or a file takes: readers share it, and a writer has it alone.
///
/// Who waits looks up now and then by a [`Watch`]. A thread that has it already, and asks for it out of a watch or a callback, gets an error
/// and does not wait for itself; nor does a forked child for a thread of its parent's.
///
/// ```
/// use ndbytes::io::{Turns, unwatched};
///
/// let turns = Turns::new(1);
/// *turns.write(&mut unwatched)? += 1;
/// let read = turns.read(&mut unwatched)?;
/// assert_eq!((*read, *turns.read(&mut unwatched)?), (2, 2));
/// assert!(turns.write(&mut unwatched).is_err());
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Turns<T> {
    inner: RwLock<T>,
    /// How many wait who do not wait behind others any more.
    hungry: AtomicUsize,
    /// The process of who had it last.
    process: AtomicU32,
}

/// That it is this thread's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn<G> {
    guard: G,
    _held: Held,
}

/// A [`Turn`] of a reader.
pub type Reading<'t, T> = Turn<RwLockReadGuard<'t, T>>;
/// A [`Turn`] of a writer.
pub type Writing<'t, T> = Turn<RwLockWriteGuard<'t, T>>;

impl<T: Default> Default for Turns<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Turns<T> {
    /// Nobody's turn.
    #[must_use]
    pub fn new(inner: T) -> Self {
        let process = AtomicU32::new(std::process::id());
        Self { inner: RwLock::new(inner), hungry: AtomicUsize::new(0), process }
    }

    /// A reader's turn, however long it takes; at once where this thread has one.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if this thread has a writer's turn, or somebody has one in the process that this one was
    /// forked from; whatever `watch` returns.
    pub fn read(&self, watch: Watch<'_>) -> Result<Reading<'_, T>> {
        loop {
            if let Some(turn) = self.wait(|| self.inner.try_read(), true, None, watch)? {
                return Ok(turn);
            }
        }
    }

    /// A writer's turn, however long it takes.
    ///
    /// # Errors
    /// As [`Turns::write_within`].
    pub fn write(&self, watch: Watch<'_>) -> Result<Writing<'_, T>> {
        loop {
            if let Some(turn) = self.write_within(None, watch)? {
                return Ok(turn);
            }
        }
    }

    /// A writer's turn; `None` if it does not come within `patience`.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if this thread has a turn, or somebody has one in the process that this one was forked from;
    /// whatever `watch` returns.
    pub fn write_within(
        &self,
        patience: Option<Duration>,
        watch: Watch<'_>,
    ) -> Result<Option<Writing<'_, T>>> {
        self.wait(|| self.inner.try_write(), false, patience, watch)
    }

    /// A writer's turn, if nobody has one now.
    #[must_use]
    pub fn try_write(&self) -> Option<Writing<'_, T>> {
        self.had(self.inner.try_write())
    }

    /// Whether this thread has a turn.
    #[must_use]
    pub fn is_mine(&self) -> bool {
        let is_mine = HELD.try_with(|held| held.borrow().contains(&self.address()));
        is_mine.unwrap_or_default()
    }

    fn wait<G>(
        &self,
        look: impl Fn() -> TryLockResult<G>,
        again: bool,
        patience: Option<Duration>,
        watch: Watch<'_>,
    ) -> Result<Option<Turn<G>>> {
        let (started, mut hunger) = (Instant::now(), None);
        loop {
            // Those who were hungry in the process that this one was forked from are not here.
            let is_inherited = self.process.load(Ordering::Acquire) != std::process::id();
            let goes_first = hunger.is_some() || is_inherited || (again && self.is_mine());
            if (goes_first || self.hungry.load(Ordering::Acquire) == 0)
                && let Some(turn) = self.had(look())
            {
                return Ok(Some(turn));
            }
            let waited = started.elapsed();
            self.check(is_inherited && waited >= LOST)?;
            watch(0)?;
            // Without patience it is looked for a moment: that may be the time that the other needs to let go.
            if patience.is_some_and(|most| waited >= most.max(5 * REST.1)) {
                return Ok(None);
            }
            if hunger.is_none() && waited >= HUNGRY {
                hunger = Some(Hunger::of(&self.hungry));
            }
            std::thread::sleep((waited / 8).clamp(REST.0, REST.1));
        }
    }

    /// That it makes sense to wait.
    fn check(&self, is_lost: bool) -> Result<()> {
        if self.is_mine() {
            return Err(Error::argument(
                "in use by the very call that this one interrupts, from a signal handler, a callback or a method of its file; \
                 let that return first",
            ));
        }
        if is_lost {
            return Err(Error::argument(
                "in use by another thread of the process that this one was forked from, which is not in this one; open it anew",
            ));
        }
        Ok(())
    }

    fn had<G>(&self, looked: TryLockResult<G>) -> Option<Turn<G>> {
        let guard = match looked {
            Ok(guard) => guard,
            // Who panicked has left nothing half done that could be taken for whole.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let process = std::process::id();
        if self.process.swap(process, Ordering::AcqRel) != process {
            self.hungry.store(0, Ordering::Release);
        }
        Some(Turn { guard, _held: Held::of(self.address()) })
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<G: Deref> Deref for Turn<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Turn<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

thread_local! {
    /// The addresses of the locks that this thread has. Once a thread has ended it has none, and what it drops last does not ask for one twice.
    static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// That this thread has one more of them.
#[derive(Debug)]
struct Held(usize);

impl Held {
    fn of(address: usize) -> Self {
        let _ = HELD.try_with(|held| held.borrow_mut().push(address));
        Self(address)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = HELD.try_with(|held| {
            let mut held = held.borrow_mut();
            if let Some(at) = held.iter().rposition(|address| *address == self.0) {
                held.swap_remove(at);
            }
        });
    }
}

/// One of those who are hungry.
struct Hunger<'h>(&'h AtomicUsize);

impl<'h> Hunger<'h> {
    fn of(all: &'h AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::AcqRel);
        Self(all)
    }
}

impl Drop for Hunger<'_> {
    fn drop(&mut self) {
        // A child that was forked may have begun to count anew.
        let less = |all: usize| all.checked_sub(1);
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use crate::error::{Error, ErrorKind};
    use crate::io::unwatched;
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let turns = Turns::new(0);
        let turn = turns.write(&mut unwatched).unwrap();
        assert!(turns.is_mine() && turns.try_write().is_none());
        for error in
            [turns.write(&mut unwatched).unwrap_err(), turns.read(&mut unwatched).unwrap_err()]
        {
            assert_eq!(*error.kind(), ErrorKind::Argument);
        }
        drop(turn);
        assert!(!turns.is_mine());
        let reading = turns.read(&mut unwatched).unwrap();
        assert_eq!(*turns.read(&mut unwatched).unwrap(), 0);
        assert!(turns.write(&mut unwatched).is_err());
        drop(reading);
        assert!(turns.try_write().is_some());
    }

    #[test]
    fn who_waits_hears_what_else_happens_and_has_patience() {
        let turns = Turns::new(0);
        let _turn = turns.read(&mut unwatched).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                assert!(!turns.is_mine());
                assert!(turns.read(&mut unwatched).is_ok());
                let most = Some(Duration::from_millis(30));
                assert!(turns.write_within(most, &mut unwatched).unwrap().is_none());
                let mut looks = 0;
                let mut stop = |_| {
                    looks += 1;
                    if looks < 3 { Ok(()) } else { Err(Error::new(ErrorKind::Timeout, "stop")) }
                };
                // Not even a time-out of the watch's is one of patience.
                let error = turns.write_within(Some(Duration::MAX), &mut stop).unwrap_err();
                assert_eq!((error.message(), looks), ("stop", 3));
            });
            waiting.join().unwrap();
        });
    }

    /// What a thread drops when its own variables are gone, a channel that one of them had, takes a turn as well.
    #[test]
    fn the_last_that_a_thread_does_takes_a_turn() {
        struct Last(Arc<Turns<bool>>);
        impl Drop for Last {
            fn drop(&mut self) {
                *self.0.write(&mut unwatched).unwrap() = true;
            }
        }
        thread_local!(static LAST: RefCell<Option<Last>> = const { RefCell::new(None) });
        let turns = Arc::<Turns<bool>>::default();
        let theirs = Arc::clone(&turns);
        let thread = std::thread::spawn(move || {
            LAST.set(Some(Last(Arc::clone(&theirs))));
            assert!(!*theirs.read(&mut unwatched).unwrap());
        });
        thread.join().unwrap();
        assert!(*turns.read(&mut unwatched).unwrap());
    }

    /// Threads that take turn after turn let another one have its turn: a writer among readers too, who always overlap.
    #[test]
    fn nobody_starves() {
        let work = Duration::from_millis(5);
        for writes in [true, false] {
            let (turns, done, taken) =
                (Turns::new(()), AtomicBool::new(false), AtomicUsize::new(0));
            let others = || {
                while !done.load(Ordering::Acquire) {
                    match writes {
                        true => drop((turns.write(&mut unwatched), std::thread::sleep(work))),
                        false => drop((turns.read(&mut unwatched), std::thread::sleep(work))),
                    }
                    taken.fetch_add(1, Ordering::AcqRel);
                }
            };
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(others);
                }
                for _ in 0..3 {
                    let before = taken.load(Ordering::Acquire);
                    drop(turns.write(&mut unwatched).unwrap());
                    let behind = taken.load(Ordering::Acquire) - before;
                    assert!(behind < 200, "behind {behind} others");
                }
                done.store(true, Ordering::Release);
            });
        }
    }
}
