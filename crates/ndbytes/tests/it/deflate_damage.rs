//! zlib and gzip streams that are cut, flipped, wrong, too long or followed by more.

use crate::deflate::{BOTH, array, compress, decompress, inflated, levels, limit, sample};
use ndbytes::raw::Raw;
use ndbytes::{Container, Deflater, ErrorKind, Inflater, Level, Limits, gzip, io, zlib};
use std::io::Write as _;

#[test]
fn a_cut_at_every_byte_is_truncated() {
    let bytes = sample(300);
    for container in BOTH {
        for level in levels() {
            let stream = compress(container, &bytes, level);
            let two = stream.repeat(2);
            let lengths = match container {
                Container::Zlib => (0..stream.len()).collect::<Vec<_>>(),
                // Between two members a gzip stream is complete.
                Container::Gzip => (0..two.len()).filter(|n| *n != stream.len()).collect(),
            };
            for n in lengths {
                let error = decompress(container, &two[..n], 600).unwrap_err();
                assert_eq!(error.kind(), &ErrorKind::Truncated, "{container} {n}: {error}");
                assert_eq!(error.offset(), Some(n as u64), "{error}");
                let (out, end) = inflated(container, &two[..n], [3, 1000]);
                assert_eq!(end.unwrap_err().to_string(), error.to_string());
                assert_eq!(out[..], [&bytes[..], &bytes].concat()[..out.len()]);
            }
        }
    }
    let empty = zlib::decompress(&[], 0).unwrap_err();
    assert_eq!(empty.to_string(), "no zlib stream: the input is empty (at byte 0)");
    let cut = gzip::decompress(&[0x1f, 0x8b, 8], 0).unwrap_err();
    let message = "the gzip stream is cut: the input ends after 3 bytes of it (at byte 3)";
    assert_eq!(cut.to_string(), message);
}

/// Every flip of one bit, and those that nothing can see: the bits that no field covers.
#[test]
fn every_flipped_bit_is_reported_or_harmless() {
    let bytes = sample(91);
    for (container, fields, trailer) in [
        (Container::Zlib, vec![], 4),
        // FTEXT; MTIME, XFL and OS.
        (Container::Gzip, std::iter::once(24).chain(32..80).collect(), 8),
    ] {
        for level in levels() {
            let stream = compress(container, &bytes, level);
            let bits = 0..stream.len() * 8;
            let harmless: Vec<usize> =
                bits.filter(|bit| is_harmless(container, &stream, &bytes, *bit)).collect();
            let end = (stream.len() - trailer) * 8;
            let unseen = match level.get() {
                // Behind the kind of the stored block.
                0 => end - (91 + 4) * 8 - 5..end - (91 + 4) * 8,
                // Behind the last code, up to the next byte.
                _ => end - (harmless.len() - fields.len()) % 8..end,
            };
            let expected: Vec<usize> = fields.iter().copied().chain(unseen).collect();
            assert_eq!(harmless, expected, "{container} {level:?}");
        }
    }
}

/// Whether a flip of this bit changes nothing; it must be an error otherwise.
fn is_harmless(container: Container, stream: &[u8], bytes: &[u8], bit: usize) -> bool {
    let mut damaged = stream.to_vec();
    damaged[bit / 8] ^= 1 << (bit % 8);
    match decompress(container, &damaged, 1 << 20) {
        Ok(same) => {
            assert_eq!(same, bytes, "{container}: a flip of bit {bit} went unseen");
            true
        }
        Err(error) => {
            assert!(error.offset().unwrap() <= stream.len() as u64, "{error}");
            false
        }
    }
}

