//! A part of an array that lies in one piece: which of its bytes, in the order in which they lie, and where they go.

use super::runs::Selection;
use crate::array::{Layout, Order, Slice, nbytes};
use crate::error::{Error, Result};

/// Bytes that lie in one piece on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteRun {
    /// The first one among those of the array.
    pub(crate) from: u64,
    /// The first one in the result.
    pub(crate) to: usize,
    pub(crate) len: usize,
}

/// The runs of a part.
#[derive(Debug)]
pub(crate) struct ByteRuns {
    /// The slowest first; none of them within a run.
    axes: Vec<Axis>,
    /// The first run.
    first: ByteRun,
    size: usize,
}

/// What is taken of an axis, in the order of its positions.
#[derive(Debug)]
struct Axis {
    taken: Taken,
    len: usize,
    /// Bytes from one position to the next, in the array and in the result.
    strides: (usize, usize),
}

#[derive(Debug)]
enum Taken {
    Slice(Slice),
    /// Positions, and where they are in the result.
    List(Vec<(usize, usize)>),
}

impl Axis {
    fn new(selection: &Selection, strides: (usize, usize)) -> Self {
        let taken = match selection {
            Selection::Slice(slice) => Taken::Slice(*slice),
            Selection::List(list) => {
                let mut list: Vec<_> = list.iter().copied().zip(0..).collect();
                list.sort_unstable();
                Taken::List(list)
            }
        };
        Self { taken, len: selection.len(), strides }
    }

    /// The `n`-th position that is taken, and where it is in the result; in bytes.
    fn at(&self, n: usize) -> (u64, usize) {
        let (at, to) = match &self.taken {
            Taken::Slice(Slice { start, step, .. }) => {
                let to = if *step < 0 { (self.len - 1).saturating_sub(n) } else { n };
                (start.wrapping_add_signed(step.wrapping_mul(to.cast_signed())), to)
            }
            Taken::List(list) => list.get(n).copied().unwrap_or_default(),
        };
        (at as u64 * self.strides.0 as u64, to * self.strides.1)
    }

    /// Whether what is taken lies in one piece on both sides, for items of so many bytes.
    fn is_joined(&self, unit: usize) -> bool {
        let follows = match &self.taken {
            Taken::Slice(slice) => slice.step == 1 || slice.len == 1,
            Taken::List(list) => list.len() == 1,
        };
        follows && (self.len == 1 || self.strides == (unit, unit))
    }
}

impl ByteRuns {
    /// Of an array of these storage axes, the slowest first; the selections are of those, and so is `order`, in which the result
    /// lies.
    ///
    /// # Errors
    /// As [`Plan::new`](super::Plan::new).
    pub(crate) fn new(
        shape: &[usize],
        itemsize: usize,
        selections: &[&Selection],
        order: Order,
    ) -> Result<Self> {
        let (found, wanted) = (selections.len(), shape.len());
        if found != wanted {
            return Err(Error::argument(format!("{found} selections for {wanted} axes")));
        }
        for (axis, (selection, &len)) in selections.iter().zip(shape).enumerate() {
            selection.check(axis, len)?;
        }
        let taken: Vec<usize> = selections.iter().map(|selection| selection.len()).collect();
        nbytes(&taken, itemsize)?;
        let size = taken.iter().product::<usize>() * itemsize;
        let strides = |shape: &[usize], order| -> Result<Vec<usize>> {
            let layout = Layout::contiguous(shape, itemsize, order)?;
            Ok(layout.strides().iter().map(|stride| stride.unsigned_abs()).collect())
        };
        let strides = strides(shape, Order::C)?.into_iter().zip(strides(&taken, order)?);
        let axes = selections.iter().zip(strides).map(|(one, strides)| Axis::new(one, strides));
        let first = ByteRun { from: 0, to: 0, len: itemsize };
        let mut runs =
            Self { axes: if size == 0 { Vec::new() } else { axes.collect() }, first, size };
        while let Some(axis) = runs.axes.pop_if(|axis| axis.is_joined(runs.first.len)) {
            let (from, to) = axis.at(0);
            runs.first.from += from;
            runs.first.to += to;
            runs.first.len *= axis.len;
        }
        Ok(runs)
    }

