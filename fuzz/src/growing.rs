//! Frames that grow, of any array, in any steps: changed under right sums, and read in every way there is.

use crate::coded::{HEADER, Taken, all_ways};
use crate::coded_whole::{array, encoding};
use crate::frame_header::{padded, summed};
use crate::input::Input;
use crate::machine::{Cuts, Fault, read_header};
use crate::steps::{ALL, END, FOOTER, MARK, PAGE, Piece, SUMS, pieces, settled, u32_at};
use ndbytes::frame::{EncodeOptions, Encoder, INDEX_MAGIC};
use ndbytes::io::peek;
use ndbytes::{Array, Checks, DecodeOptions, Encode as _, ErrorKind, Order, Slice, to_bytes};
use std::io::Cursor;
use std::ops::Range;

/// Bytes of an array that is read, at most, and of a frame.
const LARGEST: u64 = 1 << 18;
const LONGEST: usize = 1 << 12;

/// A frame that has grown to this array in bands of so many rows; each step says whether its index names all blocks.
fn grown(
    array: &Array,
    options: &EncodeOptions,
    lens: &[usize],
    input: &mut Input<'_>,
) -> Option<Vec<u8>> {
    let (rows, most) = (*array.shape().first()?, *lens.first()?);
    let list = |lens: &[usize]| lens.iter().map(|len| format!(",{len}")).collect::<String>();
    let (shape, dtype) = (list(&array.shape()[1..]), array.dtype().to_string());
    let block = list(lens);
    let dtype = dtype.replace('\\', "\\\\").replace('"', "\\\"");
    let text = format!(r#"{{"dtype":"{dtype}","shape":[null{shape}],"block":[{}]}}"#, &block[1..]);
    let mut frame = summed(&padded(&[0, 3, 0, 0], &[], text.as_bytes()));
    frame.extend(b"\x89NDBG\r\n\x1a");
    frame.extend([0; MARK - 8]);
    let (mut at, mut blocks, mut counts) = (0, 0, vec![0]);
    while at < rows {
        for _ in 0..=input.below(3) {
            let len = (1 + input.below(most)).min(rows - at);
            let band = blocks_of(array, options, lens, at..at + len)?;
            at += len;
            blocks += band.len();
            frame.extend(band.concat());
            if at == rows {
                break;
            }
        }
        let first = counts[input.below(counts.len())];
        counts.push(blocks);
        frame.extend([0, 0, 0, 0, 0, END, 0, 0, 0, 0, 0, 0]);
        frame.extend(((blocks - first) as u64).to_le_bytes());
        frame.extend([0; 4]);
        let n = blocks - first;
        frame.extend(vec![0; n * HEADER + n.div_ceil(PAGE) * 4]);
        frame.extend(INDEX_MAGIC);
        frame.extend([0; FOOTER - 8]);
        if frame.len() > LONGEST {
            return None;
        }
    }
    settled(&frame, ALL)
}

/// The blocks of one band.
fn blocks_of(
    array: &Array,
    options: &EncodeOptions,
    lens: &[usize],
    rows: Range<usize>,
) -> Option<Vec<Vec<u8>>> {
    let whole = |&len: &usize| Slice { start: 0, len, step: 1 };
    let mut slices: Vec<Slice> = array.shape().iter().map(whole).collect();
    slices[0] = Slice { start: rows.start, len: rows.len(), step: 1 };
    let view = array.view();
    let part = view.sliced(&slices).expect("rows of it");
    let mut options = options.clone();
    options.order = Some(Order::C);
    let others = lens.iter().skip(1).copied();
    options.block = Some(std::iter::once(rows.len()).chain(others).collect());
    let mut encoder = Encoder::new(&part, &options).ok()?;
    let mut bytes = Vec::new();
    while let Some(piece) = encoder.next().expect("memory") {
        bytes.extend_from_slice(&piece);
    }
    let taken = Taken::apart(&bytes)?;
    Some(taken.blocks.into_iter().map(|block| bytes[block].to_vec()).collect())
}

/// Fields of a mark, an end record, a footer, an entry and a block: where they stand, and their bytes.
const MARKS: [(usize, usize); 10] =
    [(0, 8), (8, 1), (9, 1), (10, 2), (12, 4), (16, 8), (24, 8), (32, 8), (40, 8), (48, 4)];
const ENDS: [(usize, usize); 6] = [(0, 4), (4, 1), (5, 1), (6, 2), (8, 4), (12, 8)];
const FOOTERS: [(usize, usize); 10] =
    [(0, 8), (8, 1), (9, 1), (10, 2), (12, 4), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8)];
const RECORDS: [(usize, usize); 6] = [(0, 8), (8, 4), (12, 4), (16, 4), (20, 4), (0, 4)];
const FRONTS: [(usize, usize); 6] = [(0, 4), (4, 1), (5, 1), (6, 2), (8, 4), (16, 4)];

/// Numbers about which rules turn.
const NUMBERS_OF_NOTE: [u64; 14] = [
    0,
    1,
    2,
    23,
    255,
    1 << 16,
    u32::MAX as u64,
    1 << 32,
    1 << 40,
    1 << 60,
    1 << 62,
    i64::MAX as u64,
    u64::MAX - 63,
    u64::MAX,
];

