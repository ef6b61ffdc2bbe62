//! Copying runs of bytes: past the cache where that is quicker, and with a look at what was copied.

#[cfg(all(target_arch = "x86_64", not(miri)))]
use super::isa::Isa;
use super::isa::prefetch;

/// From this many bytes on, memory that has been touched before is written past the cache: more than the last level
/// of it holds, so that lines would be read only to be overwritten and driven out again.
pub(crate) const LARGE: usize = 1 << 25;
/// Bytes that are copied and looked at in turn, where the memory was touched before. Small enough for the next ones to
/// arrive meanwhile: the look then costs little beside the copy, where a look at 256 KiB at a time costs a third of it.
const STEP: usize = 1 << 11;
/// Bytes of a line of cache.
const LINE: usize = 64;

/// How the bytes of a copy are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stores {
    /// To pages that the system zeroes as they are touched: the C library's copy in runs as long as can be, for which
    /// processors have a way of their own that is quicker there than any loop.
    Fresh,
    /// Through the cache.
    Cached,
    /// Past the cache.
    Streaming,
}

/// Sees bytes where they have just been written, while they are in cache; its parts come one behind the other.
pub(crate) trait Look: Send {
    /// Whether it wants to.
    const WANTED: bool = true;

    fn see(&mut self, bytes: &[u8]);
}

/// Nothing to look for.
impl Look for () {
    const WANTED: bool = false;

    fn see(&mut self, _: &[u8]) {}
}

/// Copies all of `from` to `to`, which are of one length, and has the copy looked at.
pub(crate) fn copy<L: Look>(from: &[u8], to: &mut [u8], stores: Stores, look: &mut L) {
    match stores {
        Stores::Cached | Stores::Streaming if L::WANTED => return copy_by_steps(from, to, look),
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        Stores::Streaming if Isa::detect() == Isa::Avx2 => x86::stream(from, to),
        _ => to.copy_from_slice(from),
    }
    look.see(to);
}

fn copy_by_steps<L: Look>(from: &[u8], to: &mut [u8], look: &mut L) {
    assert_eq!(from.len(), to.len(), "a copy keeps the length");
    for (from, to) in from.chunks(STEP).zip(to.chunks_mut(STEP)) {
        to.copy_from_slice(from);
        (0..STEP).step_by(LINE).for_each(|line| prefetch(from.as_ptr().wrapping_add(STEP + line)));
        look.see(to);
    }
}

// Miri does not know these stores.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86 {
    #![allow(unsafe_code, reason = "vectors and hints are intrinsics")]
    use super::{Isa, LINE, prefetch};
    use std::arch::x86_64::{__m256i, _mm_sfence, _mm256_loadu_si256, _mm256_stream_si256};

    /// Bytes of one turn of the loop.
    const TURN: usize = 2 * LINE;
    /// How far ahead the source is fetched.
    const AHEAD: usize = 512;

    /// Copies past the cache; for a processor with AVX2.
    pub(super) fn stream(from: &[u8], to: &mut [u8]) {
        assert!(from.len() == to.len() && Isa::detect() == Isa::Avx2, "a copy keeps the length");
        let lead = to.as_ptr().align_offset(TURN).min(to.len());
        let (front, rest) = to.split_at_mut(lead);
        front.copy_from_slice(&from[..lead]);
        let (turns, rest) = rest.as_chunks_mut::<TURN>();
        let (source, tail) = from[lead..].as_chunks::<TURN>();
        // SAFETY: AVX2 was detected above, and the turns begin at a multiple of their size.
        unsafe { stream_turns(source, turns) };
        rest.copy_from_slice(tail);
    }

    /// # Safety
    /// `to` is aligned to 32 bytes.
    #[target_feature(enable = "avx2")]
    unsafe fn stream_turns(from: &[[u8; TURN]], to: &mut [[u8; TURN]]) {
        for (to, from) in to.iter_mut().zip(from) {
            let (from, to) = (from.as_ptr().cast::<__m256i>(), to.as_mut_ptr().cast::<__m256i>());
            prefetch(from.cast::<u8>().wrapping_add(AHEAD));
            prefetch(from.cast::<u8>().wrapping_add(AHEAD + LINE));
            // SAFETY: four times 32 bytes are a turn; the loads ask for no alignment, the stores for what the caller vouches.
            unsafe {
                let parts = [0, 1, 2, 3].map(|i| _mm256_loadu_si256(from.add(i)));
                for (i, part) in parts.into_iter().enumerate() {
                    _mm256_stream_si256(to.add(i), part);
                }
            }
        }
        // What was streamed is there before whatever follows.
        _mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what it sees.
    impl Look for Vec<u8> {
        fn see(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    #[test]
    fn every_way_copies_every_length_at_every_alignment() {
        let from: Vec<u8> = (0..6000usize).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for stores in [Stores::Fresh, Stores::Cached, Stores::Streaming] {
            for start in 0..if cfg!(miri) { 2 } else { 130 } {
                let lens = (0..300).step_by(if cfg!(miri) { 37 } else { 1 });
                for len in lens.chain([2047, 2048, 2049, 5000]) {
                    let mut to = vec![0xAA; 6000];
                    let mut expected = to.clone();
                    let (from, space) = (&from[start / 2..][..len], start..start + len);
                    if start % 2 == 0 {
                        copy(from, &mut to[space.clone()], stores, &mut ());
                    } else {
                        let mut seen = Vec::new();
                        copy(from, &mut to[space.clone()], stores, &mut seen);
                        assert_eq!(seen, from);
                    }
                    expected[space].copy_from_slice(from);
                    assert!(to == expected, "{len} bytes to {start}, {stores:?}");
                }
            }
        }
    }
}
