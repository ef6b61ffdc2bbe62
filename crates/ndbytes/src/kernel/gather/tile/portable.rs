//! Transposing item by item.

use super::super::plan::Axis;
use super::super::runs;
use super::Block;

/// # Safety
/// As [`transpose`](super::transpose).
pub(super) unsafe fn transpose<const N: usize>(block: &Block) {
    let step = N.cast_signed();
    let near = Axis { len: block.cols, src: step, dst: block.dst_pitch };
    let last = Axis { len: block.rows, src: block.src_pitch, dst: step };
    // SAFETY: the caller's promise, of the same items.
    unsafe { runs::blocks(N, near, last, block.src, block.dst) }
}