    /// Bytes of the result.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The run, if there is one.
    pub(crate) fn single(&self) -> Option<ByteRun> {
        (self.size > 0 && self.axes.is_empty()).then_some(self.first)
    }

    /// All runs, in the order in which they lie in the array; but where positions are repeated, so is all that lies below them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ByteRun> {
        let mut next = (self.size > 0).then(|| vec![0; self.axes.len()]);
        std::iter::from_fn(move || {
            let at = next.as_mut()?;
            let run = self.axes.iter().zip(&*at).fold(self.first, |run, (axis, &n)| {
                let (from, to) = axis.at(n);
                ByteRun { from: run.from + from, to: run.to + to, ..run }
            });
            let is_over = at.iter_mut().zip(&self.axes).rev().all(|(n, axis)| {
                *n = if *n + 1 < axis.len { *n + 1 } else { 0 };
                *n == 0
            });
            if is_over {
                next = None;
            }
            Some(run)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn selection(len: usize) -> impl Strategy<Value = Selection> {
        let slice = (0..=len, 0..=len, -3isize..=3).prop_map(move |(start, count, step)| {
            let mut slice = Slice { start, len: count, step };
            while !slice.is_inside(len) {
                slice.len -= 1;
            }
            Selection::Slice(slice)
        });
        let whole = Just(Selection::Slice(Slice { start: 0, len, step: 1 }));
        let list = prop::collection::vec(0..len.max(1), if len == 0 { 0..1 } else { 0..6 });
        prop_oneof![whole, slice, list.prop_map(Selection::List)]
    }

    fn positions(selection: &Selection) -> Vec<usize> {
        match selection {
            Selection::Slice(slice) => (0..slice.len)
                .map(|n| slice.start.wrapping_add_signed(n.cast_signed() * slice.step))
                .collect(),
            Selection::List(list) => list.clone(),
        }
    }

    proptest! {
        #[test]
        fn runs_ascend_and_fill_the_result(
            (shape, selections) in prop::collection::vec(0usize..6, 0..4).prop_flat_map(|shape| {
                let selections: Vec<_> = shape.iter().map(|&len| selection(len)).collect();
                (Just(shape), selections)
            }),
            itemsize in 1usize..4,
            fortran: bool,
        ) {
            let order = if fortran { Order::F } else { Order::C };
            let given: Vec<_> = selections.iter().collect();
            let runs = ByteRuns::new(&shape, itemsize, &given, order).unwrap();
            let data: Vec<u8> = (0..shape.iter().product::<usize>() * itemsize).map(|n| u8::try_from(n % 256).unwrap()).collect();
            let repeats = selections.iter().any(|selection| {
                let mut all = positions(selection);
                all.sort_unstable();
                all.array_windows().any(|[one, next]| one == next)
            });
            let (mut found, mut last, mut count) = (vec![0; runs.size()], 0, 0);
            for run in runs.iter() {
                prop_assert!(run.from >= last || repeats, "they ascend");
                (last, count) = (run.from, count + run.len);
                let from = usize::try_from(run.from).unwrap();
                found[run.to..run.to + run.len].copy_from_slice(&data[from..from + run.len]);
            }
            prop_assert_eq!(count, runs.size());

            // The naive loop over the result.
            let taken: Vec<Vec<usize>> = selections.iter().map(positions).collect();
            let lens: Vec<usize> = taken.iter().map(Vec::len).collect();
            let to = Layout::contiguous(&lens, itemsize, order).unwrap();
            let from = Layout::contiguous(&shape, itemsize, Order::C).unwrap();
            let mut expected = vec![0; runs.size()];
            for n in 0..lens.iter().product::<usize>() {
                let (mut rest, mut at, mut place) = (n, 0, 0);
                for axis in (0..lens.len()).rev() {
                    let k = rest % lens[axis];
                    rest /= lens[axis];
                    at += taken[axis][k] * from.strides()[axis].unsigned_abs();
                    place += k * to.strides()[axis].unsigned_abs();
                }
                expected[place..place + itemsize].copy_from_slice(&data[at..at + itemsize]);
            }
            prop_assert_eq!(found, expected);
        }
    }
}
