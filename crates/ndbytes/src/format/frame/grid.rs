//! The grid of a coded frame: which box of the array each block is.

use super::bands::Bands;
use crate::array::{Layout, Slice, block_lens};
use crate::error::{Error, Result};
#[cfg(feature = "std")]
use std::ops::Range;

/// Bytes of a block, at most, unless one item has more.
pub(crate) const MAX_BLOCK: usize = 1 << 24;

/// Boxes of equal lengths, but for the last ones along each axis, over the storage axes: those of the array from the slowest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grid {
    shape: Vec<usize>,
    block: Vec<usize>,
    itemsize: usize,
    /// The rows of a frame that grows.
    bands: Option<Bands>,
}

impl Grid {
    /// The grid of so long blocks; the lengths are of the storage axes.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) for lengths that break the rules of `spec/FORMAT.md`.
    pub(crate) fn new(shape: Vec<usize>, block: Vec<usize>, itemsize: usize) -> Result<Self> {
        if block.len() != shape.len() {
            let (found, wanted) = (block.len(), shape.len());
            return Err(Error::malformed(format!("block: {found} lengths for {wanted} axes")));
        }
        for (&len, &of) in block.iter().zip(&shape) {
            if len == 0 || len > of.max(1) {
                return Err(Error::malformed(format!(
                    "block: a length of {len} along an axis of {of}"
                )));
            }
        }
        let size = block.iter().try_fold(itemsize, |size, &len| size.checked_mul(len));
        if size.is_none_or(|size| size > MAX_BLOCK && size > itemsize) {
            let message = format!(
                "block: more than {MAX_BLOCK} bytes, which blocks of several items may not have"
            );
            return Err(Error::malformed(message));
        }
        Ok(Self { shape, block, itemsize, bands: None })
    }

