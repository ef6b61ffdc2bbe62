//! The items of an array on their way to bytes: where they lie, in which order they go, and what is done to them.

use super::copy::{LARGE, Look, Stores};
use super::fresh::touch;
use super::gather::gather_past_cache;
use super::{GapPlan, SwapPlan, gather};
use crate::array::{ArrayRef, Blocks, Layout, Order};
use crate::buffer::HUGE_FROM;
use crate::dtype::{DType, Endian};
use crate::error::{Error, Result};
use crate::threads::Threads;

/// Bytes handled at a time where more is done with them than copying: a part of a level-2 cache.
const BLOCK: usize = 1 << 18;
/// Work for one thread, at least. More at a time is better, for threads get in each other's way where the system zeroes pages.
const SHARE: usize = 1 << 22;
/// From this many bytes on a second thread gains more than its start costs.
const PARALLEL: usize = 1 << 24;
/// The most to write before the caller hears of it.
const LONGEST: usize = 1 << 30;
/// Bytes of memory to read at once where another axis than the last lies closest in it: what stays in cache until it has
/// been looked at goes in short runs, what is only moved in long ones.
pub(crate) const SHORT_RUNS: usize = 1 << 9;
const LONG_RUNS: usize = 1 << 11;

/// How a large copy is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copying {
    /// How many threads may work on it.
    pub threads: Threads,
    /// Whether the destination was written to before: what is fresh gets its pages as it is written.
    pub touched: bool,
}

impl Default for Copying {
    /// To fresh memory, by one thread: where the system must zero every page, more gain little, and lose where theirs come
    /// from afar.
    fn default() -> Self {
        Self { threads: Threads::ONE, touched: false }
    }
}

/// What becomes bytes.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    data: &'a [u8],
    /// Its C order is the order of the bytes.
    layout: Layout,
    itemsize: usize,
    swap: SwapPlan,
    gaps: Option<GapPlan>,
}

impl<'a> Items<'a> {
    /// The items of `array` in `order`, in this byte order, or as stored.
    ///
    /// # Errors
    /// As [`SwapPlan::new`].
    pub(crate) fn new(array: &ArrayRef<'a>, order: Order, endian: Option<Endian>) -> Result<Self> {
        let Self { data, mut layout, itemsize, swap, gaps } = Self::of_parts(array, endian)?;
        if layout.is_fortran(order, itemsize) {
            layout = layout.transposed();
        }
        if layout.is_c_contiguous(itemsize) {
            layout = layout.flat(itemsize);
        }
        Ok(Self { data, layout, itemsize, swap, gaps })
    }

    /// The items of which parts of the array's own layout are written.
    ///
    /// # Errors
    /// As [`SwapPlan::new`].
    pub(crate) fn of_parts(array: &ArrayRef<'a>, endian: Option<Endian>) -> Result<Self> {
        let swap = match endian {
            Some(endian) => SwapPlan::new(array.dtype(), &array.dtype().with_endian(endian))?,
            None => SwapPlan::default(),
        };
        let (data, layout, itemsize) = (array.data(), array.layout().clone(), array.itemsize());
        Ok(Self { data, layout, itemsize, swap, gaps: None })
    }

    /// Bytes as they are.
    pub(crate) fn of_bytes(data: &'a [u8]) -> Self {
        let (shape, strides) = (vec![data.len()], vec![1]);
        let layout = Layout { shape, strides, offset: 0 };
        Self { data, layout, itemsize: 1, swap: SwapPlan::default(), gaps: None }
    }

    /// The same with zeros in the bytes of `dtype`'s items that hold no value.
    pub(crate) fn with_gaps_zeroed(mut self, dtype: &DType) -> Self {
        self.gaps = Some(GapPlan::new(dtype)).filter(|gaps| !gaps.is_empty());
        self
    }

    /// Bytes of one item.
    pub(crate) fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// Bytes of all items.
    pub(crate) fn size(&self) -> usize {
        self.size_of(&self.layout)
    }

    /// Bytes of the items of a part.
    pub(crate) fn size_of(&self, part: &Layout) -> usize {
        part.len() * self.itemsize
    }

