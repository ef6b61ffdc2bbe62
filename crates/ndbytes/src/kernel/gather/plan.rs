//! What a copy between a layout and contiguous bytes comes down to: few axes with two strides each, and a larger item.

use crate::array::Layout;

/// An axis with the bytes from one item to the next on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) len: usize,
    pub(super) src: isize,
    pub(super) dst: isize,
}

/// The axes from the slowest to the fastest one in the destination, no two of which could be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) axes: Vec<Axis>,
    /// Bytes that lie together on both sides.
    pub(super) item: usize,
    /// Where the first item lies.
    pub(super) src: usize,
    pub(super) dst: usize,
    /// Whether items share bytes of the destination, so that they must be written in this order.
    pub(super) ordered: bool,
}

impl Plan {
    /// From the items of a layout to contiguous bytes. The layout has items, and has passed [`Layout::span`].
    pub(super) fn gather(layout: &Layout, item: usize) -> Self {
        let mut axes = axes(layout, item, |len, far, near| Axis { len, src: far, dst: near });
        let item = join(&mut axes, item);
        Self { axes, item, src: layout.offset(), dst: 0, ordered: false }
    }

    /// From contiguous bytes to the items of a layout, which has items, and has passed [`Layout::span`].
    pub(super) fn scatter(layout: &Layout, item: usize) -> Self {
        let axes = axes(layout, item, |len, far, near| Axis { len, src: near, dst: far });
        let mut plan = Self { axes, item, src: 0, dst: layout.offset(), ordered: false };
        plan.ordered = layout.may_overlap(item);
        if !plan.ordered {
            plan.sort();
        }
        plan.item = join(&mut plan.axes, item);
        plan
    }

    /// Puts the axes in the order of the destination, whose items share no bytes.
    fn sort(&mut self) {
        self.axes.sort_by_key(|axis| std::cmp::Reverse(axis.dst.unsigned_abs()));
        for axis in self.axes.iter_mut().filter(|axis| axis.dst < 0) {
            let (src, dst) = axis.turn();
            self.src = self.src.wrapping_add_signed(src);
            self.dst = self.dst.wrapping_add_signed(dst);
        }
    }
}

impl Axis {
    /// A single item.
    pub(super) const ONE: Self = Self { len: 1, src: 0, dst: 0 };

    /// Walks the axis from its other end; how far away that is on both sides.
    pub(super) fn turn(&mut self) -> (isize, isize) {
        let steps = self.len.wrapping_sub(1).cast_signed();
        let ends = (self.src.wrapping_mul(steps), self.dst.wrapping_mul(steps));
        (self.src, self.dst) = (-self.src, -self.dst);
        ends
    }

    /// Whether the next index of this axis is where `inner` would go on.
    fn continues(self, inner: Self) -> bool {
        let len = inner.len.cast_signed();
        Some(self.src) == inner.src.checked_mul(len) && Some(self.dst) == inner.dst.checked_mul(len)
    }
}

/// The axes with more than one item: `axis` is given the length, the layout's stride, and that of contiguous items.
fn axes(layout: &Layout, item: usize, axis: impl Fn(usize, isize, isize) -> Axis) -> Vec<Axis> {
    let mut axes = Vec::with_capacity(layout.ndim());
    let mut step = item;
    for (&len, &stride) in layout.shape().iter().zip(layout.strides()).rev() {
        if len > 1 {
            axes.push(axis(len, stride, step.cast_signed()));
            step *= len;
        }
    }
    axes.reverse();
    axes
}

/// Joins axes that continue each other, and contiguous items to larger ones, whose size it returns.
fn join(axes: &mut Vec<Axis>, item: usize) -> usize {
    axes.dedup_by(|inner, outer| {
        let continues = outer.continues(*inner);
        if continues {
            *outer = Axis { len: outer.len * inner.len, ..*inner };
        }
        continues
    });
    let step = item.cast_signed();
    match axes.pop_if(|last| (last.src, last.dst) == (step, step)) {
        Some(run) => item * run.len,
        None => item,
    }
}
