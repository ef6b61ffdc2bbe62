//! Which two axes of a plan one kernel copies, and which are loops around it.

use super::plan::{Axis, Plan};
use super::tile::is_single;

/// Items from which on a copy of what was written, which waits until that has been, is quicker than gathering them again.
const AGAIN: usize = 128;
/// Rows of one item up to this size are not worth a call each.
const REPEATED: usize = 512;
/// Planes of fewer bytes are mostly loops around them.
const SMALL: usize = 128;
/// Axes of fewer items are not walked first where they share no lines.
const FEW: usize = 8;
/// So many lines stay in cache while what lies next to them is copied.
const FEW_LINES: usize = 256;
/// Bytes of a line of cache, of as many as stay while a part of an axis is copied, and the least items of such a part.
const LINE: usize = 64;
const CACHE: usize = 1 << 17;
const LEAST: usize = 16;

/// The two axes that one kernel copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Row by row along the second.
    Rows(Axis, Axis),
    /// The same where rows are too short for a call each.
    Short(Axis, Axis),
    /// The items of the first, each to a row of it that is short.
    Repeat(Axis, Axis),
    /// In no order: the first lies closer in the source.
    Tiles(Axis, Axis),
    /// Groups of as many items as the first is long become rows along the second.
    Split(Axis, Axis),
    /// Rows along the first become groups of as many items as the second is long.
    Join(Axis, Axis),
}

/// A loop around the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) axis: Axis,
    /// Whether all indices hold the same items, to bytes that follow each other.
    pub(super) same: bool,
}

/// What is done with all axes of a plan.
pub(super) struct Walk {
    pub(super) shape: Shape,
    pub(super) outer: Vec<Outer>,
    /// Which of the loops goes along the rest of the shape's first axis, if that is done by so many items at a time.
    pub(super) cut: Option<(usize, usize)>,
}

impl Walk {
    pub(super) fn of(plan: &Plan) -> Self {
        let (axes, item) = (&plan.axes[..], plan.item);
        let Some((&last, before)) = axes.split_last() else {
            let shape = Shape::Rows(Axis::ONE, Axis::ONE);
            return Self { shape, outer: Vec::new(), cut: None };
        };
        let loose = if plan.ordered { None } else { Shape::loose(axes, item) };
        let cut = loose.and_then(|(taken, _)| Some((taken, cut(axes, taken)?)));
        let (taken, shape) = loose.unwrap_or_else(|| match before.split_last() {
            Some((&axis, outer)) if !is_copied(axis, item) => {
                (outer.len(), Shape::Rows(axis, last))
            }
            _ => (before.len(), Shape::Rows(Axis::ONE, last)),
        });
        let outer = before.iter().enumerate().filter(|&(index, _)| index != taken);
        // Long rows of one item are filled as quickly as copied.
        let filled = last.src == 0 && last.len * item > REPEATED;
        // Only what is gathered has a stride of 0 in the source, and then the destination has no gaps.
        let outer = outer.map(|(index, &axis)| Outer {
            axis,
            same: index < taken && is_copied(axis, item) && !filled,
        });
        let outer: Vec<Outer> = outer.collect();
        // A part of the axis does not fill what an axis around it would have copied.
        let cut = cut.filter(|_| outer.iter().all(|outer| !outer.same));
        Self { shape, outer, cut }
    }
}

impl Shape {
    /// Which axis is copied together with the last one in no order, and how, if rows along the last are not better.
    fn loose(axes: &[Axis], item: usize) -> Option<(usize, Self)> {
        let (&last, before) = axes.split_last()?;
        let innermost = before.len().checked_sub(1)?;
        let closest = closest(axes, 2)?;
        let is_large = !is_small(axes[closest], last, item);
        if let Some(grouped) = Self::grouped(axes[closest], last, item).filter(|_| is_large) {
            return Some((closest, grouped));
        }
        let brief = Self::is_brief(last, item);
        if last.src == 0 {
            let taken = worthwhile(axes, closest, item);
            return brief.then_some((taken, Self::Repeat(axes[taken], last)));
        }
        let near = nearest(axes)?;
        let single = is_single(item, axes[near], last);
        // In order, too, lines are in cache until their other items have been taken.
        let in_order = near == before.len()
            || single && near == innermost && last.len <= FEW_LINES
            || is_at_hand(axes[near], last);
        if in_order {
            let taken = worthwhile(axes, innermost, item);
            return brief.then_some((taken, Self::Short(axes[taken], last)));
        }
        let taken = worthwhile(axes, near, item);
        // What is repeated inside of it would be gathered again each time, and not copied: that pays for tiles of short rows.
        let repeats = before[taken + 1..].iter().any(|&axis| is_copied(axis, item));
        let pays = !repeats || !single && last.len * item < SMALL;
        pays.then_some((taken, Self::Tiles(axes[taken], last)))
    }

