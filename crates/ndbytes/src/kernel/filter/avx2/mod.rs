//! Filters in vectors of 32 bytes.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_storeu_si128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_set_m128i, _mm256_storeu_si256,
};

use super::{Predict, differences, portable};

mod bytes;
mod decimal;
pub(super) mod matrices;
mod sums;

pub(super) use bytes::{shuffle, shuffle_bits, unshuffle, unshuffle_bits};
pub(super) use decimal::to_decimal;
pub(super) use sums::unpredict;

/// Bytes of a vector.
const WIDE: usize = 32;
/// Bytes of its halves, which shuffles do not leave.
const LANE: usize = 16;

#[target_feature(enable = "avx2")]
pub(super) fn predict(from: &[u8], to: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    differences::predict(from, to, width, dims, which);
}

#[target_feature(enable = "avx2")]
pub(super) fn from_decimal(from: &[u8], to: &mut [u8], least: usize, width: usize, ten: f64) {
    portable::from_decimal(from, to, least, width, ten);
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(from: &[u8; WIDE]) -> __m256i {
    // SAFETY: so many bytes are there.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(to: &mut [u8; WIDE], vector: __m256i) {
    // SAFETY: so many bytes are there.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), vector) }
}

/// A vector of two halves.
#[inline]
#[target_feature(enable = "avx2")]
fn load_lanes(low: &[u8; LANE], high: &[u8; LANE]) -> __m256i {
    // SAFETY: so many bytes are there.
    let (low, high) =
        unsafe { (_mm_loadu_si128(low.as_ptr().cast()), _mm_loadu_si128(high.as_ptr().cast())) };
    _mm256_set_m128i(high, low)
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes(vector: __m256i) -> [__m128i; 2] {
    [_mm256_castsi256_si128(vector), _mm256_extracti128_si256::<1>(vector)]
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_lane(to: &mut [u8; LANE], lane: __m128i) {
    // SAFETY: so many bytes are there.
    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), lane) }
}
