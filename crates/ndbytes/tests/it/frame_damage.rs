//! No damage to a frame is read as success, and what is reported is the right kind, block and bytes.
//!
//! Built with `--cfg ndbytes_unchecked`, which makes every sum hold, the first test must fail: `cargo xtask test` sees
//! to it that it does.

use crate::array;
use crate::damage::{Random, decode, is_long};
use crate::frames::{SPECS, write};
use ndbytes::{
    Array, Checks, DecodeOptions, Error, ErrorKind, Layout, Metadata, Order, crc32c, frame, io,
};
use std::ops::Range;

const BLOCK: usize = 1 << 20;

/// A frame and where its parts are.
struct Frame {
    what: String,
    bytes: Vec<u8>,
    data: Range<usize>,
}

impl Frame {
    fn new(spec: &str, name: Option<&str>) -> Self {
        let (array, attrs) = (array(spec), name.map(|_| "{\"unit\": [1, null]}".to_owned()));
        let metadata = Metadata::new(name.map(str::to_owned), attrs);
        let options = frame::EncodeOptions { metadata, ..Default::default() };
        Self::of(spec, write(&array, &options), array.nbytes())
    }

    fn of(what: &str, bytes: Vec<u8>, size: usize) -> Self {
        let start = u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) as usize;
        assert_eq!(bytes.len(), start + size + 40 + size.div_ceil(BLOCK) * 4);
        Self { what: what.to_owned(), bytes, data: start..start + size }
    }

    /// The bytes of a block.
    fn block(&self, block: usize) -> Range<usize> {
        let start = self.data.start + block * BLOCK;
        start..self.data.end.min(start + BLOCK)
    }

    /// What the sum over this byte says when it does not hold.
    fn checksum(&self, byte: usize) -> ErrorKind {
        if self.data.contains(&byte) {
            let block = (byte - self.data.start) / BLOCK;
            return checksum(Some(block), self.block(block));
        }
        checksum(
            None,
            if byte < self.data.start {
                0..self.data.start
            } else {
                self.data.end..self.bytes.len()
            },
        )
    }

    /// Asserts that these bytes are no frame; in whatever way a reader is told to check.
    fn refused(&self, damaged: &[u8], how: impl std::fmt::Display) -> Error {
        let mut errors = [Checks::Required, Checks::Optional, Checks::Ignored].map(|checks| {
            let Err(error) = decode(damaged, checks) else {
                panic!("{}: {how} went unseen with {checks:?}", self.what)
            };
            error
        });
        let said = errors.each_ref().map(|error| (error.kind().clone(), error.to_string()));
        assert!(said[0] == said[1] && said[0] == said[2], "{}: {how}: {errors:?}", self.what);
        std::mem::replace(&mut errors[0], Error::argument(""))
    }
}

fn checksum(block: Option<usize>, range: Range<usize>) -> ErrorKind {
    let range = range.start as u64..range.end as u64;
    ErrorKind::Checksum { block: block.map(|block| block as u64), range }
}

/// A frame of every class of dtype, with and without a name.
fn small() -> impl Iterator<Item = Frame> {
    SPECS.into_iter().flat_map(|spec| [None, Some("déjà")].map(|name| Frame::new(spec, name)))
}

/// A frame of three blocks of random bytes, the last one shorter.
fn three_blocks(name: Option<&str>, seed: u64) -> Frame {
    let spec: ndbytes::DType = "<u4".parse().unwrap();
    let (mut random, size) = (Random(seed), 2 * BLOCK + 300_004);
    let data: Vec<u8> =
        std::iter::repeat_with(|| random.bits().to_le_bytes()).flatten().take(size).collect();
    let layout = Layout::contiguous(&[size / 4], 4, Order::C).unwrap();
    let array = Array::new(spec, layout, data.into()).unwrap();
    let metadata = Metadata::new(name.map(str::to_owned), None);
    let options = frame::EncodeOptions { metadata, ..Default::default() };
    Frame::of("three blocks", write(&array, &options), size)
}