    /// The bytes themselves, where they lie in memory as they are wanted.
    pub(crate) fn run(&self) -> Option<&'a [u8]> {
        if self.is_as_stored() { self.run_of(&self.layout) } else { None }
    }

    /// The memory of a part whose items follow each other in it.
    fn run_of(&self, part: &Layout) -> Option<&'a [u8]> {
        if !part.is_c_contiguous(self.itemsize) {
            return None;
        }
        let start = if part.is_empty() { 0 } else { part.offset() };
        self.data.get(start..start.checked_add(self.size_of(part))?)
    }

    /// Parts of at most `max` bytes, or one item.
    pub(crate) fn parts(&self, max: usize) -> Blocks {
        self.layout.blocks(self.itemsize, max)
    }

    /// Writes the bytes of a part to memory of its size.
    ///
    /// # Errors
    /// As [`gather`].
    pub(crate) fn write<L: Look>(
        &self,
        part: &Layout,
        out: &mut [u8],
        stores: Stores,
        look: &mut L,
    ) -> Result<()> {
        let run = self.run_of(part).filter(|run| run.len() == out.len());
        match (run, &self.gaps) {
            (Some(run), None) if self.swap.is_empty() => {
                look.copy(run, out, stores);
                return Ok(());
            }
            (Some(run), Some(gaps)) if self.swap.is_empty() => gaps.copy(run, out),
            (run, gaps) => {
                match run {
                    Some(run) => self.swap.copy(run, out),
                    None if stores == Stores::Streaming && !L::WANTED && self.is_as_stored() => {
                        gather_past_cache(self.data, part, self.itemsize, out)?;
                    }
                    None => {
                        gather(self.data, part, self.itemsize, out)?;
                        self.swap.apply(out);
                    }
                }
                gaps.iter().for_each(|gaps| gaps.apply(out));
            }
        }
        look.see(out);
        Ok(())
    }

    /// Whether nothing is done to the items but to move them.
    fn is_as_stored(&self) -> bool {
        self.swap.is_empty() && self.gaps.is_none()
    }

    /// The least bytes to write at a time so that runs of `run` bytes of memory are read at once.
    ///
    /// Where another axis lies closer in memory than the last, a part must go as far along it as a run does.
    pub(crate) fn grain(&self, run: usize) -> usize {
        let (shape, strides) = (self.layout.shape(), self.layout.strides());
        let step = |axis: usize| strides[axis].unsigned_abs();
        let moving = (0..shape.len()).rev().filter(|&axis| shape[axis] > 1 && step(axis) > 0);
        let Some(near) = moving.min_by_key(|&axis| step(axis)) else { return BLOCK };
        let inner = shape[near + 1..].iter().fold(self.itemsize, |n, &len| n.saturating_mul(len));
        if inner == self.itemsize {
            return BLOCK;
        }
        let rows = (run / step(near)).clamp(1, shape[near]);
        rows.saturating_mul(inner).clamp(BLOCK, LONGEST)
    }

    /// Writes all bytes to memory of their size. `look` makes what looks at a share of them, whose start in `out` it is told,
    /// on any thread; `each` is given that back on the caller's own, with the bytes so far.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if `out` has another size, and whatever `each` returns.
    pub(crate) fn copy_to<L: Look>(
        &self,
        out: &mut [u8],
        how: Copying,
        look: &(impl Fn(usize) -> L + Sync),
        each: &mut dyn FnMut(L, u64) -> Result<()>,
    ) -> Result<()> {
        let (needed, found) = (self.size(), out.len());
        if needed != found {
            let message = format!("the items have {needed} bytes, the buffer for them {found}");
            return Err(Error::argument(message));
        }
        let stores = if needed >= LARGE { Stores::Streaming } else { Stores::Cached };
        // Smaller memory comes from the heap, and was used before.
        let fresh = !how.touched && needed >= HUGE_FROM;
        if (1..=BLOCK).contains(&needed) {
            let mut look = look(0);
            self.write(&self.layout, out, stores, &mut look)?;
            return each(look, needed as u64);
        }
        let threads = if needed >= PARALLEL { how.threads } else { Threads::ONE };
        let fair = needed.div_ceil(threads.get());
        let share = self.grain(LONG_RUNS).max(LARGE / 2).min(fair).max(SHARE);
        // Nothing is gained by stopping in what is only moved.
        let moved = self.is_as_stored() && (self.run().is_some() || !L::WANTED);
        let block = match () {
            () if moved && !fresh => share,
            () if L::WANTED => self.grain(SHORT_RUNS),
            () => self.grain(LONG_RUNS),
        };
        let (mut rest, mut start, mut shares) = (out, 0, Vec::new());
        for part in self.parts(share) {
            let (space, after) = rest.split_at_mut(self.size_of(&part));
            let at = start;
            start += space.len();
            shares.push((part, at, space));
            rest = after;
        }
        let work = |(part, start, space): (Layout, usize, &mut [u8])| {
            let (len, mut look) = (space.len() as u64, look(start));
            let mut rest = space;
            for part in part.blocks(self.itemsize, block) {
                let size = self.size_of(&part);
                if fresh {
                    touch(rest, size);
                }
                let (block, after) = rest.split_at_mut(size);
                self.write(&part, block, stores, &mut look)?;
                rest = after;
            }
            Ok((look, len))
        };
        let mut copied = 0;
        threads.run(shares, &work, &mut |(look, len)| {
            copied += len;
            each(look, copied)
        })
    }
}
