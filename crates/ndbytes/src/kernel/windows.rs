//! Moving the bytes of items by shuffles: an item is cut into windows of at most 16 bytes that no byte leaves.

#![allow(
    unsafe_code,
    reason = "shuffles are intrinsics, over memory that is changed in place or copied"
)]

use super::isa::Isa;

/// Bytes that a shuffle reads and writes, whatever the length of its window.
const LANE: usize = 16;
/// Bytes of the most items that are cut as one, so that they end with a lane.
const ROUND: usize = 256;
/// Bytes that are changed in place at a time, by way of a copy: a part of a level-1 cache.
const SCRATCH: usize = 4096;

/// Where each byte of an item goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Windows {
    /// Bytes of whole items, behind which the windows begin again.
    round: usize,
    windows: Vec<Window>,
    /// Whether all windows are whole lanes, and change them alike.
    even: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Window {
    /// Where in the round it starts.
    start: usize,
    /// For each byte, the one of the window that goes there, or [`ZERO`]. Bytes behind its end stay.
    lane: [u8; LANE],
}

/// A byte that is zeroed.
const ZERO: u8 = 0x80;

impl Windows {
    /// Bytes of the largest item that is cut.
    pub(super) const MAX: usize = 1024;

    /// Windows by which byte `item[i]` of an item becomes its byte `i`, or zero does. `None` for an item that is empty or
    /// larger than [`MAX`](Self::MAX), or if a byte moves too far.
    pub(super) fn new(item: &[Option<usize>]) -> Option<Self> {
        if item.is_empty() || item.len() > Self::MAX {
            return None;
        }
        let aligned = item.len() << (LANE.trailing_zeros() - item.len().trailing_zeros().min(4));
        let round = if aligned <= ROUND { aligned } else { item.len() };
        let from = |at: usize| item[at % item.len()].map(|from| at - at % item.len() + from);
        let (mut windows, mut start) = (Vec::<Window>::new(), 0);
        while start < round {
            let end = window_end(start, round, from)?;
            let mut lane = [ZERO; LANE];
            for (at, byte) in (start..).zip(&mut lane) {
                let source = if at < end { from(at) } else { Some(at) };
                if let Some(source) = source {
                    *byte = u8::try_from(source.checked_sub(start)?).ok()?;
                }
            }
            windows.push(Window { start, lane });
            start = end;
        }
        let even = windows.len() * LANE == round
            && windows.iter().all(|window| window.lane == windows[0].lane);
        Some(Self { round, windows, even })
    }

    /// Changes items in place, as many whole ones from the first on as shuffles can reach. Returns their bytes.
    pub(super) fn apply(&self, isa: Isa, items: &mut [u8]) -> usize {
        let all = self.reach(isa, items.len());
        if self.even {
            let at = items.as_mut_ptr();
            // SAFETY: the reach ends a lane before the items do, and even windows may be changed in place.
            unsafe { self.run(isa, at, at, all) };
            return all;
        }
        let mut done = 0;
        let mut scratch = [0; SCRATCH + LANE];
        while done < all {
            let part = (SCRATCH - SCRATCH % self.round).min(all - done);
            let old = &mut scratch[..part + LANE];
            let new = &mut items[done..done + part + LANE];
            old.copy_from_slice(new);
            done += self.copy(isa, old, new);
        }
        done
    }

    /// The same from one memory to another.
    pub(super) fn copy(&self, isa: Isa, from: &[u8], to: &mut [u8]) -> usize {
        let reach = self.reach(isa, from.len().min(to.len()));
        // SAFETY: the reach ends a lane before either does.
        unsafe { self.run(isa, from.as_ptr(), to.as_mut_ptr(), reach) };
        reach
    }

