//! Frames: written, damaged, cut and read again, alone and in a row. Nothing passes for an array but what was written.

use crate::arrays::{array, is_same, metadata, pieces};
use crate::coded;
use crate::damage::never_passes;
use crate::input::Input;
use crate::machine::{Cuts, Fault, Read, Target, read_array};
use crate::stream::{SMALL, every_way, refused};
use crate::tail::sealed;
use ndbytes::frame::{EncodeOptions, Encoder};
use ndbytes::{
    Accept, Array, BLOCK, Checks, ChecksumState, DecodeOptions, ErrorKind, Format, Metadata, Order,
    crc32c, npy,
};

/// Reads frames: one byte of choices, two of limits, one of sizes, two of seed; then what stands in them.
pub fn frame_stream(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut how = How { options: DecodeOptions::default(), every: 0, seed: 0 };
    let checks = [Checks::Required, Checks::Optional, Checks::Ignored];
    how.options.checks = checks[usize::from(choices >> 2) % 3];
    how.options.accept = [Accept::Frame, Accept::Any][usize::from(choices >> 5 & 1)];
    how.options.limits = input.limits();
    how.every = usize::from(input.byte());
    how.seed = u64::from(input.u16());
    match choices & 3 {
        0 => damaged(input, &how),
        1 => any_tail(input, &how),
        2 => in_a_row(input, &how),
        _ => any_stream(input, &how),
    }
}

/// How an input is read.
struct How {
    options: DecodeOptions,
    every: usize,
    seed: u64,
}

impl How {
    /// The one answer in every cut and to every destination.
    fn read(&self, stream: &[u8], whole: bool) -> Result<Read, Fault> {
        let answer = every_way(stream, &self.options(stream, whole), self.every, self.seed);
        if let Err(fault) = &answer {
            refused(fault, stream);
        }
        answer
    }

    /// One answer, for what has been read in every way already.
    fn read_once(&self, stream: &[u8], whole: bool) -> Result<Read, Fault> {
        read_array(stream, &self.options(stream, whole), Target::Owned, &mut Cuts::Whole)
    }

    fn options(&self, stream: &[u8], whole: bool) -> DecodeOptions {
        let mut options = self.options.clone();
        options.whole = whole;
        if stream.len() > SMALL {
            // Blocks a byte at a time would take seconds.
            options.limits.grow = options.limits.grow.max(4096);
        }
        options
    }
}

/// The frame; `None` where it cannot be written.
fn written(array: &Array, metadata: &Metadata, order: Order) -> Option<Vec<u8>> {
    let mut options = EncodeOptions::default();
    (options.metadata, options.order) = (metadata.clone(), Some(order));
    let view = array.view();
    match Encoder::new(&view, &options) {
        Ok(mut encoder) => Some(pieces(&mut encoder)),
        Err(error) => {
            assert_eq!(*error.kind(), ErrorKind::Argument, "{error}");
            None
        }
    }
}

/// What the input's limits allow: such a frame reads back as this array, any other as a limit.
fn original(
    bytes: &[u8],
    how: &How,
    array: &Array,
    metadata: &Metadata,
    order: Order,
) -> Option<Read> {
    match how.read(bytes, true) {
        Ok(read) => {
            is_same(&read, array, metadata, order);
            verified(&read, bytes);
            assert_eq!(read.consumed, bytes.len());
            Some(read)
        }
        Err(fault) => {
            assert!(matches!(fault.kind, ErrorKind::Limit { .. }), "{fault:?}");
            None
        }
    }
}

/// The sums that the bytes must have had.
fn verified(read: &Read, bytes: &[u8]) {
    assert_eq!(read.state, ChecksumState::Verified);
    assert_eq!(read.header, read.decoded);
    let [start, end] =
        [read.header.len, read.header.data_end()].map(|n| usize::try_from(n).expect("small"));
    assert_eq!(read.header.sum, crc32c(&bytes[..start - 4]));
    let tail = &bytes[end..read.consumed];
    let sums: Vec<u8> =
        bytes[start..end].chunks(BLOCK).flat_map(|block| crc32c(block).to_le_bytes()).collect();
    assert_eq!(tail[36..36 + sums.len()], sums[..]);
    assert_eq!(tail.len(), 40 + sums.len());
}

