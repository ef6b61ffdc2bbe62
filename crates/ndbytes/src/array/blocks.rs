//! Cutting a layout into smaller ones, in C order, so that an array becomes bytes piece by piece.

use super::Layout;

/// Sub-layouts of at most so many bytes (one item at least) that follow each other in C order.
///
/// Each one takes a range of one axis, all of the faster axes and one index of the slower ones.
#[derive(Debug)]
pub struct Blocks {
    layout: Layout,
    /// The axis that is cut; axes before it are walked index by index.
    axis: usize,
    /// How many of that axis fit one block.
    rows: usize,
    index: Vec<usize>,
    done: bool,
}

impl Layout {
    /// Cuts the layout into blocks of at most `max` bytes, or one item where that is larger.
    ///
    /// An array without items, or of items without size, has no block. The layout must have passed [`Layout::span`].
    #[must_use]
    pub fn blocks(&self, itemsize: usize, max: usize) -> Blocks {
        let max_items = (max / itemsize.max(1)).max(1);
        let mut axis = self.ndim();
        let mut inner = 1usize;
        while axis > 0 && inner.saturating_mul(self.shape()[axis - 1]) <= max_items {
            axis -= 1;
            inner = inner.saturating_mul(self.shape()[axis]);
        }
        let axis = axis.saturating_sub(1);
        let whole = self.shape().iter().skip(axis).product::<usize>() <= max_items;
        let len = self.shape().get(axis).copied().unwrap_or(1);
        let rows = if whole { len } else { (max_items / inner).clamp(1, len.max(1)) };
        Blocks {
            layout: self.clone(),
            axis,
            rows,
            index: vec![0; axis + 1],
            done: self.is_empty() || itemsize == 0,
        }
    }
}

impl Iterator for Blocks {
    type Item = Layout;

    fn next(&mut self) -> Option<Layout> {
        if self.done {
            return None;
        }
        let Some(&len) = self.layout.shape.get(self.axis) else {
            self.done = true; // 0-d: one block, the item.
            return Some(self.layout.clone());
        };
        let mut block = self.layout.clone();
        for (axis, &at) in self.index.iter().enumerate() {
            // Inside the span that was proved, so neither step can overflow.
            let skip = at.cast_signed().wrapping_mul(block.strides[axis]);
            block.offset = block.offset.wrapping_add_signed(skip);
        }
        block.shape.drain(..self.axis);
        block.strides.drain(..self.axis);
        let start = self.index[self.axis];
        block.shape[0] = self.rows.min(len - start);
        self.advance(start + block.shape[0], len);
        Some(block)
    }
}

impl Blocks {
    fn advance(&mut self, next: usize, len: usize) {
        self.index[self.axis] = next;
        if next < len {
            return;
        }
        self.index[self.axis] = 0;
        for axis in (0..self.axis).rev() {
            self.index[axis] += 1;
            if self.index[axis] < self.layout.shape[axis] {
                return;
            }
            self.index[axis] = 0;
        }
        self.done = true;
    }
}

#[cfg(test)]
mod tests {
    use crate::array::{Layout, Order};
    use proptest::prelude::*;

    fn items(layout: &Layout) -> Vec<isize> {
        let mut positions = vec![layout.offset().cast_signed()];
        for (&len, &stride) in layout.shape().iter().zip(layout.strides()) {
            let steps = 0..len.cast_signed();
            positions =
                positions.iter().flat_map(|p| steps.clone().map(move |i| p + i * stride)).collect();
        }
        positions
    }

    proptest! {
        #[test]
        fn blocks_are_the_array_in_order(shape in prop::collection::vec(0usize..6, 0..5), max in 1usize..300, f: bool) {
            let layout = Layout::contiguous(&shape, 4, if f { Order::F } else { Order::C }).unwrap();
            let blocks: Vec<Layout> = layout.blocks(4, max).collect();
            prop_assert!(blocks.iter().all(|b| !b.is_empty() && b.len() * 4 <= max.max(4)));
            let joined: Vec<isize> = blocks.iter().flat_map(items).collect();
            prop_assert_eq!(joined, items(&layout));
        }
    }
}
