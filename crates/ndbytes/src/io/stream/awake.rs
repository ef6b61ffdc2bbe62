//! Waits that stay awake for a moment before they sleep.

use crate::threads::Threads;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a wait stays awake: an answer that comes at once is had without the time that waking up takes.
const MOMENT: Duration = Duration::from_micros(40);
/// Up to two to the power of this, less one, waits sleep at once behind some that stayed awake in vain.
const MOST: u32 = 6;

thread_local! {
    /// Of the waits of a thread: how many in a row stayed awake in vain, and how many more sleep at once.
    static IN_VAIN: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// Looks until something has come, for no longer than `most` and a moment: false if it is time to sleep.
///
/// Where that was in vain the next waits of the thread look but once: a peer that shares its processor, or has others beside it,
/// cannot answer before this thread sleeps.
///
/// # Errors
/// Those of `look`.
pub fn awake<E>(most: Duration, mut look: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
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
    let (started, moment) = (Instant::now(), MOMENT.min(most));
    loop {
        std::hint::spin_loop();
        if look()? {
            IN_VAIN.set((0, 0));
            return Ok(true);
        }
        if started.elapsed() >= moment {
            break;
        }
    }
    let streak = (streak + 1).min(MOST);
    IN_VAIN.set((streak, (1 << streak) - 1));
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// How often it looks where something comes at the look of this number.
    fn looks(most: Duration, come: u32) -> (u32, bool) {
        let mut looks = 0;
        let Ok(found) = awake::<Infallible>(most, || {
            looks += 1;
            Ok(looks >= come)
        });
        (looks, found)
    }

    #[test]
    fn what_has_come_is_found_by_one_look() {
        assert_eq!(looks(Duration::MAX, 1), (1, true));
        assert_eq!(looks(Duration::ZERO, 1), (1, true));
        assert_eq!(looks(Duration::ZERO, 2), (1, false));
    }

    #[test]
    fn waits_that_stayed_awake_in_vain_are_followed_by_some_that_do_not() {
        if Threads::default().get() < 2 {
            return;
        }
        assert_eq!(looks(Duration::MAX, 2), (2, true));
        for asleep in [1, 3, 7, 15, 31, 63, 63] {
            assert!(!looks(Duration::MAX, u32::MAX).1);
            for _ in 0..asleep {
                assert_eq!(looks(Duration::MAX, 2), (1, false));
            }
        }
        // The next one tries it again, and where that is well, all do.
        for _ in 0..9 {
            assert_eq!(looks(Duration::MAX, 2), (2, true));
        }
    }

    #[test]
    fn an_error_of_looking_ends_it() {
        assert_eq!(awake(Duration::MAX, || Err("closed")), Err("closed"));
    }
}