#[test]
fn every_flipped_bit_is_reported() {
    let mut tried = 0;
    for frame in small() {
        tried += flips(&frame, 0..frame.bytes.len());
    }
    assert!(tried > 40_000, "{tried} flips");
    let large = three_blocks(None, 1);
    // Every bit near an edge, and of every 16,381st byte between (1,021st in the long run).
    let sample = if is_long() { 1_021 } else { 16_381 };
    let is_tried = |byte: &usize| {
        let block = byte.saturating_sub(large.data.start) % BLOCK;
        let inside = large.data.contains(byte) && (4..=BLOCK - 4).contains(&block);
        !inside || byte.is_multiple_of(sample)
    };
    tried += flips(&large, (0..large.bytes.len()).filter(is_tried));
    println!("frames: {tried} flips, all reported");
}

/// Flips every bit of these bytes; how many they were.
fn flips(frame: &Frame, bytes: impl Iterator<Item = usize>) -> usize {
    let (mut damaged, mut tried) = (frame.bytes.clone(), 0);
    for byte in bytes {
        for bit in 0..8 {
            damaged[byte] ^= 1 << bit;
            let how = format!("a flip of bit {bit} of byte {byte}");
            let error = frame.refused(&damaged, &how);
            match byte {
                0..8 => {
                    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Malformed, Some(0)));
                    let hint = "its magic is damaged, as by a transfer in text mode";
                    assert_eq!(error.message().ends_with(hint), byte >= 5, "{error}");
                }
                // The length alone is used before the header's sum has held: it is bounded.
                12..16 => flipped_length(frame, &damaged, &error),
                _ => {
                    let what = &frame.what;
                    assert_eq!(error.kind(), &frame.checksum(byte), "{what}: {how}: {error}");
                    let ErrorKind::Checksum { range, .. } = error.kind() else { unreachable!() };
                    assert_eq!(error.offset(), Some(range.start), "{what}: {how}: {error}");
                }
            }
            damaged[byte] ^= 1 << bit;
            tried += 1;
        }
    }
    tried
}

/// A header of another length: too long for any, no multiple of 64, beyond the end of the input, or damaged.
fn flipped_length(frame: &Frame, damaged: &[u8], error: &Error) {
    let length = u32::from_le_bytes(*damaged[12..].first_chunk().unwrap()) as usize;
    let (kind, offset) = if length > BLOCK {
        let (asked, max) = (length as u64, BLOCK as u64);
        (ErrorKind::Limit { name: "frame header", asked, max }, 12)
    } else if length == 0 || !length.is_multiple_of(64) {
        (ErrorKind::Malformed, 12)
    } else if length > damaged.len() {
        (ErrorKind::Truncated, damaged.len())
    } else {
        (checksum(None, 0..length), 0)
    };
    let found = (error.kind(), error.offset());
    assert_eq!(found, (&kind, Some(offset as u64)), "{}: {length}", frame.what);
}

#[test]
fn every_truncation_and_extension_is_reported() {
    for frame in small().chain([three_blocks(None, 1)]) {
        let len = frame.bytes.len();
        let near = |n: &usize| len < 4096 || n.is_multiple_of(30_011) || *n < 300 || len - n < 300;
        for n in (0..len).filter(near) {
            let error = frame.refused(&frame.bytes[..n], format_args!("a cut at {n}"));
            assert_eq!(*error.kind(), ErrorKind::Truncated, "{}: {n}: {error}", frame.what);
            assert_eq!(error.offset(), Some(n as u64), "{}: {n}: {error}", frame.what);
            let known = DecodeOptions { input_len: Some(n as u64), ..Default::default() };
            let discard = |_: &_| Ok(ndbytes::Dest::Discard);
            let error = io::read_array(&frame.bytes[..n], known, discard, &mut io::unwatched);
            let error = error.unwrap_err();
            assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(n as u64)));
        }
        for more in [&[0][..], &[0xff; 64], &frame.bytes[frame.data.end..], &frame.bytes[..]] {
            let longer = [&frame.bytes, more].concat();
            let error = frame.refused(&longer, format_args!("{} bytes more", more.len()));
            let found = (error.kind(), error.offset());
            assert_eq!(found, (&ErrorKind::Malformed, Some(len as u64)), "{}", frame.what);
        }
    }
}

