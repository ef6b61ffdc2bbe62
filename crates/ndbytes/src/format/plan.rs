//! A part of an array in blocks: which of them it touches, and where their items go.

use super::frame::Grid;
use crate::array::{Layout, Order, Slice, nbytes};
use crate::error::{Error, Result};
use crate::kernel::{gather, scatter, zeroed};
use std::ops::Range;

/// What is taken of one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every `step`-th position.
    Slice(Slice),
    /// These positions, in any order; some may be repeated.
    List(Vec<usize>),
}

impl Selection {
    /// How many positions it takes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.len,
            Self::List(list) => list.len(),
        }
    }

    /// Whether it takes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn check(&self, axis: usize, len: usize) -> Result<()> {
        let what = match self {
            Self::Slice(slice) if slice.is_inside(len) => return Ok(()),
            Self::Slice(Slice { start, len, step }) => format!("{len} items from {start} by {step} leave"),
            Self::List(list) => match list.iter().find(|&&at| at >= len) {
                None => return Ok(()),
                Some(at) => format!("position {at} is outside"),
            },
        };
        Err(Error::argument(format!("axis {axis}: {what} an axis of length {len}")))
    }
}

/// Positions of one axis that lie in one block, one step apart, and follow each other in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// The block along this axis.
    block: usize,
    /// The first position, counted from the block's own.
    from: usize,
    step: isize,
    len: usize,
    /// The first position in the result.
    to: usize,
}

/// One axis: its runs by block, and those of each block that is touched.
#[derive(Debug)]
struct Axis {
    runs: Vec<Run>,
    blocks: Vec<Range<usize>>,
}

impl Axis {
    fn new(selection: &Selection, block: usize) -> Self {
        let mut runs = match selection {
            Selection::Slice(slice) => slice_runs(*slice, block),
            Selection::List(list) => list_runs(list, block),
        };
        // Stable: those of a block stay in the order of the result.
        runs.sort_by_key(|run| run.block);
        let mut start = 0;
        let blocks = runs.chunk_by(|one, next| one.block == next.block).map(|runs| {
            start += runs.len();
            start - runs.len()..start
        });
        let blocks = blocks.collect();
        Self { runs, blocks }
    }

    /// The runs of the `at`-th block that is touched.
    fn of(&self, at: usize) -> &[Run] {
        let range = self.blocks.get(at).cloned().unwrap_or_default();
        self.runs.get(range).unwrap_or_default()
    }
}

fn slice_runs(slice: Slice, block: usize) -> Vec<Run> {
    let (mut runs, mut to) = (Vec::new(), 0);
    while to < slice.len {
        // Inside its axis, as was checked.
        let at = slice.start.wrapping_add_signed(to.cast_signed().wrapping_mul(slice.step));
        let from = at % block;
        let room = if slice.step < 0 { from } else { block - 1 - from };
        let more = room.checked_div(slice.step.unsigned_abs()).unwrap_or(slice.len);
        let len = more.saturating_add(1).min(slice.len - to);
        runs.push(Run { block: at / block, from, step: slice.step, len, to });
        to += len;
    }
    runs
}

fn list_runs(list: &[usize], block: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (to, &at) in list.iter().enumerate() {
        let (number, from) = (at / block, at % block);
        if let Some(run) = runs.last_mut().filter(|run| run.block == number) {
            if run.len == 1 {
                run.step = from.wrapping_sub(run.from).cast_signed();
            }
            if run.from.wrapping_add_signed(run.len.cast_signed().wrapping_mul(run.step)) == from {
                run.len += 1;
                continue;
            }
        }
        runs.push(Run { block: number, from, step: 1, len: 1, to });
    }
    runs
}

/// The blocks that a part touches, and where their items go in a result without gaps.
#[derive(Debug)]
pub(crate) struct Plan {
    axes: Vec<Axis>,
    /// Bytes from one position of the result to the next, along each storage axis.
    strides: Vec<usize>,
    itemsize: usize,
    size: usize,
}

/// A block that is touched.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    pub(crate) number: u64,
    /// Which of the blocks that are touched it is, along each axis.
    at: Vec<usize>,
}

/// What blocks of the same rows fill.
#[derive(Debug, Clone)]
pub(crate) struct Band {
    at: usize,
    /// Where in the result.
    pub(crate) range: Range<usize>,
}

impl Plan {
    /// The selections are of the storage axes; so is `order`, in which the result lies.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a selection that leaves its axis, or too few or many of them;
    /// [`Limit`](crate::ErrorKind::Limit) for a result whose size overflows.
    pub(crate) fn new(grid: &Grid, selections: &[&Selection], order: Order) -> Result<Self> {
        let (found, wanted) = (selections.len(), grid.shape().len());
        if found != wanted {
            return Err(Error::argument(format!("{found} selections for {wanted} axes")));
        }
        for (axis, (selection, &len)) in selections.iter().zip(grid.shape()).enumerate() {
            selection.check(axis, len)?;
        }
        let shape: Vec<usize> = selections.iter().map(|selection| selection.len()).collect();
        let itemsize = grid.itemsize();
        nbytes(&shape, itemsize)?;
        let size = shape.iter().product::<usize>() * itemsize;
        let result = Layout::contiguous(&shape, itemsize, order)?;
        let strides = result.strides().iter().map(|stride| stride.unsigned_abs()).collect();
        let axes = match size {
            0 => Vec::new(),
            _ => selections.iter().zip(grid.block()).map(|(&one, &block)| Axis::new(one, block)).collect(),
        };
        Ok(Self { axes, strides, itemsize, size })
    }

