//! A frame, however its bytes are cut, gives the same events; the machine asks for no more than it may.

use crate::damage::Random;
use crate::frames::{SPECS, write};
use crate::{array, encode};
use ndbytes::npy::EncodeOptions;
use ndbytes::{
    Accept, Array, Checks, ChecksumState, DecodeOptions, Decoded, Dest, ErrorKind, Event, Header,
    HeaderDecoder, Limits, Metadata, frame, io,
};

/// What a machine said: the header and the byte behind it; the array and the byte behind it; or the error.
#[derive(Debug, PartialEq)]
struct Events {
    header: Option<(Header, usize)>,
    end: Result<End, (ErrorKind, String)>,
}

/// Header, state, name and attributes, data, and the byte behind the array.
type End = (Header, ChecksumState, Metadata, Vec<u8>, usize);

/// Drives the machine over `input`, of which it gets at most `next()` bytes at a time.
fn events(input: &[u8], options: &DecodeOptions, next: &mut dyn FnMut() -> usize) -> Events {
    let (mut at, mut header) = (0, None);
    let end = drive(input, options, next, &mut at, &mut header)
        .map(|decoded| {
            let data = decoded.array.unwrap().data().to_vec();
            (decoded.header, decoded.state, decoded.metadata, data, at)
        })
        .map_err(|error| (error.kind().clone(), error.to_string()));
    Events { header, end }
}

fn drive(
    input: &[u8],
    options: &DecodeOptions,
    next: &mut dyn FnMut() -> usize,
    at: &mut usize,
    seen: &mut Option<(Header, usize)>,
) -> ndbytes::Result<Decoded> {
    let grow = options.limits.grow;
    // The space promised is at most this much, and is not longer than what is known to come.
    let mut fill = |space: &mut [u8], most: usize, known: usize| {
        assert!((1..=most).contains(&space.len()), "{} bytes of space", space.len());
        assert!(*at + space.len() <= known, "{} bytes of space at {at}", space.len());
        let n = space.len().min(input.len() - *at).min(next());
        space[..n].copy_from_slice(&input[*at..][..n]);
        *at += n;
        (n, *at)
    };
    let mut machine = HeaderDecoder::new(options.clone());
    let header = loop {
        let length = match input.get(12..16) {
            Some(bytes) if machine.bytes().len() > 24 => {
                u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize
            }
            _ => 24,
        };
        let known = length.max(24);
        let (n, at) = fill(machine.space(), grow.clamp(8, 1 << 16), known);
        if let Some(header) = machine.filled(n)? {
            *seen = Some((header.clone(), at));
            break header;
        }
    };
    let data_end = usize::try_from(header.data_end()).unwrap();
    let tail_end =
        data_end + 40 + (data_end - usize::try_from(header.len).unwrap()).div_ceil(1 << 20) * 4;
    let mut body = machine.body(Dest::Owned)?;
    let mut behind = 0;
    loop {
        let space = body.space()?;
        // One byte more shows that nothing follows, where nothing may.
        let known = if options.whole { tail_end + 1 } else { tail_end };
        let (n, at) = fill(space, grow.clamp(1, 1 << 20), known);
        behind += usize::from(at > data_end);
        if body.filled(n)? == Event::Done {
            assert!(behind > 0, "done before the tail");
            return body.finish();
        }
    }
}

/// At most `first` bytes, then all there are.
fn two(first: usize) -> impl FnMut() -> usize {
    let mut left = first;
    move || match left {
        0 => usize::MAX,
        _ => std::mem::take(&mut left),
    }
}

/// Frames of every class of dtype, whole and damaged in several ways.
fn inputs() -> Vec<Vec<u8>> {
    let mut inputs = vec![vec![]];
    for spec in SPECS {
        let metadata = Metadata::new(Some("déjà".into()), Some("{\"a\":[1]}".into()));
        let options = frame::EncodeOptions { metadata, ..Default::default() };
        let good = write(&array(spec), &options);
        let len = good.len();
        inputs.extend([5, 20, 130, len - 1].map(|n| good[..n.min(len - 1)].to_vec()));
        for at in [3, 8, 12, 13, 20, 30, len - 41, len - 36, len - 5, len - 1] {
            let mut damaged = good.clone();
            damaged[at] ^= 64;
            inputs.push(damaged);
        }
        inputs.push([&good[..], b"x"].concat());
        inputs.push(good);
    }
    inputs
}

fn options(grow: usize, whole: bool) -> DecodeOptions {
    let limits = Limits { grow, ..Limits::untrusted() };
    DecodeOptions { limits, whole, checks: Checks::Required, ..Default::default() }
}

