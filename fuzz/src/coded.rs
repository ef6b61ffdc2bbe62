//! Coded frames: taken apart, put together, and read in every way there is.

use crate::frame_header::summed;
use crate::machine::{Cuts, Fault, Read, Target, read_array, read_header};
use crate::steps::is_settled;
use crate::stream::{every_way, refused};
use ndbytes::frame::INDEX_MAGIC;
use ndbytes::io::{Parts, read_slice, recover, unwatched};
use ndbytes::{
    Accept, Checks, ChecksumState, Copying, DecodeOptions, Dest, Header, Order, Selection, Slice,
    Threads, crc32c, to_bytes,
};
use std::ops::Range;

/// Bytes of a block's header.
pub(crate) const HEADER: usize = 24;
const FOOTER: usize = 64;
/// Rows of a page of the index.
const PAGE: usize = 1024;

/// Where the blocks and the index of a frame are.
pub(crate) struct Taken {
    pub(crate) header: Header,
    pub(crate) blocks: Vec<Range<usize>>,
    pub(crate) index: Range<usize>,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*field)).ok()
}

impl Taken {
    /// As far as the lengths of the blocks say so; `None` for other bytes.
    pub(crate) fn apart(bytes: &[u8]) -> Option<Self> {
        let (header, blocks, is_whole) = blocks(bytes)?;
        let start = blocks.last().map_or(usize::try_from(header.len).ok()?, |last| last.end);
        let pages = blocks.len().div_ceil(PAGE);
        let end = start + blocks.len() * HEADER + pages * 4 + FOOTER;
        (is_whole && end <= bytes.len()).then_some(Self { header, blocks, index: start..end })
    }

    /// Which block, and which bytes, a sum covers that this byte is under.
    pub(crate) fn part_at(&self, at: u64) -> (Option<u64>, Range<u64>) {
        let wide = |range: &Range<usize>| range.start as u64..range.end as u64;
        for (number, block) in (0..).zip(self.blocks.iter().map(wide)) {
            if block.contains(&at) {
                let behind = block.start + HEADER as u64;
                let end = if at < behind { behind } else { block.end };
                return (Some(number), block.start..end);
            }
        }
        (None, wide(&self.index))
    }
}

/// The header and the blocks of which all has come, and whether those are all.
fn blocks(bytes: &[u8]) -> Option<(Header, Vec<Range<usize>>, bool)> {
    let (_, header) = read_header(bytes, &DecodeOptions::default(), &mut Cuts::Whole).ok()?;
    header.coding.as_ref().filter(|coding| coding.grown.is_none())?;
    let (mut at, mut blocks) = (usize::try_from(header.len).ok()?, Vec::new());
    while (blocks.len() as u64) < header.blocks() {
        let end = u32_at(bytes, at).map(|stored| at + HEADER + stored);
        let Some(end) = end.filter(|&end| end <= bytes.len()) else {
            return Some((header, blocks, false));
        };
        blocks.push(at..end);
        at = end;
    }
    Some((header, blocks, true))
}

/// A block with right sums of header and stored bytes.
pub(crate) fn block(method: [u8; 2], rows: u32, items_sum: u32, stored: &[u8]) -> Vec<u8> {
    let mut block = u32::try_from(stored.len()).expect("a small input").to_le_bytes().to_vec();
    block.extend(method);
    block.extend([0; 2]);
    block.extend([rows, crc32c(stored), items_sum].into_iter().flat_map(u32::to_le_bytes));
    block.extend(crc32c(&block).to_le_bytes());
    block.extend(stored);
    block
}