    /// Bytes of the result.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The blocks that are touched, each once, as they stand in the frame.
    pub(crate) fn blocks(&self, grid: &Grid) -> impl Iterator<Item = Touched> {
        let rows = 0..self.axes.first().map_or(1, |axis| axis.blocks.len());
        self.blocks_from(grid, rows)
    }

    /// Those of these of the blocks along the slowest axis.
    fn blocks_from(&self, grid: &Grid, rows: Range<usize>) -> impl Iterator<Item = Touched> {
        let counts: Vec<u64> = grid.counts().map(|count| count as u64).collect();
        let mut first = vec![0; self.axes.len()];
        first.iter_mut().take(1).for_each(|at| *at = rows.start);
        let mut next = (self.size > 0 && !rows.is_empty()).then_some(first);
        std::iter::from_fn(move || {
            let at = next.take()?;
            let number = self.axes.iter().zip(&at).zip(&counts).fold(0, |number, ((axis, &at), count)| {
                number * count + axis.of(at).first().map_or(0, |run| run.block as u64)
            });
            next = self.after(&at, rows.end);
            Some(Touched { number, at })
        })
    }

    fn after(&self, at: &[usize], rows: usize) -> Option<Vec<usize>> {
        let mut next = at.to_vec();
        let (slowest, faster) = next.split_first_mut()?;
        for (at, axis) in faster.iter_mut().zip(self.axes.iter().skip(1)).rev() {
            *at += 1;
            if *at < axis.blocks.len() {
                return Some(next);
            }
            *at = 0;
        }
        *slowest += 1;
        if *slowest < rows { Some(next) } else { None }
    }

    /// The runs of a block, along each axis.
    fn runs(&self, touched: &Touched) -> Vec<&[Run]> {
        self.axes.iter().zip(&touched.at).map(|(axis, &at)| axis.of(at)).collect()
    }

    /// Bytes that are taken of a block.
    pub(crate) fn taken(&self, touched: &Touched) -> usize {
        let len = |runs: &[Run]| runs.iter().map(|run| run.len).sum::<usize>();
        self.runs(touched).into_iter().map(len).product::<usize>() * self.itemsize
    }

    /// How many blocks are touched.
    pub(crate) fn count(&self) -> u64 {
        let counts = self.axes.iter().map(|axis| axis.blocks.len() as u64);
        if self.size == 0 { 0 } else { counts.fold(1, u64::saturating_mul) }
    }

    /// The parts of the result that blocks of the same rows fill, where those are pieces of it.
    pub(crate) fn bands(&self) -> Option<Vec<Band>> {
        let rows = self.axes.first()?;
        // The slowest axis of the result as well.
        let stride = *self.strides.first().filter(|&&stride| self.strides.iter().all(|&other| other <= stride))?;
        let band = |at: usize| {
            let runs = rows.of(at);
            let (start, mut end) = runs.first().map(|run| (run.to, run.to))?;
            for run in runs {
                if run.to != end {
                    return None;
                }
                end += run.len;
            }
            Some(Band { at, range: start * stride..end * stride })
        };
        let mut bands = (0..rows.blocks.len()).map(band).collect::<Option<Vec<_>>>()?;
        bands.sort_by_key(|band| band.range.start);
        Some(bands)
    }

    /// The blocks of a band.
    pub(crate) fn blocks_of(&self, grid: &Grid, band: &Band) -> impl Iterator<Item = Touched> {
        self.blocks_from(grid, band.at..band.at + 1)
    }

