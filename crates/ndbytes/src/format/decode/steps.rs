//! The steps of a frame that grows: what stands behind the blocks of each.

use crate::error::{Error, Result};
use crate::format::Header;
use crate::format::frame::{
    BLOCK_HEADER, Entry, Footer, Grid, Grown, index_size, parse_end, parse_index,
};

/// What was read of the steps.
#[derive(Debug)]
pub(super) struct Steps {
    grown: Grown,
    /// Of each index that was read, how many blocks stand before it, and where it ends.
    indexes: Vec<(u64, u64)>,
}

/// An index that comes next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Bytes of end record and index.
    pub(super) len: usize,
    /// Where the blocks begin that it names.
    first: usize,
    rows: u64,
    known: Footer,
}

impl Steps {
    pub(super) fn new(grown: Grown) -> Self {
        Self { grown, indexes: Vec::new() }
    }

    /// Where the frame ends.
    pub(super) fn end(&self) -> u64 {
        self.grown.end
    }

    /// That so many bytes from `offset` on are not beyond the end of the frame.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn check_room(&self, offset: u64, len: usize) -> Result<()> {
        let (stop, end) = (offset.saturating_add(len as u64), self.grown.end);
        if stop <= end {
            return Ok(());
        }
        let message = format!(
            "a block or an index reaches to byte {stop}; the mark says that the frame ends at {end}"
        );
        Err(Error::malformed(message).at(offset))
    }

    /// The index behind an end record, if these bytes at `offset`, in front of which the blocks of these entries stand, are one.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn step(
        &self,
        head: &[u8; BLOCK_HEADER],
        offset: u64,
        header: &Header,
        grid: &Grid,
        entries: &[Entry],
    ) -> Result<Option<Step>> {
        let Some(rows) = parse_end(head, offset)? else { return Ok(None) };
        let blocks = entries.len() as u64;
        let last = self.indexes.last().map_or(0, |&(blocks, _)| blocks);
        let malformed = |why: &str| Error::malformed(format!("an end record {why}")).at(offset);
        if blocks == last || !blocks.is_multiple_of(grid.per_band()) {
            return Err(malformed(&format!("stands behind {blocks} blocks, where no step ends")));
        }
        let first = blocks.checked_sub(rows).filter(|_| rows > 0);
        let found = |first| self.indexes.iter().find(|&&(blocks, _)| blocks == first);
        let back = match first {
            Some(0) => Some(0),
            Some(first) => found(first).map(|&(_, end)| end),
            None => None,
        };
        let (Some(first), Some(back)) = (first, back) else {
            let why = format!(
                "says {rows} entries behind {blocks} blocks, {last} of which have an index"
            );
            return Err(malformed(&why));
        };
        let size = usize::try_from(index_size(rows)).map_err(|_| Error::overflow("the index"))?;
        let len = BLOCK_HEADER + size;
        self.check_room(offset, len)?;
        let done = grid.known_rows() as u64;
        let known = Footer {
            header_sum: header.sum,
            blocks,
            rows: done,
            size: done.saturating_mul(grid.row_size()),
            start: offset.saturating_add(BLOCK_HEADER as u64),
            back,
        };
        let first = usize::try_from(first).map_err(|_| Error::overflow("the index"))?;
        Ok(Some(Step { len, first, rows, known }))
    }

    /// Reads the index of a step, end record included; what it says of blocks is for the caller to compare, from the number on that
    /// comes with it.
    ///
    /// # Errors
    /// As [`parse_index`].
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        step: &Step,
        header: u64,
    ) -> Result<(usize, Vec<Entry>)> {
        let index = bytes.get(BLOCK_HEADER..).unwrap_or_default();
        let entries = parse_index(index, step.rows, &step.known, header)?;
        let end = step.known.start.saturating_add(index.len() as u64);
        self.indexes.push((step.known.blocks, end));
        Ok((step.first, entries))
    }

    /// That the frame may end behind so many blocks.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn finish(&self, blocks: u64, grid: &Grid) -> Result<()> {
        let (last, wanted) = (self.indexes.last().map_or(0, |&(blocks, _)| blocks), grid.len());
        let (rows, all) = (grid.known_rows(), grid.height());
        if (last, blocks, rows as u64) == (wanted, wanted, all) {
            return Ok(());
        }
        let message = format!(
            "the frame ends behind {blocks} blocks, {last} of them in an index, of {rows} rows; the mark says {wanted} of {all}"
        );
        Err(Error::malformed(message).at(self.grown.end))
    }
}
