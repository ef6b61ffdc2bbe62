//! Transposing bits by an instruction of GF(2) (GFNI), which transposes 8 by 8 bits in each 8 bytes.
//!
//! It takes the last of the eight for the first row, so planes, or elements, are in reverse there.

use std::arch::x86_64::{
    __m256i, _mm256_gf2p8affine_epi64_epi8, _mm256_set1_epi64x, _mm256_setzero_si256,
    _mm256_shuffle_epi8,
};

use super::bytes::{
    TILE, join_strips, load_at, load_column, rotate, split_strips, starts, store_at, store_column,
};
use super::{WIDE, load};

#[target_feature(enable = "avx2,gfni")]
pub(in super::super) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    split_strips(from, to, width, &|from, n, at, to| split_bits(from, n, at, to));
}

#[target_feature(enable = "avx2,gfni")]
fn split_bits(from: &[u8], n: usize, at: usize, to: &mut [u8]) {
    let reversed = load(const { &reversed() });
    for item in starts(0..from.len() / 8, TILE) {
        let mut vectors = [_mm256_setzero_si256(); 8];
        load_column::<8, 8>(&from[item * 8..][..TILE * 8], 0, &mut vectors);
        for vector in &mut vectors {
            *vector = transposed(_mm256_shuffle_epi8(*vector, reversed));
        }
        rotate(&mut vectors, 4);
        for (b, vector) in vectors.into_iter().enumerate() {
            store_at(to, b * n + at + item, vector);
        }
    }
}

#[target_feature(enable = "avx2,gfni")]
pub(in super::super) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    join_strips(from, to, width, &|from, n, at, to| join_bits(from, n, at, to));
}

#[target_feature(enable = "avx2,gfni")]
fn join_bits(from: &[u8], n: usize, at: usize, to: &mut [u8]) {
    for item in starts(0..to.len() / 8, TILE) {
        let mut vectors = [_mm256_setzero_si256(); 8];
        for (b, vector) in vectors.iter_mut().rev().enumerate() {
            *vector = load_at(from, b * n + at + item);
        }
        rotate(&mut vectors, 3);
        for vector in &mut vectors {
            *vector = transposed(*vector);
        }
        store_column::<8, 8>(&mut to[item * 8..][..TILE * 8], 0, &vectors);
    }
}

/// Bit `i` of byte `k` of each eight is bit `k` of byte `7 - i`.
#[inline]
#[target_feature(enable = "avx2,gfni")]
fn transposed(vector: __m256i) -> __m256i {
    let rows = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    _mm256_gf2p8affine_epi64_epi8::<0>(rows, vector)
}

/// Places in a half, with each eight in reverse.
#[allow(clippy::cast_possible_truncation, reason = "places in a half")]
const fn reversed() -> [u8; WIDE] {
    let mut places = [0; WIDE];
    let mut at = 0;
    while at < WIDE {
        places[at] = (at % 16 / 8 * 8 + 7 - at % 8) as u8;
        at += 1;
    }
    places
}
