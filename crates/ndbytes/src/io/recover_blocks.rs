//! What is left of a damaged coded frame.

use super::Watch;
use super::parts::{Chain, chain};
use super::recover::Recovered;
use crate::array::{Layout, Order};
use crate::buffer::BufferMut;
use crate::error::Result;
use crate::format::frame::{BLOCK_HEADER, BlockHeader, Footer, index_size, parse_end, parse_index};
use crate::format::{Decoder, Header};
use crate::kernel::{fit, scatter};
use std::ops::Range;

/// Decodes all blocks that hold, wherever the index says that they are, or else as far as each says where the next one is. `bytes` are
/// those behind the header.
pub(super) fn recover_blocks(header: Header, bytes: &[u8], watch: Watch<'_>) -> Result<Recovered> {
    let mut decoder = Decoder::new(&header)?;
    let places = match indexed(&header, &mut decoder, bytes) {
        Some(places) => places,
        None => chained(&header, &mut decoder, bytes),
    };
    let mut data = BufferMut::new(header.nbytes())?;
    let (mut damaged, mut items) = (Vec::new(), Vec::new());
    let found = (places.len() as u64).min(decoder.grid.len());
    for (number, &place) in (0..found).zip(&places) {
        let items = fit(&mut items, decoder.grid.size(number))?;
        let part = decoder.grid.place(number)?;
        if block(&header, &decoder, bytes, number, place, items) {
            scatter(items, data.all()?, &part, decoder.grid.itemsize())?;
        } else {
            runs(&part, decoder.grid.itemsize(), &mut damaged);
        }
        watch(header.len + place)?;
    }
    rest(&decoder, found, header.nbytes(), &mut damaged)?;
    let metadata = header.metadata.clone();
    Ok(Recovered { header, metadata, data, damaged: joint(damaged) })
}

/// Decodes a block that begins at this byte of `bytes`; whether it holds.
fn block(
    header: &Header,
    decoder: &Decoder,
    bytes: &[u8],
    number: u64,
    place: u64,
    items: &mut [u8],
) -> bool {
    let start = usize::try_from(place).unwrap_or(usize::MAX);
    let found = bytes.get(start..).and_then(|rest| rest.split_first_chunk::<BLOCK_HEADER>());
    let Some((head, rest)) = found else { return false };
    let of = decoder.expected(number);
    let Ok(head) = BlockHeader::parse(head, header.len.saturating_add(place), &of) else {
        return false;
    };
    let stored = rest.get(..head.entry.stored as usize);
    stored.is_some_and(|stored| decoder.decode(number, &head, stored, items).is_ok())
}

/// Where the blocks begin by the index at the end, or all indexes of a frame that grows, if they hold.
fn indexed(header: &Header, decoder: &mut Decoder, bytes: &[u8]) -> Option<Vec<u64>> {
    let entries = if header.grown().is_some() {
        let mut fetch = |mut space: &mut [u8], offset: u64| {
            let at = usize::try_from(offset.saturating_sub(header.len)).unwrap_or(usize::MAX);
            Ok(std::io::Write::write(&mut space, bytes.get(at..).unwrap_or_default())?)
        };
        let Chain { entries, grid, .. } =
            chain(&mut fetch, header.len + bytes.len() as u64, header).ok()?;
        decoder.grid = grid;
        entries
    } else {
        let size = usize::try_from(index_size(decoder.grid.len())).ok()?;
        let start = bytes.len().checked_sub(size)?;
        let known = Footer::whole(header, &decoder.grid, header.len + start as u64);
        parse_index(bytes.get(start..)?, decoder.grid.len(), &known, header.len).ok()?
    };
    entries.iter().map(|entry| entry.offset.checked_sub(header.len)).collect()
}

/// Where the blocks begin, each behind the one before, up to the first whose header does not hold.
fn chained(header: &Header, decoder: &mut Decoder, bytes: &[u8]) -> Vec<u64> {
    let (mut places, mut at) = (Vec::new(), 0);
    while (places.len() as u64) < decoder.grid.len() {
        let number = places.len() as u64;
        let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { break };
        if header.grown().is_some() {
            // Between the steps of a frame that grows stand indexes.
            if let Ok(Some(rows)) = parse_end(head, 0) {
                let size = usize::try_from(index_size(rows)).unwrap_or(usize::MAX);
                at = at.saturating_add(BLOCK_HEADER).saturating_add(size);
                continue;
            }
            decoder.grid.learn(number, BlockHeader::rows_of(head));
        }
        let of = decoder.expected(number);
        let Ok(head) = BlockHeader::parse(head, header.len + at as u64, &of) else { break };
        places.push(at as u64);
        at += BLOCK_HEADER + head.entry.stored as usize;
    }
    places
}

/// The bytes of all blocks from this one on: those of its rows one by one where they are not many, and all that is behind them.
fn rest(decoder: &Decoder, first: u64, size: u64, damaged: &mut Vec<Range<u64>>) -> Result<()> {
    let grid = &decoder.grid;
    let ends = (first..grid.len()).take(MANY).find(|&number| grid.ends_band(number));
    let behind = match ends {
        Some(last) => {
            for number in first..=last {
                runs(&grid.place(number)?, grid.itemsize(), damaged);
            }
            last + 1
        }
        None => first,
    };
    if behind < grid.len() {
        let start = grid.slices(behind).first().map_or(0, |rows| rows.start as u64);
        damaged.push(start * grid.row_size()..size);
    }
    // In a frame that grows nobody knows where the rows of these blocks would be.
    damaged.push(grid.first_unknown() as u64 * grid.row_size()..size);
    Ok(())
}

/// More runs or blocks than these are told as one range, from the first to the last.
const MANY: usize = 1 << 16;

/// The bytes of the data that a part of them takes, run by run.
fn runs(part: &Layout, itemsize: usize, found: &mut Vec<Range<u64>>) {
    let inner = part.shape().last().copied().unwrap_or(1);
    if part.len() / inner.max(1) > MANY
        && let Ok(span) = part.span(itemsize)
    {
        found.push(span.start as u64..span.end as u64);
        return;
    }
    let flat = Layout::contiguous(part.shape(), itemsize, Order::C);
    if flat.is_ok_and(|flat| flat.strides() == part.strides()) {
        let start = part.offset() as u64;
        found.push(start..start + (part.len() * itemsize) as u64);
        return;
    }
    let (Some(&len), Some(&stride)) = (part.shape().first(), part.strides().first()) else {
        return;
    };
    for row in 0..len {
        let row = row as u64 * stride.unsigned_abs() as u64;
        let offset = usize::try_from(row).unwrap_or_default() + part.offset();
        let inner = Layout {
            shape: part.shape().iter().skip(1).copied().collect(),
            strides: part.strides().iter().skip(1).copied().collect(),
            offset,
        };
        runs(&inner, itemsize, found);
    }
}

/// In order, and those that follow each other as one.
fn joint(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut joint: Vec<Range<u64>> = Vec::new();
    for range in ranges.into_iter().filter(|range| !range.is_empty()) {
        match joint.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => joint.push(range),
        }
    }
    joint
}