/// The index of the blocks that are in `bytes`.
pub(crate) fn index(header: &Header, bytes: &[u8], blocks: &[Range<usize>]) -> Vec<u8> {
    let mut index = Vec::new();
    for block in blocks {
        index.extend((block.start as u64).to_le_bytes());
        index.extend(&bytes[block.start..][..4]);
        index.extend(&bytes[block.start + 8..][..12]);
    }
    let sums: Vec<u8> =
        index.chunks(PAGE * HEADER).flat_map(|page| crc32c(page).to_le_bytes()).collect();
    let start = blocks.last().map_or(header.len, |last| last.end as u64);
    let slowest = if header.fortran_order { header.shape.last() } else { header.shape.first() };
    let mut footer = INDEX_MAGIC.to_vec();
    footer.extend([0; 4]);
    footer.extend(header.sum.to_le_bytes());
    let height = slowest.map_or(1, |&len| len as u64);
    for number in [blocks.len() as u64, height, header.nbytes(), start, 0] {
        footer.extend(number.to_le_bytes());
    }
    footer.extend(crc32c(&sums).to_le_bytes());
    let sum = crc32c(&footer);
    index.extend(sums);
    index.extend(footer);
    index.extend(sum.to_le_bytes());
    index
}

/// The bytes with right sums of header and blocks, as far as these go; and with the index that the blocks must have.
pub(crate) fn resummed(bytes: &[u8], indexed: bool) -> Vec<u8> {
    let mut frame = summed(bytes);
    let Some((header, found, is_whole)) = blocks(&frame) else { return frame };
    for range in &found {
        let part = &frame[range.clone()];
        let numbers = [8, 16].map(|at| u32::from_le_bytes(*part[at..].first_chunk().expect("24")));
        let mut sealed = block([part[4], part[5]], numbers[0], numbers[1], &part[HEADER..]);
        sealed[6..8].copy_from_slice(&part[6..8]);
        let sum = crc32c(&sealed[..HEADER - 4]).to_le_bytes();
        sealed[HEADER - 4..HEADER].copy_from_slice(&sum);
        frame[range.clone()].copy_from_slice(&sealed);
    }
    if indexed && is_whole {
        let start = found.last().map_or(header.len, |last| last.end as u64);
        frame.truncate(usize::try_from(start).expect("it is in memory"));
        let index = index(&header, &frame, &found);
        frame.extend(index);
    }
    frame
}

/// Every byte is as the array makes it: what was read leaves nothing open but the stored bytes.
pub(crate) fn verified(read: &Read, stream: &[u8]) {
    assert_eq!(read.state, ChecksumState::Verified);
    let mut decoded = read.decoded.clone();
    if let (Some(coding), Some(said)) = (&mut decoded.coding, &read.header.coding)
        && said.grown.is_some()
    {
        // Its first block names them, and is not read yet where the header is.
        (coding.filter, coding.engine) = (said.filter, said.engine);
    }
    assert_eq!(read.header, decoded);
    if let Some(grown) = read.header.coding.as_ref().and_then(|coding| coding.grown) {
        assert_eq!(read.consumed as u64, grown.end);
        assert!(is_settled(&read.header, &stream[..read.consumed]), "not as its blocks make it");
        return;
    }
    let frame = Taken::apart(stream).expect("a frame that was read is there");
    assert_eq!(frame.header, read.header);
    assert_eq!(frame.index.end, read.consumed);
    assert_eq!(stream[frame.index.clone()], index(&frame.header, stream, &frame.blocks)[..]);
    assert_eq!(resummed(&stream[..read.consumed], false), stream[..read.consumed]);
}

/// The one answer of all that read a coded frame, in any cut.
pub(crate) fn all_ways(
    stream: &[u8],
    options: &DecodeOptions,
    every: usize,
    seed: u64,
) -> Result<Read, Fault> {
    let answer = every_way(stream, options, every, seed);
    match &answer {
        Ok(read) if read.header.coding.is_some() => verified(read, stream),
        Ok(_) => {}
        Err(fault) => refused(fault, stream),
    }
    at_once(stream, options, &answer);
    let grows = |header: &Header| header.coding.as_ref().is_some_and(|c| c.grown.is_some());
    match read_header(stream, options, &mut Cuts::Whole) {
        Ok((_, header)) if grows(&header) => in_parts(stream, options, &header),
        _ => {
            if let Some(frame) = Taken::apart(stream) {
                in_parts(stream, options, &frame.header);
            }
        }
    }
    if options.checks == Checks::Required {
        rescued(stream, options, &answer);
    }
    answer
}

