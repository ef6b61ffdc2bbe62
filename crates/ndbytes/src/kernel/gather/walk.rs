//! Walking a plan: the two axes that matter are copied by one kernel, the others are loops around it.

use super::super::copy::Stores;
use super::super::isa::{Isa, prefetch};
use super::super::row::{self, Rows};
use super::plan::{Axis, Plan};
use super::runs::{self, BRIEF};
use super::shape::{Outer, Shape, Walk};
use super::tile::Plane;

/// Bytes of a line of cache, of the longest row that is fetched before it is its turn, and how many rows before.
const LINE: usize = 64;
const FETCHED: usize = 1 << 10;
pub(super) const AHEAD: usize = 2;
/// Bytes that are written again at once.
const AT_ONCE: usize = if cfg!(miri) { 64 } else { 1 << 14 };

/// Copies all items of a plan.
///
/// # Safety
/// From `src`, which is where the plan's first item lies, all bytes from the lowest to the highest one of the plan's items
/// can be read, and those of the destination be written; the two share none.
pub(super) unsafe fn copy(isa: Isa, plan: &Plan, stores: Stores, src: *const u8, dst: *mut u8) {
    let how = (isa, stores);
    let Walk { mut shape, mut outer, cut } = Walk::of(plan);
    // SAFETY: the caller's promise, for all of the plan, or for the parts of it along one axis.
    unsafe {
        let Some((place, most)) = cut else {
            return sized(how, plan.item, shape, &outer, src, dst);
        };
        let axis = *shape.first();
        let (parts, rest) = (axis.len / most, axis.len % most);
        let step = most.cast_signed();
        let axis_of_parts = Axis { len: parts, src: axis.src * step, dst: axis.dst * step };
        shape.first().len = most;
        outer.insert(place, Outer { axis: axis_of_parts, same: false });
        sized(how, plan.item, shape, &outer, src, dst);
        if rest > 0 {
            shape.first().len = rest;
            outer.remove(place);
            let (src, dst) = (at(src, parts * most, axis.src), at_mut(dst, parts * most, axis.dst));
            sized(how, plan.item, shape, &outer, src, dst);
        }
    }
}

