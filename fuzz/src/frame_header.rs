//! Headers of frames: nothing is believed before the sum holds, and what was read can be written and read again.

use crate::descr::{depth, fields};
use crate::input::{Input, Rng};
use crate::machine::{Cuts, Fault, read_header};
use ndbytes::frame::{MAGIC, encode_header};
use ndbytes::{
    Accept, DecodeOptions, ErrorKind, Format, Header, Limits, MAX_DEPTH, MAX_NDIM, crc32c,
};

/// Where the length of the data stands.
const SIZE_AT: usize = 16;

/// Choices, the options and limits that they stand for, and a seed.
fn chosen(input: &mut Input<'_>) -> (u8, DecodeOptions, u16) {
    let choices = input.byte();
    let mut options = DecodeOptions::default();
    options.accept = [Accept::Any, Accept::Frame][usize::from(choices >> 2 & 1)];
    options.limits = input.limits();
    (choices, options, input.u16())
}

/// Reads a header: one byte of choices, two of limits, two of seed; then the stream, or what gets a right frame and a
/// right sum around it.
pub fn frame_header(data: &[u8]) {
    let mut input = Input::new(data);
    let (choices, options, seed) = chosen(&mut input);
    let stream = match choices & 3 {
        0 => input.rest().to_vec(),
        // The JSON; the length of the data is the one it makes.
        1 => fitting(&[], input.rest()),
        // Version, flags, filter and codec, the length of the data, and the JSON.
        2 => {
            let [numbers, size] = [input.take(4), input.take(8)];
            summed(&padded(numbers, size, input.rest()))
        }
        _ => summed(input.rest()),
    };

    any_cut(&stream, &options, seed);
    let mut npy = options.clone();
    npy.accept = Accept::Npy;
    if stream.starts_with(&MAGIC) {
        let fault = read_header(&stream, &npy, &mut Cuts::Whole).map(|_| ()).expect_err("no .npy");
        assert_eq!((fault.kind, fault.offset), (ErrorKind::Malformed, Some(0)));
    }
}

/// Reads a header of a coded frame: one byte of choices, two of limits, two of seed; then the stream, or what gets a right
/// frame and a right sum around it, or lengths of axes and blocks; or what is in the mark of a frame that grows, and its JSON.
pub fn coded_header(data: &[u8]) {
    let mut input = Input::new(data);
    let (choices, options, seed) = chosen(&mut input);
    let stream = match choices & 3 {
        _ if choices & 8 != 0 => begun(&mut input, choices & 3),
        0 => summed(input.rest()),
        // Filter, codec and the JSON.
        1 => fitting(&[0, 1, input.byte(), input.byte()], input.rest()),
        2 => {
            let [filter, codec] = [input.byte(), input.byte()];
            let size = input.take(8);
            summed(&padded(&[0, 1, filter, codec], size, input.rest()))
        }
        _ => {
            let numbers = [0, 1, input.byte(), input.byte()];
            fitting(&numbers, grid(&mut input).as_bytes())
        }
    };
    any_cut(&stream, &options, seed);
}

/// Header and mark of a frame that grows, under right sums: filter and codec, the numbers of the mark where they are not those of no
/// rows, and the JSON.
fn begun(input: &mut Input<'_>, choice: u8) -> Vec<u8> {
    let numbers = [0, 3, input.byte(), input.byte()];
    let given = if choice == 0 { &[] } else { input.take(36) };
    let mut json = std::mem::take(input).rest().to_vec();
    if choice == 3 {
        let text = grid(&mut Input::new(&json));
        let (front, back) = text.split_once("\"shape\":[").expect("it has a shape");
        let rest = back.find([',', ']']).and_then(|at| back.get(at..)).expect("a list ends");
        json = format!("{front}\"shape\":[null{rest}").into_bytes();
    }
    let mut header = summed(&padded(&numbers, &[], &json));
    let (len, sum) = (header.len(), header.last_chunk::<4>().copied().expect("64 bytes"));
    header.extend(b"\x89NDBG\r\n\x1a\0\0\0\0");
    header.extend(sum);
    header.extend([0; 44]);
    header[len + 40..len + 48].copy_from_slice(&(len as u64 + 64).to_le_bytes());
    for (byte, given) in header[len + 16..].iter_mut().zip(given) {
        *byte ^= given;
    }
    header.extend(crc32c(&header[len..]).to_le_bytes());
    header
}

/// Lengths about which rules of the grid turn.
const LENGTHS: [u64; 16] = [
    0,
    1,
    2,
    3,
    7,
    255,
    4096,
    65_537,
    1 << 21,
    1 << 24,
    (1 << 24) + 1,
    u32::MAX as u64,
    1 << 32,
    1 << 60,
    1 << 62,
    (1 << 63) - 1,
];

