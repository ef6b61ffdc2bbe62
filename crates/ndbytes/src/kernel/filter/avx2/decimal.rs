//! Decimals, four floats at a time.

use std::arch::x86_64::{
    __m128i, __m256d, _CMP_GE_OQ, _CMP_LT_OQ, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT,
    _mm_castps_si128, _mm_cmpeq_epi32, _mm_loadu_ps, _mm_loadu_si128, _mm_max_epi32, _mm_min_epi32,
    _mm_movemask_epi8, _mm_packs_epi16, _mm_packs_epi32, _mm_setzero_si128, _mm256_add_pd,
    _mm256_and_pd, _mm256_castpd_si256, _mm256_castsi256_pd, _mm256_cmp_pd, _mm256_cmpeq_epi64,
    _mm256_cvtepi32_pd, _mm256_cvtpd_epi32, _mm256_cvtpd_ps, _mm256_cvtps_pd, _mm256_div_pd,
    _mm256_loadu_pd, _mm256_max_pd, _mm256_min_pd, _mm256_movemask_pd, _mm256_mul_pd,
    _mm256_round_pd, _mm256_set1_pd, _mm256_setzero_pd, _mm256_storeu_pd,
};

use super::{LANE, portable, store_lane};

/// See [`to_decimal`](super::super::to_decimal).
#[target_feature(enable = "avx2")]
pub(in super::super) fn to_decimal(
    from: &[u8],
    to: &mut [u8],
    width: usize,
    ten: f64,
) -> Option<usize> {
    if width == 4 {
        let floats = from.as_chunks::<4>().0;
        return write(bits_of_floats(floats, ten)?, floats, to, ten);
    }
    let doubles = from.as_chunks::<8>().0;
    write(bits_of_doubles(doubles, ten)?, doubles, to, ten)
}

#[target_feature(enable = "avx2")]
fn write<const N: usize>(bits: u32, from: &[[u8; N]], to: &mut [u8], ten: f64) -> Option<usize> {
    let least = portable::least(bits);
    match least {
        _ if least > N => return None,
        1 => write_short::<N, 1, 16>(from, to, ten),
        2 => write_short::<N, 2, 8>(from, to, ten),
        4 => write_short::<N, 4, 4>(from, to, ten),
        _ if bits <= portable::SHORT => {
            portable::write::<N, 8>(from, to, |x| portable::short(x * ten))
        }
        _ => portable::write::<N, 8>(from, to, |x| portable::integer(x, ten)),
    }
    Some(least)
}

/// Bits of the longest of the integers that the floats are, at least 1; `None` if one is none.
#[target_feature(enable = "avx2")]
fn bits_of_doubles(from: &[[u8; 8]], ten: f64) -> Option<u32> {
    let (fours, rest) = from.as_chunks::<4>();
    let tens = _mm256_set1_pd(ten);
    let (mut low, mut high) = (_mm256_setzero_pd(), _mm256_setzero_pd());
    let mut bits = 1;
    for four in fours {
        let x = load_four(four);
        // What is rounded to -0.0 is an integer, and as such has no sign.
        let i = _mm256_add_pd(rounded(_mm256_mul_pd(x, tens)), _mm256_setzero_pd());
        if is_exact(x, i, tens) {
            (low, high) = (_mm256_min_pd(low, i), _mm256_max_pd(high, i));
        } else {
            bits = portable::bits_of(four, ten)?.max(bits);
        }
    }
    let mut ends = [[0.0; 4]; 2];
    // SAFETY: four doubles have their places.
    unsafe {
        _mm256_storeu_pd(ends[0].as_mut_ptr(), low);
        _mm256_storeu_pd(ends[1].as_mut_ptr(), high);
    }
    let ends = ends.as_flattened().iter().map(|&end| portable::integer(end, 1.0));
    let bits = ends.map(portable::signed_bits).fold(bits, u32::max);
    Some(portable::bits_of(rest, ten)?.max(bits))
}