/// # Safety
/// As [`copy`].
unsafe fn sized(
    how: (Isa, Stores),
    item: usize,
    shape: Shape,
    outer: &[Outer],
    src: *const u8,
    dst: *mut u8,
) {
    let row = shape.last();
    // SAFETY: the caller's promise; both sides of the kernels' two axes, from whatever item the walk stands on, are items.
    unsafe {
        match item {
            1 => items::<1>(how, shape, outer, src, dst),
            2 => items::<2>(how, shape, outer, src, dst),
            4 => items::<4>(how, shape, outer, src, dst),
            8 => items::<8>(how, shape, outer, src, dst),
            16 => items::<16>(how, shape, outer, src, dst),
            size => walk(outer, row, src, dst, &mut |src, dst| match shape {
                Shape::Rows(outer, row) | Shape::Short(outer, row) | Shape::Repeat(outer, row) => {
                    runs::rows(size, outer, row, src, dst);
                }
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
    let row = shape.last();
    // SAFETY: the caller's promise. The shapes hold what each kernel asks of its strides.
    unsafe {
        match shape {
            Shape::Rows(axis, row) => {
                walk(outer, row, src, dst, &mut |src, dst| rows::<N>(isa, axis, row, src, dst));
            }
            Shape::Short(axis, row) if row.len >= BRIEF => {
                walk(outer, row, src, dst, &mut |src, dst| runs::rows(N, axis, row, src, dst));
            }
            Shape::Short(axis, row) => {
                walk(outer, row, src, dst, &mut |src, dst| runs::blocks(N, axis, row, src, dst));
            }
            Shape::Repeat(axis, row) => {
                let len = row.len;
                walk(outer, row, src, dst, &mut |src, dst| {
                    let to = Rows { dst, stride: axis.dst, len, count: axis.len };
                    row::fill_rows::<N>(isa, src, axis.src, to);
                });
            }
            Shape::Tiles(near, last) => {
                let mut plane = Plane::<N>::new(isa, near, last, stores);
                walk(outer, row, src, dst, &mut |src, dst| plane.copy(src, dst));
            }
            Shape::Split(near, last) => {
                walk(outer, row, src, dst, &mut |src, dst| match near.len {
                    2 => split::<N, 2>(isa, near, last, src, dst),
                    3 => split::<N, 3>(isa, near, last, src, dst),
                    _ => split::<N, 4>(isa, near, last, src, dst),
                })
            }
            Shape::Join(near, last) => walk(outer, row, src, dst, &mut |src, dst| match last.len {
                2 => join::<N, 2>(isa, near, last, src, dst),
                3 => join::<N, 3>(isa, near, last, src, dst),
                _ => join::<N, 4>(isa, near, last, src, dst),
            }),
        }
    }
}

/// Calls the kernel for every index of the outer axes; it begins with a row like this one.
///
/// # Safety
/// As the kernel at each of them. Behind an axis that [`Outer::same`] marks stand all axes of which `axis.dst` bytes of the
/// destination are made, without gaps.
unsafe fn walk(
    outer: &[Outer],
    row: Axis,
    src: *const u8,
    dst: *mut u8,
    kernel: &mut impl FnMut(*const u8, *mut u8),
) {
    let Some((&Outer { axis, same }, inner)) = outer.split_first() else { return kernel(src, dst) };
    let apart = inner.is_empty() && axis.src.unsigned_abs() > 2 * LINE;
    let mut step = |src, dst| match inner {
        // Without a call, for there may be many of few items each.
        [] => kernel(src, dst),
        // SAFETY: the caller's promise.
        _ => unsafe { walk(inner, row, src, dst, kernel) },
    };
    step(src, dst);
    if same {
        // SAFETY: of an axis without steps in the source, index 0 fills `axis.dst` bytes without gaps, which are those of each
        // other index, and these follow.
        return unsafe { repeat(dst, axis.dst.unsigned_abs(), axis.len) };
    }
    for index in 1..axis.len {
        if apart {
            fetch(row, at(src, index + AHEAD, axis.src));
        }
        step(at(src, index, axis.src), at_mut(dst, index, axis.dst));
    }
}

/// Writes the `size` bytes at `dst` behind themselves until they are there `times`: twice as many each time, as long as they
/// stay in cache.
///
/// # Safety
/// `times * size` bytes can be written there, and the first `size` have been.
unsafe fn repeat(dst: *mut u8, size: usize, times: usize) {
    let (mut done, most) = (1, (AT_ONCE / size).max(1));
    while done < times {
        let next = done.min(most).min(times - done);
        // SAFETY: what is there already, to bytes that follow it.
        unsafe { dst.copy_to_nonoverlapping(dst.add(done * size), next * size) };
        done += next;
    }
}

/// Rows one after the other, in order.
///
/// # Safety
/// As [`copy`], for these two axes.
#[inline]
unsafe fn rows<const N: usize>(isa: Isa, outer: Axis, row: Axis, src: *const u8, dst: *mut u8) {
    let apart = outer.src.unsigned_abs() > 2 * LINE;
    for index in 0..outer.len {
        if apart {
            fetch(row, at(src, index + AHEAD, outer.src));
        }
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

/// Has the lines of a row fetched that begins there, if it ends before the processor would fetch ahead by itself.
#[inline(always)]
pub(super) fn fetch(row: Axis, src: *const u8) {
    let reach = row.src.unsigned_abs().saturating_mul(row.len);
    if reach <= FETCHED {
        let step = row.src.signum() * LINE.cast_signed();
        (0..reach.div_ceil(LINE)).for_each(|line| prefetch(at(src, line, step)));
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
