//! Transposing item by item.

use super::super::walk::{at, at_mut};
use super::Block;

/// # Safety
/// As [`transpose`](super::transpose).
#[inline]
pub(super) unsafe fn transpose<const N: usize>(block: &Block) {
    for col in 0..block.cols {
        let src = block.src.wrapping_add(col * N);
        let dst = at_mut(block.dst, col, block.dst_pitch);
        for row in 0..block.rows {
            let from = at(src, row, block.src_pitch).cast::<[u8; N]>();
            // SAFETY: the item of this row and column, and its place; arrays of bytes need no alignment.
            unsafe { dst.add(row * N).cast::<[u8; N]>().write(from.read()) }
        }
    }
}
