//! One block at a time, wherever it stands, held against the index.

use super::chain::{Chain, chain};
use crate::error::{Error, Result};
use crate::format::frame::{
    BLOCK_HEADER, BlockHeader, Entry, Footer, Index, PAGE, check_len, ending_size, index_size,
};
use crate::format::{Decoder, Header};
use crate::io::ReadAt;
use crate::io::read::read;
use crate::kernel::zeroed;
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// Reads at a place of the input.
pub(in crate::io) type Fetch<'f> = &'f mut dyn FnMut(&mut [u8], u64) -> Result<usize>;

/// Reads the ending of the index of a coded frame of `len` bytes.
pub(in crate::io) fn ending(fetch: Fetch<'_>, len: u64, header: &Header) -> Result<Index> {
    let grid = header.grid()?;
    check_len(header, grid.len(), len, 0)?;
    let (size, all) = (ending_size(grid.len()), index_size(grid.len()));
    // No more than the input has.
    let mut bytes = zeroed(usize::try_from(size).map_err(|_| Error::overflow("the index"))?)?;
    let start = len.saturating_sub(size);
    let found = fill(fetch, &mut bytes, start)?;
    if found < bytes.len() {
        return Err(cut(start, found, bytes.len()));
    }
    let range = len.saturating_sub(all)..len;
    let known = Footer::whole(header, &grid, range.start);
    Index::parse(&bytes, range, grid.len(), &known, header.len)
}

/// Fills the space from `offset` on, as far as the input goes, and gives how far that is.
pub(super) fn fill(fetch: Fetch<'_>, space: &mut [u8], offset: u64) -> Result<usize> {
    let mut filled = 0;
    loop {
        let rest = space.get_mut(filled..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(filled);
        }
        match fetch(rest, offset.saturating_add(filled as u64))? {
            0 => return Ok(filled),
            n => filled += n,
        }
    }
}

pub(super) fn cut(start: u64, found: usize, wanted: usize) -> Error {
    let at = start.saturating_add(found as u64);
    let message = format!(
        "the index is cut: the input ends at byte {at}, {wanted} bytes from {start} are needed"
    );
    Error::truncated(message).at(at)
}

/// A source as a reader with its own place in it.
pub(super) struct From<'s, S>(pub(super) &'s S, pub(super) u64);

impl<S: ReadAt> Read for From<'_, S> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read_at(space, self.1)?;
        self.1 += n as u64;
        Ok(n)
    }
}

/// The blocks of a coded frame.
#[derive(Debug)]
pub(super) struct Blocks<S> {
    pub(super) source: S,
    pub(super) decoder: Decoder,
    index: Known,
}

/// What is known of the index.
#[derive(Debug)]
enum Known {
    /// Its ending, and the pages that were read.
    Pages(Index, Mutex<HashMap<u64, Arc<Vec<Entry>>>>),
    /// All of it: only so are the rows of a frame that grows known.
    All(Vec<Entry>),
}

impl<S: ReadAt> Blocks<S> {
    pub(super) fn open(source: S, len: u64, header: &Header) -> Result<Self> {
        let mut fetch = |space: &mut [u8], offset| read(&mut From(&source, offset), space);
        let mut decoder = Decoder::new(header)?;
        let index = match header.grown() {
            None => Known::Pages(ending(&mut fetch, len, header)?, Mutex::default()),
            Some(_) => {
                let Chain { entries, grid, .. } = chain(&mut fetch, len, header)?;
                decoder.grid = grid;
                Known::All(entries)
            }
        };
        Ok(Self { source, decoder, index })
    }

    fn fill(&self, space: &mut [u8], offset: u64) -> Result<usize> {
        fill(&mut |space, offset| read(&mut From(&self.source, offset), space), space, offset)
    }

    /// What the index says of a block.
    fn entry(&self, number: u64) -> Result<Entry> {
        let of = |entries: &[Entry], row: u64| {
            let entry = usize::try_from(row).ok().and_then(|row| entries.get(row).copied());
            entry.ok_or_else(|| Error::argument(format!("there is no block {number}")))
        };
        let (index, pages) = match &self.index {
            Known::Pages(index, pages) => (index, pages),
            Known::All(entries) => return of(entries, number),
        };
        let (page, row) = (number / PAGE as u64, number % PAGE as u64);
        let pages = || pages.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pages().get(&page).cloned();
        if let Some(entries) = known {
            return of(&entries, row);
        }
        let entries = Arc::new(self.read_page(index, page)?);
        pages().insert(page, Arc::clone(&entries));
        of(&entries, row)
    }

    fn read_page(&self, index: &Index, number: u64) -> Result<Vec<Entry>> {
        let range = index.page(number);
        let size = usize::try_from(range.end - range.start).unwrap_or(0);
        let mut page = zeroed(size)?;
        let found = self.fill(&mut page, range.start)?;
        if found < size {
            return Err(cut(range.start, found, size));
        }
        index.parse_page(number, &page)
    }

    /// Reads a block, whose items come into memory of their size; what is stored of it comes through `space`.
    ///
    /// # Errors
    /// Those of the decoder; [`Truncated`](crate::ErrorKind::Truncated), [`Checksum`](crate::ErrorKind::Checksum) for another block
    /// than the index names.
    pub(super) fn decode(&self, number: u64, space: &mut Vec<u8>, items: &mut [u8]) -> Result<()> {
        let (entry, of) = (self.entry(number)?, self.decoder.expected(number));
        if entry.stored as usize > of.size || entry.rows != of.rows {
            let Entry { stored, rows, .. } = entry;
            let (size, wanted) = (of.size, of.rows);
            let why = format!(
                "the index says {stored} stored bytes and {rows} rows, it has at most {size} and {wanted}"
            );
            return Err(of.malformed(entry.offset, &why));
        }
        let len = BLOCK_HEADER + entry.stored as usize;
        if space.len() < len {
            *space = zeroed(len)?;
        }
        let bytes = space.get_mut(..len).unwrap_or_default();
        let found = self.fill(bytes, entry.offset)?;
        let whole = bytes.split_first_chunk().filter(|_| found == len);
        let (head, stored) = whole.ok_or_else(|| of.cut(entry.offset, found, len))?;
        let header = BlockHeader::parse(head, entry.offset, &of)?;
        if header.entry != entry && !cfg!(ndbytes_unchecked) {
            let why = "it is another one than the index names";
            return Err(of.damaged(entry.offset..entry.end(), why));
        }
        // What the header says otherwise, where nothing is checked, is not in `stored`.
        self.decoder.decode(number, &header, stored, items)
    }
}