/// The JSON of a header with axes and blocks of these lengths.
fn grid(input: &mut Input<'_>) -> String {
    let choice = usize::from(input.byte());
    let dtype = ["|u1", "<f8", ">c16", "|V0", "|S3", "|V16777217", "{a:<i2}", "<U4"][choice % 8];
    let order = ['C', 'F'][choice >> 3 & 1];
    let mut lists = [Vec::new(), Vec::new()];
    while !input.is_empty() && lists[0].len() < MAX_NDIM + 1 {
        let lens = input.byte();
        let both = [LENGTHS[usize::from(lens & 15)], LENGTHS[usize::from(lens >> 4)]];
        lists.iter_mut().zip(both).for_each(|(list, len)| list.push(len.to_string()));
    }
    let [shape, block] = lists.map(|list| list.join(","));
    format!(r#"{{"dtype":"{dtype}","shape":[{shape}],"order":"{order}","block":[{block}]}}"#)
}

/// The same answer in every cut, and what must hold of it.
fn any_cut(stream: &[u8], options: &DecodeOptions, seed: u16) {
    let answer = |mut cuts: Cuts| read_header(stream, options, &mut cuts).map(|(_, h)| h);
    let whole = answer(Cuts::Whole);
    for cuts in [Cuts::Every(1), Cuts::Every(7), Cuts::Random(Rng::new(seed.into()))] {
        assert_eq!(answer(cuts.clone()), whole, "cut as {cuts:?}");
    }
    match whole {
        Ok(header) => accepted(&header, stream, options),
        Err(fault) => refused(&fault, stream, options),
    }
}

/// A header of these parts, as long as it must be, its sum left open.
pub(crate) fn padded(numbers: &[u8], size: &[u8], json: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(numbers);
    header.resize(12, 0);
    let length = (24 + json.len() + 4).next_multiple_of(64);
    header.extend(u32::try_from(length).expect("a small input").to_le_bytes());
    header.extend(size);
    header.resize(24, 0);
    header.extend(json);
    header.resize(length - 4, b' ');
    header.resize(length, 0);
    header
}

/// The bytes with the sum put where the length says, if that is inside.
pub(crate) fn summed(bytes: &[u8]) -> Vec<u8> {
    let mut stream = bytes.to_vec();
    if let Some(length) = length(&stream)
        && let Some(front) = length.checked_sub(4).filter(|_| length <= stream.len())
    {
        let sum = crc32c(&stream[..front]).to_le_bytes();
        stream[front..length].copy_from_slice(&sum);
    }
    stream
}

/// A header with this JSON, that says as many bytes of data as the reader makes of it.
fn fitting(numbers: &[u8], json: &[u8]) -> Vec<u8> {
    let mut header = padded(numbers, &[], json);
    let header = &mut header;
    for _ in 0..2 {
        *header = summed(header);
        let read = read_header(header, &DecodeOptions::default(), &mut Cuts::Whole);
        let Err(fault) = read else { break };
        let expected = fault.message.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok());
        let Some(expected) = expected.filter(|_| fault.offset == Some(SIZE_AT as u64)) else {
            break;
        };
        header[SIZE_AT..SIZE_AT + 8].copy_from_slice(&expected.to_le_bytes());
    }
    header.clone()
}