#[test]
fn every_split_gives_the_same_events() {
    let (mut random, mut good) = (Random::default(), 0);
    for input in inputs() {
        for whole in [false, true] {
            let options = options(1 << 20, whole);
            let expected = events(&input, &options, &mut || usize::MAX);
            good += usize::from(expected.end.is_ok());
            for first in 1..input.len() {
                assert_eq!(events(&input, &options, &mut two(first)), expected, "cut at {first}");
            }
            for step in [1, 2, 3, 7, 8, 23, 24, 25, 63, 64, 65] {
                assert_eq!(events(&input, &options, &mut || step), expected, "steps of {step}");
            }
            for _ in 0..20 {
                let mut cut = || 1 + random.below(9) * random.below(9);
                assert_eq!(events(&input, &options, &mut cut), expected, "cut at random");
            }
        }
    }
    assert_eq!(good, 3 * SPECS.len());
}

/// A smaller step of growth asks for less at a time, and hears the same.
#[test]
fn the_space_is_never_more_than_promised() {
    for input in inputs() {
        let expected = events(&input, &options(1 << 20, false), &mut || usize::MAX);
        for grow in [0, 1, 2, 9, 64, 100] {
            for step in [1, 5, usize::MAX] {
                let small = events(&input, &options(grow, false), &mut || step);
                match (&small.end, &expected.end) {
                    // How many bytes are needed at least is said of those asked for so far.
                    (Err((one, _)), Err((two, _))) => assert_eq!(one, two),
                    (one, two) => assert_eq!(one, two),
                }
                assert_eq!(small.header, expected.header);
            }
        }
    }
}

#[test]
fn a_large_frame_asks_for_a_megabyte_at_most() {
    let source = array("<u4[262145]");
    let input = write(&source, &Default::default());
    for grow in [1000, 1 << 20, usize::MAX] {
        let got = events(&input, &options(grow, true), &mut || usize::MAX);
        let (_, state, _, data, at) = got.end.unwrap();
        assert_eq!((state, at), (ChecksumState::Verified, input.len()));
        assert_eq!(data, source.data()[..]);
    }
}

/// Frames and checked `.npy` arrays on one connection, in any order: each ends where the next begins.
#[test]
fn arrays_in_a_row_are_read_one_by_one() {
    let mut random = Random::default();
    for step in [1, 3, 64, 1000, usize::MAX] {
        let (mut bytes, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let array = array(SPECS[random.below(SPECS.len())]);
            // Fields that lie over each other have no `descr`.
            let is_frame = random.below(2) == 0 || array.dtype().descr().is_err();
            let part = match is_frame {
                true => write(&array, &Default::default()),
                false => encode(&array, &EncodeOptions::checked()),
            };
            bytes.extend(&part);
            sent.push((array, is_frame, bytes.len()));
        }
        for checks in [Checks::Required, Checks::Ignored] {
            in_a_row(&bytes, &sent, step, checks);
        }
    }
}

fn in_a_row(bytes: &[u8], sent: &[(Array, bool, usize)], step: usize, checks: Checks) {
    struct Steps<'a>(&'a [u8], usize);
    impl std::io::Read for Steps<'_> {
        fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
            let n = space.len().min(self.1);
            self.0.read(&mut space[..n])
        }
    }
    let mut reader = Steps(bytes, step);
    let mut read = |accept| {
        let limits = Limits::untrusted();
        let options = DecodeOptions { checks, accept, limits, ..Default::default() };
        let read = io::read_array(&mut reader, options, |_| Ok(Dest::Owned), &mut io::unwatched);
        (read, bytes.len() - reader.0.len())
    };
    for (array, is_frame, end) in sent {
        let (got, mut at) = read(if *is_frame { Accept::Frame } else { Accept::Any });
        let got = got.unwrap();
        // A frame always has its checks; those of a `.npy` can be left unread: a tail reads as an array.
        let skipped = checks == Checks::Ignored && !is_frame;
        assert_eq!(got.state == ChecksumState::Verified, !skipped);
        if skipped {
            let (tail, end) = read(Accept::Npy);
            assert_eq!(tail.unwrap().header.dtype.to_string(), "|u1");
            at = end;
        } else {
            assert_eq!(got.header.dtype, array.dtype().clone());
        }
        assert_eq!(at, *end, "it stopped elsewhere than behind the array");
        assert_eq!(got.header.shape, array.shape());
        assert_eq!(got.array.unwrap().data(), array.data());
    }
    let (end, _) = read(Accept::Any);
    assert_eq!(*end.unwrap_err().kind(), ErrorKind::Truncated);
}
