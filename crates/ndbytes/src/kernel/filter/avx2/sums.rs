//! Sums along a row, a vector at a time.

use std::arch::x86_64::{
    __m256i, _mm_loadu_si32, _mm_loadu_si64, _mm_loadu_si128, _mm_storeu_si32, _mm_storeu_si64,
    _mm_storeu_si128, _mm256_add_epi8, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_epi64,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_permute2x128_si256, _mm256_permute4x64_epi64,
    _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_si256, _mm256_srli_epi16,
    _mm256_srli_epi32, _mm256_srli_epi64, _mm256_sub_epi8, _mm256_sub_epi16, _mm256_sub_epi32,
    _mm256_sub_epi64, _mm256_xor_si256, _mm256_zextsi128_si256,
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
        if row.len() * N < 8 {
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
            3 if N == 1 => unsafe { sum_threes(rows.as_flattened_mut()) },
            // SAFETY: likewise.
            4 => unsafe { sum_rows::<U, N, 4>(rows) },
            // SAFETY: likewise.
            8 => unsafe { sum_rows::<U, N, 8>(rows) },
            // SAFETY: likewise.
            16 => unsafe { sum_rows::<U, N, 16>(rows) },
            // SAFETY: likewise.
            size @ 5..8 => unsafe { sum_pairs::<N, 4>(rows.as_flattened_mut(), size) },
            // SAFETY: likewise.
            size @ 9..16 => unsafe { sum_pairs::<N, 8>(rows.as_flattened_mut(), size) },
            // SAFETY: likewise.
            size @ 17..=32 => unsafe { sum_pairs::<N, 16>(rows.as_flattened_mut(), size) },
            _ => Plain.short_rows::<U, N>(rows, row),
        }
    }
}

#[target_feature(enable = "avx2")]
fn sum_row<U: Unsigned<N>, const N: usize, const K: usize>(
    row: &mut [[u8; N]],
    near: [&[[u8; N]]; K],
) {
    let near = flat(near, row.len());
    let row = row.as_flattened_mut();
    let mut carry = _mm256_setzero_si256();
    let (vectors, _) = row.as_chunks_mut::<WIDE>();
    let near_vectors = chunks(near, vectors.len());
    for (i, vector) in vectors.iter_mut().enumerate() {
        let mut sums = advance::<N>(&mut carry, load(vector));
        for (k, near) in near_vectors.iter().enumerate() {
            sums = with_neighbours::<N>(sums, k, load(&near[i]));
        }
        store(vector, sums);
    }
    let mut done = vectors.len() * WIDE;
    done += sum_part::<N, K, 16>(&mut carry, done, row, near);
    done += sum_part::<N, K, 8>(&mut carry, done, row, near);
    if N < 4 {
        done += sum_part::<N, K, 4>(&mut carry, done, row, near);
    }
    let mut last = [0; 8];
    store_part(&mut last, carry);
    let (rest, near) = (row[done..].as_chunks_mut().0, elements(near, done));
    plain_row::<U, N, K>(U::get(last.as_chunks().0[0]), rest, near);
}

// Closures of a function built for AVX2 are not inlined into `map`; those of these are.

#[inline(always)]
fn flat<const N: usize, const K: usize>(near: [&[[u8; N]]; K], len: usize) -> [&[u8]; K] {
    near.map(|near| near[..len].as_flattened())
}

#[inline(always)]
fn chunks<const K: usize>(near: [&[u8]; K], len: usize) -> [&[[u8; WIDE]]; K] {
    near.map(|near| &near.as_chunks().0[..len])
}

#[inline(always)]
fn elements<const N: usize, const K: usize>(near: [&[u8]; K], from: usize) -> [&[[u8; N]]; K] {
    near.map(|near| near[from..].as_chunks().0)
}

/// Adds what the `k`th neighbours are, or takes it away, as the plain loops do.
#[inline]
#[target_feature(enable = "avx2")]
fn with_neighbours<const N: usize>(sums: __m256i, k: usize, near: __m256i) -> __m256i {
    if k < 2 { add::<N>(sums, near) } else { sub::<N>(sums, near) }
}

/// Sums up another `P` bytes if they are there; gives how many that were.
#[inline]
#[target_feature(enable = "avx2")]
fn sum_part<const N: usize, const K: usize, const P: usize>(
    carry: &mut __m256i,
    at: usize,
    row: &mut [u8],
    near: [&[u8]; K],
) -> usize {
    let Some(part) = row[at..].first_chunk_mut::<P>() else { return 0 };
    let folded = steps::<N, N>(unfold::<N>(load_part(part)));
    let mut sums = add::<N>(folded, *carry);
    // Behind the part are zeros, so the last place has the last sum.
    *carry = last_in_lane::<N>(sums);
    for (k, near) in near.iter().enumerate() {
        let Some(near) = near[at..].first_chunk::<P>() else { return 0 };
        sums = with_neighbours::<N>(sums, k, load_part(near));
    }
    store_part(part, sums);
    P
}

