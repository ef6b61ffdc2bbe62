//! Items of any size at any strides, one by one.

use super::super::row::portable;
use super::plan::Axis;
use super::walk::{at, at_mut};

/// Runs up to this size are copied by two overlapping moves, without a call.
const SHORT: usize = 64;
/// Rows of fewer items are shorter than the loop around them.
pub(super) const BRIEF: usize = 4;
/// Items of a block along the last axis, and bytes along the other: lines that a block touches stay until it is done.
const WIDE: usize = 1024;
const HIGH: usize = 256;
/// Bytes of the source to go along the other axis at once, at least.
const RUN: usize = 2048;

/// Items of one turn of a loop.
const TURN: usize = 4;

/// Copies the items of two axes, each of `size` bytes, row by row, in order.
///
/// # Safety
/// As [`copy`](super::walk::copy), for these two axes.
#[inline(always)]
pub(super) unsafe fn rows(size: usize, outer: Axis, row: Axis, src: *const u8, dst: *mut u8) {
    let dense = row.dst == size.cast_signed();
    // SAFETY: the caller's promise, and each move is of as many bytes as an item has, or of more than half of them.
    unsafe {
        match size {
            1 if dense => lines::<1>(outer, row, src, dst),
            2 if dense => lines::<2>(outer, row, src, dst),
            4 if dense => lines::<4>(outer, row, src, dst),
            8 if dense => lines::<8>(outer, row, src, dst),
            16 if dense => lines::<16>(outer, row, src, dst),
            1 => grid::<1, false>(size, outer, row, src, dst),
            2 => grid::<2, false>(size, outer, row, src, dst),
            3 => grid::<2, true>(size, outer, row, src, dst),
            4 => grid::<4, false>(size, outer, row, src, dst),
            5..8 => grid::<4, true>(size, outer, row, src, dst),
            8 => grid::<8, false>(size, outer, row, src, dst),
            9..16 => grid::<8, true>(size, outer, row, src, dst),
            16 => grid::<16, false>(size, outer, row, src, dst),
            17..32 => grid::<16, true>(size, outer, row, src, dst),
            32..=SHORT => grid::<32, true>(size, outer, row, src, dst),
            _ => {
                for (i, j) in (0..outer.len).flat_map(|i| (0..row.len).map(move |j| (i, j))) {
                    let (src, dst) = (at(src, i, outer.src), at_mut(dst, i, outer.dst));
                    let (src, dst) = (at(src, j, row.src), at_mut(dst, j, row.dst));
                    src.copy_to_nonoverlapping(dst, size);
                }
            }
        }
    }
}

/// The same in no order: in blocks, so that lines of which an item is a part are read once, and along the other axis where rows are very short.
///
/// # Safety
/// As [`rows`]; no two items share bytes of the destination.
pub(super) unsafe fn blocks(size: usize, near: Axis, last: Axis, src: *const u8, dst: *mut u8) {
    if size > SHORT {
        // SAFETY: the caller's promise.
        return unsafe { rows(size, near, last, src, dst) };
    }
    if near.len * size <= HIGH && last.len <= WIDE {
        // SAFETY: the caller's promise.
        return unsafe { block(size, near, last, src, dst) };
    }
    let high = (RUN / near.src.unsigned_abs().max(1)).max(HIGH / size);
    for top in (0..near.len).step_by(high) {
        let (src, dst) = (at(src, top, near.src), at_mut(dst, top, near.dst));
        let near = Axis { len: high.min(near.len - top), ..near };
        for left in (0..last.len).step_by(WIDE) {
            let row = Axis { len: WIDE.min(last.len - left), ..last };
            let (src, dst) = (at(src, left, last.src), at_mut(dst, left, last.dst));
            // SAFETY: a part of the caller's two axes.
            unsafe { block(size, near, row, src, dst) }
        }
    }
}

/// One block of [`blocks`].
///
/// # Safety
/// As [`blocks`].
#[inline(always)]
unsafe fn block(size: usize, near: Axis, last: Axis, src: *const u8, dst: *mut u8) {
    let (outer, row) =
        if last.len < near.len.min(BRIEF) && size < 16 { (last, near) } else { (near, last) };
    // SAFETY: the caller's promise.
    unsafe { rows(size, outer, row, src, dst) }
}

/// Items whose rows have no gaps in the destination.
///
/// # Safety
/// As [`rows`].
#[inline(always)]
unsafe fn lines<const N: usize>(outer: Axis, row: Axis, mut src: *const u8, mut dst: *mut u8) {
    for _ in 0..outer.len {
        // SAFETY: a row of the caller's.
        unsafe { portable::gather::<N>(src, row.src, dst, row.len) }
        (src, dst) = (src.wrapping_offset(outer.src), dst.wrapping_offset(outer.dst));
    }
}

/// Items of `size` bytes, each by a move of its first and, if `TWICE`, one of its last `W` bytes.
///
/// # Safety
/// As [`rows`]; `size` is `W`, or from there on at most twice that if `TWICE`.
#[inline(always)]
unsafe fn grid<const W: usize, const TWICE: bool>(
    size: usize,
    outer: Axis,
    row: Axis,
    src: *const u8,
    dst: *mut u8,
) {
    let back = size - W;
    let copy = |src: *const u8, dst: *mut u8| {
        // SAFETY: both moves lie inside the item; arrays of bytes need no alignment. The second is of the same item, so that
        // it writes again what the first wrote.
        unsafe {
            dst.cast::<[u8; W]>().write(src.cast::<[u8; W]>().read());
            if TWICE {
                let (src, dst) = (src.wrapping_add(back), dst.wrapping_add(back));
                dst.cast::<[u8; W]>().write(src.cast::<[u8; W]>().read());
            }
        }
    };
    let whole = row.len - row.len % TURN;
    for i in 0..outer.len {
        let (mut src, mut dst) = (at(src, i, outer.src), at_mut(dst, i, outer.dst));
        for _ in (0..whole).step_by(TURN) {
            for j in 0..TURN {
                copy(at(src, j, row.src), at_mut(dst, j, row.dst));
            }
            (src, dst) = (at(src, TURN, row.src), at_mut(dst, TURN, row.dst));
        }
        for _ in whole..row.len {
            copy(src, dst);
            (src, dst) = (src.wrapping_offset(row.src), dst.wrapping_offset(row.dst));
        }
    }
}
