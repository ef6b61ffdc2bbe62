//! All indexes of a frame that grows, from the last one back.

use super::fetch::{Fetch, cut, fill};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Header;
use crate::format::frame::{
    BLOCK_HEADER, BlockHeader, Bound, Ended, Entry, Expected, FOOTER, Footer, Grid, Grown,
    ends_early, index_size, parse_end, parse_index,
};
use crate::kernel::zeroed;
use std::io::ErrorKind as IoKind;
use std::ops::Range;

/// What the indexes say.
#[derive(Debug)]
pub(in crate::io) struct Chain {
    /// Of each block.
    pub(in crate::io) entries: Vec<Entry>,
    /// Where they end, in order.
    pub(in crate::io) indexes: Vec<Ended>,
    /// The grid, whose bands are all known.
    pub(in crate::io) grid: Grid,
}

/// One index.
struct Link {
    footer: Footer,
    /// Of the footer of the one before.
    sum: u32,
    entries: Vec<Entry>,
}

/// Reads the indexes of a frame that grows. Its input had `len` bytes, and may have got longer since that was asked.
///
/// # Errors
/// [`Truncated`](ErrorKind::Truncated), [`Checksum`](ErrorKind::Checksum), [`Malformed`](ErrorKind::Malformed),
/// [`Unsupported`](ErrorKind::Unsupported).
pub(in crate::io) fn chain(fetch: Fetch<'_>, len: u64, header: &Header) -> Result<Chain> {
    let mut grid = header.grid()?;
    let grown = header.grown().unwrap_or_default();
    let Grown { blocks, end, sum, .. } = grown;
    if len < end && !is_there(fetch, end - 1)? {
        return Err(ends_early(grown, len));
    }
    let (mut ended, mut rows) = (Ended { blocks, end, sum }, grid.height());
    let (mut links, mut indexes) = (Vec::new(), Vec::new());
    while ended.blocks > 0 {
        let link = link(fetch, header, &grid, ended, rows)?;
        indexes.push(ended);
        let range = link.footer.start..ended.end;
        rows = rows
            .checked_sub(band_rows(&link, &grid)?)
            .ok_or_else(|| malformed(&range, "names more rows than there are"))?;
        let blocks = ended.blocks - link.entries.len() as u64;
        ended = Ended { blocks, end: link.footer.back, sum: link.sum };
        links.push(link);
    }
    if rows > 0 {
        let why = format!("leaves {rows} rows without a block");
        return Err(malformed(&(header.len..header.len), &why));
    }
    indexes.reverse();
    let entries: Vec<Entry> = links.into_iter().rev().flat_map(|link| link.entries).collect();
    let mut free = header.len;
    for (number, entry) in (0..).zip(&entries) {
        if entry.offset < free {
            let (from, to) = (entry.offset, entry.end());
            let why = format!("says that block {number} is bytes {from} to {to}, behind {free}");
            return Err(malformed(&(from..to), &why));
        }
        free = entry.end();
        grid.learn(number, entry.rows as usize);
    }
    Ok(Chain { entries, indexes, grid })
}

/// Whether the input has this byte. The system takes no place for one that no file of its kind can have.
fn is_there(fetch: Fetch<'_>, at: u64) -> Result<bool> {
    if i64::try_from(at).is_err() {
        return Ok(false);
    }
    match fetch(&mut [0], at) {
        Err(error) if error.io_error().is_some_and(|e| e.kind() == IoKind::InvalidInput) => {
            Ok(false)
        }
        found => Ok(found? > 0),
    }
}

