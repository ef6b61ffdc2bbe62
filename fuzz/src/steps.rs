//! Frames that grow: taken apart, and put right again.

use crate::coded::{HEADER, block, resummed};
use crate::frame_header::summed;
use crate::machine::{Cuts, read_header};
use ndbytes::{DecodeOptions, Header, crc32c};
use std::ops::Range;

pub(crate) const MARK: usize = 64;
pub(crate) const FOOTER: usize = 64;
/// Rows of a page of the index.
pub(crate) const PAGE: usize = 1024;
/// What an end record has in the place of a codec.
pub(crate) const END: u8 = 255;

/// What stands behind the mark.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Block(Range<usize>),
    /// End record and index; how many blocks the index names.
    Step(Range<usize>, usize),
}

impl Piece {
    pub(crate) fn range(&self) -> Range<usize> {
        let (Self::Block(range) | Self::Step(range, _)) = self;
        range.clone()
    }
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// The pieces that follow each other from a place on, up to one that is not whole, and what is no record.
pub(crate) fn pieces(bytes: &[u8], start: usize, end: usize) -> Vec<Piece> {
    let (mut at, mut found) = (start, Vec::new());
    while let Some(head) = bytes.get(at..end).and_then(|rest| rest.first_chunk::<HEADER>()) {
        let piece = if head[5] == END {
            let n = u64::from_le_bytes(*head[12..].first_chunk().expect("8"));
            let Some(n) = usize::try_from(n).ok().filter(|&n| n <= bytes.len()) else { break };
            let size = HEADER + n * HEADER + n.div_ceil(PAGE) * 4 + FOOTER;
            Piece::Step(at..at + size, n)
        } else {
            Piece::Block(at..at + HEADER + u32_at(head, 0).expect("4"))
        };
        let range = piece.range();
        if range.end > end.min(bytes.len()) {
            break;
        }
        at = range.end;
        found.push(piece);
    }
    found
}

/// What an index says of a block.
fn entry(bytes: &[u8], block: &Range<usize>) -> Vec<u8> {
    let mut entry = (block.start as u64).to_le_bytes().to_vec();
    entry.extend(&bytes[block.start..][..4]);
    entry.extend(&bytes[block.start + 8..][..12]);
    entry
}

/// Which of what follows from the blocks is put right.
pub(crate) const BLOCKS: u8 = 1;
const ENTRIES: u8 = 2;
const NUMBERS: u8 = 4;
pub(crate) const SUMS: u8 = 8;
const CHAIN: u8 = 16;
pub(crate) const ALL: u8 = 31;

/// How many blocks a band has, and bytes a row.
fn band(header: &Header) -> Option<(usize, usize)> {
    let block = &header.coding.as_ref()?.block;
    let counts = header.shape.iter().zip(block).skip(1).map(|(&len, &block)| len.div_ceil(block));
    let row: usize = header.shape.iter().skip(1).product();
    Some((counts.product(), row * header.dtype.itemsize()))
}

/// Puts right what follows from the blocks in front of each index, and in the mark, as far as `which` says.
pub(crate) fn settle(bytes: &mut [u8], header: (usize, usize, usize), found: &[Piece], which: u8) {
    let (start, each, row) = header;
    let head_sum = crc32c(&bytes[..start - MARK - 4]).to_le_bytes();
    let (mut blocks, mut rows): (Vec<Range<usize>>, u64) = (Vec::new(), 0);
    // How many blocks stand before each index, where it ends, and its sum.
    let mut ended = vec![(0, 0, [0; 4])];
    for piece in found {
        let range = piece.range();
        let Piece::Step(_, n) = piece else {
            if which & BLOCKS != 0 {
                let part = &bytes[range.clone()];
                let numbers = [8, 16].map(|at| u32_at(part, at).expect("24"));
                let [low, high] = numbers.map(|n| u32::try_from(n).expect("it was one"));
                let sealed = block([part[4], part[5]], low, high, &part[HEADER..]);
                put(bytes, range.start + 12, &sealed[12..16]);
                let sum = crc32c(&bytes[range.start..range.start + HEADER - 4]).to_le_bytes();
                put(bytes, range.start + HEADER - 4, &sum);
            }
            if blocks.len().is_multiple_of(each) {
                rows += u32_at(bytes, range.start + 8).expect("24") as u64;
            }
            blocks.push(range);
            continue;
        };
        let index = range.start + HEADER;
        let (sums, footer) = (index + n * HEADER, range.end - FOOTER);
        let first = blocks.len().saturating_sub(*n);
        let back = ended.iter().find(|(before, _, _)| *before == first).copied();
        if which & ENTRIES != 0 {
            let entries: Vec<u8> =
                blocks[first..].iter().flat_map(|block| entry(bytes, block)).collect();
            put(bytes, index, &entries);
        }
        if which & NUMBERS != 0 {
            put(bytes, footer + 12, &head_sum);
            let back = back.map_or(0, |(_, end, _)| end as u64);
            let numbers = [(16, blocks.len() as u64), (24, rows), (40, index as u64), (48, back)];
            for (at, number) in numbers {
                put(bytes, footer + at, &number.to_le_bytes());
            }
        }
        if which & CHAIN != 0 {
            let sum = back.map_or([0; 4], |(_, _, sum)| sum);
            put(bytes, footer + 32, &sum);
            put(bytes, footer + 36, &[0; 4]);
        }
        if which & SUMS != 0 {
            let sum = crc32c(&bytes[range.start..range.start + HEADER - 4]).to_le_bytes();
            put(bytes, range.start + HEADER - 4, &sum);
            let found: Vec<u8> = (bytes[index..sums].chunks(PAGE * HEADER))
                .flat_map(|page| crc32c(page).to_le_bytes())
                .collect();
            put(bytes, sums, &found);
            put(bytes, footer + 56, &crc32c(&found).to_le_bytes());
            let sum = crc32c(&bytes[footer..footer + 60]).to_le_bytes();
            put(bytes, footer + 60, &sum);
        }
        let sum = *bytes[..range.end].last_chunk().expect("a footer");
        ended.push((blocks.len(), range.end, sum));
    }
    let mark = start - MARK;
    if which & NUMBERS != 0 {
        put(bytes, mark + 12, &head_sum);
        let end = found.last().map_or(start, |last| last.range().end) as u64;
        let numbers = [blocks.len() as u64, rows, rows.wrapping_mul(row as u64), end];
        for (number, at) in numbers.into_iter().zip([16, 24, 32, 40]) {
            put(bytes, mark + at, &number.to_le_bytes());
        }
    }
    if which & CHAIN != 0 {
        put(bytes, mark + 48, &ended.last().map_or([0; 4], |(_, _, sum)| *sum));
    }
    if which & SUMS != 0 {
        let sum = crc32c(&bytes[mark..mark + 60]).to_le_bytes();
        put(bytes, mark + 60, &sum);
    }
}

/// Every byte of a frame that was read is as its blocks make it.
pub(crate) fn is_settled(header: &Header, stream: &[u8]) -> bool {
    let start = usize::try_from(header.len).expect("it is in memory");
    let found = pieces(stream, start, stream.len());
    let mut copy = stream.to_vec();
    let (each, row) = band(header).expect("a coded frame");
    settle(&mut copy, (start, each, row), &found, ALL);
    let end = found.last().map_or(start, |last| last.range().end);
    end == stream.len() && copy == stream
}

/// The bytes with right sums of header, mark, blocks and indexes, as far as these go.
pub(crate) fn settled(bytes: &[u8], which: u8) -> Option<Vec<u8>> {
    let mut frame = summed(bytes);
    let length = u32_at(&frame, 12)?;
    let start = length.checked_add(MARK)?;
    if frame.get(9) != Some(&3) || frame.len() < start {
        return None;
    }
    let found = pieces(&frame, start, frame.len());
    // A mark of no rows, to learn what the header says.
    let mut empty = frame[..length].to_vec();
    let sum = crc32c(&empty[..length.checked_sub(4)?]).to_le_bytes();
    empty.extend(b"\x89NDBG\r\n\x1a\0\0\0\0");
    empty.extend(sum);
    empty.extend([0; 24]);
    empty.extend((start as u64).to_le_bytes());
    empty.extend([0; 12]);
    empty.extend(crc32c(&empty[length..]).to_le_bytes());
    let (_, header) = read_header(&empty, &DecodeOptions::default(), &mut Cuts::Whole).ok()?;
    let (each, row) = band(&header)?;
    settle(&mut frame, (start, each.max(1), row), &found, which);
    Some(frame)
}

/// What `resummed` makes of a frame that grows.
pub(crate) fn resummed_steps(bytes: &[u8], indexed: bool) -> Vec<u8> {
    let which = if indexed { ALL } else { BLOCKS | SUMS };
    settled(bytes, which).unwrap_or_else(|| resummed(bytes, indexed))
}
