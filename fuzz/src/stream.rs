//! Whole `.npy` streams: any cut, destination and driver gives the same answer, and success means the input's bytes.

use crate::input::{Input, Rng};
use crate::machine::{Cuts, Fault, Read, Target, read_array};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{
    Accept, BLOCK, Checks, ChecksumState, DecodeOptions, Dest, Encode as _, ErrorKind, Limits,
    Order, Tail, crc32c, to_bytes,
};

/// Bytes up to which a stream is read in every way, and data into memory of the caller's.
pub(crate) const SMALL: usize = 1 << 16;

/// Reads an array: one byte of choices, two of limits, one of sizes, two of seed; then the stream.
pub fn npy_stream(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut options = DecodeOptions::default();
    options.accept = Accept::Npy;
    options.checks =
        [Checks::Required, Checks::Optional, Checks::Ignored][usize::from(choices % 3)];
    options.lenient = choices & 8 != 0;
    options.whole = choices & 16 != 0;
    options.limits = input.limits();
    let every = usize::from(input.byte());
    let seed = u64::from(input.u16());
    let stream = input.rest();
    match &every_way(stream, &options, every, seed) {
        Ok(read) => accepted(read, stream, &options),
        Err(fault) => refused(fault, stream),
    }
}

/// The one answer that every cut, every destination and the driver give; a few of them where the stream is large.
pub(crate) fn every_way(
    stream: &[u8],
    options: &DecodeOptions,
    every: usize,
    seed: u64,
) -> Result<Read, Fault> {
    let whole = read_array(stream, options, Target::Owned, &mut Cuts::Whole);
    same(&whole, &read_array(stream, options, Target::Discard, &mut Cuts::Whole));
    // Knowing the length lets it refuse earlier, in the same words.
    let mut known = options.clone();
    known.input_len = Some(stream.len() as u64);
    match read_array(stream, &known, Target::Owned, &mut Cuts::Whole) {
        // More blocks than there are bytes, or a mark that says more, whatever stands in the first.
        Err(fault)
            if fault.kind == ErrorKind::Truncated
                && ["blocks and their index need", "the mark says that the frame ends at"]
                    .iter()
                    .any(|why| fault.message.contains(why)) =>
        {
            assert_eq!(fault.offset, known.input_len);
            assert!(whole.is_err(), "{whole:?}");
        }
        known => same(&whole, &known),
    }
    if stream.len() > SMALL {
        // A few bytes at a time would take seconds.
        let mut cuts = Cuts::Every(4093 + every * 1021);
        same(&whole, &read_array(stream, options, Target::Owned, &mut cuts));
        return whole;
    }
    for mut cuts in [Cuts::Every(1), Cuts::Every(every), Cuts::Random(Rng::new(seed))] {
        same(&whole, &read_array(stream, options, Target::Owned, &mut cuts));
    }
    same(&whole, &read_array(stream, options, Target::Discard, &mut Cuts::Random(Rng::new(!seed))));
    if whole.as_ref().is_ok_and(|read| read.header.nbytes() <= SMALL as u64) {
        same(&whole, &read_array(stream, options, Target::Into, &mut Cuts::Every(3)));
    }
    driver(&whole, stream, options, seed);
    whole
}

fn same(one: &Result<Read, Fault>, other: &Result<Read, Fault>) {
    match (one, other) {
        (Ok(one), Ok(other)) => assert!(one.same(other), "{one:?}\n{other:?}"),
        (Err(one), Err(other)) => assert_eq!(one, other),
        _ => unreachable!("two answers for one input: {one:?}\n{other:?}"),
    }
}

/// The driver over `Read` says what the machines say, and reads no byte more than they do.
fn driver(whole: &Result<Read, Fault>, stream: &[u8], options: &DecodeOptions, seed: u64) {
    struct Choppy<'a>(&'a [u8], Rng);
    impl std::io::Read for Choppy<'_> {
        fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
            match self.1.below(4) {
                0 => Err(std::io::ErrorKind::Interrupted.into()),
                _ => {
                    let n = space.len().min(1 + self.1.below(200));
                    std::io::Read::read(&mut self.0, &mut space[..n])
                }
            }
        }
    }
    let mut reader = Choppy(stream, Rng::new(seed));
    let answer = ndbytes::io::read_array(
        &mut reader,
        options.clone(),
        |_| Ok(Dest::Owned),
        &mut ndbytes::io::unwatched,
    );
    match (answer.map_err(Fault::from), whole) {
        (Ok(decoded), Ok(read)) => {
            assert_eq!(decoded.header, read.decoded);
            assert_eq!((decoded.state, &decoded.metadata), (read.state, &read.metadata));
            assert_eq!(stream.len() - reader.0.len(), read.consumed);
        }
        (Err(one), Err(other)) => assert_eq!(&one, other),
        (answer, _) => unreachable!("the driver says {answer:?}, the machine {whole:?}"),
    }
}