/// From memory, by one thread and by two, and to a function.
fn at_once(stream: &[u8], options: &DecodeOptions, answer: &Result<Read, Fault>) {
    for count in [1, 2] {
        let how = Copying { threads: Threads::new(count), touched: false };
        let read = read_slice(stream, options.clone(), |_| Ok(Dest::Owned), how, &mut unwatched);
        match (read.map_err(Fault::from), answer) {
            (Ok(read), Ok(answer)) => {
                let array = read.array.expect("an owned array");
                assert_eq!(Some(&array.data()[..]), answer.data.as_deref());
            }
            // Of two blocks that are wrong either may be named.
            (Err(fault), Err(_)) if count > 1 => refused(&fault, stream),
            (Err(fault), Err(answer)) => assert_eq!(&fault, answer),
            (read, answer) => unreachable!("{count} threads: {read:?}\n{answer:?}"),
        }
    }
    let mut seen = Vec::new();
    let mut sink = |bytes: &[u8]| {
        seen.extend_from_slice(bytes);
        Ok(())
    };
    let how = Copying { threads: Threads::ONE, touched: false };
    let read =
        read_slice(stream, options.clone(), |_| Ok(Dest::Sink(&mut sink)), how, &mut unwatched);
    assert_eq!(read.is_ok(), answer.is_ok());
    if let Ok(answer) = answer {
        assert!(answer.data.as_deref() == Some(&seen[..]), "a function is told something else");
    }
}

/// By way of the index: all of it in one part.
fn in_parts(stream: &[u8], options: &DecodeOptions, header: &Header) {
    let mut whole = options.clone();
    (whole.whole, whole.checks) = (true, Checks::Required);
    let answer = read_array(stream, &whole, Target::Owned, &mut Cuts::Whole);
    let parts = Parts::open(stream, stream.len() as u64, options.clone());
    let Ok(parts) = parts else {
        return assert!(answer.is_err(), "{:?}", parts.err());
    };
    assert_eq!(parts.verify(&mut unwatched).is_ok(), answer.is_ok());
    let all = |&len: &usize| Selection::Slice(Slice { start: 0, len, step: 1 });
    let all: Vec<Selection> = header.shape.iter().map(all).collect();
    for count in [1, 2] {
        let mut items = vec![0xa5; parts.size(&all).expect("it was counted")];
        let read = parts.read(&all, Order::C, Threads::new(count), &mut items, &mut unwatched);
        match (read, &answer) {
            (Ok(()), Ok(answer)) => {
                let array = answer.array.as_ref().expect("an owned array");
                assert_eq!(items, to_bytes(&array.view(), Order::C).expect("memory"));
            }
            (Err(error), Ok(_)) => unreachable!("in parts: {error:?}"),
            // What no part needs may be wrong.
            _ => {}
        }
    }
}

/// What is left of it: all, where it is whole.
fn rescued(stream: &[u8], options: &DecodeOptions, answer: &Result<Read, Fault>) {
    let mut options = options.clone();
    options.accept = Accept::Frame;
    let rescued = match (recover(stream, options, &mut unwatched), answer) {
        (Ok(rescued), _) => rescued,
        (Err(error), Ok(read)) if read.header.coding.is_some() => unreachable!("{error:?}"),
        _ => return,
    };
    let size = rescued.header.nbytes();
    assert!(rescued.damaged.is_sorted_by(|one, two| one.end < two.start));
    assert!(rescued.damaged.iter().all(|range| range.start < range.end && range.end <= size));
    if let Ok(answer) = answer {
        assert!(rescued.damaged.is_empty());
        let mut data = rescued.data;
        let all = usize::try_from(size).expect("a small array");
        assert!(answer.data.as_deref() == Some(&*data.space(0, all).expect("it is there")));
    }
}