    /// The last axis.
    pub(super) fn last(self) -> Axis {
        match self {
            Self::Rows(_, axis)
            | Self::Short(_, axis)
            | Self::Repeat(_, axis)
            | Self::Tiles(_, axis)
            | Self::Split(_, axis)
            | Self::Join(_, axis) => axis,
        }
    }

    /// The axis that is not the last one.
    pub(super) fn first(&mut self) -> &mut Axis {
        match self {
            Self::Rows(axis, _)
            | Self::Short(axis, _)
            | Self::Repeat(axis, _)
            | Self::Tiles(axis, _)
            | Self::Split(axis, _)
            | Self::Join(axis, _) => axis,
        }
    }

    /// Whether a row along the axis is not worth a call: that depends on how many items a vector moves at once.
    fn is_brief(row: Axis, item: usize) -> bool {
        let size = row.len.saturating_mul(item);
        match row.src / item.cast_signed() {
            0 if row.src == 0 => size <= REPEATED,
            -4..=-1 | 2..=4 if item <= 4 && row.dst == item.cast_signed() => size < 64 + 24 * item,
            _ => size < item.saturating_mul(128).clamp(64, 512),
        }
    }

    /// Groups of few items that become rows, or rows that become such groups.
    fn grouped(near: Axis, last: Axis, item: usize) -> Option<Self> {
        let step = item.cast_signed();
        let group = |len: usize| (2..=4).contains(&len).then(|| step * len.cast_signed());
        let fits = item <= 16 && item.is_power_of_two() && (near.src, last.dst) == (step, step);
        if !fits {
            return None;
        }
        if group(near.len) == Some(last.src) {
            return Some(Self::Split(near, last));
        }
        (group(last.len) == Some(near.dst)).then_some(Self::Join(near, last))
    }
}

/// The last one of the axes with the smallest steps in the source, among those of at least so many items.
fn closest(axes: &[Axis], least: usize) -> Option<usize> {
    let moving = (0..axes.len()).rev();
    let moving = moving.filter(|&axis| axes[axis].src != 0 && axes[axis].len >= least);
    moving.min_by_key(|&axis| axes[axis].src.unsigned_abs())
}

/// The axis to read along: that of which most items share a line, if those are twice as many as of the last one; where none
/// do, the one with the smallest steps.
fn nearest(axes: &[Axis]) -> Option<usize> {
    // In sixteenths.
    let shared = |axis: usize| match axes[axis].src.unsigned_abs() {
        0 => 0,
        step => (16 * LINE / step).min(axes[axis].len.saturating_mul(16)).max(16),
    };
    let last = axes.len().checked_sub(1)?;
    let best = (0..=last).max_by_key(|&axis| shared(axis))?;
    match (shared(best), shared(last)) {
        (..32, ..=16) => closest(axes, FEW).or(Some(last)),
        (most, least) if most < 2 * least => Some(last),
        _ => Some(best),
    }
}

/// Whether what is inside of an axis is the same for all of its indices, and so much that it is copied.
fn is_copied(axis: Axis, item: usize) -> bool {
    axis.src == 0 && (axis.len - 1).saturating_mul(axis.dst.unsigned_abs() / item) >= AGAIN
}

/// Whether no two items along an axis share a line, and all lines of the plane stay in cache: then it is no nearer than another.
fn is_at_hand(near: Axis, last: Axis) -> bool {
    let lines = near.len.saturating_mul(last.len);
    near.src.unsigned_abs() >= LINE && lines <= 2 * CACHE / LINE
}

/// Whether a plane is mostly loops around it.
fn is_small(near: Axis, last: Axis, item: usize) -> bool {
    near.len.saturating_mul(last.len).saturating_mul(item) < SMALL
}

/// `near`, or the longest axis if the plane of that and the last is so small that most of the time goes into the loops around it.
fn worthwhile(axes: &[Axis], near: usize, item: usize) -> usize {
    let before = 0..axes.len().saturating_sub(1);
    match axes.last() {
        Some(&last) if is_small(axes[near], last, item) => {
            before.max_by_key(|&axis| axes[axis].len).unwrap_or(near)
        }
        _ => near,
    }
}

/// How much of an axis is copied before the loops inside of it go on, where it was taken for its length only: lines that one
/// index touches are touched by the others inside of it as well, and shall be in cache then.
fn cut(axes: &[Axis], taken: usize) -> Option<usize> {
    let inside = axes.get(taken + 1..).filter(|inside| inside.len() > 1)?;
    let items: usize = inside.iter().map(|axis| axis.len).product();
    let most = (CACHE / LINE / items).max(LEAST);
    (nearest(axes) != Some(taken) && axes[taken].len > 2 * most).then_some(most)
}