/// One field gets another number; the place of a piece, or a number of another field, among them.
fn changed(frame: &mut [u8], start: usize, found: &[Piece], input: &mut Input<'_>) {
    let (kind, which) = (input.byte(), input.byte());
    let of = |fields: &[(usize, usize)]| fields[usize::from(which) % fields.len()];
    let steps: Vec<_> = found.iter().filter(|piece| matches!(piece, Piece::Step(..))).collect();
    let blocks: Vec<_> = found.iter().filter(|piece| matches!(piece, Piece::Block(_))).collect();
    let (at, (offset, width)) = match kind % 5 {
        1 if !blocks.is_empty() => (blocks[input.below(blocks.len())].range().start, of(&FRONTS)),
        2..5 if !steps.is_empty() => {
            let step = steps[input.below(steps.len())];
            match (kind % 5, step) {
                (2, _) => (step.range().start, of(&ENDS)),
                (3, Piece::Step(range, n)) if *n > 0 => {
                    (range.start + HEADER + input.below(*n) * HEADER, of(&RECORDS))
                }
                _ => (step.range().end - FOOTER, of(&FOOTERS)),
            }
        }
        _ => (start - MARK, of(&MARKS)),
    };
    let field = at + offset..at + offset + width;
    let mut number = [0; 8];
    number[..width].copy_from_slice(&frame[field.clone()]);
    let number = u64::from_le_bytes(number);
    let (how, by) = (input.byte(), input.byte());
    let number = match how % 6 {
        0 => number ^ 1 << (by & 63),
        1 => number.wrapping_add(u64::from(by)),
        2 => number.wrapping_sub(u64::from(by)),
        3 => NUMBERS_OF_NOTE[usize::from(by) % NUMBERS_OF_NOTE.len()],
        4 if !found.is_empty() => found[usize::from(by) % found.len()].range().end as u64,
        _ => u64::from(by),
    };
    frame[field].copy_from_slice(&number.to_le_bytes()[..width]);
}

/// Pieces change places, come twice, or go.
fn moved(frame: &[u8], start: usize, found: &[Piece], input: &mut Input<'_>) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = found.iter().map(|piece| &frame[piece.range()]).collect();
    let (how, one, two) = (input.byte(), input.below(parts.len()), input.below(parts.len()));
    match how % 4 {
        0 => parts.swap(one, two),
        1 => parts[one] = parts[two],
        2 => parts.insert(one, parts[two]),
        _ => drop(parts.remove(one)),
    }
    [&frame[..start], &parts.concat()].concat()
}

/// Reads a frame that has grown, and what becomes of it: an array; how it is written, in which steps; then changes. One byte says how
/// many, one which sums are put right behind each, one whether it is cut, or goes on, behind all of them.
pub fn growing(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(array) = array(&mut input).filter(|array| array.nbytes() < 1 << 10) else { return };
    if array.nbytes() == 0 || array.shape().is_empty() {
        return;
    }
    let options = encoding(&mut input, &array);
    // Bands may be lower than a block of the whole.
    let lens: Vec<usize> =
        array.shape().iter().map(|&len| 1 + input.below(len.clamp(1, 300))).collect();
    let many: usize =
        array.shape().iter().zip(&lens).map(|(len, lens)| len.div_ceil(*lens)).product();
    if many > 300 {
        return;
    }
    let Some(mut frame) = grown(&array, &options, &lens, &mut input) else { return };
    let original = frame.clone();
    let (how, every) = (input.byte(), input.byte());
    let mut options = DecodeOptions::default();
    options.checks = [Checks::Required, Checks::Optional][usize::from(how >> 7)];
    options.whole = how & 64 != 0;
    options.limits.array = LARGEST;
    let start = u32_at(&frame, 12).expect("a header") + MARK;
    for _ in 0..how & 3 {
        let found = pieces(&frame, start, frame.len());
        if found.is_empty() {
            break;
        }
        let (choice, which) = (input.byte(), input.byte());
        match choice % 8 {
            0 => frame = moved(&frame, start, &found, &mut input),
            1 => {
                let at = input.below(frame.len());
                frame[at] ^= 1 << (choice >> 5);
            }
            _ => changed(&mut frame, start, &found, &mut input),
        }
        if let Some(right) = settled(&frame, which).filter(|_| which & SUMS != 0) {
            frame = right;
        }
    }
    let damage = (how >> 2 & 7, input.below(frame.len()));
    match damage {
        (1, at) => frame.truncate(at),
        (2, _) => frame.extend_from_slice(input.rest()),
        (3, at) => frame[at] ^= 1 << (every & 7),
        _ => {}
    }
    let answer = all_ways(&frame, &options, usize::from(every), 7);
    peeked(&frame, &options, answer.is_ok());
    if how & 3 == 0 {
        alone(&array, &original, &frame, damage, answer.map(|read| read.array));
    }
}

/// What is said of a frame without reading it does not contradict what is read.
fn peeked(frame: &[u8], options: &DecodeOptions, is_whole: bool) {
    let peeked = peek(Cursor::new(frame), frame.len() as u64, options.clone());
    if is_whole {
        let header = peeked.expect("it was read").header;
        let read = read_header(frame, options, &mut Cuts::Whole).expect("it was read").1;
        assert_eq!((header.shape, header.len), (read.shape, read.len));
    }
}

/// A frame that nobody changed under right sums is the array; one that was cut or flipped is none.
fn alone(
    array: &Array,
    original: &[u8],
    frame: &[u8],
    damage: (u8, usize),
    answer: Result<Option<Array>, Fault>,
) {
    let items = |array: &Array| to_bytes(&array.view(), Order::C).expect("memory");
    match (damage, answer) {
        ((1, at), Err(fault)) => {
            assert_eq!((fault.kind, fault.offset), (ErrorKind::Truncated, Some(at as u64)));
        }
        ((3, _), Err(_)) => {}
        (_, Ok(found)) => {
            assert!(frame.starts_with(original), "a frame that was changed passed");
            let found = found.expect("an owned array");
            assert_eq!((found.dtype(), found.shape()), (array.dtype(), array.shape()));
            assert_eq!(items(&found), items(array));
        }
        (damage, Err(fault)) => unreachable!("{damage:?}: {fault:?}"),
    }
}
