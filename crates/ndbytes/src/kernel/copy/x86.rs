//! Copies through vectors of 32 bytes: past the cache, and folding what they move.
#![allow(unsafe_code, reason = "vectors are intrinsics")]

use super::super::isa::{Isa, prefetch};
use super::{Folded, LINE, Stores, TURN};
use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm_sfence, _mm256_clmulepi64_epi128, _mm256_loadu_si256,
    _mm256_set_epi64x, _mm256_setzero_si256, _mm256_store_si256, _mm256_storeu_si256,
    _mm256_stream_si256, _mm256_xor_si256, _mm256_zextsi128_si256,
};

/// Bytes of a vector.
const WIDE: usize = size_of::<__m256i>();
/// How far ahead the source is fetched, where what is written does not go through the cache.
const AHEAD: usize = 1 << 11;
/// Bytes of a small page.
const PAGE: usize = 1 << 12;
/// The remainders that 8 bytes of a sum are multiplied by when they move on by a turn, those in front and those behind in
/// each 16 (Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009, for reflected bits).
const KEYS: [i64; 2] = [remainder(8 * TURN + 32), remainder(8 * TURN - 32)];

type Turn = [u8; TURN];
type Vectors = [__m256i; TURN / WIDE];

/// `x` to the power `n` modulo CRC-32C's polynomial, with the highest power in bit 1.
const fn remainder(n: usize) -> i64 {
    let (mut bits, mut power) = (0x8000_0000_u32, 0);
    while power < n {
        bits = (bits >> 1) ^ if bits & 1 == 1 { 0x82F6_3B78 } else { 0 };
        power += 1;
    }
    (bits as i64) << 1
}

/// Copies past the cache, if the processor has the vectors for it.
pub(super) fn stream(from: &[u8], to: &mut [u8]) -> bool {
    if Isa::detect() != Isa::Avx2 {
        return false;
    }
    let parts = Parts::new(from, to, Stores::Streaming);
    // SAFETY: the processor has AVX2, and the turns are aligned.
    unsafe { stream_turns(parts.from, parts.to) };
    parts.tail.1.copy_from_slice(parts.tail.0);
    true
}

/// As [`copy_folded`](super::copy_folded).
pub(super) fn copy_folded(
    from: &[u8],
    to: &mut [u8],
    stores: Stores,
    state: impl FnOnce(&[u8]) -> u32,
) -> Option<Folded> {
    let able = std::arch::is_x86_feature_detected!("vpclmulqdq") && Isa::detect() == Isa::Avx2;
    if !able || to.len() < TURN + LINE {
        return None;
    }
    let parts = Parts::new(from, to, stores);
    let state = state(parts.lead);
    // SAFETY: the processor has both sets of instructions, and what is streamed to is aligned.
    let sums = unsafe {
        match stores {
            Stores::Cached => fold_turns::<false>(state, parts.from, parts.to),
            Stores::Streaming => fold_turns::<true>(state, parts.from, parts.to),
        }
    };
    parts.tail.1.copy_from_slice(parts.tail.0);
    Some(Folded {
        lead: parts.lead.len(),
        len: parts.from.len() * TURN,
        bytes: bytemuck::cast(sums),
    })
}

/// A copy whose turns can begin: what lies before them is copied.
struct Parts<'a, 'b> {
    lead: &'b [u8],
    from: &'a [Turn],
    to: &'b mut [Turn],
    tail: (&'a [u8], &'b mut [u8]),
}

impl<'a, 'b> Parts<'a, 'b> {
    /// The turns of a copy past the cache begin with a line of it.
    fn new(from: &'a [u8], to: &'b mut [u8], stores: Stores) -> Self {
        assert_eq!(from.len(), to.len(), "a copy keeps the length");
        let lead = match stores {
            Stores::Cached => 0,
            Stores::Streaming => to.as_ptr().align_offset(LINE).min(to.len()),
        };
        let (source, from) = from.split_at(lead);
        let (lead, to) = to.split_at_mut(lead);
        lead.copy_from_slice(source);
        let ((from, source), (to, tail)) = (from.as_chunks(), to.as_chunks_mut());
        Self { lead, from, to, tail: (source, tail) }
    }
}

