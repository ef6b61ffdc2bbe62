//! Checked files: written, damaged and read again. No damage may pass for the array, and no tail may break a reader.

use crate::input::{Input, Rng};
use crate::machine::{Cuts, Fault, Read, Target, read_header, read_npy};
use ndbytes::npy::{EncodeOptions, Encoder, encode_header};
use ndbytes::{
    Array, BLOCK, Buffer, Checks, DType, DecodeOptions, Encode as _, ErrorKind, Header, Layout,
    Limits, Metadata, Order, Scalar, Spec, TAIL_MAGIC, Tail, crc32c,
};

/// Bytes of a tail's own header, and of its content before the metadata.
const TAIL_HEADER: usize = 128;
const FIXED: usize = 32;

/// Specs that an input can choose by one byte.
const SPECS: [&str; 12] = [
    "|u1",
    "<f4",
    ">i8",
    "|b1",
    "|S3",
    "<U2",
    ">M8[25s]",
    "|V5",
    "bfloat16",
    "float8_e4m3fn",
    "{t:<u8,img:<u2[2]}",
    "{a:|u1,:|V3,x=b:{c:>bfloat16,'':|i1}}",
];

/// Writes and damages a file, or reads a tail of any content: the first byte says which.
pub fn checksum_tail(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 | 1 => damaged(input),
        2 => any_tail(input),
        _ => any_metadata(input),
    }
}

/// An array as the input describes it; `None` where that is none.
fn array(input: &mut Input<'_>) -> Option<Array> {
    let choice = usize::from(input.byte());
    let dtype: DType = match SPECS.get(choice % 16) {
        Some(spec) => spec.parse().expect("a spec of the table"),
        None => input.text().parse::<Spec>().ok()?.dtype,
    };
    let order = if choice & 16 == 0 { Order::C } else { Order::F };
    let ndim = choice >> 5 & 3;
    let shape: Vec<usize> = if choice >= 0xe0 && input.byte() == 2 {
        // Seldom, because it is slow: more than a block, so that blocks can be told apart.
        vec![1 + BLOCK.div_ceil(dtype.itemsize().clamp(1, BLOCK))]
    } else {
        (0..ndim).map(|_| usize::from(input.byte() % 7)).collect()
    };
    let size = ndbytes::nbytes(&shape, dtype.itemsize()).ok().filter(|&n| n <= BLOCK * 2)?;
    let given = input.below(300);
    let mut bytes = input.take(given.min(size)).to_vec();
    let mut rng = Rng::new(u64::from(input.byte()));
    while bytes.len() < size {
        bytes.extend(rng.next_u64().to_le_bytes());
    }
    bytes.truncate(size);
    let layout = Layout::contiguous(&shape, dtype.itemsize(), order).expect("it was counted");
    Some(Array::new(dtype, layout, Buffer::from(bytes)).expect("it fits its data"))
}

fn metadata(input: &mut Input<'_>) -> Metadata {
    let choice = input.byte();
    let name = (choice & 1 != 0).then(|| input.text());
    let attrs = match choice >> 1 & 3 {
        0 => None,
        1 => Some("{}".to_owned()),
        2 => Some("{\"unit\": \"K\", \"scale\": [1e-3, null]}".to_owned()),
        _ => Some(input.text()),
    };
    Metadata::new(name, attrs)
}