/// Reads the index that ends there, behind so many rows.
fn link(
    fetch: Fetch<'_>,
    header: &Header,
    grid: &Grid,
    Ended { blocks, end, sum }: Ended,
    rows: u64,
) -> Result<Link> {
    let least = header.len.saturating_add(BLOCK_HEADER as u64);
    let mut footer = [0; FOOTER];
    let at = end.saturating_sub(FOOTER as u64);
    let range = at..end;
    if at < least {
        return Err(malformed(&range, "has no room behind the mark"));
    }
    let found = fill(fetch, &mut footer, at)?;
    if found < FOOTER {
        return Err(cut(at, found, FOOTER));
    }
    let of_footer = footer.last_chunk().map_or(0, |sum| u32::from_le_bytes(*sum));
    let (footer, _) = Footer::parse(&footer, &range)?;
    if of_footer != sum && !cfg!(ndbytes_unchecked) {
        let kind = ErrorKind::Checksum { block: None, range };
        let message = format!("the index that ends at byte {end} is another one than was named");
        return Err(Error::new(kind, message).at(at));
    }
    let start = footer.start;
    if start < least || start >= at {
        return Err(malformed(&range, &format!("says {start} as its own place")));
    }
    // The end record in front of it says how long it is.
    let size = usize::try_from(end - start).map_err(|_| Error::overflow("the index"))?;
    let mut bytes = zeroed(BLOCK_HEADER + size)?;
    let record_at = start - BLOCK_HEADER as u64;
    let found = fill(fetch, &mut bytes, record_at)?;
    let whole = bytes.split_first_chunk().filter(|(_, index)| found == BLOCK_HEADER + index.len());
    let (record, index) = whole.ok_or_else(|| cut(record_at, found, BLOCK_HEADER + size))?;
    let Some(count) = parse_end(record, record_at)? else {
        let message =
            format!("the record in front of the index (bytes {record_at} to {start}) is damaged");
        let kind = ErrorKind::Checksum { block: None, range: record_at..start };
        return Err(Error::new(kind, message).at(record_at));
    };
    let range = start..end;
    let first =
        blocks.checked_sub(count).filter(|_| count > 0 && count.is_multiple_of(grid.per_band()));
    let Some(first) = first.filter(|_| index_size(count) == size as u64) else {
        let why = format!("is said to be of {count} of {blocks} blocks, and has {size} bytes");
        return Err(malformed(&range, &why));
    };
    if first > 0 && footer.back > record_at {
        return Err(malformed(&range, &format!("says that another ends at {}", footer.back)));
    }
    let (back, bound) = if first > 0 { (footer.back, footer.bound) } else { (0, Bound::Sum(0)) };
    // The one before is held against its sum when it is read.
    let sum = u32::try_from(bound.number());
    let sum = sum.map_err(|_| malformed(&range, "names no sum of the index before it"))?;
    let bound = Bound::Sum(sum);
    let known = Footer { header_sum: header.sum, blocks, rows, bound, start, back };
    let entries = parse_index(index, count, &known, header.len)?;
    if entries.last().is_none_or(|last| last.end() > record_at) {
        return Err(malformed(&range, "names a block that is not in front of it"));
    }
    Ok(Link { footer, sum, entries })
}

/// The rows of all bands that an index names.
fn band_rows(link: &Link, grid: &Grid) -> Result<u64> {
    let each = usize::try_from(grid.per_band()).unwrap_or(usize::MAX);
    let most = grid.block().first().map_or(1, |&rows| rows as u64);
    let mut all: u64 = 0;
    for band in link.entries.chunks(each) {
        let rows = band.first().map_or(0, |entry| u64::from(entry.rows));
        if rows == 0 || rows > most || band.iter().any(|entry| u64::from(entry.rows) != rows) {
            let range = link.footer.start..link.footer.start;
            return Err(malformed(
                &range,
                &format!("names a band of {rows} rows, or of several numbers"),
            ));
        }
        all = all.saturating_add(rows);
    }
    Ok(all)
}

/// What compresses the first block, and the filter before it: a frame that grows has chosen nothing for all of it.
pub(in crate::io) fn name_method(fetch: Fetch<'_>, header: &mut Header) -> Result<()> {
    let mut grid = header.grid()?;
    let mut head = [0; BLOCK_HEADER];
    let is_there = header.grown().is_some() && grid.len() > 0;
    if is_there && fill(fetch, &mut head, header.len)? == BLOCK_HEADER {
        grid.learn(0, BlockHeader::rows_of(&head));
        let of = Expected { number: 0, of: grid.len(), rows: grid.rows(0), size: grid.size(0) };
        // What is wrong with it is told where it is read.
        if let Ok(first) = BlockHeader::parse(&head, header.len, &of) {
            header.name_method(&first);
        }
    }
    Ok(())
}

fn malformed(range: &Range<u64>, why: &str) -> Error {
    Error::malformed(format!("the index {why}")).at(range.start)
}
