//! From the items of a block to a part of the result.

use super::runs::Run;
use super::{Plan, Touched};
use crate::array::{Layout, Order, Slice};
use crate::error::{Error, Result};
use crate::format::frame::Grid;
use crate::kernel::{gather, scatter, zeroed};
use std::ops::Range;

impl Plan {
    /// Copies what is taken of a block's items to where it belongs in a part of the result that begins at `base`; `spare` is
    /// room for it on the way.
    ///
    /// # Errors
    /// As [`Plan::gather`] and [`Plan::scatter`].
    pub(crate) fn put(
        &self,
        grid: &Grid,
        touched: &Touched,
        items: &[u8],
        spare: &mut Vec<u8>,
        result: &mut [u8],
        base: usize,
    ) -> Result<()> {
        let (taken, itemsize) = (self.taken(touched), self.itemsize);
        if let Some(runs) = single(&self.runs(touched)) {
            let (from, to) = (self.from(&grid.lens(touched.number), &runs)?, self.to(&runs, base)?);
            if from.is_c_contiguous(itemsize) {
                let items = items.get(from.offset()..from.offset() + taken).ok_or_else(outside)?;
                return scatter(items, result, &to, itemsize);
            }
            if to.is_c_contiguous(itemsize) {
                let result =
                    result.get_mut(to.offset()..to.offset() + taken).ok_or_else(outside)?;
                return gather(items, &from, itemsize, result);
            }
        }
        if spare.len() < taken {
            *spare = zeroed(taken)?;
        }
        let spare = spare.get_mut(..taken).ok_or_else(outside)?;
        self.gather(grid, touched, items, spare)?;
        self.scatter(touched, spare, result, base)
    }

    /// Copies what is taken of a block's items to `out`, in the order in which [`Plan::scatter`] takes it.
    ///
    /// # Errors
    /// None for a block of its size and memory of [`Plan::taken`] bytes.
    pub(crate) fn gather(
        &self,
        grid: &Grid,
        touched: &Touched,
        items: &[u8],
        out: &mut [u8],
    ) -> Result<()> {
        let (runs, lens) = (self.runs(touched), grid.lens(touched.number));
        if let Some(runs) = single(&runs) {
            return gather(items, &self.from(&lens, &runs)?, self.itemsize, out);
        }
        let whole = Layout::contiguous(&lens, self.itemsize, Order::C)?;
        let strides: Vec<usize> =
            whole.strides().iter().map(|stride| stride.unsigned_abs()).collect();
        let offset = |run: &Run, k: usize| {
            run.from.wrapping_add_signed(k.cast_signed().wrapping_mul(run.step))
        };
        let is_joined = |run: &Run| run.step == 1;
        let mut out = out;
        self.walk(&runs, &strides, &offset, &is_joined, &mut |place| {
            let from = items.get(place).ok_or_else(outside)?;
            let (to, rest) =
                std::mem::take(&mut out).split_at_mut_checked(from.len()).ok_or_else(outside)?;
            to.copy_from_slice(from);
            out = rest;
            Ok(())
        })
    }

    /// Puts items of a block, as [`Plan::gather`] gives them, to where they belong in a part of the result that begins at `base`.
    ///
    /// # Errors
    /// None for a part that has them.
    pub(crate) fn scatter(
        &self,
        touched: &Touched,
        items: &[u8],
        result: &mut [u8],
        base: usize,
    ) -> Result<()> {
        let runs = self.runs(touched);
        if let Some(runs) = single(&runs) {
            return scatter(items, result, &self.to(&runs, base)?, self.itemsize);
        }
        let offset = |run: &Run, k: usize| run.to + k;
        let is_joined = |_: &Run| self.strides.last() == Some(&self.itemsize);
        let mut items = items;
        self.walk(&runs, &self.strides, &offset, &is_joined, &mut |place| {
            let place = place.start.checked_sub(base).zip(place.end.checked_sub(base));
            let to =
                place.and_then(|(start, end)| result.get_mut(start..end)).ok_or_else(outside)?;
            let (from, rest) = items.split_at_checked(to.len()).ok_or_else(outside)?;
            to.copy_from_slice(from);
            items = rest;
            Ok(())
        })
    }

    /// Where the runs lie in a block of these lengths.
    fn from(&self, lens: &[usize], runs: &[Run]) -> Result<Layout> {
        let slices: Vec<_> = runs
            .iter()
            .map(|run| Slice { start: run.from, len: run.len, step: run.step })
            .collect();
        Layout::contiguous(lens, self.itemsize, Order::C)?.sliced(&slices)
    }

    /// Where the runs lie in a part of the result that begins at `base`.
    pub(super) fn to(&self, runs: &[Run], base: usize) -> Result<Layout> {
        let offset: usize =
            runs.iter().zip(&self.strides).map(|(run, stride)| run.to * stride).sum();
        let offset = offset.checked_sub(base).ok_or_else(outside)?;
        let strides = self.strides.iter().map(|stride| stride.cast_signed()).collect();
        Layout::new(runs.iter().map(|run| run.len).collect(), strides, offset)
    }

    /// Tells `each` the bytes of the items on one side, in order: of all the runs of a block, of which there are several along some axis.
    fn walk(
        &self,
        runs: &[&[Run]],
        strides: &[usize],
        offset: &dyn Fn(&Run, usize) -> usize,
        is_joined: &dyn Fn(&Run) -> bool,
        each: &mut dyn FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let Some((last, slower)) = runs.split_last() else { return Ok(()) };
        let offsets = |runs: &[Run], stride: usize| -> Vec<usize> {
            runs.iter().flat_map(|run| (0..run.len).map(move |k| offset(run, k) * stride)).collect()
        };
        let slower: Vec<Vec<usize>> =
            slower.iter().zip(strides).map(|(runs, &stride)| offsets(runs, stride)).collect();
        let stride = strides.last().copied().unwrap_or_default();
        // Of the last axis items that lie together go in one.
        let pieces: Vec<Range<usize>> = last
            .iter()
            .flat_map(|run| {
                let (count, items) = if is_joined(run) { (1, run.len) } else { (run.len, 1) };
                (0..count)
                    .map(move |k| offset(run, k) * stride)
                    .map(move |at| at..at + items * self.itemsize)
            })
            .collect();
        let mut at = vec![0; slower.len()];
        loop {
            let base: usize = slower
                .iter()
                .zip(&at)
                .map(|(offsets, &at)| offsets.get(at).copied().unwrap_or(0))
                .sum();
            for Range { start, end } in &pieces {
                each(base + start..base + end)?;
            }
            let mut axes = at.iter_mut().zip(&slower).rev();
            let is_over = axes.all(|(at, offsets)| {
                *at = if *at + 1 < offsets.len() { *at + 1 } else { 0 };
                *at == 0
            });
            if is_over {
                return Ok(());
            }
        }
    }
}

/// The runs of a block that has one along each axis.
pub(super) fn single(runs: &[&[Run]]) -> Option<Vec<Run>> {
    runs.iter().map(|runs| if let [run] = runs { Some(*run) } else { None }).collect()
}

fn outside() -> Error {
    Error::argument("items of a block lie outside the memory for them")
}