    /// The grid of a frame that grows, whose slowest axis may be shorter than a block, and no band of which is known yet.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub(crate) fn growing(
        shape: Vec<usize>,
        block: Vec<usize>,
        itemsize: usize,
        blocks: u64,
    ) -> Result<Self> {
        let mut taller = shape.clone();
        taller.iter_mut().zip(&block).take(1).for_each(|(len, &block)| *len = block);
        let mut grid = Self::new(taller, block, itemsize)?;
        grid.shape = shape;
        grid.bands = Some(Bands::new(blocks / grid.per_band())?);
        Ok(grid)
    }

    /// Blocks of about `size` bytes that serve a row of the array as well as a corner of it, with at most `line` items along an axis if
    /// others have enough.
    pub(crate) fn of_size(shape: Vec<usize>, itemsize: usize, size: usize, line: usize) -> Self {
        let block = block_lens(&shape, (size / itemsize.max(1)).max(1), line);
        Self { shape, block, itemsize, bands: None }
    }

    /// How many blocks share their rows.
    pub(crate) fn per_band(&self) -> u64 {
        self.counts().skip(1).map(|count| count as u64).product::<u64>().max(1)
    }

    /// How many rows are in bands that are known.
    pub(crate) fn known_rows(&self) -> usize {
        self.bands.as_ref().map_or(0, Bands::known)
    }

    /// The first row that is in no band that is known; an array without axes is one row.
    #[cfg(feature = "std")]
    pub(crate) fn first_unknown(&self) -> usize {
        let all = self.shape.first().copied().unwrap_or(1);
        self.bands.as_ref().map_or(all, Bands::known)
    }

    /// Takes note that the band of this block, if it follows those that are known, has so many rows; or one, or as many as it may
    /// have, where that cannot be.
    pub(crate) fn learn(&mut self, number: u64, rows: usize) {
        let (band, left) = (number / self.per_band(), self.shape.first().copied());
        let (Some(bands), Some(left), Some(&most)) = (&mut self.bands, left, self.block.first())
        else {
            return;
        };
        let most = left.saturating_sub(bands.known()).min(most);
        if most > 0 {
            bands.learn(band, rows.clamp(1, most));
        }
    }

    /// Where the blocks are along a storage axis.
    #[cfg(feature = "std")]
    pub(crate) fn cuts(&self, axis: usize) -> Cuts<'_> {
        match &self.bands {
            Some(bands) if axis == 0 => Cuts::Bands(bands),
            _ => Cuts::Even(self.block.get(axis).copied().unwrap_or(1)),
        }
    }

    /// Lengths of the storage axes.
    #[cfg(feature = "std")]
    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Lengths of a block, but for the last ones.
    pub(crate) fn block(&self) -> &[usize] {
        &self.block
    }

    /// Bytes of an item.
    pub(crate) fn itemsize(&self) -> usize {
        self.itemsize
    }

    /// The lengths of all blocks together that share the rows of this one.
    pub(crate) fn band(&self, number: u64) -> Vec<usize> {
        let rows = self.slices(number).first().map(|rows| rows.len);
        rows.into_iter().chain(self.shape.iter().skip(1).copied()).collect()
    }

    /// Bytes of one index of the slowest axis.
    #[cfg(feature = "std")]
    pub(crate) fn row_size(&self) -> u64 {
        self.shape.iter().skip(1).map(|&len| len as u64).product::<u64>() * self.itemsize as u64
    }

    /// Whether this block is the last one of its rows.
    pub(crate) fn ends_band(&self, number: u64) -> bool {
        (number + 1).is_multiple_of(self.per_band())
    }

    /// How many blocks there are along each axis.
    pub(crate) fn counts(&self) -> impl DoubleEndedIterator<Item = usize> + ExactSizeIterator {
        let bands = self.bands.as_ref().map(Bands::count);
        let axes = self.shape.iter().zip(&self.block).enumerate();
        axes.map(move |(axis, (len, block))| {
            bands.filter(|_| axis == 0).unwrap_or_else(|| len.div_ceil(*block))
        })
    }

    /// How many blocks there are.
    pub(crate) fn len(&self) -> u64 {
        if self.itemsize == 0 { 0 } else { self.counts().map(|count| count as u64).product() }
    }

    /// The box of a block, as slices of the storage axes.
    pub(crate) fn slices(&self, number: u64) -> Vec<Slice> {
        let mut rest = number;
        let mut slices: Vec<_> = (self.shape.iter().zip(&self.block).zip(self.counts()))
            .rev()
            .map(|((&len, &block), count)| {
                let index = usize::try_from(rest % count.max(1) as u64).unwrap_or_default();
                rest /= count.max(1) as u64;
                let start = index * block;
                Slice { start, len: block.min(len.saturating_sub(start)), step: 1 }
            })
            .collect();
        slices.reverse();
        if let (Some(bands), Some(rows)) = (&self.bands, slices.first_mut()) {
            let known = bands.known();
            let range = bands.range(number / self.per_band()).unwrap_or(known..known);
            *rows = Slice { start: range.start, len: range.len(), step: 1 };
        }
        slices
    }

    /// Lengths of a block.
    pub(crate) fn lens(&self, number: u64) -> Vec<usize> {
        self.slices(number).iter().map(|slice| slice.len).collect()
    }

    /// Bytes of a block.
    pub(crate) fn size(&self, number: u64) -> usize {
        self.lens(number).iter().product::<usize>() * self.itemsize
    }

    /// Its length along the slowest axis, as a block's header says it.
    pub(crate) fn rows(&self, number: u64) -> u32 {
        let rows = self.slices(number).first().map_or(1, |slice| slice.len);
        // At most the bytes of a block, or one item.
        u32::try_from(rows).unwrap_or(u32::MAX)
    }

    /// Bytes of the largest block.
    pub(crate) fn largest(&self) -> usize {
        self.block.iter().product::<usize>() * self.itemsize
    }

    /// The length of the slowest axis, as the index says it.
    pub(crate) fn height(&self) -> u64 {
        self.shape.first().map_or(1, |&len| len as u64)
    }

    /// Where the items of a block lie among all items in storage order.
    ///
    /// # Errors
    /// None for an array whose size was counted.
    pub(crate) fn place(&self, number: u64) -> Result<Layout> {
        Layout::contiguous(&self.shape, self.itemsize, crate::array::Order::C)?
            .sliced(&self.slices(number))
    }
}

/// Where the blocks are along one axis.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cuts<'g> {
    /// At the multiples of a length.
    Even(usize),
    /// Where bands begin.
    Bands(&'g Bands),
}

