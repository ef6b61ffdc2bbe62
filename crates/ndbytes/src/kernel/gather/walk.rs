//! Walking a plan: the two axes that matter are copied by one kernel, the others are loops around it.

use super::super::copy::Stores;
use super::super::isa::Isa;
use super::super::row;
use super::plan::{Axis, Plan};
use super::runs;
use super::tile::Plane;

/// Bytes from which on a copy of what was written is quicker than gathering it again.
const AGAIN: usize = 64;
/// Planes of fewer items are mostly loops around them.
const SMALL: usize = 64;
/// Rows of less bytes are not worth a call.
const BRIEF: usize = 64;

/// Copies all items of a plan.
///
/// # Safety
/// From `src`, which is where the plan's first item lies, all bytes from the lowest to the highest one of the plan's items
/// can be read, and those of the destination be written; the two share none.
pub(super) unsafe fn copy(isa: Isa, plan: &Plan, stores: Stores, src: *const u8, dst: *mut u8) {
    let how = (isa, stores);
    let (shape, outer) = Shape::of(plan);
    // SAFETY: the caller's promise; both sides of the kernels' two axes, from whatever item the walk stands on, are items.
    unsafe {
        match plan.item {
            1 => items::<1>(how, shape, &outer, src, dst),
            2 => items::<2>(how, shape, &outer, src, dst),
            4 => items::<4>(how, shape, &outer, src, dst),
            8 => items::<8>(how, shape, &outer, src, dst),
            16 => items::<16>(how, shape, &outer, src, dst),
            size => walk(&outer, src, dst, &mut |src, dst| match shape {
                Shape::Rows(outer, row) => runs::rows(size, outer, row, src, dst),
                Shape::Tiles(near, last) | Shape::Split(near, last) | Shape::Join(near, last) => {
                    runs::blocks(size, near, last, src, dst);
                }
            }),
        }
    }
}

/// # Safety
/// As [`copy`].
unsafe fn items<const N: usize>(
    (isa, stores): (Isa, Stores),
    shape: Shape,
    outer: &[Outer],
    src: *const u8,
    dst: *mut u8,
) {
    // SAFETY: the caller's promise. The shapes hold what each kernel asks of its strides.
    unsafe {
        match shape {
            Shape::Rows(axis, row) => {
                walk(outer, src, dst, &mut |src, dst| rows::<N>(isa, axis, row, src, dst));
            }
            Shape::Tiles(near, last) => {
                let mut plane = Plane::<N>::new(isa, near, last, stores);
                walk(outer, src, dst, &mut |src, dst| plane.copy(src, dst));
            }
            Shape::Split(near, last) => walk(outer, src, dst, &mut |src, dst| match near.len {
                2 => split::<N, 2>(isa, near, last, src, dst),
                3 => split::<N, 3>(isa, near, last, src, dst),
                _ => split::<N, 4>(isa, near, last, src, dst),
            }),
            Shape::Join(near, last) => walk(outer, src, dst, &mut |src, dst| match last.len {
                2 => join::<N, 2>(isa, near, last, src, dst),
                3 => join::<N, 3>(isa, near, last, src, dst),
                _ => join::<N, 4>(isa, near, last, src, dst),
            }),
        }
    }
}

/// The two axes that one kernel copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Row by row along the second.
    Rows(Axis, Axis),
    /// In no order: the first lies closer in the source, or rows along the second are short.
    Tiles(Axis, Axis),
    /// Groups of as many items as the first is long become rows along the second.
    Split(Axis, Axis),
    /// Rows along the first become groups of as many items as the second is long.
    Join(Axis, Axis),
}

/// A loop around the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outer {
    axis: Axis,
    /// Whether all indices hold the same items, to bytes that follow each other.
    same: bool,
}

impl Shape {
    /// What is done with the two axes that matter, and the other ones.
    fn of(plan: &Plan) -> (Self, Vec<Outer>) {
        let (axes, item) = (&plan.axes[..], plan.item);
        let Some((&last, before)) = axes.split_last() else {
            return (Self::Rows(Axis::ONE, Axis::ONE), Vec::new());
        };
        let near = if plan.ordered { None } else { nearest(axes) };
        let near = near.filter(|&near| near + 1 < axes.len()).map(|near| worthwhile(axes, near));
        let pair = near.and_then(|near| Some((near, Self::pair(axes[near], last, item)?)));
        let (taken, shape) = pair.unwrap_or_else(|| match before.split_last() {
            Some((&axis, outer)) if !plan.ordered && Self::is_brief(last, item) => {
                (outer.len(), Self::Tiles(axis, last))
            }
            Some((&axis, outer)) if axis.src != 0 => (outer.len(), Self::Rows(axis, last)),
            _ => (before.len(), Self::Rows(Axis::ONE, last)),
        });
        let outer = before.iter().enumerate().filter(|&(index, _)| index != taken);
        // Only what is gathered has a stride of 0 in the source, and then the destination has no gaps.
        let outer = outer.map(|(index, &axis)| Outer {
            axis,
            same: index < taken && axis.src == 0 && axis.dst.unsigned_abs() >= AGAIN,
        });
        (shape, outer.collect())
    }