fn accepted(read: &Read, stream: &[u8], options: &DecodeOptions) {
    let limits = &options.limits;
    assert!(read.header.len <= limits.header as u64 + 12);
    assert!(read.header.nbytes() <= limits.array);
    let start = usize::try_from(read.header.len).expect("it is in memory");
    let end = start + usize::try_from(read.header.nbytes()).expect("it is in memory");
    let data = &stream[start..end];
    let owned = read_array(stream, options, Target::Owned, &mut Cuts::Whole).expect("read before");
    assert_eq!(owned.data.as_deref(), Some(data), "other bytes than the input's");
    match read.state {
        ChecksumState::Verified => verified(read, stream, start, end),
        ChecksumState::Open => assert_ne!(options.checks, Checks::Required),
        ChecksumState::Unchecked => {
            assert_ne!(options.checks, Checks::Required, "a required checksum was not checked");
            assert_eq!(read.consumed, end);
        }
    }
    if options.checks == Checks::Ignored {
        assert_eq!((read.state, read.consumed), (ChecksumState::Unchecked, end));
    }
    if options.checks == Checks::Optional || (options.whole && options.checks == Checks::Required) {
        assert_eq!(read.consumed, stream.len(), "something follows");
    }
    looser(read, stream, options);
    again(&owned, read);
}

/// The sums of the tail are those of the input.
fn verified(read: &Read, stream: &[u8], start: usize, end: usize) {
    let tail = &stream[end..read.consumed];
    let tail = Tail::decode(tail, &read.header, &Limits::local()).expect("it was read before");
    assert!(!tail.open);
    assert_eq!(tail.header_sum, crc32c(&stream[..start]));
    assert_eq!(tail.sums, stream[start..end].chunks(BLOCK).map(crc32c).collect::<Vec<_>>());
    assert_eq!(tail.metadata, read.metadata);
}

/// What a stricter reader takes, a looser one takes for the same.
fn looser(read: &Read, stream: &[u8], options: &DecodeOptions) {
    let mut loose = options.clone();
    loose.lenient = true;
    let lenient = read_array(stream, &loose, Target::Discard, &mut Cuts::Whole);
    assert!(lenient.is_ok_and(|lenient| lenient.same(read)), "the lenient mode says otherwise");
    if options.checks == Checks::Required {
        loose.checks = Checks::Optional;
        let only = &stream[..read.consumed];
        let optional = read_array(only, &loose, Target::Discard, &mut Cuts::Whole);
        assert!(optional.is_ok_and(|optional| optional.same(read)), "Optional says otherwise");
    }
    loose.checks = Checks::Ignored;
    let ignored = read_array(stream, &loose, Target::Owned, &mut Cuts::Whole);
    let ignored = ignored.expect("Ignored takes everything that is complete");
    assert_eq!(ignored.header, read.header);
}

/// Written again, checked, it reads back as the same array.
fn again(owned: &Read, read: &Read) {
    let array = owned.array.as_ref().expect("an owned array");
    let mut options = EncodeOptions::checked();
    options.metadata = read.metadata.clone();
    let mut encoder = Encoder::new(&array.view(), &options).expect("what was read can be written");
    let mut bytes = Vec::new();
    while let Some(piece) = encoder.next().expect("memory for a piece") {
        assert!(piece.len() <= BLOCK.max(array.dtype().itemsize()) || bytes.is_empty());
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(encoder.total(), Some(bytes.len() as u64));
    let mut options = DecodeOptions::default();
    options.checks = Checks::Required;
    options.whole = true;
    options.limits.header = usize::MAX;
    let back = read_array(&bytes, &options, Target::Owned, &mut Cuts::Whole);
    let back = back.expect("what was written reads back");
    let back_array = back.array.expect("an owned array");
    assert_eq!(back_array.dtype(), array.dtype());
    assert_eq!(back_array.shape(), array.shape());
    for order in [Order::C, Order::F] {
        let items = |array: &ndbytes::Array| to_bytes(&array.view(), order).expect("memory");
        assert_eq!(items(&back_array), items(array));
    }
    let (one, two) = (&back.metadata, &read.metadata);
    assert_eq!((&one.name, &one.attrs), (&two.name, &two.attrs));
}

pub(crate) fn refused(fault: &Fault, stream: &[u8]) {
    let known = matches!(
        fault.kind,
        ErrorKind::Malformed
            | ErrorKind::Truncated
            | ErrorKind::Unsupported
            | ErrorKind::Checksum { .. }
            | ErrorKind::Limit { .. }
    );
    assert!(known, "{fault:?}");
    fault.says_where(stream.len());
    if let ErrorKind::Checksum { range, .. } = &fault.kind {
        assert!(range.start < range.end && range.end <= stream.len() as u64, "{fault:?}");
        assert_eq!(fault.offset, Some(range.start));
    }
}
