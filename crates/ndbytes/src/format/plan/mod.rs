//! A part of an array in blocks: which of them it touches, and where their items go.

#[cfg(feature = "deflate")]
mod bytes;
mod copy;
mod runs;

use super::frame::Grid;
use crate::array::{Layout, Order, nbytes};
use crate::error::{Error, Result};
#[cfg(feature = "deflate")]
pub(crate) use bytes::{ByteRun, ByteRuns};
use copy::single;
pub use runs::Selection;
use runs::{Axis, Run};
use std::ops::Range;

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
            _ => (selections.iter().enumerate())
                .map(|(axis, &one)| Axis::new(one, grid.cuts(axis)))
                .collect(),
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
            let number =
                self.axes.iter().zip(&at).zip(&counts).fold(0, |number, ((axis, &at), count)| {
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
        let stride = *self
            .strides
            .first()
            .filter(|&&stride| self.strides.iter().all(|&other| other <= stride))?;
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
        let is_whole =
            runs.iter().zip(&lens).all(|(run, &len)| run.len == len && (run.step == 1 || len == 1));
        let to = self.to(&runs, 0)?;
        let end = to.offset() + grid.size(touched.number);
        Ok((is_whole && to.is_c_contiguous(self.itemsize)).then(|| to.offset()..end))
    }
}