#[test]
fn bursts_are_reported() {
    let (mut random, mut tried) = (Random::default(), 0);
    for frame in small() {
        let bits = frame.bytes.len() * 8;
        let edges = [frame.data.start, frame.data.end, frame.data.end + 36];
        let near = edges.map(|edge| edge * 8).into_iter().flat_map(|edge| edge - 9..edge + 9);
        let places: Vec<usize> = (0..40).map(|_| random.below(bits)).chain(near).collect();
        for start in places.into_iter().filter(|start| start + 32 <= bits) {
            // Every pattern of up to 7 bits, and some of each length up to 32.
            let short = (0..1 << 6).map(|middle| middle << 1 | 1);
            let long = (8..=32).map(|n| (random.bits() >> (64 - n)) | 1 | 1 << (n - 1));
            for burst in short.chain(long.collect::<Vec<_>>()) {
                let mut damaged = frame.bytes.clone();
                let shifted = (burst << (start % 8)).to_le_bytes();
                for (byte, flip) in damaged[start / 8..].iter_mut().zip(shifted) {
                    *byte ^= flip;
                }
                frame.refused(&damaged, format_args!("burst {burst:08x} at bit {start}"));
                tried += 1;
            }
        }
    }
    assert!(tried > 50_000, "{tried}");
}