/// The checked file; `None` where it cannot be written.
fn written(array: &Array, metadata: &Metadata) -> Option<Vec<u8>> {
    let mut options = EncodeOptions::checked();
    options.metadata = metadata.clone();
    let view = array.view();
    let mut encoder = match Encoder::new(&view, &options) {
        Ok(encoder) => encoder,
        Err(error) => {
            assert_eq!(*error.kind(), ErrorKind::Argument, "{error}");
            return None;
        }
    };
    let mut bytes = Vec::new();
    while let Some(piece) = encoder.next().expect("everything is refused before the first byte") {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(encoder.total(), bytes.len() as u64);
    Some(bytes)
}

fn read(bytes: &[u8], checks: Checks, whole: bool) -> Result<Read, Fault> {
    let mut options = DecodeOptions::default();
    options.checks = checks;
    options.whole = whole;
    read_npy(bytes, &options, Target::Owned, &mut Cuts::Whole)
}

/// Writes an array, reads it, and reads it after each damage the input describes.
fn damaged(mut input: Input<'_>) {
    let (Some(array), metadata) = (array(&mut input), metadata(&mut input)) else { return };
    let Some(bytes) = written(&array, &metadata) else { return };
    let original = read(&bytes, Checks::Required, true).expect("what was written reads back");
    is_same(&original, &array, &metadata);
    assert_eq!(original.consumed, bytes.len());

    let mut copy = bytes.clone();
    for _ in 0..3 {
        if input.is_empty() {
            return;
        }
        let damage = damage(&mut input, &mut copy, &bytes);
        if copy == bytes {
            continue;
        }
        let answer = read(&copy, Checks::Required, true);
        let Err(fault) = answer else {
            unreachable!("{damage:?} passed for the array: {answer:?}");
        };
        if let Some(damage) = damage {
            is_named(&damage, &fault, &original);
        }
        // A reader that goes on behind the tail sees the original, or an error.
        if let Ok(read) = read(&copy, Checks::Required, false) {
            assert_eq!(copy[..read.consumed], bytes[..], "damage passed for the array");
        }
    }
}

fn is_same(read: &Read, array: &Array, metadata: &Metadata) {
    assert_eq!(&read.decoded.dtype, array.dtype());
    assert_eq!(read.header.dtype, array.dtype().storage());
    assert_eq!(read.header.shape, array.shape());
    assert_eq!(read.data.as_deref(), Some(&array.data()[..]));
    let back = read.array.as_ref().expect("an owned array");
    // What is contiguous both ways is written as C.
    if array.shape().iter().filter(|&&len| len != 1).count() > 1 && array.nbytes() > 0 {
        assert_eq!(back.layout(), array.layout());
    }
    assert_eq!(read.metadata.name, metadata.name);
    assert_eq!(read.metadata.attrs.as_deref(), metadata.attrs.as_deref().map(str::trim));
}

/// Damage to an untouched file, of which it is known what must be reported.
#[derive(Debug)]
enum Damage {
    Bit(usize),
    Cut(usize),
}

/// Damages the copy; says how, where it is the first damage and of a simple kind.
fn damage(input: &mut Input<'_>, copy: &mut Vec<u8>, bytes: &[u8]) -> Option<Damage> {
    let first = copy == bytes;
    let len = copy.len().max(1);
    let wide =
        |input: &mut Input<'_>| (usize::from(input.u16()) | usize::from(input.byte()) << 16) % len;
    let kind = input.byte();
    let (one, two, n) = (wide(input), wide(input), usize::from(input.byte()));
    if copy.is_empty() {
        return None;
    }
    match kind % 9 {
        0 | 1 => {
            copy[one] ^= 1 << (n % 8);
            return first.then_some(Damage::Bit(one));
        }
        2 => {
            copy.truncate(one);
            return first.then_some(Damage::Cut(one));
        }
        3 => copy.swap(one, two),
        // A part stands a second time over another, or is gone, or comes in twice.
        4 => copy.copy_within(one..len.min(one + n), two.min(len - n.min(len - one))),
        5 => drop(copy.drain(one..len.min(one + n))),
        6 => {
            let part = copy[one..len.min(one + n)].to_vec();
            copy.splice(two..two, part);
        }
        // Runs of bytes, or whole blocks, change places.
        7 => {
            let n = if n == 255 { BLOCK } else { n };
            let (low, high) = (one.min(two), one.max(two));
            let n = n.min(high - low).min(len - high);
            let (front, back) = copy.split_at_mut(high);
            front[low..low + n].swap_with_slice(&mut back[..n]);
        }
        _ => copy.extend(std::iter::repeat_n(0, n)),
    }
    None
}

/// One flipped bit of the data is reported as its block, and a cut as a cut.
fn is_named(damage: &Damage, fault: &Fault, original: &Read) {
    let header = original.header.len;
    let data_end = header + original.header.nbytes();
    match damage {
        Damage::Bit(at) => {
            let at = *at as u64;
            if at < header || at >= data_end {
                return;
            }
            let ErrorKind::Checksum { block, range } = &fault.kind else {
                unreachable!("a flipped bit of the data is {fault:?}");
            };
            assert_eq!(*block, Some((at - header) / BLOCK as u64));
            assert!(range.contains(&at), "byte {at} is not in {range:?}");
        }
        Damage::Cut(at) => {
            assert_eq!(fault.kind, ErrorKind::Truncated, "{fault:?}");
            assert_eq!(fault.offset, Some(*at as u64), "{fault:?}");
        }
    }
}

/// A tail around these bytes, with its own header and sums as they must be.
fn sealed(content: &[u8]) -> Vec<u8> {
    let shape = [TAIL_MAGIC.len() + content.len() + 8];
    let dtype = DType::native(Scalar::UInt8);
    let mut tail = encode_header(&dtype, &shape, false, None).expect("a plain header");
    assert_eq!(tail.len(), TAIL_HEADER);
    let metadata = content.get(20..24).and_then(|bytes| bytes.first_chunk::<4>());
    let metadata = metadata.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let (front, sums) = content.split_at(content.len().min(24usize.saturating_add(metadata)));
    tail.extend(TAIL_MAGIC);
    tail.extend(front);
    tail.extend(crc32c(&tail).to_le_bytes());
    tail.extend(sums);
    tail.extend(crc32c(sums).to_le_bytes());
    tail
}

/// The header of so many bytes.
fn header_of(data_len: u64) -> Option<Header> {
    let shape = [usize::try_from(data_len).ok()?];
    let bytes = encode_header(&DType::native(Scalar::UInt8), &shape, false, None).ok()?;
    let read = read_header(&bytes, &DecodeOptions::default(), &mut Cuts::Whole);
    read.ok().map(|(_, header)| header)
}

/// A tail of any content, for data of the length that it or the input says.
fn any_tail(mut input: Input<'_>) {
    let says = input.byte();
    let content = input.rest();
    let field = content.get(8..16).and_then(|bytes| bytes.first_chunk::<8>());
    let own = field.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let data_len = if says == 0 { own } else { u64::from(says) << 16 };
    let Some(header) = header_of(data_len) else { return };
    for bytes in [sealed(content), content.to_vec()] {
        let Ok(tail) = Tail::decode(&bytes, &header, &Limits::local()) else { continue };
        assert_eq!(tail.data_len, data_len);
        assert_eq!(tail.sums.len() as u64, data_len.div_ceil(BLOCK as u64));
        let again = tail.encode(header.format).expect("a tail that was read can be written");
        assert_eq!(Tail::decode(&again, &header, &Limits::local()).as_ref().ok(), Some(&tail));
        // All but the metadata has one spelling.
        let (at, sums) = (TAIL_HEADER, tail.sums.len() * 4);
        assert_eq!(again[at..at + FIXED - 4], bytes[at..at + FIXED - 4]);
        let numbers = |tail: &[u8]| tail[tail.len() - 4 - sums..tail.len() - 4].to_vec();
        assert_eq!(numbers(&again), numbers(&bytes));
        let text = |tail: &[u8]| tail[at + FIXED..tail.len() - 8 - sums].to_vec();
        if text(&again) == text(&bytes) && bytes.starts_with(&again[..TAIL_HEADER]) && !tail.open {
            assert_eq!(again, bytes);
        }
    }
}

/// A file with sums that hold and metadata of any text.
fn any_metadata(mut input: Input<'_>) {
    let Some(array) = array(&mut input) else { return };
    let Some(bare) = written(&array, &Metadata::default()) else { return };
    let known = read(&bare, Checks::Required, true).expect("what was written reads back");
    let start = usize::try_from(known.header.len).expect("it is in memory");
    let data_end = start + array.nbytes();
    let state = input.byte();
    let text = input.rest();
    let data = &bare[start..data_end];
    let mut content = vec![0, u8::from(state == 1), 0, 0];
    content.extend(crc32c(&bare[..start]).to_le_bytes());
    content.extend((data.len() as u64).to_le_bytes());
    content.extend(u32::try_from(BLOCK).expect("1 MiB").to_le_bytes());
    content.extend(u32::try_from(text.len()).expect("a small input").to_le_bytes());
    content.extend(text);
    content.extend(data.chunks(BLOCK).flat_map(|block| crc32c(block).to_le_bytes()));
    let bytes = [&bare[..data_end], &sealed(&content)].concat();
    let (required, optional) =
        (read(&bytes, Checks::Required, true), read(&bytes, Checks::Optional, true));
    match &required {
        Ok(read) => {
            assert_ne!(state, 1, "an open tail passed for a sealed one");
            assert!(optional.is_ok_and(|optional| optional.same(read)));
            assert_eq!(read.data.as_deref(), Some(data));
            assert_eq!(read.header.dtype, array.dtype().storage());
            assert_eq!(read.decoded.dtype.storage(), array.dtype().storage());
            // Written again with what the metadata said, it says the same.
            let array = read.array.as_ref().expect("an owned array");
            let again = written(array, &read.metadata).expect("what was read can be written");
            let again = self::read(&again, Checks::Required, true).expect("it reads back");
            is_same(&again, array, &read.metadata);
        }
        Err(fault) => {
            let known = matches!(fault.kind, ErrorKind::Malformed | ErrorKind::Limit { .. })
                || (state == 1 && fault.kind == ErrorKind::Truncated);
            assert!(known, "{fault:?}");
            assert!(fault.offset.is_some(), "it does not say where: {fault:?}");
        }
    }
}
