//! Transposing bytes and bits.
//!
//! Interleaving the first half of some vectors with the second, byte by byte, rotates the bits of a byte's index by one.
//! A tile is 32 items: in each half of the vectors 16, which are one behind the other or, where they are longer than that, in a vector each.

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_slli_epi64,
    _mm256_srli_epi64, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8, _mm256_xor_si256,
};
use std::ops::Range;

use super::{LANE, WIDE, lanes, load, load_lanes, portable, store, store_lane};

/// Items of a tile.
pub(super) const TILE: usize = 32;

#[target_feature(enable = "avx2")]
pub(in super::super) fn shuffle(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        _ if from.len() < TILE * width => portable::shuffle(from, to, width),
        2 => split::<2>(from, to),
        4 => split::<4>(from, to),
        8 => split::<8>(from, to),
        _ => to.copy_from_slice(from),
    }
}

#[target_feature(enable = "avx2")]
fn split<const W: usize>(from: &[u8], to: &mut [u8]) {
    let n = from.len() / W;
    for item in starts(0..n, TILE) {
        let mut vectors = [_mm256_setzero_si256(); W];
        load_column::<W, W>(&from[item * W..][..TILE * W], 0, &mut vectors);
        rotate(&mut vectors, 4);
        for (j, vector) in vectors.into_iter().enumerate() {
            store_at(to, j * n + item, vector);
        }
    }
}

#[target_feature(enable = "avx2")]
pub(in super::super) fn unshuffle(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        _ if from.len() < TILE * width => portable::unshuffle(from, to, width),
        2 => join::<2>(from, to),
        4 => join::<4>(from, to),
        8 => join::<8>(from, to),
        _ => to.copy_from_slice(from),
    }
}

#[target_feature(enable = "avx2")]
fn join<const W: usize>(from: &[u8], to: &mut [u8]) {
    let n = to.len() / W;
    for item in starts(0..n, TILE) {
        let mut vectors = [_mm256_setzero_si256(); W];
        for (j, vector) in vectors.iter_mut().enumerate() {
            *vector = load_at(from, j * n + item);
        }
        rotate(&mut vectors, W.ilog2());
        store_column::<W, W>(&mut to[item * W..][..TILE * W], 0, &vectors);
    }
}

/// Elements whose bits are arranged at a time, by way of their bytes: these stay in the level-1 cache.
const STRIP: usize = 1024;

/// Moves bits between bytes and eight planes of so many bytes each, from byte `at` of each on.
type Bits<'f> = &'f dyn Fn(&[u8], usize, usize, &mut [u8]);

#[target_feature(enable = "avx2")]
pub(in super::super) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    split_strips(from, to, width, &|from, n, at, to| split_bits(from, n, at, to));
}