#[test]
fn runs_swapped_dropped_and_repeated_are_reported() {
    let mut tried = 0;
    for frame in small() {
        let bytes = &frame.bytes;
        for n in [1, 2, 4, 7, 16, 64] {
            for at in 0..bytes.len().saturating_sub(n) {
                let mut dropped = bytes.clone();
                dropped.drain(at..at + n);
                let mut repeated = bytes.clone();
                repeated.splice(at..at, bytes[at..at + n].iter().copied());
                let mut swapped = bytes.clone();
                if at + 2 * n <= bytes.len() {
                    swapped[at..at + 2 * n].rotate_left(n);
                }
                let all = [("dropped", dropped), ("repeated", repeated), ("swapped", swapped)];
                for (how, damaged) in all.into_iter().filter(|(_, damaged)| damaged != bytes) {
                    frame.refused(&damaged, format_args!("{n} bytes {how} at {at}"));
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 50_000, "{tried}");
}

#[test]
fn blocks_swapped_dropped_repeated_and_spliced_are_reported() {
    let (frame, named) = (three_blocks(None, 1), three_blocks(Some("another"), 1));
    let other = three_blocks(None, 2).bytes;
    let (bytes, len) = (&frame.bytes, frame.bytes.len());
    let (data, tail) = (frame.data.clone(), frame.data.end..len);
    let seen = |damaged: &[u8], how: &str, kind: ErrorKind, offset: usize| {
        let error = frame.refused(damaged, how);
        assert_eq!((error.kind(), error.offset()), (&kind, Some(offset as u64)), "{how}: {error}");
        error
    };
    let of_block = |block: usize| checksum(Some(block), frame.block(block));
    let of_tail = checksum(None, tail.clone());

    let mut swapped = bytes.clone();
    swapped[data.start..][..2 * BLOCK].rotate_left(BLOCK);
    let error = seen(&swapped, "blocks swapped", of_block(0), data.start);
    assert!(error.message().starts_with("block 0 of 0 to 2 (bytes 128 to 1048704) is damaged"));
    assert!(error.message().ends_with("; 1 more blocks too"), "{error}");
    for block in 0..3 {
        let range = frame.block(block);
        let mut dropped = bytes.clone();
        dropped.drain(range.clone());
        seen(&dropped, "a block dropped", ErrorKind::Truncated, len - range.len());
        let mut repeated = bytes.clone();
        repeated.splice(range.end..range.end, bytes[range.clone()].iter().copied());
        // From the second copy on every block is another's; and what stands in the tail's place is checked first.
        seen(&repeated, "a block repeated", of_tail.clone(), tail.start);
        let mut spliced = bytes.clone();
        spliced[range.clone()].copy_from_slice(&other[range.clone()]);
        seen(&spliced, "a block of another frame", of_block(block), range.start);
        let mut zeroed = bytes.clone();
        zeroed[range.clone()].fill(0);
        seen(&zeroed, "a block of zeros", of_block(block), range.start);
        if block < 2 {
            let mut copied = bytes.clone();
            copied.copy_within(range.clone(), frame.block(1 - block).start);
            let over = frame.block(1 - block);
            seen(&copied, "a block over another", of_block(1 - block), over.start);
        }
    }
    // Parts of frames that fit one another in all but their sums.
    let header = |of: &Frame| of.bytes[..of.data.start].to_vec();
    let error = seen(
        &[&bytes[..tail.start], &other[tail.start..]].concat(),
        "the tail of other data",
        of_block(0),
        data.start,
    );
    assert!(error.message().ends_with("; 2 more blocks too"), "{error}");
    let named_tail = &named.bytes[named.data.end..];
    let whole_header = checksum(None, 0..data.start);
    let error =
        seen(&[&bytes[..tail.start], named_tail].concat(), "another's tail", whole_header, 0);
    assert_eq!(
        error.message(),
        "header and tail belong to different arrays: the tail names another header"
    );
    let named_header = checksum(None, 0..named.data.start);
    let behind = [header(&named), bytes[data.start..].to_vec()].concat();
    seen(&behind, "another's header", named_header, 0);
}

/// Nothing but its length is believed of a header whose sum does not hold.
#[test]
fn the_sum_of_a_header_is_compared_before_its_fields() {
    let values =
        |byte: u8| [0, 1, b' ', b'"', b'{', 0x7f, 0x80, 0xff, byte ^ 1, byte.wrapping_add(1)];
    let mut without = std::collections::BTreeSet::new();
    for frame in small() {
        let mut header = frame.bytes[..frame.data.start].to_vec();
        let sum = header.len() - 4;
        for byte in (8..12).chain(16..sum) {
            let written = header[byte];
            for value in values(written).into_iter().filter(|value| *value != written) {
                header[byte] = value;
                let holds = crc32c(&header[..sum]);
                for wrong in [holds ^ 1, !holds, 0, holds.swap_bytes()] {
                    header[sum..].copy_from_slice(&wrong.to_le_bytes());
                    if wrong != holds {
                        let error = header_error(&header).unwrap();
                        let whole = checksum(None, 0..frame.data.start);
                        assert_eq!(error.kind(), &whole, "{}: {byte}: {error}", frame.what);
                    }
                }
                // The same field under a sum that holds is looked at.
                header[sum..].copy_from_slice(&holds.to_le_bytes());
                if let Some(error) = header_error(&header) {
                    without.insert(format!("{:?}", error.kind()));
                    let known = matches!(
                        error.kind(),
                        ErrorKind::Malformed | ErrorKind::Unsupported | ErrorKind::Limit { .. }
                    );
                    assert!(known, "{}: {byte}: {error}", frame.what);
                }
            }
            header[byte] = written;
        }
    }
    assert!(without.contains("Malformed") && without.contains("Unsupported"), "{without:?}");
}

/// What a reader says to a header alone, which must not get as far as a destination unless the header is right.
fn header_error(header: &[u8]) -> Option<Error> {
    let mut chosen = false;
    let choose = |_: &ndbytes::Header| {
        chosen = true;
        Ok(ndbytes::Dest::Discard)
    };
    let result = io::read_array(header, Default::default(), choose, &mut io::unwatched);
    if chosen { None } else { Some(result.unwrap_err()) }
}
