//! Parts of coded frames: every selection gives what the array has there, out of the blocks that it touches and no others.

use crate::{array, frames};
use ndbytes::io::{self, Parts, ReadAt, unwatched};
use ndbytes::{
    Array, Codec, DecodeOptions, Engine, Error, ErrorKind, Order, Selection, Slice, Threads,
    crc32c, frame, to_bytes,
};
use proptest::prelude::*;
use std::sync::Mutex;

const HEADER: usize = 24;
const ENTRY: usize = 24;
const FOOTER: usize = 64;

fn coded(array: &Array, block: &[usize], order: Order, codec: Codec) -> Vec<u8> {
    let mut options = frame::EncodeOptions::default();
    (options.order, options.codec, options.block) = (Some(order), codec, Some(block.to_vec()));
    let mut bytes = Vec::new();
    let mut encoder = frame::Encoder::new(&array.view(), &options).unwrap();
    io::write(&mut encoder, &mut bytes, &mut unwatched).unwrap();
    bytes
}

fn opened(bytes: &[u8]) -> ndbytes::Result<Parts<&[u8]>> {
    Parts::open(bytes, bytes.len() as u64, DecodeOptions::default())
}

fn read<S: ReadAt>(
    parts: &Parts<S>,
    selections: &[Selection],
    order: Order,
    threads: usize,
) -> ndbytes::Result<Vec<u8>> {
    let mut out = vec![0xEE; parts.size(selections)?];
    parts.read(selections, order, Threads::new(threads), &mut out, &mut unwatched)?;
    Ok(out)
}

fn slice(start: usize, len: usize, step: isize) -> Selection {
    Selection::Slice(Slice { start, len, step })
}

fn positions(selection: &Selection) -> Vec<usize> {
    match selection {
        Selection::Slice(slice) => (0..slice.len)
            .map(|k| slice.start.checked_add_signed(k.cast_signed() * slice.step).unwrap())
            .collect(),
        Selection::List(list) => list.clone(),
    }
}

/// What an array of C order has there, item by item.
fn naive(array: &Array, selections: &[Selection], order: Order) -> Vec<u8> {
    let items = to_bytes(&array.view(), Order::C).unwrap();
    let size = array.dtype().itemsize();
    let mut places = vec![0];
    let axes: Vec<_> = array.shape().iter().zip(selections).collect();
    for (len, selection) in &axes {
        let at = positions(selection);
        places =
            places.iter().flat_map(|place| at.iter().map(move |at| place * **len + at)).collect();
    }
    let found: Vec<u8> =
        places.iter().flat_map(|&place| items[place * size..][..size].to_vec()).collect();
    if order == Order::C {
        return found;
    }
    let shape: Vec<usize> = selections.iter().map(Selection::len).collect();
    let layout = ndbytes::Layout::contiguous(&shape, size, Order::C).unwrap();
    let found = Array::new(array.dtype().clone(), layout, found.into()).unwrap();
    to_bytes(&found.view(), Order::F).unwrap()
}

/// A selection of an axis of this length, and the length of a block along it, from numbers of any size.
fn selection(len: usize, list: bool, [a, b, c]: [usize; 3], many: &[usize]) -> Selection {
    if len == 0 {
        return if list { Selection::List(vec![]) } else { slice(0, 0, 1) };
    }
    if list {
        return Selection::List(many.iter().map(|n| n % len).collect());
    }
    let (start, step) = (a % len, [1isize, 1, 2, 3, -1, -2, 0][c % 7]);
    let room = if step < 0 { start } else { len - 1 - start };
    let most = room.checked_div(step.unsigned_abs()).map_or(3, |steps| steps + 1);
    slice(start, b % (most + 1), step)
}

type Draw = (usize, usize, bool, [usize; 3], Vec<usize>);

fn axis(lens: std::ops::Range<usize>, most: usize) -> impl Strategy<Value = Draw> {
    let numbers = [0usize..1000, 0usize..1000, 0usize..1000];
    (lens, 0usize..1000, any::<bool>(), numbers, prop::collection::vec(0usize..1000, 0..most))
}

fn drawn(axes: &[Draw]) -> (Vec<usize>, Vec<usize>, Vec<Selection>) {
    let shape = axes.iter().map(|axis| axis.0).collect();
    let block = axes.iter().map(|axis| 1 + axis.1 % axis.0.max(1)).collect();
    let selections =
        axes.iter().map(|(len, _, list, numbers, many)| selection(*len, *list, *numbers, many));
    (shape, block, selections.collect())
}