#[cfg(feature = "std")]
impl Cuts<'_> {
    /// The number of the block that has this position of the axis, and the positions that it has.
    pub(crate) fn find(self, at: usize) -> (usize, Range<usize>) {
        match self {
            Self::Even(len) => {
                let start = at / len * len;
                (at / len, start..start.saturating_add(len))
            }
            Self::Bands(bands) => bands.find(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_every_item_once_in_order() {
        for (shape, block) in [
            (vec![], vec![]),
            (vec![7], vec![3]),
            (vec![5, 4], vec![2, 3]),
            (vec![3, 1, 5], vec![1, 1, 5]),
            (vec![4, 5, 6], vec![3, 2, 4]),
        ] {
            let grid = Grid::new(shape.clone(), block, 2).unwrap();
            let mut seen = vec![0u8; 2 * shape.iter().product::<usize>()];
            for number in 0..grid.len() {
                let place = grid.place(number).unwrap();
                let ones = vec![1; grid.size(number)];
                crate::kernel::scatter(&ones, &mut seen, &place, 2).unwrap();
                assert!(grid.size(number) <= grid.largest());
            }
            let total: usize = (0..grid.len()).map(|number| grid.size(number)).sum();
            assert_eq!(total, seen.len(), "{shape:?}");
            assert!(seen.iter().all(|&seen| seen == 1), "{shape:?}");
        }
        for shape in [vec![0], vec![3, 0, 2]] {
            let block = shape.iter().map(|_| 1).collect();
            assert_eq!(Grid::new(shape, block, 8).unwrap().len(), 0);
        }
        assert_eq!(Grid::new(vec![3], vec![1], 0).unwrap().len(), 0);
    }

    #[test]
    fn the_grid_of_a_size_serves_rows_and_corners() {
        let cut = |shape: &[usize], itemsize, size, line| {
            Grid::of_size(shape.to_vec(), itemsize, size, line).block
        };
        let size = |shape: &[usize], itemsize| cut(shape, itemsize, 1 << 17, usize::MAX);
        assert_eq!(size(&[512, 512, 512], 4), [8, 8, 512]);
        assert_eq!(size(&[4096, 4096], 4), [8, 4096]);
        assert_eq!(size(&[4096, 4096], 1), [32, 4096]);
        assert_eq!(size(&[768, 1024, 3], 1), [42, 1024, 3]);
        assert_eq!(size(&[1 << 20], 8), [1 << 14]);
        assert_eq!(size(&[3, 1 << 20], 4), [3, 10922]);
        assert_eq!(size(&[53940, 7], 8), [2340, 7]);
        assert_eq!(size(&[0, 5], 8), [1, 5]);
        assert_eq!(size(&[], 8), [0; 0]);
        assert_eq!(size(&[2, 3], 1 << 20), [1, 1]);
        // Images of three channels: a few lines of a few of them.
        assert_eq!(size(&[100, 512, 512, 3], 1), [10, 8, 512, 3]);
        let parted = |shape: &[usize], itemsize, line| cut(shape, itemsize, 1 << 15, line);
        assert_eq!(parted(&[512, 512, 512], 4, 256), [2, 16, 256]);
        assert_eq!(parted(&[100, 1024, 1024, 3], 1, 1024), [1, 10, 1024, 3]);
        assert_eq!(parted(&[1 << 20, 64, 64], 4, 256), [2, 64, 64]);
        assert_eq!(parted(&[2, 2, 1 << 27], 4, 256), [2, 2, 2048]);
    }

    #[test]
    fn lengths_that_break_the_rules_are_refused() {
        let error = |shape: &[usize], block: &[usize], itemsize| {
            let error = Grid::new(shape.to_vec(), block.to_vec(), itemsize).unwrap_err();
            error.message().to_owned()
        };
        assert_eq!(error(&[4], &[], 8), "block: 0 lengths for 1 axes");
        assert_eq!(error(&[4], &[0], 8), "block: a length of 0 along an axis of 4");
        assert_eq!(error(&[4], &[5], 8), "block: a length of 5 along an axis of 4");
        assert_eq!(error(&[0], &[2], 8), "block: a length of 2 along an axis of 0");
        let large = "block: more than 16777216 bytes, which blocks of several items may not have";
        assert_eq!(error(&[1 << 30], &[(1 << 22) + 1], 4), large);
        assert_eq!(error(&[usize::MAX, 9], &[usize::MAX, 9], 8), large);
        assert!(Grid::new(vec![9], vec![1], MAX_BLOCK + 1).is_ok());
    }
}