/// Writes an array, reads it, and reads it after each damage the input describes.
fn damaged(mut input: Input<'_>, how: &How) {
    let (Some(array), metadata) = (array(&mut input), metadata(&mut input)) else { return };
    let order = [Order::A, Order::C, Order::F][usize::from(input.byte()) % 3];
    let Some(bytes) = written(&array, &metadata, order) else { return };
    let Some(original) = original(&bytes, how, &array, &metadata, order) else { return };
    never_passes(input, &bytes, &original, |copy, whole| match whole {
        true => how.read(copy, true),
        false => how.read_once(copy, false),
    });
}

/// A frame with a tail of any content under sums that hold: only the right one passes.
fn any_tail(mut input: Input<'_>, how: &How) {
    let Some(array) = array(&mut input) else { return };
    let Some(bytes) = written(&array, &Metadata::default(), Order::A) else { return };
    let Some(original) = original(&bytes, how, &array, &Metadata::default(), Order::A) else {
        return;
    };
    let end = usize::try_from(original.header.data_end()).expect("it is in memory");
    // The input is what is changed in the tail, its magic and its own sums aside.
    let mut content = [&bytes[end + 8..end + 32], &bytes[end + 36..bytes.len() - 4]].concat();
    for (byte, change) in content.iter_mut().zip(input.rest()) {
        *byte ^= change;
    }
    let stream = [&bytes[..end], &sealed(Format::Frame, &content)].concat();
    let open = content[1] == 1;
    match how.read(&stream, true) {
        Ok(read) if open => assert_eq!(read.state, ChecksumState::Open),
        Ok(read) => {
            verified(&read, &stream);
            assert_eq!(stream, bytes, "another tail passed");
        }
        Err(fault) => {
            assert!(stream != bytes, "{fault:?}");
            assert!(!matches!(fault.kind, ErrorKind::Limit { .. }), "{fault:?}");
            assert!(fault.offset.is_some_and(|offset| offset <= end as u64), "{fault:?}");
        }
    }
}

/// Frames and checked files, one behind the other: each is read up to the next, and no further.
fn in_a_row(mut input: Input<'_>, how: &How) {
    if how.options.checks == Checks::Optional {
        return; // Nothing may follow then.
    }
    let (mut bytes, mut sent) = (Vec::new(), Vec::new());
    let n = 1 + input.below(4);
    let is_mixed = how.options.accept == Accept::Any && how.options.checks == Checks::Required;
    for _ in 0..n {
        let Some(array) = array(&mut input).filter(|array| array.nbytes() < BLOCK) else { break };
        let is_npy = is_mixed && input.byte() & 1 == 1;
        let part = match is_npy {
            false => written(&array, &Metadata::default(), Order::A),
            true => npy::Encoder::new(&array.view(), &npy::EncodeOptions::checked())
                .ok()
                .map(|mut encoder| pieces(&mut encoder)),
        };
        let Some(part) = part else { break };
        bytes.extend(part);
        sent.push((array, bytes.len()));
    }
    let mut copy = bytes.clone();
    let damaged = (input.byte() & 1 == 1).then(|| input.below(copy.len().max(1)));
    if let Some(byte) = damaged.and_then(|at| copy.get_mut(at)) {
        *byte ^= 1 << (input.byte() % 8);
    }
    let mut at = 0;
    for (array, end) in &sent {
        let intact = !damaged.is_some_and(|byte| (at..*end).contains(&byte));
        match how.read(&copy[at..], false) {
            Ok(read) => {
                assert!(intact, "damage at {damaged:?} passed for the array");
                is_same(&read, array, &Metadata::default(), Order::A);
                assert_eq!(at + read.consumed, *end, "it read beyond the array");
            }
            Err(fault) => {
                let limit = matches!(fault.kind, ErrorKind::Limit { .. });
                return assert!(!intact || limit, "{fault:?} of an intact array");
            }
        }
        at = *end;
    }
    let fault = how.read(&copy[at..], false).expect_err("there is no more");
    assert_eq!((fault.kind, fault.offset), (ErrorKind::Truncated, Some(0)));
}

/// Bytes of no shape at all, behind a header where the input has one.
fn any_stream(input: Input<'_>, how: &How) {
    let stream = input.rest();
    for whole in [false, true] {
        match how.read(stream, whole) {
            Ok(read) if read.header.format == Format::Frame => {
                assert!(read.header.nbytes() <= how.options.limits.array);
                assert!(!whole || read.consumed == stream.len(), "something follows");
                match read.state {
                    _ if read.header.coding.is_some() => coded::verified(&read, stream),
                    ChecksumState::Open => assert_ne!(how.options.checks, Checks::Required),
                    _ => verified(&read, stream),
                }
            }
            Ok(_) => assert_eq!(how.options.accept, Accept::Any),
            Err(_) => {}
        }
    }
}