/// # Safety
/// `to` is aligned to a vector.
#[target_feature(enable = "avx2")]
unsafe fn stream_turns(from: &[Turn], to: &mut [Turn]) {
    for (from, to) in from.iter().zip(to) {
        fetch(from, to);
        // SAFETY: the caller vouches for the alignment.
        unsafe { store::<true>(&load(from), to) };
    }
    fence();
}

/// What is left of the turns when each is folded onto the next.
///
/// # Safety
/// `to` is aligned to a vector where it is streamed to.
#[target_feature(enable = "avx2,vpclmulqdq")]
unsafe fn fold_turns<const STREAM: bool>(state: u32, from: &[Turn], to: &mut [Turn]) -> Vectors {
    let keys = _mm256_set_epi64x(KEYS[1], KEYS[0], KEYS[1], KEYS[0]);
    let mut sums = [_mm256_setzero_si256(); TURN / WIDE];
    let mut state = _mm256_zextsi128_si256(_mm_cvtsi32_si128(state.cast_signed()));
    for (from, to) in from.iter().zip(to) {
        if STREAM {
            fetch(from, to);
        }
        let turn = load(from);
        // SAFETY: the caller vouches for the alignment.
        unsafe { store::<STREAM>(&turn, to) };
        for (sum, part) in sums.iter_mut().zip(turn) {
            let front = _mm256_clmulepi64_epi128::<0x00>(*sum, keys);
            let behind = _mm256_clmulepi64_epi128::<0x11>(*sum, keys);
            *sum = _mm256_xor_si256(_mm256_xor_si256(front, behind), part);
        }
        // A CRC goes on from its state as if that stood before the first bytes.
        sums[0] = _mm256_xor_si256(sums[0], std::mem::replace(&mut state, _mm256_setzero_si256()));
    }
    if STREAM {
        fence();
    }
    sums
}

/// Has the source fetched that comes a little later. At the start of a page, one line of what comes two pages later: so its
/// translation is known in time, which takes as long as the copy of the page where memory is virtual twice over.
#[inline]
fn fetch(from: &Turn, to: &Turn) {
    let (from, to) = (from.as_ptr(), to.as_ptr());
    (0..TURN).step_by(LINE).for_each(|line| prefetch(from.wrapping_add(AHEAD + line)));
    if to.addr() % PAGE < TURN {
        prefetch(from.wrapping_add(2 * PAGE));
        prefetch(to.wrapping_add(2 * PAGE));
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &Turn) -> Vectors {
    let start = from.as_ptr();
    let mut turn = [_mm256_setzero_si256(); TURN / WIDE];
    for (i, part) in turn.iter_mut().enumerate() {
        // SAFETY: so many vectors are a turn, and no alignment is asked for.
        *part = unsafe { _mm256_loadu_si256(start.cast::<__m256i>().add(i)) };
    }
    turn
}

/// # Safety
/// `to` is aligned to a vector where it is streamed to.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn store<const STREAM: bool>(turn: &Vectors, to: &mut Turn) {
    let start = to.as_mut_ptr().cast::<__m256i>();
    for (i, part) in turn.iter().enumerate() {
        // SAFETY: so many vectors are a turn; the caller vouches for the alignment.
        unsafe {
            if STREAM {
                store_past_cache(start.add(i), *part);
            } else {
                _mm256_storeu_si256(start.add(i), *part);
            }
        }
    }
}

/// Miri does not know this store; it watches another that asks for the same.
///
/// # Safety
/// A vector can be written at `to`, which is aligned to one; the processor has AVX2.
#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::kernel) unsafe fn store_past_cache(to: *mut __m256i, bytes: __m256i) {
    // SAFETY: the caller's promise.
    unsafe {
        if cfg!(miri) {
            _mm256_store_si256(to, bytes);
        } else {
            _mm256_stream_si256(to, bytes);
        }
    }
}

/// What was streamed is there before whatever follows. Miri does not know it, nor needs it.
#[inline]
#[target_feature(enable = "avx2")]
pub(in crate::kernel) fn fence() {
    if !cfg!(miri) {
        _mm_sfence();
    }
}
