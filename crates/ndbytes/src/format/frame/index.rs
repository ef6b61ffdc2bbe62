//! The index of a coded frame: a row for each block, in pages with a sum each, and a footer.

use super::grid::Grid;
use super::mark::Grown;
use super::record::{BLOCK_HEADER, ENTRY, Entry};
use crate::codec::crc32c;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Fields, Header, holds};
use std::ops::Range;

/// The first eight bytes of a footer.
pub const INDEX_MAGIC: [u8; 8] = *b"\x89NDBI\r\n\x1a";

const FORMAT_VERSION: u8 = 0;
/// Rows of a page.
pub(crate) const PAGE: usize = 1024;
/// Bytes of the footer.
pub(crate) const FOOTER: usize = 64;
/// Bytes of a sum.
const SUM: usize = 4;

/// Bytes of the whole index of so many blocks.
pub(crate) fn index_size(blocks: u64) -> u64 {
    let pages = blocks.div_ceil(PAGE as u64);
    blocks
        .saturating_mul(ENTRY as u64)
        .saturating_add(pages.saturating_mul(SUM as u64))
        .saturating_add(FOOTER as u64)
}

/// That an input of so many bytes has room for so many blocks behind this header, or misses no more than that.
///
/// # Errors
/// [`Truncated`](ErrorKind::Truncated).
pub(crate) fn check_len(header: &Header, blocks: u64, len: u64, missing: u64) -> Result<()> {
    if let Some(grown) = header.grown() {
        let is_there = len.saturating_add(missing) >= grown.end;
        return if is_there { Ok(()) } else { Err(ends_early(grown, len)) };
    }
    let least = [index_size(blocks), blocks.saturating_mul(BLOCK_HEADER as u64)];
    let least = least.into_iter().fold(header.len, u64::saturating_add);
    if len.saturating_add(missing) < least {
        let message =
            format!("{blocks} blocks and their index need {least} bytes, the input has {len}");
        return Err(Error::truncated(message).at(len));
    }
    Ok(())
}

/// The error of an input that ends at `len`, before the frame does.
pub(crate) fn ends_early(grown: Grown, len: u64) -> Error {
    let end = grown.end;
    let message = format!("the mark says that the frame ends at byte {end}, the input has {len}");
    Error::truncated(message).at(len)
}

/// What an index says of itself and of what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footer {
    /// The sum of the frame's header.
    pub(crate) header_sum: u32,
    /// How many blocks stand before it, with how many rows.
    pub(crate) blocks: u64,
    pub(crate) rows: u64,
    pub(crate) bound: Bound,
    /// Where it begins in the frame.
    pub(crate) start: u64,
    /// Where the index of the blocks ends that it does not name; 0 where there are none.
    pub(crate) back: u64,
}

/// What a footer says beside its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Bytes of data.
    Size(u64),
    /// In a frame that grows, the sum of the footer at whose end `back` is.
    Sum(u32),
}

impl Bound {
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Size(size) => size,
            Self::Sum(sum) => sum.into(),
        }
    }
}

impl Footer {
    /// That of a frame written at once, whose index begins here.
    pub(crate) fn whole(header: &Header, grid: &Grid, start: u64) -> Self {
        let (blocks, rows) = (grid.len(), grid.height());
        let bound = Bound::Size(header.nbytes());
        Self { header_sum: header.sum, blocks, rows, bound, start, back: 0 }
    }

    fn encode(&self, sums: &[u8]) -> Vec<u8> {
        let mut footer = INDEX_MAGIC.to_vec();
        footer.extend([FORMAT_VERSION, 0, 0, 0]);
        footer.extend(self.header_sum.to_le_bytes());
        for number in [self.blocks, self.rows, self.bound.number(), self.start, self.back] {
            footer.extend(number.to_le_bytes());
        }
        footer.extend(crc32c(sums).to_le_bytes());
        let sum = crc32c(&footer);
        footer.extend(sum.to_le_bytes());
        footer
    }

