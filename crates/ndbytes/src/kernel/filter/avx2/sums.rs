//! Sums along a row, a vector at a time.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_epi64,
    _mm256_and_si256, _mm256_permute2x128_si256, _mm256_permute4x64_epi64, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_slli_si256, _mm256_srli_epi16, _mm256_srli_epi32,
    _mm256_srli_epi64, _mm256_sub_epi8, _mm256_sub_epi16, _mm256_sub_epi32, _mm256_sub_epi64,
    _mm256_xor_si256,
};

use super::super::Predict;
use super::super::differences::{Chains, Plain, Unsigned, plain_row, unpredict_with};
use super::{LANE, WIDE, load, store};

/// Made only where the processor has AVX2.
struct Avx2(());

#[target_feature(enable = "avx2")]
pub(in super::super) fn unpredict(data: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    unpredict_with(&Avx2(()), data, width, dims, which);
}

impl Chains for Avx2 {
    #[inline(always)]
    fn row<U: Unsigned<N>, const N: usize, const K: usize>(
        &self,
        row: &mut [[u8; N]],
        near: [&[[u8; N]]; K],
    ) {
        if row.len() * N < WIDE {
            return plain_row::<U, N, K>(U::default(), row, near);
        }
        // SAFETY: the processor has it.
        unsafe { sum_row::<U, N, K>(row, near) }
    }

    #[inline(always)]
    fn short_rows<U: Unsigned<N>, const N: usize>(&self, rows: &mut [[u8; N]], row: usize) {
        match row * N {
            // SAFETY: the processor has it.
            2 => unsafe { sum_rows::<U, N, 2>(rows) },
            // SAFETY: likewise.
            4 => unsafe { sum_rows::<U, N, 4>(rows) },
            // SAFETY: likewise.
            8 => unsafe { sum_rows::<U, N, 8>(rows) },
            // SAFETY: likewise.
            16 => unsafe { sum_rows::<U, N, 16>(rows) },
            _ => Plain.short_rows::<U, N>(rows, row),
        }
    }
}

#[target_feature(enable = "avx2")]
fn sum_row<U: Unsigned<N>, const N: usize, const K: usize>(
    row: &mut [[u8; N]],
    near: [&[[u8; N]]; K],
) {
    let near = near.map(|near| &near[..row.len()]);
    let (vectors, rest) = row.as_flattened_mut().as_chunks_mut::<WIDE>();
    let near_vectors = near.map(|near| &near.as_flattened().as_chunks().0[..vectors.len()]);
    let mut carry = _mm256_setzero_si256();
    for (i, vector) in vectors.iter_mut().enumerate() {
        let (sums, total) = sums::<N, N>(unfold::<N>(load(vector)));
        let mut sums = add::<N>(sums, carry);
        carry = add::<N>(carry, total);
        let at = |k: usize| near_vectors[k][i];
        if K > 0 {
            sums = add::<N>(sums, load(&at(0)));
        }
        if K > 1 {
            sums = sub::<N>(add::<N>(sums, load(&at(1))), load(&at(2)));
        }
        store(vector, sums);
    }
    let done = vectors.len() * (WIDE / N);
    let mut last = [0; WIDE];
    store(&mut last, carry);
    let sum = last.first_chunk().map_or_else(U::default, |&sum| U::get(sum));
    plain_row::<U, N, K>(sum, rest.as_chunks_mut().0, near.map(|near| &near[done..]));
}

/// Rows of `STEP` bytes.
#[target_feature(enable = "avx2")]
fn sum_rows<U: Unsigned<N>, const N: usize, const STEP: usize>(rows: &mut [[u8; N]]) {
    let (vectors, rest) = rows.as_flattened_mut().as_chunks_mut::<WIDE>();
    let mut carry = _mm256_setzero_si256();
    for vector in vectors {
        let (sums, total) = sums::<N, STEP>(unfold::<N>(load(vector)));
        store(vector, add::<N>(sums, carry));
        carry = add::<N>(carry, total);
    }
    let mut last = [0; WIDE];
    store(&mut last, carry);
    for row in rest.chunks_exact_mut(STEP) {
        for (x, sum) in row.as_chunks_mut::<N>().0.iter_mut().zip(last.as_chunks_mut::<N>().0) {
            *sum = U::get(*x).unfold().plus(U::get(*sum)).bytes();
            *x = *sum;
        }
    }
}