    /// Whether all of a block is taken as it lies, and stays in one piece: where in the result.
    ///
    /// # Errors
    /// None.
    pub(crate) fn straight(&self, grid: &Grid, touched: &Touched) -> Result<Option<Range<usize>>> {
        let Some(runs) = single(&self.runs(touched)) else { return Ok(None) };
        let lens = grid.lens(touched.number);
        let is_whole = runs.iter().zip(&lens).all(|(run, &len)| run.len == len && (run.step == 1 || len == 1));
        let to = self.to(&runs, 0)?;
        let end = to.offset() + grid.size(touched.number);
        Ok((is_whole && to.is_c_contiguous(self.itemsize)).then(|| to.offset()..end))
    }

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
                let result = result.get_mut(to.offset()..to.offset() + taken).ok_or_else(outside)?;
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
    pub(crate) fn gather(&self, grid: &Grid, touched: &Touched, items: &[u8], out: &mut [u8]) -> Result<()> {
        let (runs, lens) = (self.runs(touched), grid.lens(touched.number));
        if let Some(runs) = single(&runs) {
            return gather(items, &self.from(&lens, &runs)?, self.itemsize, out);
        }
        let whole = Layout::contiguous(&lens, self.itemsize, Order::C)?;
        let strides: Vec<usize> = whole.strides().iter().map(|stride| stride.unsigned_abs()).collect();
        let offset = |run: &Run, k: usize| run.from.wrapping_add_signed(k.cast_signed().wrapping_mul(run.step));
        let is_joined = |run: &Run| run.step == 1;
        let mut out = out;
        self.walk(&runs, &strides, &offset, &is_joined, &mut |place| {
            let from = items.get(place).ok_or_else(outside)?;
            let (to, rest) = std::mem::take(&mut out).split_at_mut_checked(from.len()).ok_or_else(outside)?;
            to.copy_from_slice(from);
            out = rest;
            Ok(())
        })
    }

    /// Puts items of a block, as [`Plan::gather`] gives them, to where they belong in a part of the result that begins at `base`.
    ///
    /// # Errors
    /// None for a part that has them.
    pub(crate) fn scatter(&self, touched: &Touched, items: &[u8], result: &mut [u8], base: usize) -> Result<()> {
        let runs = self.runs(touched);
        if let Some(runs) = single(&runs) {
            return scatter(items, result, &self.to(&runs, base)?, self.itemsize);
        }
        let offset = |run: &Run, k: usize| run.to + k;
        let is_joined = |_: &Run| self.strides.last() == Some(&self.itemsize);
        let mut items = items;
        self.walk(&runs, &self.strides, &offset, &is_joined, &mut |place| {
            let place = place.start.checked_sub(base).zip(place.end.checked_sub(base));
            let to = place.and_then(|(start, end)| result.get_mut(start..end)).ok_or_else(outside)?;
            let (from, rest) = items.split_at_checked(to.len()).ok_or_else(outside)?;
            to.copy_from_slice(from);
            items = rest;
            Ok(())
        })
    }

    /// Where the runs lie in a block of these lengths.
    fn from(&self, lens: &[usize], runs: &[Run]) -> Result<Layout> {
        let slices: Vec<_> =
            runs.iter().map(|run| Slice { start: run.from, len: run.len, step: run.step }).collect();
        Layout::contiguous(lens, self.itemsize, Order::C)?.sliced(&slices)
    }

    /// Where the runs lie in a part of the result that begins at `base`.
    fn to(&self, runs: &[Run], base: usize) -> Result<Layout> {
        let offset: usize = runs.iter().zip(&self.strides).map(|(run, stride)| run.to * stride).sum();
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
        let slower: Vec<Vec<usize>> = slower.iter().zip(strides).map(|(runs, &stride)| offsets(runs, stride)).collect();
        let stride = strides.last().copied().unwrap_or_default();
        // Of the last axis items that lie together go in one.
        let pieces: Vec<Range<usize>> = last
            .iter()
            .flat_map(|run| {
                let (count, items) = if is_joined(run) { (1, run.len) } else { (run.len, 1) };
                (0..count).map(move |k| offset(run, k) * stride).map(move |at| at..at + items * self.itemsize)
            })
            .collect();
        let mut at = vec![0; slower.len()];
        loop {
            let base: usize = slower.iter().zip(&at).map(|(offsets, &at)| offsets.get(at).copied().unwrap_or(0)).sum();
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
fn single(runs: &[&[Run]]) -> Option<Vec<Run>> {
    runs.iter().map(|runs| if let [run] = runs { Some(*run) } else { None }).collect()
}

fn outside() -> Error {
    Error::argument("items of a block lie outside the memory for them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_make_the_longest_runs_within_a_block() {
        let run = |block, from, step, len, to| Run { block, from, step, len, to };
        assert_eq!(
            list_runs(&[1, 2, 3, 4, 9, 9, 8, 6, 4, 0], 4),
            [
                run(0, 1, 1, 3, 0),
                run(1, 0, 1, 1, 3),
                run(2, 1, 0, 2, 4),
                run(2, 0, 1, 1, 6),
                run(1, 2, -2, 2, 7),
                run(0, 0, 1, 1, 9),
            ]
        );
        let slice = |start, len, step| slice_runs(Slice { start, len, step }, 4);
        assert_eq!(slice(3, 4, 2), [run(0, 3, 2, 1, 0), run(1, 1, 2, 2, 1), run(2, 1, 2, 1, 3)]);
        assert_eq!(slice(9, 3, -4), [run(2, 1, -4, 1, 0), run(1, 1, -4, 1, 1), run(0, 1, -4, 1, 2)]);
        assert_eq!(slice(6, 5, 0), [run(1, 2, 0, 5, 0)]);
        assert_eq!(slice(6, 0, 1), []);
    }
}
