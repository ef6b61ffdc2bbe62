//! Coded frames from strangers: any index, any stored bytes under right sums, any bytes at all. An array or an error.

use crate::arrays::is_same;
use crate::coded::{HEADER, Taken, all_ways, block, index};
use crate::coded_whole::{array, dtype, frame_of, shape, stored_by};
use crate::frame_header::{padded, summed};
use crate::input::Input;
use crate::machine::{Cuts, Fault, Read, Target, read_array};
use crate::steps::resummed_steps;
use crate::stream::refused;
use ndbytes::{Checks, Codec, DecodeOptions, Engine, ErrorKind, Filter, Metadata, Order, crc32c};

/// Bytes of an array that is read, at most: there are blocks of 16 MiB in a few bytes.
const LARGEST: u64 = 1 << 18;

fn options(input: &mut Input<'_>) -> DecodeOptions {
    let mut options = DecodeOptions::default();
    let choices = input.byte();
    options.checks = [Checks::Required, Checks::Optional][usize::from(choices & 1)];
    options.whole = choices & 2 != 0;
    options.limits = input.limits();
    options.limits.array = options.limits.array.min(LARGEST);
    options
}

/// Reads any bytes: one byte of choices, one and two of options, one of sizes, two of seed; then the stream.
pub fn coded_stream(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let options = options(&mut input);
    let (every, seed) = (usize::from(input.byte()), u64::from(input.u16()));
    let stream = match choices & 3 {
        0 => input.rest().to_vec(),
        1 => resummed_steps(input.rest(), false),
        _ => resummed_steps(input.rest(), true),
    };
    // What is wrong is said, and in the same words by all.
    let _said = all_ways(&stream, &options, every, seed);
}

/// Reads a frame with another index: one byte of choices; an array; then the index, or changes to the right one.
pub fn coded_index(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let Some(array) = array(&mut input).filter(|array| array.nbytes() < 1 << 13) else { return };
    let Some((bytes, _)) = frame_of(&array, &mut input) else { return };
    let Some(frame) = Taken::apart(&bytes) else { return };
    let front = &bytes[..frame.index.start];
    let mut index = bytes[frame.index].to_vec();
    let cut = input.byte();
    if choices & 1 == 0 {
        // Mostly zeros: the place of the first change, then changes.
        let at = input.below(index.len());
        for (byte, change) in index[at..].iter_mut().zip(input.rest()) {
            *byte ^= change;
        }
    } else {
        index = input.rest().to_vec();
    }
    match cut {
        0 => {}
        1..128 => index.truncate(index.len().saturating_sub(usize::from(cut))),
        _ => index.extend(vec![0; usize::from(cut - 127)]),
    }
    sealed(&mut index, frame.blocks.len(), choices >> 1);
    let stream = [front, &index].concat();
    let mut options = DecodeOptions::default();
    options.checks = Checks::Required;
    options.whole = choices & 16 == 0;
    match all_ways(&stream, &options, 5, u64::from(cut)) {
        Ok(read) => assert_eq!(stream[..read.consumed], bytes, "another index passed"),
        Err(fault) => {
            assert!(!stream.starts_with(&bytes) || options.whole, "{fault:?}");
            assert_ne!(stream, bytes, "{fault:?}");
        }
    }
}

/// Puts right the sums of an index of so many blocks: of pages, of these sums, of the footer.
fn sealed(index: &mut [u8], blocks: usize, which: u8) {
    let pages = blocks * HEADER;
    let sums = pages + blocks.div_ceil(1024) * 4;
    let footer = sums + 64;
    if index.len() < footer {
        return;
    }
    if which & 1 != 0 {
        let found: Vec<u8> =
            index[..pages].chunks(1024 * HEADER).flat_map(|p| crc32c(p).to_le_bytes()).collect();
        index[pages..sums].copy_from_slice(&found);
    }
    if which & 2 != 0 {
        let sum = crc32c(&index[pages..sums]).to_le_bytes();
        index[footer - 8..footer - 4].copy_from_slice(&sum);
    }
    if which & 4 != 0 {
        let sum = crc32c(&index[sums..footer - 4]).to_le_bytes();
        index[footer - 4..footer].copy_from_slice(&sum);
    }
}

