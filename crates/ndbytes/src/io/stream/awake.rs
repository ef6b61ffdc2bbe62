//! Waits that stay awake for a moment before they sleep.

use crate::threads::Threads;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a wait stays awake: an answer that comes at once is had without the time that waking up takes.
const MOMENT: Duration = Duration::from_micros(100);
/// Up to two to the power of this, less one, waits sleep at once behind some that stayed awake in vain.
const MOST: u32 = 6;

thread_local! {
    /// Of the waits of a thread: how many in a row stayed awake in vain, and how many more sleep at once.
    static IN_VAIN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Looks until something has come, for no longer than `most` and a moment: false if it is time to sleep.
///
/// Where that was in vain the next waits of the thread look but once: a peer that shares its processor, or has others beside it,
/// cannot answer before this thread sleeps, or has lost its turn.
///
/// # Errors
/// Those of `look`.
pub fn awake<E>(most: Duration, look: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
    let mut started = None;
    wait(most, look, || started.get_or_insert_with(Instant::now).elapsed())
}

/// The same by a clock that begins when it is asked first.
fn wait<E>(
    most: Duration,
    mut look: impl FnMut() -> Result<bool, E>,
    mut clock: impl FnMut() -> Duration,
) -> Result<bool, E> {
    if look()? {
        return Ok(true);
    }
    if most.is_zero() || Threads::default().get() < 2 {
        return Ok(false);
    }
    let (streak, asleep) = IN_VAIN.get();
    if asleep > 0 {
        IN_VAIN.set((streak, asleep - 1));
        return Ok(false);
    }
    let moment = MOMENT.min(most);
    clock();
    loop {
        std::hint::spin_loop();
        let (has_come, is_over) = (look()?, clock() >= moment);
        if is_over {
            // Also if it has come: then others ran meanwhile, and whoever sent it among them.
            let streak = (streak + 1).min(MOST);
            IN_VAIN.set((streak, (1 << streak) - 1));
        } else if has_come {
            IN_VAIN.set((0, 0));
        }
        if has_come || is_over {
            return Ok(has_come);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// How often it looks where something comes at the look of this number, each of so many microseconds; and whether it found it.
    fn looks(most: Duration, come: u32, each: u64) -> (u32, bool) {
        let (mut looks, mut asked) = (0, 0);
        let Ok(found) = wait::<Infallible>(
            most,
            || {
                looks += 1;
                Ok(looks >= come)
            },
            || {
                asked += 1;
                Duration::from_micros(each) * (asked - 1)
            },
        );
        (looks, found)
    }

    #[test]
    fn what_has_come_is_found_by_one_look() {
        assert_eq!(looks(Duration::MAX, 1, 1), (1, true));
        assert_eq!(looks(Duration::ZERO, 1, 1), (1, true));
        assert_eq!(looks(Duration::ZERO, 2, 1), (1, false));
    }

    #[test]
    fn waits_that_stayed_awake_in_vain_are_followed_by_some_that_do_not() {
        if Threads::default().get() < 2 {
            return;
        }
        assert_eq!(looks(Duration::MAX, 40, 1), (40, true));
        for asleep in [1, 3, 7, 15, 31, 63, 63] {
            assert_eq!(looks(Duration::MAX, u32::MAX, 1), (101, false));
            for _ in 0..asleep {
                assert_eq!(looks(Duration::MAX, 2, 1), (1, false));
            }
        }
        // The next one tries it again, and where that is well, all do.
        for _ in 0..9 {
            assert_eq!(looks(Duration::MAX, 3, 1), (3, true));
        }
    }

    #[test]
    fn what_came_while_others_ran_came_too_late() {
        if Threads::default().get() < 2 {
            return;
        }
        assert_eq!(looks(Duration::MAX, 2, 100), (2, true));
        assert_eq!(looks(Duration::MAX, 2, 1), (1, false));
        assert_eq!(looks(Duration::from_micros(30), 2, 35), (2, true));
        assert_eq!(looks(Duration::MAX, 2, 1), (1, false));
    }

    #[test]
    fn an_error_of_looking_ends_it() {
        assert_eq!(awake(Duration::MAX, || Err("closed")), Err("closed"));
    }
}
