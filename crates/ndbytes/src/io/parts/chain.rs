//! All indexes of a frame that grows, from the last one back.

use super::fetch::{Fetch, cut, fill};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Header;
use crate::format::frame::{
    BLOCK_HEADER, BlockHeader, Entry, Expected, FOOTER, Footer, Grid, index_size, parse_end,
    parse_index,
};
use crate::kernel::zeroed;
use std::ops::Range;

/// What the indexes say.
#[derive(Debug)]
pub(in crate::io) struct Chain {
    /// Of each block.
    pub(in crate::io) entries: Vec<Entry>,
    /// Of each index, in order, how many blocks stand before it, and where it ends.
    pub(in crate::io) indexes: Vec<(u64, u64)>,
    /// The grid, whose bands are all known.
    pub(in crate::io) grid: Grid,
}

/// One index.
struct Link {
    footer: Footer,
    entries: Vec<Entry>,
}

/// Reads the indexes of a frame that grows. How long its input is says nothing: it may have got longer since that was asked.
///
/// # Errors
/// [`Truncated`](ErrorKind::Truncated), [`Checksum`](ErrorKind::Checksum), [`Malformed`](ErrorKind::Malformed),
/// [`Unsupported`](ErrorKind::Unsupported).
pub(in crate::io) fn chain(fetch: Fetch<'_>, header: &Header) -> Result<Chain> {
    let mut grid = header.grid()?;
    let grown = header.grown();
    let mut end = grown.map_or(0, |grown| grown.end);
    let (mut blocks, mut rows) = (grid.len(), grid.height());
    let (mut links, mut indexes) = (Vec::new(), Vec::new());
    while blocks > 0 {
        let link = link(fetch, header, &grid, end, (blocks, rows))?;
        indexes.push((blocks, end));
        let range = link.footer.start..end;
        rows = rows
            .checked_sub(band_rows(&link, &grid)?)
            .ok_or_else(|| malformed(&range, "names more rows than there are"))?;
        (blocks, end) = (blocks - link.entries.len() as u64, link.footer.back);
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

/// Reads the index that ends at `end`, behind so many blocks of so many rows.
fn link(
    fetch: Fetch<'_>,
    header: &Header,
    grid: &Grid,
    end: u64,
    (blocks, rows): (u64, u64),
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
    let (footer, _) = Footer::parse(&footer, &range)?;
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
    let known = Footer {
        header_sum: header.sum,
        blocks,
        rows,
        size: rows.saturating_mul(grid.row_size()),
        start,
        back: if first > 0 { footer.back } else { 0 },
    };
    let entries = parse_index(index, count, &known, header.len)?;
    if entries.last().is_none_or(|last| last.end() > record_at) {
        return Err(malformed(&range, "names a block that is not in front of it"));
    }
    Ok(Link { footer, entries })
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
    let Some(coding) = header.coding.as_mut().filter(|coding| coding.grown.is_some()) else {
        return Ok(());
    };
    let mut head = [0; BLOCK_HEADER];
    if grid.len() > 0 && fill(fetch, &mut head, header.len)? == BLOCK_HEADER {
        grid.learn(0, BlockHeader::rows_of(&head));
        let of = Expected { number: 0, of: grid.len(), rows: grid.rows(0), size: grid.size(0) };
        // What is wrong with it is told where it is read.
        if let Ok(first) = BlockHeader::parse(&head, header.len, &of) {
            (coding.filter, coding.engine) = (first.filter, first.engine);
        }
    }
    Ok(())
}

fn malformed(range: &Range<u64>, why: &str) -> Error {
    Error::malformed(format!("the index {why}")).at(range.start)
}