    /// Reads the footer of an index in this range of the frame, and gives the sum of its pages' sums too.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum), [`Malformed`](ErrorKind::Malformed), [`Unsupported`](ErrorKind::Unsupported).
    pub(crate) fn parse(footer: &[u8; FOOTER], range: &Range<u64>) -> Result<(Self, u32)> {
        let short = || malformed(range, "is too short");
        let (front, sum) = footer.split_last_chunk::<SUM>().ok_or_else(short)?;
        if !holds(crc32c(front), u32::from_le_bytes(*sum)) {
            // Read from the end of a file, this is what a cut looks like.
            let why = match front.starts_with(&INDEX_MAGIC) {
                true => "its footer's CRC-32C does not hold",
                false => "no footer ends it; the file may be cut",
            };
            return Err(damaged(range, why));
        }
        let mut fields = Fields(front);
        let magic: [u8; 8] = fields.take().ok_or_else(short)?;
        if magic != INDEX_MAGIC {
            return Err(malformed(range, "has no magic in its footer"));
        }
        let [version, flags, zero, also_zero] = fields.take().ok_or_else(short)?;
        if (version, flags, zero, also_zero) != (FORMAT_VERSION, 0, 0, 0) {
            let message = format!(
                "the index has version {version} and flags {flags}, {zero}, {also_zero}; zeros are read: update ndbytes"
            );
            return Err(Error::unsupported(message).at(range.start));
        }
        let header_sum = fields.u32().ok_or_else(short)?;
        let mut number = || fields.u64().ok_or_else(short);
        let [blocks, rows, size] = [number()?, number()?, number()?];
        let [start, back] = [number()?, number()?];
        let (bound, sums_sum) = (Bound::Size(size), fields.u32().ok_or_else(short)?);
        Ok((Self { header_sum, blocks, rows, bound, start, back }, sums_sum))
    }

    /// That it says what is known of what stands before it, and of a header of so many bytes.
    pub(crate) fn check(&self, known: &Self, header: u64, range: &Range<u64>) -> Result<()> {
        if !holds(known.header_sum, self.header_sum) {
            let kind = ErrorKind::Checksum { block: None, range: 0..header };
            let message =
                "header and index belong to different arrays: the index names another header";
            return Err(Error::new(kind, message).at(0));
        }
        let back = match known.back {
            0 => "in a field that is 0",
            _ => "as the end of the index before",
        };
        let (found, expected) = (self.bound.number(), known.bound.number());
        let size = matches!(known.bound, Bound::Size(_)).then_some(found).unwrap_or(expected);
        let numbers = [
            ("blocks", self.blocks, known.blocks),
            ("rows", self.rows, known.rows),
            ("bytes of data", size, expected),
            ("as its own place", self.start, known.start),
            (back, self.back, known.back),
        ];
        if let Some((what, found, expected)) =
            numbers.into_iter().find(|(_, found, expected)| found != expected)
        {
            let why = format!("says {found} {what}, which must be {expected}");
            return Err(malformed(range, &why));
        }
        if found != expected && !cfg!(ndbytes_unchecked) {
            return Err(damaged(range, "it follows another index than the one before it"));
        }
        Ok(())
    }
}

/// The index of these blocks.
pub(crate) fn encode_index(footer: &Footer, entries: &[Entry]) -> Vec<u8> {
    let mut index: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
    let sums: Vec<u8> =
        index.chunks(PAGE * ENTRY).flat_map(|page| crc32c(page).to_le_bytes()).collect();
    index.extend(&sums);
    index.extend(footer.encode(&sums));
    index
}

/// Reads a whole index of so many rows, of a frame whose header has `header` bytes, and gives the rows.
///
/// # Errors
/// [`Checksum`](ErrorKind::Checksum), [`Malformed`](ErrorKind::Malformed), [`Unsupported`](ErrorKind::Unsupported).
pub(crate) fn parse_index(
    bytes: &[u8],
    rows: u64,
    known: &Footer,
    header: u64,
) -> Result<Vec<Entry>> {
    let range = known.start..known.start.saturating_add(bytes.len() as u64);
    let short = || malformed(&range, "is too short");
    let len = usize::try_from(rows).unwrap_or(usize::MAX);
    let (pages, ending) = bytes.split_at_checked(len.saturating_mul(ENTRY)).ok_or_else(short)?;
    let index = Index::parse(ending, range.clone(), rows, known, header)?;
    let mut entries = Vec::with_capacity(pages.len() / ENTRY);
    for (number, page) in (0..).zip(pages.chunks(PAGE * ENTRY)) {
        index.check(number, page)?;
        for entry in page.as_chunks::<ENTRY>().0 {
            entries.push(Entry::parse(entry).ok_or_else(short)?);
        }
    }
    Ok(entries)
}

/// Where an index of a frame that grows ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How many blocks stand before it.
    pub(crate) blocks: u64,
    pub(crate) end: u64,
    /// The sum of its footer.
    pub(crate) sum: u32,
}

impl Ended {
    /// The end of this index, whose bytes these are.
    pub(crate) fn of(index: &[u8], footer: &Footer) -> Self {
        let sum = index.last_chunk().map_or(0, |sum| u32::from_le_bytes(*sum));
        let end = footer.start.saturating_add(index.len() as u64);
        Self { blocks: footer.blocks, end, sum }
    }