/// The same, but `None` also where an integer has more bits than a float.
#[target_feature(enable = "avx2")]
fn bits_of_floats(from: &[[u8; 4]], ten: f64) -> Option<u32> {
    let (fours, rest) = from.as_chunks::<4>();
    let tens = _mm256_set1_pd(ten);
    let (mut low, mut high) = (_mm_setzero_si128(), _mm_setzero_si128());
    for four in fours {
        // What is too large or no number becomes the least integer.
        let i = _mm256_cvtpd_epi32(_mm256_mul_pd(load_four(four), tens));
        let back = _mm256_cvtpd_ps(_mm256_div_pd(_mm256_cvtepi32_pd(i), tens));
        let same = _mm_cmpeq_epi32(_mm_castps_si128(back), load_bits(four));
        if _mm_movemask_epi8(same) != 0xFFFF {
            return None;
        }
        (low, high) = (_mm_min_epi32(low, i), _mm_max_epi32(high, i));
    }
    let mut ends = [[0; LANE]; 2];
    store_lane(&mut ends[0], low);
    store_lane(&mut ends[1], high);
    let ends = ends.as_flattened().as_chunks().0.iter().map(|&end| i32::from_le_bytes(end));
    if ends.clone().any(|end| end == i32::MIN) {
        return portable::bits_of(from, ten);
    }
    let bits = ends.map(|i| portable::signed_bits(i.into())).fold(1, u32::max);
    Some(portable::bits_of(rest, ten)?.max(bits))
}

/// Whether doubles are these integers, which are some of 64 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn is_exact(x: __m256d, i: __m256d, tens: __m256d) -> bool {
    const END: f64 = 9_223_372_036_854_775_808.0;
    let is_low = _mm256_cmp_pd::<_CMP_LT_OQ>(i, _mm256_set1_pd(END));
    let is_within = _mm256_and_pd(is_low, _mm256_cmp_pd::<_CMP_GE_OQ>(i, _mm256_set1_pd(-END)));
    let back = _mm256_castpd_si256(_mm256_div_pd(i, tens));
    let same = _mm256_castsi256_pd(_mm256_cmpeq_epi64(back, _mm256_castpd_si256(x)));
    _mm256_movemask_pd(_mm256_and_pd(is_within, same)) == 0b1111
}

/// The integers of `L` bytes that floats are, `PER` at a time.
#[target_feature(enable = "avx2")]
fn write_short<const N: usize, const L: usize, const PER: usize>(
    from: &[[u8; N]],
    to: &mut [u8],
    ten: f64,
) {
    let tens = _mm256_set1_pd(ten);
    let (groups, rest) = from.as_chunks::<PER>();
    let (places, places_left) = to[..from.len() * L].as_chunks_mut::<LANE>();
    for (group, place) in groups.iter().zip(places) {
        let fours = group.as_chunks::<4>().0;
        let integers = match L {
            1 => _mm_packs_epi16(eight(&fours[..2], tens), eight(&fours[2..], tens)),
            2 => eight(fours, tens),
            _ => _mm256_cvtpd_epi32(_mm256_mul_pd(load_four(&fours[0]), tens)),
        };
        store_lane(place, integers);
    }
    portable::write::<N, L>(rest, places_left, |x| portable::integer(x, ten));
}

/// Integers of 2 bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn eight<const N: usize>(fours: &[[[u8; N]; 4]], tens: __m256d) -> __m128i {
    let low = _mm256_cvtpd_epi32(_mm256_mul_pd(load_four(&fours[0]), tens));
    let high = _mm256_cvtpd_epi32(_mm256_mul_pd(load_four(&fours[1]), tens));
    _mm_packs_epi32(low, high)
}

/// Four floats of `N` bytes, 4 or 8, as doubles.
#[inline]
#[target_feature(enable = "avx2")]
fn load_four<const N: usize>(four: &[[u8; N]; 4]) -> __m256d {
    const { assert!(N == 4 || N == 8) };
    let four = four.as_ptr();
    // SAFETY: four floats of `N` bytes are there.
    unsafe {
        match N {
            4 => _mm256_cvtps_pd(_mm_loadu_ps(four.cast())),
            _ => _mm256_loadu_pd(four.cast()),
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn rounded(x: __m256d) -> __m256d {
    _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
}

/// The bits of four floats.
#[inline]
#[target_feature(enable = "avx2")]
fn load_bits(four: &[[u8; 4]; 4]) -> __m128i {
    // SAFETY: so many bytes are there.
    unsafe { _mm_loadu_si128(four.as_ptr().cast()) }
}
