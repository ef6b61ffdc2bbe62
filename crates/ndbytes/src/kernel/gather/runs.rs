//! Items of any size, and items with gaps on both sides.

use super::plan::Axis;
use super::walk::{at, at_mut};

/// Runs up to this size are copied by two overlapping moves, without a call.
const SHORT: usize = 64;
/// Runs per side of a block: with those of less than a line, half of a level-1 cache.
const SIDE: usize = 16;

/// Runs of `size` bytes, row by row, in order.
///
/// # Safety
/// As [`copy`](super::walk::copy), for these two axes.
#[inline]
pub(super) unsafe fn rows(size: usize, outer: Axis, row: Axis, src: *const u8, dst: *mut u8) {
    for index in 0..outer.len {
        let (src, dst) = (at(src, index, outer.src), at_mut(dst, index, outer.dst));
        // SAFETY: a row of the caller's two axes; `any_row` has no other demand.
        unsafe { any_row(size, row, src, dst) }
    }
}

/// The same in blocks, so that lines of which a run is a part are read once.
///
/// # Safety
/// As [`rows`].
pub(super) unsafe fn blocks(size: usize, near: Axis, last: Axis, src: *const u8, dst: *mut u8) {
    if size >= SHORT {
        // SAFETY: the caller's promise.
        return unsafe { rows(size, near, last, src, dst) };
    }
    for top in (0..near.len).step_by(SIDE) {
        let (src, dst) = (at(src, top, near.src), at_mut(dst, top, near.dst));
        let near = Axis { len: SIDE.min(near.len - top), ..near };
        for left in (0..last.len).step_by(SIDE) {
            let row = Axis { len: SIDE.min(last.len - left), ..last };
            let (src, dst) = (at(src, left, last.src), at_mut(dst, left, last.dst));
            // SAFETY: a part of the caller's two axes.
            unsafe { rows(size, near, row, src, dst) }
        }
    }
}

/// # Safety
/// As [`rows`], for one axis.
#[inline(always)]
unsafe fn any_row(size: usize, axis: Axis, src: *const u8, dst: *mut u8) {
    // SAFETY: the caller's promise, and each move has at most the size of a run, and half of it at least.
    unsafe {
        match size {
            2..4 => row::<2>(axis, size, src, dst),
            4..8 => row::<4>(axis, size, src, dst),
            8..16 => row::<8>(axis, size, src, dst),
            16..32 => row::<16>(axis, size, src, dst),
            32..=SHORT => row::<32>(axis, size, src, dst),
            _ => {
                for index in 0..axis.len {
                    let (src, dst) = (at(src, index, axis.src), at_mut(dst, index, axis.dst));
                    src.copy_to_nonoverlapping(dst, size);
                }
            }
        }
    }
}

/// Runs of `size` bytes, each by a move of its first and one of its last `W` bytes.
///
/// # Safety
/// As [`rows`], for one axis; `size` is at least `W` and at most twice that.
#[inline(always)]
pub(super) unsafe fn row<const W: usize>(axis: Axis, size: usize, src: *const u8, dst: *mut u8) {
    let back = size - W;
    for index in 0..axis.len {
        let (src, dst) = (at(src, index, axis.src), at_mut(dst, index, axis.dst));
        // SAFETY: both moves lie inside the run; arrays of bytes need no alignment. The second is of the same run, so that
        // it writes again what the first wrote.
        unsafe {
            dst.cast::<[u8; W]>().write(src.cast::<[u8; W]>().read());
            dst.add(back).cast::<[u8; W]>().write(src.add(back).cast::<[u8; W]>().read());
        }
    }
}
