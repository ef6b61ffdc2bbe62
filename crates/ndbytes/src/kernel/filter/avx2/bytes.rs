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
const TILE: usize = 32;

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

/// Tiles side by side, of wider elements. Planes are often a power of two apart, so that their lines evict each other from the level-1 cache: the more of
/// one is done at once, the better.
const ABREAST: usize = 4;

#[target_feature(enable = "avx2")]
pub(in super::super) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        _ if from.len() < 8 * TILE * width => portable::shuffle_bits(from, to, width),
        1 => split_bits::<1, 8, 8>(from, to),
        2 => split_bits::<2, 16, 16>(from, to),
        4 => split_bits::<4, 32, 16>(from, to),
        _ => split_bits::<8, 64, 16>(from, to),
    }
}

#[target_feature(enable = "avx2")]
fn split_bits<const W: usize, const W8: usize, const R: usize>(from: &[u8], to: &mut [u8]) {
    let n = from.len() / W8;
    let abreast = if W == 1 { 0 } else { n - n % (TILE * ABREAST) };
    split_tiles::<W, W8, R, ABREAST>(from, to, 0..abreast);
    split_tiles::<W, W8, R, 1>(from, to, abreast..n);
}

/// Eight elements of `W` bytes are an item of `W8`, whose columns are of `R`.
#[target_feature(enable = "avx2")]
fn split_tiles<const W: usize, const W8: usize, const R: usize, const T: usize>(
    from: &[u8],
    to: &mut [u8],
    items: Range<usize>,
) {
    let n = from.len() / W8;
    let mut bytes = [[_mm256_setzero_si256(); W8]; T];
    for item in starts(items, TILE * T) {
        for (t, bytes) in bytes.iter_mut().enumerate() {
            let tile = &from[(item + t * TILE) * W8..][..TILE * W8];
            for (column, vectors) in bytes.as_chunks_mut::<R>().0.iter_mut().enumerate() {
                load_column::<W8, R>(tile, column, vectors);
                rotate(vectors, 4);
            }
        }
        for j in 0..W {
            let mut bits = [[_mm256_setzero_si256(); 8]; T];
            for (bits, bytes) in bits.iter_mut().zip(&bytes) {
                for (k, vector) in bits.iter_mut().enumerate() {
                    *vector = bytes[k * W + j];
                }
                transpose_bits(bits);
            }
            for b in 0..8 {
                for (t, bits) in bits.iter().enumerate() {
                    store_at(to, (j * 8 + b) * n + item + t * TILE, bits[b]);
                }
            }
        }
    }
}

#[target_feature(enable = "avx2")]
pub(in super::super) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        _ if from.len() < 8 * TILE * width => portable::unshuffle_bits(from, to, width),
        1 => join_bits::<1, 8, 8>(from, to),
        2 => join_bits::<2, 16, 16>(from, to),
        4 => join_bits::<4, 32, 16>(from, to),
        _ => join_bits::<8, 64, 16>(from, to),
    }
}

#[target_feature(enable = "avx2")]
fn join_bits<const W: usize, const W8: usize, const R: usize>(from: &[u8], to: &mut [u8]) {
    let n = from.len() / W8;
    let abreast = if W == 1 { 0 } else { n - n % (TILE * ABREAST) };
    join_tiles::<W, W8, R, ABREAST>(from, to, 0..abreast);
    join_tiles::<W, W8, R, 1>(from, to, abreast..n);
}

#[target_feature(enable = "avx2")]
fn join_tiles<const W: usize, const W8: usize, const R: usize, const T: usize>(
    from: &[u8],
    to: &mut [u8],
    items: Range<usize>,
) {
    let n = from.len() / W8;
    let mut bytes = [[_mm256_setzero_si256(); W8]; T];
    for item in starts(items, TILE * T) {
        for j in 0..W {
            let mut bits = [[_mm256_setzero_si256(); 8]; T];
            for b in 0..8 {
                for (t, bits) in bits.iter_mut().enumerate() {
                    bits[b] = load_at(from, (j * 8 + b) * n + item + t * TILE);
                }
            }
            for (bits, bytes) in bits.iter_mut().zip(&mut bytes) {
                transpose_bits(bits);
                for (k, vector) in bits.iter().enumerate() {
                    bytes[k * W + j] = *vector;
                }
            }
        }
        for (t, bytes) in bytes.iter_mut().enumerate() {
            let tile = &mut to[(item + t * TILE) * W8..][..TILE * W8];
            for (column, vectors) in bytes.as_chunks_mut::<R>().0.iter_mut().enumerate() {
                rotate(vectors, R.ilog2());
                store_column::<W8, R>(tile, column, vectors);
            }
        }
    }
}

/// Where tiles of so many items begin: the last one ends with them, and may do again what the one before it did.
fn starts(items: Range<usize>, tile: usize) -> impl Iterator<Item = usize> {
    let last = items.end.saturating_sub(tile);
    items.step_by(tile).map(move |start| start.min(last))
}

/// A column of 16 bytes of a tile of items of `W` bytes, or all of it if that is less.
#[inline]
#[target_feature(enable = "avx2")]
fn load_column<const W: usize, const R: usize>(
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
fn store_column<const W: usize, const R: usize>(
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
fn rotate<const R: usize>(vectors: &mut [__m256i; R], times: u32) {
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
fn load_at(from: &[u8], at: usize) -> __m256i {
    load(&from[at..].as_chunks::<WIDE>().0[0])
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_at(to: &mut [u8], at: usize, vector: __m256i) {
    store(&mut to[at..].as_chunks_mut::<WIDE>().0[0], vector);
}
