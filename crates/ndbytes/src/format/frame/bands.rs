//! The rows of a frame that grows: each band, which is the blocks of the same rows, has a number of its own.

use crate::error::{Error, Result};
use std::ops::Range;

/// Which rows each band has, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bands {
    count: usize,
    /// Where the known ones begin, and where the last of these ends.
    starts: Vec<usize>,
}

impl Bands {
    pub(super) fn new(count: u64) -> Result<Self> {
        let count = usize::try_from(count).map_err(|_| Error::overflow("the number of blocks"))?;
        Ok(Self { count, starts: vec![0] })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many rows are known.
    pub(super) fn known(&self) -> usize {
        self.starts.last().copied().unwrap_or_default()
    }

    /// Takes note of the rows of the band that follows the known ones.
    pub(super) fn learn(&mut self, band: u64, rows: usize) {
        if band < self.count as u64 && self.starts.len() as u64 == band.saturating_add(1) {
            self.starts.push(self.known().saturating_add(rows));
        }
    }

    /// The rows of a band.
    pub(super) fn range(&self, band: u64) -> Option<Range<usize>> {
        let band = usize::try_from(band).ok()?;
        Some(*self.starts.get(band)?..*self.starts.get(band.checked_add(1)?)?)
    }

    /// The band of a row, and its rows.
    #[cfg(feature = "std")]
    pub(super) fn find(&self, row: usize) -> (usize, Range<usize>) {
        let band = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        (band, self.range(band as u64).unwrap_or_else(|| row..row.saturating_add(1)))
    }
}
