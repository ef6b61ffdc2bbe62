//! The steps of a frame that grows: what stands behind the blocks of each.

use crate::error::{Error, ErrorKind, Result};
use crate::format::Header;
use crate::format::frame::{
    BLOCK_HEADER, Bound, Ended, Entry, FOOTER, Footer, Grid, Grown, ends_early, index_size,
    parse_end, parse_index,
};

/// What was read of the steps.
#[derive(Debug)]
pub(super) struct Steps {
    grown: Grown,
    /// Bytes of the whole input, where they are known.
    input_len: Option<u64>,
    /// Where the indexes end that were read.
    indexes: Vec<Ended>,
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
    pub(super) fn new(grown: Grown, input_len: Option<u64>) -> Self {
        Self { grown, input_len, indexes: Vec::new() }
    }

    /// Where the frame ends.
    pub(super) fn end(&self) -> u64 {
        self.grown.end
    }

    /// That so many bytes from `offset` on are not beyond the end of the frame.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed); [`Truncated`](crate::ErrorKind::Truncated) where the input is known to end before.
    pub(super) fn check_room(&self, offset: u64, len: usize) -> Result<()> {
        let (stop, end) = (offset.saturating_add(len as u64), self.grown.end);
        if stop <= end {
            return Ok(());
        }
        if let Some(len) = self.input_len.filter(|&len| len < end) {
            return Err(ends_early(self.grown, len));
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
        let last = self.indexes.last().map_or(0, |last| last.blocks);
        let malformed = |why: &str| Error::malformed(format!("an end record {why}")).at(offset);
        if blocks == last || !blocks.is_multiple_of(grid.per_band()) {
            return Err(malformed(&format!("stands behind {blocks} blocks, where no step ends")));
        }
        let first = blocks.checked_sub(rows).filter(|_| rows > 0);
        // A search, since small steps may be as many as the blocks.
        let found = |first| {
            let at = self.indexes.binary_search_by_key(&first, |index| index.blocks).ok()?;
            self.indexes.get(at).copied()
        };
        let back = match first {
            Some(0) => Some(Ended::default()),
            Some(first) => found(first),
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
            bound: Bound::Sum(back.sum),
            start: offset.saturating_add(BLOCK_HEADER as u64),
            back: back.end,
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
        self.indexes.push(Ended::of(index, &step.known));
        Ok((step.first, entries))
    }

    /// That the frame may end behind so many blocks.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn finish(&self, blocks: u64, grid: &Grid) -> Result<()> {
        let (last, wanted) = (self.indexes.last().copied().unwrap_or_default(), grid.len());
        let (rows, all, end) = (grid.known_rows(), grid.height(), self.grown.end);
        if (last.blocks, blocks, rows as u64) != (wanted, wanted, all) {
            let named = last.blocks;
            let message = format!(
                "the frame ends behind {blocks} blocks, {named} of them in an index, of {rows} rows; the mark says {wanted} of {all}"
            );
            return Err(Error::malformed(message).at(end));
        }
        if last.sum != self.grown.sum && !cfg!(ndbytes_unchecked) {
            let start = end.saturating_sub(FOOTER as u64);
            let kind = ErrorKind::Checksum { block: None, range: start..end };
            let message =
                format!("the index that ends at byte {end} is another one than the mark names");
            return Err(Error::new(kind, message).at(start));
        }
        Ok(())
    }
}
