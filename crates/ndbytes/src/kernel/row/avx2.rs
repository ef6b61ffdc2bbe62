//! Rows by shuffles of bytes within 16, two such lanes at a time.
//!
//! Every shuffle here is one of constants: where the compiler knows a shorter way for one, it takes it.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_castpd_si128, _mm_castsi128_pd, _mm_loadh_pd, _mm_loadl_epi64,
    _mm_loadu_si128, _mm_storeu_si128, _mm256_broadcastsi128_si256, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256,
    _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_storeu_si256,
};

use super::lanes::{LANE, Lane, joins, reversed, splits};
use super::{Rows, portable};

/// Bytes of one value that are filled by a loop of our own.
const LONG: usize = 1 << 10;
/// Bytes of a vector.
pub(super) const WIDE: usize = 2 * LANE;

/// # Safety
/// As [`gather_row`](super::gather_row), and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn gather<const N: usize>(
    src: *const u8,
    stride: isize,
    dst: *mut u8,
    len: usize,
) {
    let step = N.cast_signed();
    // SAFETY: the caller's promise is that of each of these.
    unsafe {
        match stride / step {
            _ if stride % step != 0 || N == LANE => portable::gather::<N>(src, stride, dst, len),
            -1 => reverse::<N>(src, dst, len),
            _ if N == 8 => by_fours(src, stride, dst, len),
            2 => pick::<N, 2, false>(src, dst, len),
            3 => pick::<N, 3, false>(src, dst, len),
            4 => pick::<N, 4, false>(src, dst, len),
            -2 => pick::<N, 2, true>(src, dst, len),
            -3 => pick::<N, 3, true>(src, dst, len),
            -4 => pick::<N, 4, true>(src, dst, len),
            _ => portable::gather::<N>(src, stride, dst, len),
        }
    }
}

/// The item at `src`, `len` times.
///
/// # Safety
/// As [`gather`] with a stride of 0.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn fill<const N: usize>(src: *const u8, dst: *mut u8, len: usize) {
    let size = len * N;
    // SAFETY: the caller's promise; the vector at the end writes again what is there, for whole items fill it.
    unsafe {
        // The C library's way pays from some pages on.
        if size < WIDE || N == 1 && size > LONG {
            return portable::fill::<N>(src, dst, len);
        }
        write_over(repeated::<N>(src), dst, size);
    }
}

/// # Safety
/// As [`fill_rows`](super::fill_rows), for rows of at least a vector, and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn fill_rows<const N: usize>(mut src: *const u8, stride: isize, rows: Rows) {
    let (mut dst, size) = (rows.dst, rows.len * N);
    for _ in 0..rows.count {
        // SAFETY: an item and its row.
        unsafe { write_over(repeated::<N>(src), dst, size) };
        (src, dst) = (src.wrapping_offset(stride), dst.wrapping_offset(rows.stride));
    }
}

/// Writes a vector of whole items again and again, the last one at the end.
///
/// # Safety
/// `size` bytes from `dst` on can be written, at least a vector.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn write_over(items: __m256i, dst: *mut u8, size: usize) {
    let last = size - WIDE;
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..last).step_by(WIDE) {
            _mm256_storeu_si256(dst.add(at).cast(), items);
        }
        _mm256_storeu_si256(dst.add(last).cast(), items);
    }
}

/// A vector of the item at `src`.
///
/// # Safety
/// `N` bytes can be read there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn repeated<const N: usize>(src: *const u8) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        match N {
            1 => _mm256_set1_epi8(src.cast::<i8>().read_unaligned()),
            2 => _mm256_set1_epi16(src.cast::<i16>().read_unaligned()),
            4 => _mm256_set1_epi32(src.cast::<i32>().read_unaligned()),
            8 => _mm256_set1_epi64x(src.cast::<i64>().read_unaligned()),
            _ => _mm256_broadcastsi128_si256(_mm_loadu_si128(src.cast())),
        }
    }
}