    /// Whether a row along the axis is not worth a call. One that vectors gather is from two of them on.
    fn is_brief(row: Axis, item: usize) -> bool {
        let steps = row.src / item.cast_signed();
        let shuffled = row.src % item.cast_signed() == 0 && matches!(steps, -1 | 2..=4);
        row.len * item
            < if shuffled && row.dst == item.cast_signed() { BRIEF / 2 + item } else { BRIEF }
    }

    /// How the axis that lies closest in the source, and the last one, are copied if not row by row.
    fn pair(near: Axis, last: Axis, item: usize) -> Option<Self> {
        let step = item.cast_signed();
        let group = |len: usize| (2..=4).contains(&len).then(|| step * len.cast_signed());
        let fits = item <= 16 && item.is_power_of_two();
        if fits && near.src == step && last.dst == step {
            if group(near.len) == Some(last.src) {
                return Some(Self::Split(near, last));
            }
            if group(last.len) == Some(near.dst) {
                return Some(Self::Join(near, last));
            }
        }
        (last.src != 0).then_some(Self::Tiles(near, last))
    }
}

/// The last one of the axes with the smallest steps in the source.
fn nearest(axes: &[Axis]) -> Option<usize> {
    let moving = (0..axes.len()).rev().filter(|&axis| axes[axis].src != 0);
    moving.min_by_key(|&axis| axes[axis].src.unsigned_abs())
}

/// `near`, or the longest axis if the plane of that and the last is so small that most of the time goes into the loops around it.
fn worthwhile(axes: &[Axis], near: usize) -> usize {
    let before = 0..axes.len().saturating_sub(1);
    match axes.last() {
        Some(last) if axes[near].len * last.len < SMALL => {
            before.max_by_key(|&axis| axes[axis].len).unwrap_or(near)
        }
        _ => near,
    }
}

/// Calls the kernel for every index of the outer axes.
///
/// # Safety
/// As the kernel at each of them; the same from `src` to `dst` for the axes that [`Outer::same`] marks.
unsafe fn walk(
    outer: &[Outer],
    src: *const u8,
    dst: *mut u8,
    kernel: &mut impl FnMut(*const u8, *mut u8),
) {
    let Some((&Outer { axis, same }, inner)) = outer.split_first() else { return kernel(src, dst) };
    // SAFETY: the caller's promise. Of an axis without steps in the source, index 0 fills `axis.dst` bytes without gaps,
    // which are those of each other index, and these follow.
    unsafe {
        walk(inner, src, dst, kernel);
        for index in 1..axis.len {
            let place = at_mut(dst, index, axis.dst);
            if same {
                dst.copy_to_nonoverlapping(place, axis.dst.unsigned_abs());
            } else {
                walk(inner, at(src, index, axis.src), place, kernel);
            }
        }
    }
}

/// Rows one after the other, in order.
///
/// # Safety
/// As [`copy`], for these two axes.
#[inline]
unsafe fn rows<const N: usize>(isa: Isa, outer: Axis, row: Axis, src: *const u8, dst: *mut u8) {
    for index in 0..outer.len {
        let (src, dst) = (at(src, index, outer.src), at_mut(dst, index, outer.dst));
        // SAFETY: a row of the caller's two axes.
        unsafe {
            if row.dst == N.cast_signed() || row.len == 1 {
                row::gather_row::<N>(isa, src, row.src, dst, row.len);
            } else if row.src == N.cast_signed() {
                row::scatter_row::<N>(isa, src, dst, row.dst, row.len);
            } else {
                runs::rows(N, Axis::ONE, row, src, dst);
            }
        }
    }
}

/// # Safety
/// As [`copy`], for these two axes, of which the first has `C` items of `N` bytes, each behind the other in the source.
unsafe fn split<const N: usize, const C: usize>(
    isa: Isa,
    near: Axis,
    last: Axis,
    src: *const u8,
    dst: *mut u8,
) {
    let rows = std::array::from_fn(|index| at_mut(dst, index, near.dst));
    // SAFETY: `last.len` groups of `C` items, without gaps, and the rows of the destination have none either.
    unsafe { row::deinterleave::<N, C>(isa, src, last.len, rows) }
}

/// # Safety
/// As [`copy`], for these two axes, of which the last has `C` items of `N` bytes, each behind the other in the destination.
unsafe fn join<const N: usize, const C: usize>(
    isa: Isa,
    near: Axis,
    last: Axis,
    src: *const u8,
    dst: *mut u8,
) {
    let rows = std::array::from_fn(|index| at(src, index, last.src));
    // SAFETY: `near.len` items without gaps in each row, and as many groups in the destination.
    unsafe { row::interleave::<N, C>(isa, rows, near.len, dst) }
}

/// Where the item at an index of an axis lies.
#[inline(always)]
pub(super) fn at(start: *const u8, index: usize, stride: isize) -> *const u8 {
    start.wrapping_offset(stride.wrapping_mul(index.cast_signed()))
}

/// The same in a destination.
#[inline(always)]
pub(super) fn at_mut(start: *mut u8, index: usize, stride: isize) -> *mut u8 {
    start.wrapping_offset(stride.wrapping_mul(index.cast_signed()))
}