    /// What a mark says where it is the last one.
    #[cfg(feature = "std")]
    pub(crate) fn grown(self) -> Grown {
        let Self { blocks, end, sum } = self;
        Grown { blocks, end, sum }
    }
}

/// Bytes behind the pages of so many blocks: the pages' sums, and the footer.
#[cfg(feature = "std")]
pub(crate) fn ending_size(blocks: u64) -> u64 {
    index_size(blocks).saturating_sub(blocks.saturating_mul(ENTRY as u64))
}

/// An index of which the ending was read: its pages are read one by one.
#[derive(Debug)]
#[cfg_attr(not(feature = "std"), allow(dead_code, reason = "drivers read single pages"))]
pub(crate) struct Index {
    /// Where it stands in the frame.
    range: Range<u64>,
    /// Where the first block begins.
    first: u64,
    blocks: u64,
    sums: Vec<u32>,
}

impl Index {
    /// Reads what stands behind the pages of so many rows, at the end of this range of the frame.
    ///
    /// # Errors
    /// As [`parse_index`].
    pub(crate) fn parse(
        ending: &[u8],
        range: Range<u64>,
        rows: u64,
        known: &Footer,
        header: u64,
    ) -> Result<Self> {
        let short = || malformed(&range, "is too short");
        let (sums, footer) = ending.split_last_chunk::<FOOTER>().ok_or_else(short)?;
        let (footer, sums_sum) = Footer::parse(footer, &range)?;
        footer.check(known, header, &range)?;
        if sums.len() as u64 != rows.div_ceil(PAGE as u64) * SUM as u64 {
            return Err(short());
        }
        if !holds(crc32c(sums), sums_sum) {
            return Err(damaged(&range, "the CRC-32C of its pages' sums does not hold"));
        }
        let sums = sums.as_chunks::<SUM>().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect();
        Ok(Self { range, first: header, blocks: rows, sums })
    }

    /// Where a page stands in the frame.
    #[cfg(feature = "std")]
    pub(crate) fn page(&self, number: u64) -> Range<u64> {
        let at = |number: u64| {
            let rows = number.saturating_mul(PAGE as u64).min(self.blocks);
            self.range.start.saturating_add(rows.saturating_mul(ENTRY as u64))
        };
        at(number)..at(number.saturating_add(1))
    }

    fn check(&self, number: u64, page: &[u8]) -> Result<()> {
        let sum = usize::try_from(number).ok().and_then(|number| self.sums.get(number));
        if !sum.is_some_and(|&sum| holds(crc32c(page), sum)) {
            return Err(damaged(
                &self.range,
                &format!("the CRC-32C of page {number} does not hold"),
            ));
        }
        Ok(())
    }

    /// Reads a page, whose rows must tell of blocks that follow each other between header and index.
    ///
    /// # Errors
    /// As [`parse_index`].
    #[cfg(feature = "std")]
    pub(crate) fn parse_page(&self, number: u64, page: &[u8]) -> Result<Vec<Entry>> {
        self.check(number, page)?;
        let mut entries = Vec::with_capacity(page.len() / ENTRY);
        let mut end = Some(self.first).filter(|_| number == 0);
        for (block, entry) in
            (number.saturating_mul(PAGE as u64)..).zip(page.as_chunks::<ENTRY>().0)
        {
            let entry =
                Entry::parse(entry).ok_or_else(|| malformed(&self.range, "is too short"))?;
            // No block is shorter than its header.
            let least = self.first.saturating_add(block.saturating_mul(BLOCK_HEADER as u64));
            let behind = self.blocks.saturating_sub(block + 1).saturating_mul(BLOCK_HEADER as u64);
            let most = self.range.start.saturating_sub(behind);
            let is_last = block + 1 == self.blocks;
            let fits =
                entry.offset >= least && entry.end() <= most && (!is_last || entry.end() == most);
            if !fits || end.is_some_and(|end| entry.offset != end) {
                let (from, to) = (entry.offset, entry.end());
                let why =
                    format!("says that block {block} is bytes {from} to {to}, where it cannot be");
                return Err(malformed(&self.range, &why));
            }
            end = Some(entry.end());
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn malformed(range: &Range<u64>, why: &str) -> Error {
    Error::malformed(format!("the index {why}")).at(range.start)
}

fn damaged(range: &Range<u64>, why: &str) -> Error {
    let Range { start, end } = *range;
    let message = format!("the index (bytes {start} to {end}) is damaged: {why}");
    Error::new(ErrorKind::Checksum { block: None, range: range.clone() }, message).at(start)
}