/// The items from `src` downwards.
///
/// # Safety
/// As [`gather`] with a stride of minus `N`.
#[target_feature(enable = "avx2")]
unsafe fn reverse<const N: usize>(src: *const u8, dst: *mut u8, len: usize) {
    let per = WIDE / N;
    let whole = len - len % per;
    for i in (0..whole).step_by(per) {
        // SAFETY: items `i` to `i + per` end one item above the place of the first of them.
        unsafe {
            let low = src.wrapping_sub((i + per - 1) * N);
            let items = turned::<N>(_mm256_loadu_si256(low.cast()));
            _mm256_storeu_si256(dst.add(i * N).cast(), items);
        }
    }
    let rest = src.wrapping_sub(whole * N);
    // SAFETY: what is left of the same row.
    unsafe { portable::gather::<N>(rest, -N.cast_signed(), dst.add(whole * N), len - whole) }
}

/// Items of 8 bytes, as many at a time as a vector holds: the fewer the stores, the more loads are under way.
///
/// # Safety
/// As [`gather`].
#[target_feature(enable = "avx2")]
unsafe fn by_fours(mut src: *const u8, stride: isize, dst: *mut u8, len: usize) {
    const N: usize = 8;
    let whole = len - len % 4;
    // SAFETY: so many items lie where the caller says, and so do their places.
    unsafe {
        for i in (0..whole).step_by(4) {
            let item = |at: isize| src.wrapping_offset(stride.wrapping_mul(at));
            let [low, high] = [0, 2].map(|at| {
                let first = _mm_castsi128_pd(_mm_loadl_epi64(item(at).cast()));
                _mm_castpd_si128(_mm_loadh_pd(first, item(at + 1).cast()))
            });
            _mm256_storeu_si256(dst.add(i * N).cast(), _mm256_set_m128i(high, low));
            src = item(4);
        }
        portable::gather::<N>(src, stride, dst.add(whole * N), len - whole);
    }
}

/// Every `C`th item, upwards or `BACK`.
///
/// # Safety
/// As [`gather`] with a stride of `C * N`, or minus that.
#[target_feature(enable = "avx2")]
unsafe fn pick<const N: usize, const C: usize, const BACK: bool>(
    src: *const u8,
    dst: *mut u8,
    len: usize,
) {
    let per = WIDE / N;
    let up = (C * N).cast_signed();
    let stride = if BACK { -up } else { up };
    // A group is read whole, which that of the highest item is not.
    let Some(last) = (len - 1).checked_sub(per) else {
        // SAFETY: the caller's promise.
        return unsafe { portable::gather::<N>(src, stride, dst, len) };
    };
    let (first, highest) = if BACK { (1, 0) } else { (0, len - 1) };
    // The last vector may do again what the one before it did.
    for item in (0..len - 1).step_by(per).map(|done| first + done.min(last)) {
        let lowest = if BACK { item + per - 1 } else { item };
        // SAFETY: these items, whose groups end where a higher item begins.
        unsafe {
            let from = src.wrapping_offset(stride * lowest.cast_signed());
            let row = split::<N, C>(&load_groups::<C>(from), 0);
            let row = if BACK { turned::<N>(row) } else { row };
            _mm256_storeu_si256(dst.add(item * N).cast(), row);
        }
    }
    // SAFETY: one item of the same row.
    unsafe {
        let from = src.wrapping_offset(stride * highest.cast_signed());
        portable::gather::<N>(from, stride, dst.add(highest * N), 1);
    }
}

