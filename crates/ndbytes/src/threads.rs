//! Threads for one long call. They live as long as the call does: there is no pool, so nothing is left behind a fork.

use crate::error::Result;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

/// How many threads a long call may use; short work is done on the caller's own.
///
/// ```
/// use ndbytes::Threads;
/// assert_eq!(Threads::new(0), Threads::ONE);
/// assert!(Threads::default().get() >= 1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// The caller's own.
    pub const ONE: Self = Self(NonZeroUsize::MIN);

    /// So many, the caller's own among them: at least that one.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> usize {
        self.0.get()
    }

    /// Does `work` on every part, on at most so many threads, and tells `each` of every result on the caller's own, in
    /// no order. The first error ends it: parts that were not begun are not done.
    ///
    /// # Errors
    /// Whatever `work` or `each` return.
    pub fn run<T: Send, R: Send>(
        self,
        parts: Vec<T>,
        work: &(impl Fn(T) -> Result<R> + Sync),
        each: &mut dyn FnMut(R) -> Result<()>,
    ) -> Result<()> {
        let helpers = self.get().min(parts.len()).saturating_sub(1);
        if helpers == 0 {
            return parts.into_iter().try_for_each(|part| each(work(part)?));
        }
        let queue = Queue { parts: Mutex::new(parts.into_iter()), stopped: AtomicBool::new(false) };
        thread::scope(|scope| {
            let (sender, done) = mpsc::channel();
            for _ in 0..helpers {
                let (queue, sender) = (&queue, sender.clone());
                // Where no thread is to be had, the others do its share.
                let _ = thread::Builder::new().spawn_scoped(scope, move || {
                    while let Some(part) = queue.next() {
                        let result = work(part);
                        queue.stop_if(result.is_err());
                        let _ = sender.send(result);
                    }
                });
            }
            drop(sender);
            let outcome = (|| {
                while let Some(part) = queue.next() {
                    each(work(part)?)?;
                    done.try_iter().try_for_each(|result| each(result?))?;
                }
                done.iter().try_for_each(|result| each(result?))
            })();
            queue.stop_if(outcome.is_err());
            outcome
        })
    }
}

impl Default for Threads {
    /// As many as this process may run on at once, by its affinity and its quota, when it first asked.
    fn default() -> Self {
        static AVAILABLE: OnceLock<NonZeroUsize> = OnceLock::new();
        Self(
            *AVAILABLE.get_or_init(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        )
    }
}

/// Parts that wait for a thread.
struct Queue<T> {
    parts: Mutex<std::vec::IntoIter<T>>,
    stopped: AtomicBool,
}

impl<T> Queue<T> {
    fn next(&self) -> Option<T> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    fn stop_if(&self, failed: bool) {
        if failed {
            self.stopped.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn every_part_is_done_once_by_any_number_of_threads() {
        for count in [1, 2, 3, 8] {
            let mut seen = Vec::new();
            let square = |n: usize| Ok(n * n);
            Threads::new(count)
                .run((0..100).collect(), &square, &mut |n| {
                    seen.push(n);
                    Ok(())
                })
                .unwrap();
            seen.sort_unstable();
            assert_eq!(seen, (0..100).map(|n| n * n).collect::<Vec<_>>(), "{count} threads");
        }
    }

    #[test]
    fn an_error_of_work_or_of_each_ends_it() {
        for count in [1, 2, 4] {
            let begun = std::sync::atomic::AtomicUsize::new(0);
            let work = |n: usize| {
                begun.fetch_add(1, Ordering::Relaxed);
                if n == 3 { Err(Error::argument("three")) } else { Ok(n) }
            };
            let parts = || (0..10_000).collect::<Vec<_>>();
            let error = Threads::new(count).run(parts(), &work, &mut |_| Ok(())).unwrap_err();
            assert_eq!(error.message(), "three");
            let stop = |_| Err(Error::argument("enough"));
            let error = Threads::new(count).run(parts(), &|n: usize| Ok(n), &mut { stop });
            assert_eq!(error.unwrap_err().message(), "enough");
            assert!(count > 1 || begun.into_inner() == 4);
        }
    }
}