fn made(spec: &str, shape: &[usize]) -> Array {
    let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
    array(&format!("{spec}[{}]", shape.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_selection_is_what_the_array_has(
        axes in prop::collection::vec(axis(0..8, 6), 0..5),
        spec in prop::sample::select(vec!["<u2", ">f8", "|V3", "{a:<u2,b:|S3}", "<c16", "|S0"]),
        stored: bool, result: bool, codec in prop::sample::select(vec![Codec::Auto, Codec::Fast, Codec::Engine(Engine::Stored, None)]),
    ) {
        let (shape, block, selections) = drawn(&axes);
        let array = made(spec, &shape);
        let [stored, result] = [stored, result].map(|f| if f { Order::F } else { Order::C });
        let bytes = coded(&array, &block, stored, codec);
        let parts = opened(&bytes).unwrap();
        prop_assert_eq!(&parts.coding().block, &block);
        prop_assert_eq!(read(&parts, &selections, result, 3).unwrap(), naive(&array, &selections, result));
        let all: Vec<_> = shape.iter().map(|&len| slice(0, len, 1)).collect();
        prop_assert_eq!(read(&parts, &all, Order::C, 1).unwrap(), naive(&array, &all, Order::C));
        prop_assert!(parts.verify(&mut unwatched).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Of so much that several threads take part.
    #[test]
    fn selections_of_many_blocks_by_several_threads(
        axes in prop::collection::vec(axis(90..110, 120), 3), stored: bool, result: bool, threads in 2usize..5,
    ) {
        let (shape, block, selections) = drawn(&axes);
        let block: Vec<_> = block.iter().map(|len| len.clamp(&5, &40)).copied().collect();
        let array = made("<u2", &shape);
        let [stored, result] = [stored, result].map(|f| if f { Order::F } else { Order::C });
        let bytes = coded(&array, &block, stored, Codec::Fast);
        let parts = opened(&bytes).unwrap();
        prop_assert!(read(&parts, &selections, result, threads).unwrap() == naive(&array, &selections, result));
        let all: Vec<_> = shape.iter().map(|&len| slice(len - 1, len, -1)).collect();
        prop_assert!(read(&parts, &all, result, threads).unwrap() == naive(&array, &all, result));
    }
}

/// Bytes that remember which of them were read.
struct Counting(Vec<u8>, Mutex<Vec<std::ops::Range<u64>>>);

impl ReadAt for Counting {
    fn read_at(&self, space: &mut [u8], offset: u64) -> std::io::Result<usize> {
        // Few at a time: a source may give less than was asked for.
        let most = space.len().min(1 << 12);
        let n = self.0[..].read_at(&mut space[..most], offset)?;
        self.1.lock().unwrap().push(offset..offset + n as u64);
        Ok(n)
    }
}

/// The range of each block of a frame, and where the index begins.
fn blocks(bytes: &[u8], count: usize) -> (Vec<std::ops::Range<usize>>, usize) {
    let pages = count.div_ceil(1024);
    let index = bytes.len() - FOOTER - 4 * pages - ENTRY * count;
    let entry = |n: usize| {
        let entry = &bytes[index + ENTRY * n..];
        let offset = usize::try_from(u64::from_le_bytes(entry[..8].try_into().unwrap())).unwrap();
        offset..offset + HEADER + u32::from_le_bytes(entry[8..12].try_into().unwrap()) as usize
    };
    ((0..count).map(entry).collect(), index)
}

#[test]
fn only_blocks_that_are_touched_are_read() {
    let (rows, columns) = (5000usize, 40usize);
    let array = made("<u4", &[rows, columns]);
    let bytes = coded(&array, &[2, 20], Order::C, Codec::Fast);
    let (ranges, index) = blocks(&bytes, rows);
    let counting = Counting(bytes.clone(), Mutex::default());
    let parts = Parts::open(counting, bytes.len() as u64, DecodeOptions::default()).unwrap();
    let taken = || std::mem::take(&mut *parts.source().1.lock().unwrap());
    let ending = bytes.len() - FOOTER - 4 * rows.div_ceil(1024);
    assert!(
        taken().iter().all(|read| read.end <= 128 || read.start >= ending as u64),
        "only header and footer"
    );
    for (selections, wanted, pages) in [
        ([slice(4001, 1, 1), slice(0, 40, 1)], vec![4000, 4001], vec![3]),
        ([slice(4001, 1, 1), slice(19, 2, 1)], vec![4000, 4001], vec![]),
        ([slice(4000, 2, 1), slice(25, 3, -2)], vec![4001], vec![]),
        (
            [Selection::List(vec![9, 8, 9, 4999]), Selection::List(vec![39])],
            vec![9, 4999],
            vec![0, 4],
        ),
        ([slice(0, 0, 1), slice(0, 40, 1)], vec![], vec![]),
    ] {
        assert_eq!(
            read(&parts, &selections, Order::C, 2).unwrap(),
            naive(&array, &selections, Order::C)
        );
        let mut expected: Vec<u64> =
            wanted.iter().flat_map(|&n: &usize| ranges[n].clone()).map(|at| at as u64).collect();
        for page in pages {
            let at = index + page * 1024 * ENTRY;
            expected
                .extend((at..(at + 1024 * ENTRY).min(index + rows * ENTRY)).map(|at| at as u64));
        }
        let mut found: Vec<u64> = taken().into_iter().flatten().collect();
        // Each once.
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

fn three_blocks() -> (Array, Vec<u8>) {
    let array = made("<u2", &[9, 5]);
    let bytes = coded(&array, &[3, 5], Order::C, Codec::Fast);
    (array, bytes)
}

fn of_block(n: usize) -> [Selection; 2] {
    [slice(3 * n + 1, 1, 1), slice(0, 5, 1)]
}

fn is_damage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Checksum { .. }
            | ErrorKind::Malformed
            | ErrorKind::Truncated
            | ErrorKind::Limit { .. }
    )
}

#[test]
fn every_flipped_bit_is_reported_by_a_part_that_touches_it() {
    let (array, bytes) = three_blocks();
    let (ranges, index) = blocks(&bytes, 3);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let parts = match opened(&flipped) {
                Ok(parts) => parts,
                Err(error) => {
                    assert!(
                        is_damage(&error) && (at < ranges[0].start || at >= index),
                        "{at}: {error}"
                    );
                    continue;
                }
            };
            for n in 0..3 {
                let found = read(&parts, &of_block(n), Order::C, 1);
                if ranges[n].contains(&at) {
                    let error = found.unwrap_err();
                    let ErrorKind::Checksum { block, range } = error.kind() else {
                        panic!("{error}")
                    };
                    assert_eq!(*block, Some(n as u64));
                    assert!(range.contains(&(at as u64)), "{at}: {error}");
                } else if at >= index || at < ranges[0].start {
                    let error = found.expect_err(&format!("byte {at}"));
                    assert!(
                        matches!(error.kind(), ErrorKind::Checksum { block: None, .. }),
                        "{error}"
                    );
                } else {
                    assert_eq!(found.unwrap(), naive(&array, &of_block(n), Order::C));
                }
            }
        }
    }
}

#[test]
fn every_cut_is_an_error() {
    let (_, bytes) = three_blocks();
    for len in 0..bytes.len() {
        assert!(is_damage(&opened(&bytes[..len]).unwrap_err()), "{len}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(is_damage(&opened(&longer).unwrap_err()));
}

/// The frame of an index that says something else, under sums that hold.
fn with_index(bytes: &[u8], count: usize, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let (_, index) = blocks(bytes, count);
    let mut changed = bytes.to_vec();
    let (pages, ending) = changed[index..].split_at_mut(ENTRY * count);
    change(pages);
    for (page, sum) in pages.chunks(1024 * ENTRY).zip(ending.chunks_mut(4)) {
        sum.copy_from_slice(&crc32c(page).to_le_bytes());
    }
    let (sums, footer) = ending.split_at_mut(ending.len() - FOOTER);
    footer[56..60].copy_from_slice(&crc32c(sums).to_le_bytes());
    let sum = crc32c(&footer[..60]);
    footer[60..].copy_from_slice(&sum.to_le_bytes());
    changed
}

#[test]
fn an_index_that_lies_is_an_error() {
    let (array, bytes) = three_blocks();
    let same = with_index(&bytes, 3, |_| ());
    assert_eq!(same, bytes);
    type Change = Box<dyn Fn(&mut [u8])>;
    let set = |at: usize, value: &'static [u8]| -> Change {
        Box::new(move |pages| pages[at..at + value.len()].copy_from_slice(value))
    };
    let changes: Vec<(&str, Change)> = vec![
        ("far away", set(ENTRY, &[0xFF; 8])),
        ("beyond the file", set(ENTRY + 2, &[1])),
        ("in the header", set(ENTRY, &[0; 8])),
        ("huge", set(ENTRY + 8, &[0xFF; 4])),
        ("a little longer", Box::new(|pages| pages[ENTRY + 8] += 1)),
        ("more rows", set(ENTRY + 12, &[4])),
        ("another sum", Box::new(|pages| pages[ENTRY + 16] ^= 1)),
        ("another sum of the items", Box::new(|pages| pages[ENTRY + 20] ^= 1)),
        ("the block before", Box::new(|pages| pages.copy_within(..ENTRY, ENTRY))),
        ("swapped", Box::new(|pages| pages[..2 * ENTRY].rotate_left(ENTRY))),
        ("overlapping", Box::new(|pages| pages[2 * ENTRY] -= 1)),
    ];
    for (what, change) in changes {
        let changed = with_index(&bytes, 3, change);
        let parts = opened(&changed).unwrap();
        let touched = if what == "overlapping" { 2 } else { 1 };
        let error = read(&parts, &of_block(touched), Order::C, 1).expect_err(what);
        assert!(is_damage(&error), "{what}: {error}");
        let sums = ["more rows", "another sum", "another sum of the items"];
        if sums.contains(&what) {
            assert!(error.message().starts_with("block 1 of 0 to 2"), "{what}: {error}");
            assert_eq!(
                read(&parts, &of_block(0), Order::C, 1).unwrap(),
                naive(&array, &of_block(0), Order::C)
            );
        } else {
            assert!(error.message().starts_with("the index says that block"), "{what}: {error}");
        }
    }
}

#[test]
fn what_cannot_be_selected_is_refused() {
    let (_, bytes) = three_blocks();
    let parts = opened(&bytes).unwrap();
    let all = slice(0, 5, 1);
    for (selections, words) in [
        (vec![slice(0, 9, 1)], "1 selections for 2 axes"),
        (
            vec![slice(0, 10, 1), all.clone()],
            "axis 0: 10 items from 0 by 1 leave an axis of length 9",
        ),
        (
            vec![slice(1, 3, -1), all.clone()],
            "axis 0: 3 items from 1 by -1 leave an axis of length 9",
        ),
        (
            vec![Selection::List(vec![3, 9]), all.clone()],
            "axis 0: position 9 is outside an axis of length 9",
        ),
    ] {
        let error = read(&parts, &selections, Order::C, 1).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Argument, words));
    }
    let error =
        parts.read(&of_block(0), Order::C, Threads::ONE, &mut [0; 9], &mut unwatched).unwrap_err();
    assert_eq!(error.message(), "the part has 10 bytes, the destination 9");
    let plain = frames::write(&made("<u2", &[3]), &frame::EncodeOptions::default());
    assert_eq!(opened(&plain).unwrap_err().kind(), &ErrorKind::Argument);
}

#[test]
fn a_file_that_changes_under_its_handle_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ndb");
    let (array, bytes) = three_blocks();
    let (ranges, _) = blocks(&bytes, 3);
    std::fs::write(&path, &bytes).unwrap();
    let input = io::open(&path, io::PATIENCE).unwrap();
    let parts = Parts::open(input, bytes.len() as u64, DecodeOptions::default()).unwrap();
    assert_eq!(
        read(&parts, &of_block(0), Order::C, 1).unwrap(),
        naive(&array, &of_block(0), Order::C)
    );
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(ranges[2].start as u64 + 30).unwrap();
    let error = read(&parts, &of_block(2), Order::C, 1).unwrap_err();
    assert_eq!(
        (error.kind(), error.offset()),
        (&ErrorKind::Truncated, Some(ranges[2].start as u64 + 30))
    );
    let other: Vec<u8> = (0..90).map(|n| n * 2).collect();
    let other = Array::new(array.dtype().clone(), array.layout().clone(), other.into()).unwrap();
    std::fs::write(&path, coded(&other, &[3, 5], Order::C, Codec::Fast)).unwrap();
    for n in 0..3 {
        assert!(matches!(
            read(&parts, &of_block(n), Order::C, 1).unwrap_err().kind(),
            ErrorKind::Checksum { .. }
        ));
    }
}

#[cfg(feature = "deflate")]
#[test]
fn a_peek_reads_header_and_footer() {
    let (_, bytes) = three_blocks();
    let (_, index) = blocks(&bytes, 3);
    let peek = |bytes: &[u8]| {
        io::peek(std::io::Cursor::new(bytes), bytes.len() as u64, DecodeOptions::default())
    };
    let peeked = peek(&bytes).unwrap();
    assert!(peeked.is_checked() && peeked.tail.is_none() && peeked.container.is_none());
    assert_eq!(peeked.header.coding.unwrap().block, [3, 5]);
    let mut flipped = bytes.clone();
    flipped[index - 1] ^= 1;
    assert!(peek(&flipped).is_ok(), "the blocks are not read");
    for at in bytes.len() - FOOTER - 4..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(matches!(peek(&flipped).unwrap_err().kind(), ErrorKind::Checksum { .. }));
    }
}
