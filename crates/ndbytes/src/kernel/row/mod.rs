//! Rows: items of `N` bytes at a stride to contiguous ones and back, and `C` rows to one of groups and back.
//!
//! `N` is 1, 2, 4, 8 or 16 and `C` is 2, 3 or 4. Rows may begin at any address.

#![allow(
    unsafe_code,
    reason = "rows are pointers with strides, their bounds proved once by the driver"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod lanes;
pub(super) mod portable;
#[cfg(test)]
mod tests;

use super::isa::Isa;

/// Copies `len` items, `stride` bytes from the start of one to the next, to contiguous memory.
///
/// # Safety
/// All bytes from the lowest to the highest one of the items can be read, what lies between them included; `len * N`
/// bytes at `dst` can be written, and are none of these.
#[inline]
pub(super) unsafe fn gather_row<const N: usize>(
    isa: Isa,
    src: *const u8,
    stride: isize,
    dst: *mut u8,
    len: usize,
) {
    let step = N.cast_signed();
    // SAFETY: the caller's promise is that of each of these, and the processor has the instructions of its `Isa`.
    unsafe {
        match (isa, stride) {
            _ if len == 0 => {}
            (_, stride) if stride == step => src.copy_to_nonoverlapping(dst, len * N),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, 0) => avx2::fill::<N>(src, dst, len),
            (_, 0) => portable::fill::<N>(src, dst, len),
            #[cfg(target_arch = "x86_64")]
            (Isa::Avx2, stride) => avx2::gather::<N>(src, stride, dst, len),
            (_, stride) => portable::gather::<N>(src, stride, dst, len),
        }
    }
}

/// Rows of one item each, which is what contiguous memory for them holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// Where the first row begins, and how far behind it the next one.
    pub(super) dst: *mut u8,
    pub(super) stride: isize,
    /// Items of a row, at least 1.
    pub(super) len: usize,
    pub(super) count: usize,
}

/// Fills row by row with the items that are `stride` bytes apart from `src` on.
///
/// # Safety
/// All of these can be read, and all rows be written; the two share no byte.
#[inline]
pub(super) unsafe fn fill_rows<const N: usize>(
    isa: Isa,
    src: *const u8,
    stride: isize,
    rows: Rows,
) {
    // SAFETY: the caller's promise is that of both, and the processor has the instructions of its `Isa`.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if rows.len * N >= avx2::WIDE => avx2::fill_rows::<N>(src, stride, rows),
            _ => portable::fill_rows::<N>(src, stride, rows),
        }
    }
}

/// Copies `len` contiguous items to places `stride` bytes apart, in their order: of those that share bytes the last one
/// remains.
///
/// # Safety
/// `len * N` bytes at `src` can be read; the bytes of every place can be written, and are none of these.
#[inline]
pub(super) unsafe fn scatter_row<const N: usize>(
    isa: Isa,
    src: *const u8,
    dst: *mut u8,
    stride: isize,
    len: usize,
) {
    let step = N.cast_signed();
    let last = len.wrapping_sub(1);
    // SAFETY: the caller's promise is that of each of these; the places of a reversed row begin at its last one, and are
    // contiguous from there on.
    unsafe {
        match stride {
            _ if len == 0 => {}
            0 => src.add(last * N).copy_to_nonoverlapping(dst, N),
            stride if stride == -step => {
                gather_row::<N>(isa, src.add(last * N), stride, dst.sub(last * N), len);
            }
            stride if stride == step => src.copy_to_nonoverlapping(dst, len * N),
            stride => portable::scatter::<N>(src, dst, stride, len),
        }
    }
}

/// Splits `len` groups of `C` items each: the first items of all groups to the first row, and so on.
///
/// # Safety
/// `len * C * N` bytes at `src` can be read, `len * N` at each of `dst` be written, and no two of these regions
/// share a byte.
#[inline]
pub(super) unsafe fn deinterleave<const N: usize, const C: usize>(
    isa: Isa,
    src: *const u8,
    len: usize,
    dst: [*mut u8; C],
) {
    // SAFETY: the caller's promise is that of both, and the processor has the instructions of its `Isa`.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::deinterleave::<N, C>(src, len, dst),
            _ => portable::deinterleave::<N, C>(src, len, dst),
        }
    }
}

/// Joins `C` rows of `len` items to groups of one item from each.
///
/// # Safety
/// `len * N` bytes at each of `src` can be read, `len * C * N` at `dst` be written, and these share no byte with
/// any of the others.
#[inline]
pub(super) unsafe fn interleave<const N: usize, const C: usize>(
    isa: Isa,
    src: [*const u8; C],
    len: usize,
    dst: *mut u8,
) {
    // SAFETY: the caller's promise is that of both, and the processor has the instructions of its `Isa`.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::interleave::<N, C>(src, len, dst),
            _ => portable::interleave::<N, C>(src, len, dst),
        }
    }
}