#[target_feature(enable = "avx2")]
pub(super) fn split_strips(from: &[u8], to: &mut [u8], width: usize, split: Bits<'_>) {
    let elements = from.len() / width;
    match (elements / 8, width) {
        (n, _) if n < TILE => portable::shuffle_bits(from, to, width),
        (n, 1) => split(from, n, 0, to),
        (n, _) => {
            let mut strip = [0; 8 * STRIP];
            let len = STRIP.min(elements);
            for start in starts(0..elements, len) {
                let bytes = &mut strip[..len * width];
                shuffle(&from[start * width..][..len * width], bytes, width);
                for (bytes, planes) in bytes.chunks_exact(len).zip(to.chunks_exact_mut(elements)) {
                    split(bytes, n, start / 8, planes);
                }
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn split_bits(from: &[u8], n: usize, at: usize, to: &mut [u8]) {
    for item in starts(0..from.len() / 8, TILE) {
        let mut vectors = [_mm256_setzero_si256(); 8];
        load_column::<8, 8>(&from[item * 8..][..TILE * 8], 0, &mut vectors);
        rotate(&mut vectors, 4);
        transpose_bits(&mut vectors);
        for (b, vector) in vectors.into_iter().enumerate() {
            store_at(to, b * n + at + item, vector);
        }
    }
}

#[target_feature(enable = "avx2")]
pub(in super::super) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    join_strips(from, to, width, &|from, n, at, to| join_bits(from, n, at, to));
}

#[target_feature(enable = "avx2")]
pub(super) fn join_strips(from: &[u8], to: &mut [u8], width: usize, join: Bits<'_>) {
    let elements = from.len() / width;
    match (elements / 8, width) {
        (n, _) if n < TILE => portable::unshuffle_bits(from, to, width),
        (n, 1) => join(from, n, 0, to),
        (n, _) => {
            let mut strip = [0; 8 * STRIP];
            let len = STRIP.min(elements);
            for start in starts(0..elements, len) {
                let bytes = &mut strip[..len * width];
                for (bytes, planes) in bytes.chunks_exact_mut(len).zip(from.chunks_exact(elements))
                {
                    join(planes, n, start / 8, bytes);
                }
                unshuffle(bytes, &mut to[start * width..][..len * width], width);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn join_bits(from: &[u8], n: usize, at: usize, to: &mut [u8]) {
    for item in starts(0..to.len() / 8, TILE) {
        let mut vectors = [_mm256_setzero_si256(); 8];
        for (b, vector) in vectors.iter_mut().enumerate() {
            *vector = load_at(from, b * n + at + item);
        }
        transpose_bits(&mut vectors);
        rotate(&mut vectors, 3);
        store_column::<8, 8>(&mut to[item * 8..][..TILE * 8], 0, &vectors);
    }
}

/// Where tiles of so many items begin: the last one ends with them, and may do again what the one before it did.
pub(super) fn starts(items: Range<usize>, tile: usize) -> impl Iterator<Item = usize> {
    let last = items.end.saturating_sub(tile);
    items.step_by(tile).map(move |start| start.min(last))
}

/// A column of 16 bytes of a tile of items of `W` bytes, or all of it if that is less.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_column<const W: usize, const R: usize>(
    tile: &[u8],
    column: usize,
    vectors: &mut [__m256i; R],
) {
    let lanes = tile.as_chunks::<LANE>().0;
    let pitch = (W / LANE).max(1);
    for (row, vector) in vectors.iter_mut().enumerate() {
        let at = row * pitch + column;
        *vector = load_lanes(&lanes[at], &lanes[W + at]);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_column<const W: usize, const R: usize>(
    tile: &mut [u8],
    column: usize,
    vectors: &[__m256i; R],
) {
    let places = tile.as_chunks_mut::<LANE>().0;
    let pitch = (W / LANE).max(1);
    for (row, vector) in vectors.iter().enumerate() {
        let at = row * pitch + column;
        let [low, high] = lanes(*vector);
        store_lane(&mut places[at], low);
        store_lane(&mut places[W + at], high);
    }
}

/// Interleaves so many times.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn rotate<const R: usize>(vectors: &mut [__m256i; R], times: u32) {
    for _ in 0..times {
        let halves = *vectors;
        for index in 0..R / 2 {
            let (a, b) = (halves[index], halves[index + R / 2]);
            vectors[2 * index] = _mm256_unpacklo_epi8(a, b);
            vectors[2 * index + 1] = _mm256_unpackhi_epi8(a, b);
        }
    }
}

/// Bit `k` of a byte in vector `b` is bit `b` of that in vector `k`.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_bits(vectors: &mut [__m256i; 8]) {
    swap_bits::<4>(vectors, 0x0F);
    swap_bits::<2>(vectors, 0x33);
    swap_bits::<1>(vectors, 0x55);
}

/// Changes bits of vectors `BY` apart that are `BY` apart.
#[inline]
#[target_feature(enable = "avx2")]
fn swap_bits<const BY: i32>(vectors: &mut [__m256i; 8], mask: i8) {
    let mask = _mm256_set1_epi8(mask);
    let by = BY as usize;
    for low in (0..8).filter(|index| index & by == 0) {
        let (a, b) = (vectors[low], vectors[low + by]);
        let differ = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi64::<BY>(a), b), mask);
        vectors[low] = _mm256_xor_si256(a, _mm256_slli_epi64::<BY>(differ));
        vectors[low + by] = _mm256_xor_si256(b, differ);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_at(from: &[u8], at: usize) -> __m256i {
    load(&from[at..].as_chunks::<WIDE>().0[0])
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_at(to: &mut [u8], at: usize, vector: __m256i) {
    store(&mut to[at..].as_chunks_mut::<WIDE>().0[0], vector);
}
