//! Checked files: written, damaged and read again. No damage may pass for the array, and no tail may break a reader.

use crate::arrays::{array, is_same, metadata, pieces};
use crate::damage::never_passes;
use crate::input::Input;
use crate::machine::{Cuts, Fault, Read, Target, read_array, read_header};
use ndbytes::npy::{EncodeOptions, Encoder, Version, encode_header};
use ndbytes::{
    Array, BLOCK, Checks, DType, DecodeOptions, ErrorKind, Format, Header, Limits, Metadata, Order,
    Scalar, TAIL_MAGIC, Tail, crc32c, frame,
};

/// Bytes of a tail's own header, and of its content before the metadata.
const TAIL_HEADER: usize = 128;
const FIXED: usize = 32;

/// Writes and damages a file, or reads a tail of any content: the first byte says which.
pub fn checksum_tail(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 | 1 => damaged(input),
        2 => any_tail(input),
        _ => any_metadata(input),
    }
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
    Some(pieces(&mut encoder))
}

fn read(bytes: &[u8], checks: Checks, whole: bool) -> Result<Read, Fault> {
    let mut options = DecodeOptions::default();
    options.checks = checks;
    options.whole = whole;
    read_array(bytes, &options, Target::Owned, &mut Cuts::Whole)
}

/// Writes an array, reads it, and reads it after each damage the input describes.
fn damaged(mut input: Input<'_>) {
    let (Some(array), metadata) = (array(&mut input), metadata(&mut input)) else { return };
    let Some(bytes) = written(&array, &metadata) else { return };
    let original = read(&bytes, Checks::Required, true).expect("what was written reads back");
    is_same(&original, &array, &metadata, Order::A);
    assert_eq!(original.consumed, bytes.len());

    never_passes(input, &bytes, &original, |copy, whole| read(copy, Checks::Required, whole));
}

/// A tail around these bytes, with its own header and sums as they must be.
pub(crate) fn sealed(format: Format, content: &[u8]) -> Vec<u8> {
    let mut tail = Vec::new();
    if format != Format::Frame {
        let shape = [TAIL_MAGIC.len() + content.len() + 8];
        let dtype = DType::native(Scalar::UInt8);
        tail = encode_header(&dtype, &shape, false, None).expect("a plain header");
        assert_eq!(tail.len(), TAIL_HEADER);
    }
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
fn header_of(data_len: u64, format: Format) -> Option<Header> {
    let (dtype, shape) = (DType::native(Scalar::UInt8), [usize::try_from(data_len).ok()?]);
    let bytes = match format {
        Format::Frame => frame::encode_header(&dtype, &shape, false, &Metadata::default()).ok()?.0,
        _ => encode_header(&dtype, &shape, false, None).ok()?,
    };
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
    for format in [Format::Npy(Version::V1), Format::Frame] {
        let Some(header) = header_of(data_len, format) else { continue };
        for bytes in [sealed(format, content), content.to_vec()] {
            if let Ok(tail) = Tail::decode(&bytes, &header, &Limits::local()) {
                accepted(&tail, &bytes, &header);
            }
        }
    }
}

fn accepted(tail: &Tail, bytes: &[u8], header: &Header) {
    assert_eq!(tail.data_len, header.nbytes());
    assert_eq!(tail.sums.len() as u64, tail.data_len.div_ceil(BLOCK as u64));
    let again = tail.encode(header.format).expect("a tail that was read can be written");
    assert_eq!(Tail::decode(&again, header, &Limits::local()).as_ref().ok(), Some(tail));
    // All but the metadata has one spelling.
    let at = if header.format == Format::Frame { 0 } else { TAIL_HEADER };
    let sums = tail.sums.len() * 4;
    assert_eq!(again[at..at + FIXED - 4], bytes[at..at + FIXED - 4]);
    let numbers = |tail: &[u8]| tail[tail.len() - 4 - sums..tail.len() - 4].to_vec();
    assert_eq!(numbers(&again), numbers(bytes));
    let text = |tail: &[u8]| tail[at + FIXED..tail.len() - 8 - sums].to_vec();
    if text(&again) == text(bytes) && bytes.starts_with(&again[..at]) && !tail.open {
        assert_eq!(again, bytes);
    }
    if header.format == Format::Frame {
        assert_eq!((&tail.metadata, text(bytes).len()), (&Metadata::default(), 0));
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
    let bytes = [&bare[..data_end], &sealed(known.header.format, &content)].concat();
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
            is_same(&again, array, &read.metadata, Order::A);
        }
        Err(fault) => {
            let known = matches!(fault.kind, ErrorKind::Malformed | ErrorKind::Limit { .. })
                || (state == 1 && fault.kind == ErrorKind::Truncated);
            assert!(known, "{fault:?}");
            assert!(fault.offset.is_some(), "it does not say where: {fault:?}");
        }
    }
}