/// Sums of integers of `N` bytes that are `STEP` bytes apart, and the last of them in all places.
#[inline]
#[target_feature(enable = "avx2")]
fn sums<const N: usize, const STEP: usize>(mut v: __m256i) -> (__m256i, __m256i) {
    if STEP <= 1 {
        v = add::<N>(v, _mm256_slli_si256::<1>(v));
    }
    if STEP <= 2 {
        v = add::<N>(v, _mm256_slli_si256::<2>(v));
    }
    if STEP <= 4 {
        v = add::<N>(v, _mm256_slli_si256::<4>(v));
    }
    if STEP <= 8 {
        v = add::<N>(v, _mm256_slli_si256::<8>(v));
    }
    // Of the lower half to the upper one.
    let before = last_in_lane::<STEP>(_mm256_permute2x128_si256::<0x08>(v, v));
    let sums = add::<N>(v, before);
    (sums, last_in_lane::<STEP>(_mm256_permute4x64_epi64::<0xEE>(sums)))
}

#[allow(clippy::cast_possible_truncation, reason = "places in a half")]
const fn last_places<const STEP: usize>() -> [u8; WIDE] {
    let mut places = [0; WIDE];
    let mut at = 0;
    while at < WIDE {
        places[at] = (LANE - STEP + at % STEP) as u8;
        at += 1;
    }
    places
}

/// The last `STEP` bytes of each half in all of it.
#[inline]
#[target_feature(enable = "avx2")]
fn last_in_lane<const STEP: usize>(v: __m256i) -> __m256i {
    if STEP == LANE {
        return v;
    }
    _mm256_shuffle_epi8(v, load(const { &last_places::<STEP>() }))
}

#[inline]
#[target_feature(enable = "avx2")]
fn unfold<const N: usize>(v: __m256i) -> __m256i {
    let zero = _mm256_setzero_si256();
    match N {
        1 => {
            let half = _mm256_and_si256(_mm256_srli_epi16::<1>(v), _mm256_set1_epi8(0x7F));
            _mm256_xor_si256(half, _mm256_sub_epi8(zero, _mm256_and_si256(v, _mm256_set1_epi8(1))))
        }
        2 => {
            let sign = _mm256_sub_epi16(zero, _mm256_and_si256(v, _mm256_set1_epi16(1)));
            _mm256_xor_si256(_mm256_srli_epi16::<1>(v), sign)
        }
        4 => {
            let sign = _mm256_sub_epi32(zero, _mm256_and_si256(v, _mm256_set1_epi32(1)));
            _mm256_xor_si256(_mm256_srli_epi32::<1>(v), sign)
        }
        _ => {
            let sign = _mm256_sub_epi64(zero, _mm256_and_si256(v, _mm256_set1_epi64x(1)));
            _mm256_xor_si256(_mm256_srli_epi64::<1>(v), sign)
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn add<const N: usize>(a: __m256i, b: __m256i) -> __m256i {
    match N {
        1 => _mm256_add_epi8(a, b),
        2 => _mm256_add_epi16(a, b),
        4 => _mm256_add_epi32(a, b),
        _ => _mm256_add_epi64(a, b),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn sub<const N: usize>(a: __m256i, b: __m256i) -> __m256i {
    match N {
        1 => _mm256_sub_epi8(a, b),
        2 => _mm256_sub_epi16(a, b),
        4 => _mm256_sub_epi32(a, b),
        _ => _mm256_sub_epi64(a, b),
    }
}