/// # Safety
/// As [`deinterleave`](super::deinterleave), and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn deinterleave<const N: usize, const C: usize>(
    src: *const u8,
    len: usize,
    dst: [*mut u8; C],
) {
    let per = WIDE / N;
    let whole = len - len % per;
    for i in (0..whole).step_by(per) {
        // SAFETY: groups `i` to `i + per` and their places are among the caller's.
        unsafe {
            let groups = load_groups::<C>(src.add(i * C * N));
            for (c, row) in dst.iter().enumerate() {
                _mm256_storeu_si256(row.add(i * N).cast(), split::<N, C>(&groups, c));
            }
        }
    }
    // SAFETY: what is left of the same rows.
    unsafe {
        let dst = dst.map(|row| row.add(whole * N));
        portable::deinterleave::<N, C>(src.add(whole * C * N), len - whole, dst);
    }
}

/// # Safety
/// As [`interleave`](super::interleave), and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn interleave<const N: usize, const C: usize>(
    src: [*const u8; C],
    len: usize,
    dst: *mut u8,
) {
    let per = WIDE / N;
    let whole = len - len % per;
    for i in (0..whole).step_by(per) {
        // SAFETY: groups `i` to `i + per` and their items are among the caller's.
        unsafe {
            let rows = src.map(|row| _mm256_loadu_si256(row.add(i * N).cast()));
            let groups = dst.add(i * C * N).cast::<__m128i>();
            for part in 0..C {
                let both = join::<N, C>(&rows, part);
                _mm_storeu_si128(groups.add(part), _mm256_castsi256_si128(both));
                _mm_storeu_si128(groups.add(C + part), _mm256_extracti128_si256::<1>(both));
            }
        }
    }
    // SAFETY: what is left of the same rows.
    unsafe {
        let src = src.map(|row| row.add(whole * N));
        portable::interleave::<N, C>(src, len - whole, dst.add(whole * C * N));
    }
}

/// `C` lanes of groups in the lower halves, and the `C` behind them in the upper ones.
///
/// # Safety
/// `2 * C * LANE` bytes at `src` can be read.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_groups<const C: usize>(src: *const u8) -> [__m256i; C] {
    let mut groups = [_mm256_setzero_si256(); C];
    for (part, group) in groups.iter_mut().enumerate() {
        // SAFETY: lanes `part` and `C + part` of the caller's `2 * C`.
        unsafe {
            let low = _mm_loadu_si128(src.add(part * LANE).cast());
            let high = _mm_loadu_si128(src.add((C + part) * LANE).cast());
            *group = _mm256_set_m128i(high, low);
        }
    }
    groups
}

/// The items of row `c` out of groups.
#[inline]
#[target_feature(enable = "avx2")]
fn split<const N: usize, const C: usize>(groups: &[__m256i; C], c: usize) -> __m256i {
    let mut row = _mm256_setzero_si256();
    for (part, group) in groups.iter().enumerate() {
        let table = const { &splits::<N, C>() };
        row = _mm256_or_si256(row, shuffle(*group, &table[c][part]));
    }
    row
}

/// Lane `part` of the groups made of the items of rows.
#[inline]
#[target_feature(enable = "avx2")]
fn join<const N: usize, const C: usize>(rows: &[__m256i; C], part: usize) -> __m256i {
    let mut groups = _mm256_setzero_si256();
    for (c, row) in rows.iter().enumerate() {
        let table = const { &joins::<N, C>() };
        groups = _mm256_or_si256(groups, shuffle(*row, &table[part][c]));
    }
    groups
}

/// The items in the opposite order.
#[inline]
#[target_feature(enable = "avx2")]
fn turned<const N: usize>(items: __m256i) -> __m256i {
    let items = shuffle(items, const { &reversed::<N>() });
    _mm256_permute2x128_si256::<1>(items, items)
}

/// Moves the bytes of each lane: the one that `lane` names for each place, or zero.
#[inline]
#[target_feature(enable = "avx2")]
fn shuffle(items: __m256i, lane: &Lane) -> __m256i {
    // SAFETY: a lane is 16 bytes, and their address need not be aligned.
    let lane = unsafe { _mm_loadu_si128(lane.as_ptr().cast()) };
    _mm256_shuffle_epi8(items, _mm256_set_m128i(lane, lane))
}