/// A stream of three blocks of their own, none of which needs the one before it.
fn joined(container: Container, bytes: &[u8], level: Level) -> Vec<u8> {
    let mut writer = io::Compressor::new(Vec::new(), container, level);
    for piece in bytes.chunks(bytes.len() / 3 + 1) {
        writer.write_all(piece).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn every_cut_and_flipped_bit_of_a_joined_stream_is_reported_or_harmless() {
    let bytes = sample(191);
    let raw = Raw::new("|u1[191]".parse().unwrap());
    for container in BOTH {
        for level in levels() {
            let stream = joined(container, &bytes, level);
            assert_eq!(decompress(container, &stream, 191).unwrap(), bytes);
            for len in 0..stream.len() {
                let cut = &stream[..len];
                let error = decompress(container, cut, 191).unwrap_err();
                assert_eq!(error.kind(), &ErrorKind::Truncated, "{container} {level:?} {len}");
                let again = array(container, cut, &raw, &Limits::local()).unwrap_err();
                assert_eq!(again.to_string(), error.to_string());
            }
            let mut harmless = 0;
            for bit in 0..stream.len() * 8 {
                harmless += usize::from(is_harmless(container, &stream, &bytes, bit));
                let mut flipped = stream.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                // Known sizes are read by another engine.
                match array(container, &flipped, &raw, &Limits::local()) {
                    Ok(same) => assert_eq!(same.as_slice::<u8>().unwrap(), bytes),
                    Err(error) => {
                        let other = decompress(container, &flipped, 191).unwrap_err();
                        assert_eq!(other.to_string(), error.to_string());
                    }
                }
            }
            // In front of the lengths of stored blocks, and what the header of gzip says of time and system.
            let fields = if container == Container::Gzip { 1 + 48 } else { 0 };
            assert!(harmless <= fields + 7 * 7, "{container} {level:?}: {harmless}");
        }
    }
}

#[test]
fn a_wrong_sum_or_length_is_a_checksum_error() {
    let bytes = sample(1000);
    for (container, back, what) in [
        (Container::Zlib, 1, "its Adler-32 does not hold"),
        (Container::Gzip, 5, "its CRC-32 does not hold"),
        (Container::Gzip, 1, "its length is not what it says"),
    ] {
        let mut stream = compress(container, &bytes, Level::default());
        let len = stream.len();
        stream[len - back] ^= 0x40;
        let error = decompress(container, &stream, 1000).unwrap_err();
        let end = if back == 5 { len - 4 } else { len } as u64;
        assert_eq!(error.kind(), &ErrorKind::Checksum { block: None, range: 0..end });
        let message =
            format!("the {container} stream (bytes 0 to {end}) is damaged: {what} (at byte 0)");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn what_is_no_stream_or_goes_on_says_so() {
    let stream = zlib::compress(b"abc", Level::default()).unwrap();
    let len = stream.len();
    let gzip = gzip::compress(b"abc", Level::default()).unwrap();
    let mut dictionary = vec![0x78, 0x20 | 0x80 | 0x1b];
    dictionary.extend([1, 2, 3, 4, 3, 0]);
    let cases = [
        (
            Container::Zlib,
            [&stream[..], b"x"].concat(),
            ErrorKind::Malformed,
            len,
            "bytes behind the end of the zlib stream",
        ),
        (
            Container::Zlib,
            [&stream[..], &[0]].concat(),
            ErrorKind::Malformed,
            len,
            "bytes behind the end of the zlib stream",
        ),
        (
            Container::Gzip,
            [&gzip[..], &[0, 0, 1]].concat(),
            ErrorKind::Malformed,
            gzip.len() + 2,
            "bytes behind the end of the gzip stream",
        ),
        (
            Container::Gzip,
            [&gzip[..], &[0x1f, 0x8a]].concat(),
            ErrorKind::Malformed,
            gzip.len(),
            "not a gzip stream: incorrect header",
        ),
        (
            Container::Gzip,
            [&[0], &gzip[..]].concat(),
            ErrorKind::Malformed,
            0,
            "not a gzip stream: incorrect header",
        ),
        (
            Container::Zlib,
            gzip.clone(),
            ErrorKind::Malformed,
            0,
            "not a zlib stream: incorrect header",
        ),
        (
            Container::Gzip,
            stream.clone(),
            ErrorKind::Malformed,
            0,
            "not a gzip stream: incorrect header",
        ),
        (
            Container::Zlib,
            vec![0x88, 0x1c, 0, 0],
            ErrorKind::Malformed,
            2,
            "the zlib stream: invalid window size",
        ),
        (
            Container::Zlib,
            vec![0x78, 0x9c, 7],
            ErrorKind::Malformed,
            3,
            "the zlib stream: invalid block type",
        ),
        (
            Container::Zlib,
            dictionary,
            ErrorKind::Unsupported,
            0,
            "a zlib stream that needs a dictionary (FDICT); none is known here",
        ),
    ];
    for (container, bytes, kind, offset, message) in cases {
        let error = decompress(container, &bytes, 100).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&kind, message));
        assert_eq!(error.offset(), Some(offset as u64), "{error}");
    }
}

/// A gibibyte of zeros as a stream of about a mebibyte, made without holding it.
fn bomb(container: Container) -> Vec<u8> {
    let mut deflater = Deflater::new(container, Level::default());
    let (zeros, mut space) = (vec![0; 1 << 20], vec![0; 1 << 16]);
    let mut out = Vec::new();
    for _ in 0..1 << 10 {
        let mut rest = &zeros[..];
        while !rest.is_empty() {
            let step = deflater.step(rest, &mut space).unwrap();
            rest = &rest[step.taken..];
            out.extend(&space[..step.made]);
        }
    }
    loop {
        let step = deflater.finish(&mut space).unwrap();
        out.extend(&space[..step.made]);
        if step.end {
            return out;
        }
    }
}

#[test]
fn a_bomb_stops_at_the_bound() {
    for container in BOTH {
        let bomb = bomb(container);
        assert!(bomb.len() < 1 << 23, "{}", bomb.len());
        for max in [0, 1, 1000, 1 << 20] {
            let error = decompress(container, &bomb, max).unwrap_err();
            assert_eq!(error.kind(), &limit(max));
        }
        for (spec, size) in [("<f8[]", 8), ("|u1[1000]", 1000), ("|u1[0]", 0)] {
            let raw = Raw::new(spec.parse().unwrap());
            assert_eq!(
                array(container, &bomb, &raw, &Limits::local()).unwrap_err().kind(),
                &limit(size)
            );
        }
        let open = Raw::new("<f8[?]".parse().unwrap());
        let limits = Limits::local().with_array(1000);
        assert_eq!(array(container, &bomb, &open, &limits).unwrap_err().kind(), &limit(1000));
        // The machine itself gives no more than there is room for.
        let (mut inflater, mut space) = (Inflater::new(container), [1; 1001]);
        let step = inflater.step(&bomb, &mut space).unwrap();
        assert_eq!((step.made, step.end), (1001, false));
    }
}

/// A stream that breaks right behind `bytes`.
fn broken_behind(container: Container, bytes: &[u8]) -> Vec<u8> {
    let mut deflater = Deflater::new(container, Level::default());
    let mut space = vec![0; bytes.len() + 1000];
    let one = deflater.step(bytes, &mut space).unwrap();
    let two = deflater.flush(&mut space[one.made..]).unwrap();
    space.truncate(one.made + two.made);
    // A block of the kind that there is none of.
    space.push(7);
    space
}

#[test]
fn what_stands_before_a_fault_comes_out_and_what_stands_behind_the_bound_is_not_looked_at() {
    for container in BOTH {
        for len in [1, 1000, 40_000, 100_000] {
            let bytes = sample(len);
            let stream = broken_behind(container, &bytes);
            for cuts in [[1, 1], [1 << 20, 1 << 20], [1 << 20, len], [100, 100]] {
                let (out, end) = inflated(container, &stream, cuts);
                assert!(out == bytes);
                assert_eq!(end.unwrap_err().kind(), &ErrorKind::Malformed);
            }
            let (mut inflater, mut space) = (Inflater::new(container), vec![0; len + 1]);
            assert_eq!(inflater.step(&stream, &mut space).unwrap().made, len);
            assert_eq!(inflater.input_ended().unwrap_err().kind(), &ErrorKind::Malformed);
            let len = len as u64;
            let kind = |max| decompress(container, &stream, max).unwrap_err().kind().clone();
            assert_eq!(kind(len), ErrorKind::Malformed);
            assert_eq!(kind(len - 1), limit(len - 1));
            let raw = |len| Raw::new(format!("|u1[{len}]").parse().unwrap());
            let kind = |len| {
                let error = array(container, &stream, &raw(len), &Limits::local()).unwrap_err();
                error.kind().clone()
            };
            assert_eq!(kind(len), ErrorKind::Malformed);
            assert_eq!(kind(len - 1), limit(len - 1));
        }
    }
}
