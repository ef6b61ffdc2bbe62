//! Square tiles of 16-byte rows, transposed by interleaving halves.
//!
//! Interleaving the first half of a tile's rows with the second, item by item, rotates the bits of an item's index by one;
//! as many times as a column's index has bits, and rows are columns.

use std::arch::x86_64 as arch;
use std::arch::x86_64::{__m128i, __m256i};

use super::super::super::copy::{fence, store_past_cache};
use super::super::walk::{at, at_mut};
use super::{Block, LINE, portable};

/// # Safety
/// As [`transpose`](super::transpose), and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2<const N: usize>(block: &Block) {
    // SAFETY: the caller's promise is that of both.
    unsafe {
        if block.rows < 32 / N || N == 16 {
            return sse2::<N>(block);
        }
        match N {
            1 => tiles::<__m256i, N, 16>(block),
            2 => tiles::<__m256i, N, 8>(block),
            4 => tiles::<__m256i, N, 4>(block),
            _ => tiles::<__m256i, N, 2>(block),
        }
    }
}

/// # Safety
/// As [`transpose`](super::transpose).
pub(super) unsafe fn sse2<const N: usize>(block: &Block) {
    // SAFETY: the caller's promise is that of each.
    unsafe {
        match N {
            1 => tiles::<__m128i, N, 16>(block),
            2 => tiles::<__m128i, N, 8>(block),
            4 => tiles::<__m128i, N, 4>(block),
            8 => tiles::<__m128i, N, 2>(block),
            _ => portable::transpose::<N>(block),
        }
    }
}

/// Copies `height` rows of `len` bytes from scratch past the cache.
///
/// # Safety
/// All rows can be read and their places be written, and the two share no byte; the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn stream(
    (src, src_pitch): (*const u8, isize),
    (dst, dst_pitch): (*mut u8, isize),
    height: usize,
    len: usize,
) {
    for row in 0..height {
        let (src, dst) = (at(src, row, src_pitch), at_mut(dst, row, dst_pitch));
        let lead = dst.align_offset(LINE).min(len);
        let whole = len - (len - lead) % LINE;
        // SAFETY: one of the caller's rows; the stores between both ends are aligned.
        unsafe {
            src.copy_to_nonoverlapping(dst, lead);
            for at in (lead..whole).step_by(LINE) {
                let line = [0, 32].map(|half| arch::_mm256_loadu_si256(src.add(at + half).cast()));
                store_past_cache(dst.add(at).cast(), line[0]);
                store_past_cache(dst.add(at + 32).cast(), line[1]);
            }
            src.add(whole).copy_to_nonoverlapping(dst.add(whole), len - whole);
        }
    }
    fence();
}

/// Whether rows of 8-byte items are lines, and a multiple of four of them.
pub(super) fn has_whole_lines(dst: *mut u8, pitch: isize, height: usize, width: usize) -> bool {
    let places = dst.addr() | pitch.unsigned_abs() | (width * 8);
    places.is_multiple_of(LINE) && height.is_multiple_of(4)
}

/// Transposes 8-byte items line by line, each straight from registers past the cache: nothing is read of what is written.
///
/// # Safety
/// As [`transpose`](super::transpose), the destination [has whole lines](has_whole_lines), and the processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn stream_lines(block: &Block) {
    for row in (0..block.rows).step_by(8) {
        for col in (0..block.cols).step_by(4) {
            // SAFETY: eight rows of four items, which are among the caller's, become four lines.
            unsafe {
                let from = at(block.src, row, block.src_pitch).add(col * 8);
                let to = at_mut(block.dst, col, block.dst_pitch).add(row * 8);
                let low = four_by_four(from, block.src_pitch);
                let high = four_by_four(at(from, 4, block.src_pitch), block.src_pitch);
                for (index, half) in low.into_iter().enumerate() {
                    let line = at_mut(to, index, block.dst_pitch);
                    store_past_cache(line.cast(), half);
                    store_past_cache(line.add(32).cast(), high[index]);
                }
            }
        }
    }
    fence();
}

/// Four rows of four 8-byte items, as columns.
///
/// # Safety
/// They can be read, `pitch` bytes apart, and the processor has AVX2.
#[inline(always)]
unsafe fn four_by_four(from: *const u8, pitch: isize) -> [__m256i; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let rows: [__m256i; 4] =
            std::array::from_fn(|row| arch::_mm256_loadu_si256(at(from, row, pitch).cast()));
        let even = [0, 2].map(|row| arch::_mm256_unpacklo_epi64(rows[row], rows[row + 1]));
        let odd = [0, 2].map(|row| arch::_mm256_unpackhi_epi64(rows[row], rows[row + 1]));
        [
            arch::_mm256_permute2x128_si256::<0x20>(even[0], even[1]),
            arch::_mm256_permute2x128_si256::<0x20>(odd[0], odd[1]),
            arch::_mm256_permute2x128_si256::<0x31>(even[0], even[1]),
            arch::_mm256_permute2x128_si256::<0x31>(odd[0], odd[1]),
        ]
    }
}

