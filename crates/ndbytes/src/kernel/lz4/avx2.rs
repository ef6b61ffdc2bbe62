//! Lanes as vectors of 16 bytes.

use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_shuffle_epi8, _mm_storeu_si128};

use super::{LANE, Lanes};

#[target_feature(enable = "avx2")]
pub(super) fn decode(from: &[u8], to: &mut [u8]) -> Option<usize> {
    super::decode_with(&Avx2(()), from, to)
}

/// Made only where the processor has AVX2.
struct Avx2(());

/// For each number of bytes up to a lane: which of them stands at each place of a lane that repeats them.
#[allow(clippy::cast_possible_truncation, reason = "places in a lane")]
const PLACES: [[u8; LANE]; LANE + 1] = {
    let mut places = [[0; LANE]; LANE + 1];
    let mut near = 1;
    while near <= LANE {
        let mut at = 0;
        while at < LANE {
            places[near][at] = (at % near) as u8;
            at += 1;
        }
        near += 1;
    }
    places
};

impl Lanes for Avx2 {
    type Lane = __m128i;

    #[inline(always)]
    fn load(&self, from: &[u8; LANE]) -> __m128i {
        // SAFETY: so many bytes are there, and the processor has these instructions.
        unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn store(&self, to: &mut [u8; LANE], lane: __m128i) {
        // SAFETY: likewise.
        unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), lane) };
    }

    #[inline(always)]
    fn repeated(&self, from: &[u8; LANE], near: usize) -> __m128i {
        let (lane, places) = (self.load(from), self.load(&PLACES[near]));
        // SAFETY: the processor has it.
        unsafe { _mm_shuffle_epi8(lane, places) }
    }
}