/// The length that a header says it has.
fn length(stream: &[u8]) -> Option<usize> {
    let bytes = stream.get(12..16)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// The bytes of the header, if all of them are there, and whether their sum holds.
fn sum(stream: &[u8]) -> Option<(&[u8], bool)> {
    let header = stream.get(..length(stream)?)?;
    let (front, sum) = header.split_last_chunk::<4>()?;
    Some((header, crc32c(front) == u32::from_le_bytes(*sum)))
}

fn accepted(header: &Header, stream: &[u8], options: &DecodeOptions) {
    let limits = &options.limits;
    if !stream.starts_with(&MAGIC) {
        // Something else that describes itself, which another target looks after.
        return assert!(options.accept == Accept::Any && header.format != Format::Frame);
    }
    let (bytes, holds) = sum(stream).expect("a header that was read is there");
    assert!(holds, "a header was believed without its sum");
    assert_eq!(header.format, Format::Frame);
    let mark = if bytes[9] == 3 { 64 } else { 0 };
    assert_eq!(header.len, bytes.len() as u64 + mark);
    assert!(bytes.len() <= limits.header && bytes.len().is_multiple_of(64));
    assert!(is_known(bytes));
    assert_eq!(header.coding.is_some(), bytes[9] != 0);
    blocks(header, bytes);
    let size = if bytes[9] == 3 { 0 } else { header.nbytes() };
    assert_eq!(bytes[SIZE_AT..SIZE_AT + 8], size.to_le_bytes());
    assert_eq!(bytes[bytes.len() - 4..], header.sum.to_le_bytes());
    assert!(header.nbytes() <= limits.array, "an array of {} bytes", header.nbytes());
    assert!(header.shape.len() <= MAX_NDIM && depth(&header.dtype) <= MAX_DEPTH);
    assert!(fields(&header.dtype) <= limits.fields, "{} fields", fields(&header.dtype));
    assert!(header.metadata.dtype.is_none());
    again(header);
}

/// Whether version, flags, filter and codec are known ones.
fn is_known(header: &[u8]) -> bool {
    match header[8..12] {
        [0, 0, 0, 0] => true,
        [0, 1 | 3, filter, codec] => {
            filter < 128 && filter & 3 < 3 && filter >> 2 & 7 < 5 && codec < 5
        }
        _ => false,
    }
}

/// The blocks of a coded frame are as `spec/FORMAT.md` has them.
fn blocks(header: &Header, bytes: &[u8]) {
    let Some(coding) = &header.coding else { return };
    assert_eq!([coding.filter.number(), coding.engine.number()], bytes[10..12]);
    assert_eq!(coding.block.len(), header.shape.len());
    let items: u128 = coding.block.iter().map(|&len| len as u128).product();
    assert!(items == 1 || items * header.dtype.itemsize() as u128 <= 1 << 24, "{header:?}");
    let axes = || coding.block.iter().zip(&header.shape);
    if let Some(grown) = coding.grown {
        assert!(axes().skip(1).all(|(block, len)| (1..=*len).contains(block)), "{header:?}");
        let each: u128 = axes().skip(1).map(|(&block, &len)| len.div_ceil(block) as u128).product();
        let (rows, count) = (header.shape[0] as u128, u128::from(grown.blocks));
        assert!(count.is_multiple_of(each) && count == u128::from(header.blocks()));
        assert!((count / each..=count / each * coding.block[0] as u128).contains(&rows));
        return assert!(u128::from(grown.end) >= u128::from(header.len) + 48 * count);
    }
    assert!(axes().all(|(&block, &len)| (1..=len.max(1)).contains(&block)), "{header:?}");
    let counts = axes().map(|(&block, &len)| len.div_ceil(block) as u128);
    let count = if header.nbytes() == 0 { 0 } else { counts.product() };
    assert_eq!(u128::from(header.blocks()), count);
}

/// Written again it is read as the same, and from then on has one spelling.
fn again(header: &Header) {
    let write = |header: &Header| {
        encode_header(&header.dtype, &header.shape, header.fortran_order, &header.metadata)
            .expect("what was read can be written")
    };
    let (bytes, sum) = write(header);
    let mut options = DecodeOptions::default();
    options.limits = Limits::local();
    let read = read_header(&bytes, &options, &mut Cuts::Whole).map(|(_, header)| header);
    let read = read.expect("a header that was written reads back");
    assert_eq!((read.len, read.sum), (bytes.len() as u64, sum));
    assert_eq!(
        (&read.dtype, &read.shape, read.fortran_order, &read.metadata),
        (&header.dtype, &header.shape, header.fortran_order, &header.metadata)
    );
    assert_eq!(read.layout().expect("it was counted"), header.layout().expect("so was it"));
    assert_eq!(write(&read).0, bytes);
}

fn refused(fault: &Fault, stream: &[u8], options: &DecodeOptions) {
    fault.says_where(stream.len());
    let front = &stream[..stream.len().min(MAGIC.len())];
    if front != MAGIC {
        let is_cut = MAGIC.starts_with(front) && fault.kind == ErrorKind::Truncated;
        let is_other = !MAGIC.starts_with(front) && fault.kind == ErrorKind::Malformed;
        return assert!(is_cut || is_other || options.accept == Accept::Any, "{fault:?}");
    }
    let max = options.limits.header;
    // Whether the length is seen before its neighbours depends on `Limits.grow`.
    let early = stream.len() < 24 && fault.kind == ErrorKind::Truncated;
    let length = length(stream).filter(|_| !early);
    match (length, sum(stream)) {
        // The length is the one thing that is used before the sum holds.
        (Some(length), _) if length > max => {
            let (asked, max) = (length as u64, max as u64);
            let kind = ErrorKind::Limit { name: "frame header", asked, max };
            assert_eq!((&fault.kind, fault.offset), (&kind, Some(12)));
        }
        (Some(length), _) if length == 0 || !length.is_multiple_of(64) => {
            assert_eq!((&fault.kind, fault.offset), (&ErrorKind::Malformed, Some(12)));
        }
        (None, _) | (_, None) => {
            let end = stream.len() as u64;
            assert_eq!((&fault.kind, fault.offset), (&ErrorKind::Truncated, Some(end)));
        }
        (_, Some((header, false))) => {
            let kind = ErrorKind::Checksum { block: None, range: 0..header.len() as u64 };
            assert_eq!((&fault.kind, fault.offset), (&kind, Some(0)), "{fault:?}");
        }
        (_, Some((header, true))) => {
            let mark = header.len() as u64;
            let of_mark = header[9] == 3
                && match &fault.kind {
                    ErrorKind::Truncated => fault.offset == Some(stream.len() as u64),
                    ErrorKind::Checksum { block, range } => {
                        block.is_none() && [mark..mark + 64, 0..mark].contains(range)
                    }
                    _ => fault.offset == Some(mark),
                };
            if of_mark {
                return;
            }
            let known = matches!(
                fault.kind,
                ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::Limit { .. }
            );
            assert!(known, "{fault:?}");
            let early = fault.kind == ErrorKind::Unsupported && fault.offset < Some(16);
            assert_eq!(early, !is_known(header), "{fault:?}");
        }
    }
}