/// Tiles of `R` columns, from 16 bytes of as many rows as give a vector of the destination.
///
/// # Safety
/// As [`transpose`](super::transpose), and the processor has the vector's instructions.
#[inline(always)]
unsafe fn tiles<V: Vector, const N: usize, const R: usize>(block: &Block) {
    let per = V::BYTES / N;
    let lane = block.src_pitch * R.cast_signed();
    // SAFETY: the caller's promise; tiles at the ends are moved back to lie inside, where they write again what is there.
    unsafe {
        if block.rows < per || block.cols < R {
            return portable::transpose::<N>(block);
        }
        for row in (0..block.rows).step_by(per).map(|row| row.min(block.rows - per)) {
            let src = at(block.src, row, block.src_pitch);
            let dst = block.dst.add(row * N);
            for col in (0..block.cols).step_by(R).map(|col| col.min(block.cols - R)) {
                let from = src.wrapping_add(col * N);
                let mut rows = [V::load(from, lane); R];
                for (index, row) in rows.iter_mut().enumerate().skip(1) {
                    *row = V::load(at(from, index, block.src_pitch), lane);
                }
                let columns = turned::<V, N, R>(rows);
                for (index, column) in columns.iter().enumerate() {
                    column.store(at_mut(dst, col + index, block.dst_pitch));
                }
            }
        }
    }
}

/// Rows to columns.
///
/// # Safety
/// The processor has the vector's instructions.
#[inline(always)]
unsafe fn turned<V: Vector, const N: usize, const R: usize>(mut rows: [V; R]) -> [V; R] {
    for _ in 0..R.ilog2() {
        let halves = rows;
        for index in 0..R / 2 {
            let (a, b) = (halves[index], halves[index + R / 2]);
            // SAFETY: the caller's promise.
            (rows[2 * index], rows[2 * index + 1]) =
                unsafe { (V::low::<N>(a, b), V::high::<N>(a, b)) };
        }
    }
    rows
}

/// One or two lanes of 16 bytes, each of which holds a row of a tile.
trait Vector: Copy {
    const BYTES: usize;

    /// The 16 bytes at `row`, and for each further lane those `lane` bytes behind the one before.
    unsafe fn load(row: *const u8, lane: isize) -> Self;
    unsafe fn store(self, to: *mut u8);
    /// Items from the first halves of both, by turns.
    unsafe fn low<const N: usize>(a: Self, b: Self) -> Self;
    /// The same from the second halves.
    unsafe fn high<const N: usize>(a: Self, b: Self) -> Self;
}

impl Vector for __m128i {
    const BYTES: usize = 16;

    #[inline(always)]
    unsafe fn load(row: *const u8, _: isize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { arch::_mm_loadu_si128(row.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { arch::_mm_storeu_si128(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn low<const N: usize>(a: Self, b: Self) -> Self {
        // SAFETY: every x86-64 has these.
        unsafe {
            match N {
                1 => arch::_mm_unpacklo_epi8(a, b),
                2 => arch::_mm_unpacklo_epi16(a, b),
                4 => arch::_mm_unpacklo_epi32(a, b),
                _ => arch::_mm_unpacklo_epi64(a, b),
            }
        }
    }

    #[inline(always)]
    unsafe fn high<const N: usize>(a: Self, b: Self) -> Self {
        // SAFETY: every x86-64 has these.
        unsafe {
            match N {
                1 => arch::_mm_unpackhi_epi8(a, b),
                2 => arch::_mm_unpackhi_epi16(a, b),
                4 => arch::_mm_unpackhi_epi32(a, b),
                _ => arch::_mm_unpackhi_epi64(a, b),
            }
        }
    }
}

impl Vector for __m256i {
    const BYTES: usize = 32;

    #[inline(always)]
    unsafe fn load(row: *const u8, lane: isize) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let high = arch::_mm_loadu_si128(row.wrapping_offset(lane).cast());
            arch::_mm256_inserti128_si256::<1>(
                arch::_mm256_castsi128_si256(arch::_mm_loadu_si128(row.cast())),
                high,
            )
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { arch::_mm256_storeu_si256(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn low<const N: usize>(a: Self, b: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe {
            match N {
                1 => arch::_mm256_unpacklo_epi8(a, b),
                2 => arch::_mm256_unpacklo_epi16(a, b),
                4 => arch::_mm256_unpacklo_epi32(a, b),
                _ => arch::_mm256_unpacklo_epi64(a, b),
            }
        }
    }

    #[inline(always)]
    unsafe fn high<const N: usize>(a: Self, b: Self) -> Self {
        // SAFETY: the caller has AVX2.
        unsafe {
            match N {
                1 => arch::_mm256_unpackhi_epi8(a, b),
                2 => arch::_mm256_unpackhi_epi16(a, b),
                4 => arch::_mm256_unpackhi_epi32(a, b),
                _ => arch::_mm256_unpackhi_epi64(a, b),
            }
        }
    }
}