/// Unfolds and sums up, from `carry` on, which is the last sum in all places.
#[inline]
#[target_feature(enable = "avx2")]
fn advance<const N: usize>(carry: &mut __m256i, folded: __m256i) -> __m256i {
    let (sums, total) = sums::<N, N>(unfold::<N>(folded));
    let all = add::<N>(sums, *carry);
    *carry = add::<N>(*carry, total);
    all
}

/// Rows of `P` to twice `P` bytes, as their first and their last `P`.
#[target_feature(enable = "avx2")]
fn sum_pairs<const N: usize, const P: usize>(rows: &mut [u8], size: usize) {
    let (mut front, mut back) = (_mm256_setzero_si256(), _mm256_setzero_si256());
    for row in rows.chunks_exact_mut(size) {
        let Some(part) = row.last_chunk_mut::<P>() else { return };
        back = add::<N>(back, unfold::<N>(load_part(part)));
        let Some(part) = row.first_chunk_mut::<P>() else { return };
        front = add::<N>(front, unfold::<N>(load_part(part)));
        store_part(part, front);
        let Some(part) = row.last_chunk_mut::<P>() else { return };
        store_part(part, back);
    }
}

/// Rows of 3 bytes, five at a time.
#[target_feature(enable = "avx2")]
fn sum_threes(rows: &mut [u8]) {
    const USED: usize = LANE - 1;
    let mut done = 0;
    if let Some(first) = rows.first_chunk() {
        let mut carry = _mm256_setzero_si256();
        let mut next = load_part::<LANE>(first);
        while let Some(window) = rows[done..].first_chunk_mut::<{ USED + LANE }>() {
            let mut v = unfold::<1>(next);
            next = window.last_chunk().map_or(next, |after| load_part::<LANE>(after));
            v = _mm256_add_epi8(v, _mm256_slli_si256::<3>(v));
            v = _mm256_add_epi8(v, _mm256_slli_si256::<6>(v));
            v = _mm256_add_epi8(v, _mm256_slli_si256::<12>(v));
            v = _mm256_add_epi8(v, carry);
            carry = _mm256_shuffle_epi8(v, load(const { &last_places::<3>() }));
            // The last byte is the next one's, which has been read.
            if let Some(place) = window.first_chunk_mut::<LANE>() {
                store_part(place, v);
            }
            done += USED;
        }
        if let Some(place) = rows[done..].first_chunk_mut::<LANE>() {
            store_part(place, next);
        }
    }
    for i in done..rows.len() {
        let before = if i < 3 { 0 } else { rows[i - 3] };
        rows[i] = rows[i].unfold().plus(before);
    }
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
fn sums<const N: usize, const STEP: usize>(v: __m256i) -> (__m256i, __m256i) {
    let v = steps::<N, STEP>(v);
    // Of the lower half to the upper one.
    let before = last_in_lane::<STEP>(_mm256_permute2x128_si256::<0x08>(v, v));
    let sums = add::<N>(v, before);
    (sums, last_in_lane::<STEP>(_mm256_permute4x64_epi64::<0xEE>(sums)))
}

/// Sums within each half.
#[inline]
#[target_feature(enable = "avx2")]
fn steps<const N: usize, const STEP: usize>(mut v: __m256i) -> __m256i {
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
    v
}

/// For each place in a vector the one in its half that is the same in the last row of `STEP` bytes, of as many whole ones as fit.
#[allow(clippy::cast_possible_truncation, reason = "places in a half")]
const fn last_places<const STEP: usize>() -> [u8; WIDE] {
    let mut places = [0; WIDE];
    let mut at = 0;
    while at < WIDE {
        places[at] = (LANE / STEP * STEP - STEP + at % LANE % STEP) as u8;
        at += 1;
    }
    places
}

/// The last row of `STEP` bytes of each half in all of it.
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

/// `P` bytes, 4, 8 or 16, and zeros.
#[inline]
#[target_feature(enable = "avx2")]
fn load_part<const P: usize>(from: &[u8; P]) -> __m256i {
    const { assert!(P == 4 || P == 8 || P == LANE) };
    let from = from.as_ptr();
    // SAFETY: so many bytes are there.
    let part = unsafe {
        match P {
            4 => _mm_loadu_si32(from),
            8 => _mm_loadu_si64(from),
            _ => _mm_loadu_si128(from.cast()),
        }
    };
    _mm256_zextsi128_si256(part)
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_part<const P: usize>(to: &mut [u8; P], vector: __m256i) {
    const { assert!(P == 4 || P == 8 || P == LANE) };
    let (to, part) = (to.as_mut_ptr(), _mm256_castsi256_si128(vector));
    // SAFETY: there is room for so many bytes.
    unsafe {
        match P {
            4 => _mm_storeu_si32(to, part),
            8 => _mm_storeu_si64(to, part),
            _ => _mm_storeu_si128(to.cast(), part),
        }
    }
}