    /// Bytes of whole rounds, with at least a lane of the `len` bytes behind them.
    fn reach(&self, isa: Isa, len: usize) -> usize {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                let most = len.saturating_sub(LANE);
                most - most % self.round
            }
            _ => {
                let _ = len;
                0
            }
        }
    }

    /// # Safety
    /// `len` bytes, which are whole rounds, and a lane behind them can be read at `from` and written at `to`. These share
    /// none, or, of even windows, all.
    unsafe fn run(&self, isa: Isa, from: *const u8, to: *mut u8, len: usize) {
        match (isa, &*self.windows) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller's promise, and the processor has the instructions of its `Isa`.
            (Isa::Avx2, [first, ..]) if self.even => unsafe {
                avx2::run_even(first.lane, from, to, len);
            },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            (Isa::Avx2, windows) => unsafe { avx2::run(windows, self.round, from, to, len) },
            _ => {
                let _ = (from, to, len);
            }
        }
    }
}

/// The furthest end of a window in which all bytes come from before it.
fn window_end(start: usize, round: usize, from: impl Fn(usize) -> Option<usize>) -> Option<usize> {
    let (mut best, mut needed) = (None, start);
    for end in start + 1..=round.min(start + LANE) {
        needed = needed.max(from(end - 1).map_or(0, |from| from + 1));
        if needed <= end {
            best = Some(end);
        }
    }
    best
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128, _mm256_loadu_si256,
        _mm256_set_m128i, _mm256_shuffle_epi8, _mm256_storeu_si256,
    };

    use super::{LANE, Window};

    /// Windows of one lane, each of them whole.
    ///
    /// # Safety
    /// As [`Windows::run`](super::Windows::run), and the processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn run_even(lane: [u8; LANE], from: *const u8, to: *mut u8, len: usize) {
        const PAIR: usize = 2 * LANE;
        // Loads before stores: NumPy's memory and that of `bytes` begin 32 bytes apart modulo a page, and a load waits for a
        // store just before it to the same place of another page.
        const TURN: usize = 8 * PAIR;
        let (turns, pairs) = (len - len % TURN, len - len % PAIR);
        // SAFETY: each turn and pair of lanes ends by `len`, and a last lane at most a lane behind it.
        unsafe {
            let lane = _mm_loadu_si128(lane.as_ptr().cast());
            let both = _mm256_set_m128i(lane, lane);
            for start in (0..turns).step_by(TURN) {
                let bytes: [__m256i; TURN / PAIR] = std::array::from_fn(|pair| {
                    _mm256_loadu_si256(from.add(start + pair * PAIR).cast())
                });
                for (pair, bytes) in bytes.into_iter().enumerate() {
                    let to = to.add(start + pair * PAIR).cast();
                    _mm256_storeu_si256(to, _mm256_shuffle_epi8(bytes, both));
                }
            }
            for start in (turns..pairs).step_by(PAIR) {
                let bytes = _mm256_loadu_si256(from.add(start).cast());
                _mm256_storeu_si256(to.add(start).cast(), _mm256_shuffle_epi8(bytes, both));
            }
            if pairs < len {
                let bytes = _mm_loadu_si128(from.add(pairs).cast());
                _mm_storeu_si128(to.add(pairs).cast(), _mm_shuffle_epi8(bytes, lane));
            }
        }
    }

    /// In the order of the windows: what a lane writes behind its window, the next one overwrites.
    ///
    /// # Safety
    /// As [`Windows::run`](super::Windows::run), and the processor has AVX2.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn run(
        windows: &[Window],
        round: usize,
        from: *const u8,
        to: *mut u8,
        len: usize,
    ) {
        for start in (0..len).step_by(round) {
            // SAFETY: every window starts inside of its round, so its lane ends at most a lane behind it.
            unsafe {
                let (from, to) = (from.add(start), to.add(start));
                for window in windows {
                    let lane = _mm_loadu_si128(window.lane.as_ptr().cast());
                    let bytes = _mm_loadu_si128(from.add(window.start).cast());
                    _mm_storeu_si128(to.add(window.start).cast(), _mm_shuffle_epi8(bytes, lane));
                }
            }
        }
    }
}