/// What became of a block that an input describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Number of the filter.
    pub filter: u8,
    /// Number of the codec.
    pub codec: u8,
    /// What the reader said of it; nothing where it gave an array.
    pub refusal: Option<String>,
}

/// Reads a block of any stored bytes under right sums: one byte of choices, the dtype, filter, codec, the box; then the
/// stored bytes, or what goes into one segment, or elements and changes to what a codec makes of them.
pub fn coded_block(data: &[u8]) {
    seen(data);
}

/// The same, and what was seen.
pub fn seen(data: &[u8]) -> Option<Seen> {
    let mut input = Input::new(data);
    let choices = input.byte();
    let order = if choices & 4 == 0 { Order::C } else { Order::F };
    let (mut filter, mut codec) = (input.byte(), input.byte() % 8);
    let (dtype, shape, stored) = if choices & 3 == 2 {
        let array = array(&mut input)?;
        let by = (Filter::of_number(filter)?, Engine::of_number(codec)?);
        let (method, mut stored) = stored_by(&array, by, order)?;
        [filter, codec] = method;
        changed(&mut input, &mut stored);
        (array.dtype().clone(), array.shape().to_vec(), stored)
    } else {
        let dtype = dtype(&mut input)?;
        let shape = shape(&mut input);
        let size = ndbytes::nbytes(&shape, dtype.itemsize()).ok()?;
        let stored = match choices & 3 {
            1 => segment(&mut input, filter, size, &dtype.to_string()),
            _ => input.rest().to_vec(),
        };
        (dtype, shape, stored)
    };
    let size = ndbytes::nbytes(&shape, dtype.itemsize()).ok().filter(|&n| n as u64 <= LARGEST)?;
    let frame = Frame {
        text: {
            let list = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
            let block = shape.iter().map(|&n| n.max(1).to_string()).collect::<Vec<_>>().join(",");
            let order = if order == Order::F { 'F' } else { 'C' };
            let dtype = dtype.to_string();
            format!(r#"{{"dtype":"{dtype}","shape":[{list}],"order":"{order}","block":[{block}]}}"#)
        },
        size,
        rows: match order {
            Order::F => shape.last(),
            _ => shape.first(),
        }
        .map_or(1, |&rows| u32::try_from(rows).expect("a small array")),
        method: [filter, codec],
        stored: &stored,
    };
    let seen = |refusal| Some(Seen { filter, codec, refusal });
    let answer = frame.read();
    match answer {
        Ok((read, stream)) => {
            again(&read, &stream, [filter, codec], order);
            seen(None)
        }
        Err((fault, stream)) => {
            refused(&fault, &stream);
            // All sums hold.
            let holds = !matches!(fault.kind, ErrorKind::Checksum { .. } | ErrorKind::Truncated);
            assert!(holds, "{fault:?}");
            seen(Some(fault.message))
        }
    }
}

/// One segment of the input, behind what the filter says if it is decimal.
fn segment(input: &mut Input<'_>, filter: u8, size: usize, dtype: &str) -> Vec<u8> {
    let (mut stored, mut whole) = (Vec::new(), size);
    if filter & 64 != 0 {
        let float = match dtype.get(1..) {
            Some("f4" | "c8") => 4,
            _ => 8,
        };
        let width = 1 << (input.byte() % 4);
        let count = usize::from(input.byte() % 4);
        stored.extend([input.byte() % 24, width, u8::try_from(count).expect("few"), 0]);
        for place in 0..count {
            let place = place * 3 + usize::from(input.byte());
            stored.extend(u32::try_from(place).expect("small").to_le_bytes());
            let element = input.take(float);
            stored.extend(element);
            stored.extend(vec![0; float - element.len()]);
        }
        whole = size / float * usize::from(width);
    }
    let rest = input.take(usize::MAX);
    stored.extend([1, 0]);
    for len in [whole, rest.len()] {
        stored.extend(u32::try_from(len).expect("a small input").to_le_bytes());
    }
    stored.extend(rest);
    stored
}

/// Changes bytes here and there.
fn changed(input: &mut Input<'_>, stored: &mut Vec<u8>) {
    for _ in 0..8 {
        if input.is_empty() || stored.is_empty() {
            return;
        }
        let (kind, at) = (input.byte(), input.below(stored.len()));
        match kind % 5 {
            0 | 1 => stored[at] ^= input.byte(),
            2 => stored[at] = input.byte(),
            3 => drop(stored.remove(at)),
            _ => stored.insert(at, input.byte()),
        }
    }
}

/// A frame of one block.
struct Frame<'s> {
    text: String,
    size: usize,
    rows: u32,
    method: [u8; 2],
    stored: &'s [u8],
}

