//! Rows item by item: what every processor can do, and the ends of rows elsewhere.

use super::Rows;

/// Items of one turn of a loop.
const TURN: usize = 4;

/// Copies one item.
///
/// # Safety
/// `N` bytes can be read at `src` and written at `dst`, and they share none.
#[inline(always)]
unsafe fn copy<const N: usize>(src: *const u8, dst: *mut u8) {
    // SAFETY: the caller's promise; neither address need be aligned.
    unsafe { dst.cast::<[u8; N]>().write_unaligned(src.cast::<[u8; N]>().read_unaligned()) }
}

/// # Safety
/// As [`gather_row`](super::gather_row).
#[inline(always)]
pub(in crate::kernel) unsafe fn gather<const N: usize>(
    mut src: *const u8,
    stride: isize,
    dst: *mut u8,
    len: usize,
) {
    let whole = len - len % TURN;
    let steps: [isize; TURN] = std::array::from_fn(|i| stride.wrapping_mul(i.cast_signed()));
    for i in (0..whole).step_by(TURN) {
        for (at, step) in steps.iter().enumerate() {
            // SAFETY: so many items lie where the caller says, and so do their places.
            unsafe { copy::<N>(src.wrapping_offset(*step), dst.add((i + at) * N)) }
        }
        src = src.wrapping_offset(stride.wrapping_mul(TURN.cast_signed()));
    }
    for i in whole..len {
        // SAFETY: item `i` lies where the caller says, and so does its place.
        unsafe { copy::<N>(src, dst.add(i * N)) }
        src = src.wrapping_offset(stride);
    }
}

/// # Safety
/// As [`scatter_row`](super::scatter_row).
#[inline(always)]
pub(super) unsafe fn scatter<const N: usize>(
    src: *const u8,
    dst: *mut u8,
    stride: isize,
    len: usize,
) {
    for i in 0..len {
        // SAFETY: item `i` lies where the caller says, and so does its place.
        unsafe {
            copy::<N>(src.add(i * N), dst.wrapping_offset(stride.wrapping_mul(i.cast_signed())))
        }
    }
}

/// The item at `src`, `len` times.
///
/// # Safety
/// As [`gather_row`](super::gather_row) with a stride of 0.
#[inline]
pub(super) unsafe fn fill<const N: usize>(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the caller's promise; an array of bytes needs no alignment, and any bytes are one.
    unsafe {
        if N == 1 {
            return dst.write_bytes(src.read(), len);
        }
        let item = src.cast::<[u8; N]>().read();
        for i in 0..len {
            dst.cast::<[u8; N]>().add(i).write(item);
        }
    }
}

/// # Safety
/// As [`fill_rows`](super::fill_rows).
#[inline(always)]
pub(super) unsafe fn fill_rows<const N: usize>(src: *const u8, stride: isize, rows: Rows) {
    // SAFETY: the caller's promise; a power of two from the item's size on is of whole items.
    unsafe {
        match rows.len * N {
            _ if N == 16 => each_row(src, stride, rows, |src, dst| fill::<N>(src, dst, rows.len)),
            ..4 => by_two_moves::<N, 2>(src, stride, rows),
            4..8 => by_two_moves::<N, 4>(src, stride, rows),
            8..16 => by_two_moves::<N, 8>(src, stride, rows),
            16..32 => by_two_moves::<N, 16>(src, stride, rows),
            32..=64 => by_two_moves::<N, 32>(src, stride, rows),
            _ => each_row(src, stride, rows, |src, dst| fill::<N>(src, dst, rows.len)),
        }
    }
}

/// # Safety
/// As [`fill_rows`]; a row has from `W` bytes on at most twice that, and `W` is of whole items.
#[inline(always)]
unsafe fn by_two_moves<const N: usize, const W: usize>(src: *const u8, stride: isize, rows: Rows) {
    let back = rows.len * N - W;
    each_row(src, stride, rows, |src, dst| {
        // SAFETY: an item; then its row, by a move to its start and one to its end. Arrays of bytes need no alignment.
        unsafe {
            let item = src.cast::<[u8; N]>().read();
            let row: [u8; W] = std::array::from_fn(|at| item[at % N]);
            dst.cast::<[u8; W]>().write(row);
            dst.wrapping_add(back).cast::<[u8; W]>().write(row);
        }
    });
}

/// Calls `fill` for the item and the start of each row.
#[inline(always)]
pub(super) fn each_row(
    mut src: *const u8,
    stride: isize,
    rows: Rows,
    mut fill: impl FnMut(*const u8, *mut u8),
) {
    let mut dst = rows.dst;
    for _ in 0..rows.count {
        fill(src, dst);
        (src, dst) = (src.wrapping_offset(stride), dst.wrapping_offset(rows.stride));
    }
}

/// # Safety
/// As [`deinterleave`](super::deinterleave).
#[inline(always)]
pub(super) unsafe fn deinterleave<const N: usize, const C: usize>(
    src: *const u8,
    len: usize,
    dst: [*mut u8; C],
) {
    for i in 0..len {
        for (c, row) in dst.iter().enumerate() {
            // SAFETY: item `c` of group `i`, and place `i` of row `c`.
            unsafe { copy::<N>(src.add((i * C + c) * N), row.add(i * N)) }
        }
    }
}

/// # Safety
/// As [`interleave`](super::interleave).
#[inline(always)]
pub(super) unsafe fn interleave<const N: usize, const C: usize>(
    src: [*const u8; C],
    len: usize,
    dst: *mut u8,
) {
    for i in 0..len {
        for (c, row) in src.iter().enumerate() {
            // SAFETY: item `i` of row `c`, and place `c` of group `i`.
            unsafe { copy::<N>(row.add(i * N), dst.add((i * C + c) * N)) }
        }
    }
}