impl Frame<'_> {
    fn bytes(&self, items_sum: u32) -> Vec<u8> {
        let size = (self.size as u64).to_le_bytes();
        let mut bytes = summed(&padded(&[0, 1, 0, 0], &size, self.text.as_bytes()));
        if self.size > 0 {
            bytes.extend(block(self.method, self.rows, items_sum, self.stored));
        }
        let mut frame = bytes.clone();
        frame.extend([0; 64 + HEADER + 4]);
        let Some(taken) = Taken::apart(&frame) else { return bytes };
        bytes.extend(index(&taken.header, &bytes, &taken.blocks));
        bytes
    }

    /// With the sum of the items that the reader finds: to all sums it is right then.
    fn read(&self) -> Result<(Read, Vec<u8>), (Fault, Vec<u8>)> {
        let stream = self.bytes(0);
        let fault = match everywhere(&stream) {
            Ok(read) => return Ok((read, stream)),
            Err(fault) => fault,
        };
        let found = fault.message.strip_suffix(" (of its items)").and_then(|message| {
            let (_, found) = message.split_once("its CRC-32C is ")?;
            u32::from_str_radix(found.get(..8)?, 16).ok()
        });
        let Some(found) = found else { return Err((fault, stream)) };
        let stream = self.bytes(found);
        let read = everywhere(&stream).expect("the items are the same each time");
        Ok((read, stream))
    }
}

/// The same items into memory of zeros and of others: all bytes come from the block.
fn everywhere(stream: &[u8]) -> Result<Read, Fault> {
    let mut options = DecodeOptions::default();
    options.checks = Checks::Required;
    options.whole = true;
    let owned = read_array(stream, &options, Target::Owned, &mut Cuts::Whole);
    let into = read_array(stream, &options, Target::Into, &mut Cuts::Every(61));
    match (&owned, &into) {
        (Ok(owned), Ok(into)) => assert!(owned.same(into)),
        (Err(owned), Err(into)) => assert_eq!(owned, into),
        _ => unreachable!("two answers: {owned:?}\n{into:?}"),
    }
    owned
}

/// Written again with the same method and read back it is the same.
fn again(read: &Read, stream: &[u8], [filter, codec]: [u8; 2], order: Order) {
    crate::coded::verified(read, stream);
    let array = read.array.as_ref().expect("an owned array");
    let mut options = ndbytes::frame::EncodeOptions::default();
    options.order = Some(order);
    options.filter = Filter::of_number(filter);
    options.codec = Codec::Engine(Engine::of_number(codec).unwrap_or(Engine::Lz4), None);
    let bytes = crate::coded_whole::written(array, &options).expect("what was read can be written");
    let back = everywhere(&bytes).expect("what was written reads back");
    is_same(&back, array, &Metadata::default(), order);
}
