//! zlib and gzip streams in memory: what goes in comes out, whatever is done to the stream on the way is seen.

use ndbytes::raw::Raw;
use ndbytes::{Container, Deflater, Error, ErrorKind, Inflater, Level, Limits, Result, gzip, zlib};
use proptest::prelude::*;

pub(crate) const BOTH: [Container; 2] = [Container::Zlib, Container::Gzip];

pub(crate) fn levels() -> impl Iterator<Item = Level> {
    (0..=9).map(|level| Level::new(level).unwrap())
}

pub(crate) fn compress(container: Container, bytes: &[u8], level: Level) -> Vec<u8> {
    match container {
        Container::Zlib => zlib::compress(bytes, level).unwrap(),
        Container::Gzip => gzip::compress(bytes, level).unwrap(),
    }
}

pub(crate) fn decompress(container: Container, bytes: &[u8], max: u64) -> Result<Vec<u8>> {
    match container {
        Container::Zlib => zlib::decompress(bytes, max),
        Container::Gzip => gzip::decompress(bytes, max),
    }
}

/// Bytes that a compressor finds something in, but not all.
pub(crate) fn sample(len: usize) -> Vec<u8> {
    let mut state = 7u32;
    (0..len)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [.., high] = state.to_le_bytes();
            if i / 40 % 2 == 0 { high & 3 } else { u8::try_from(i % 40).unwrap() }
        })
        .collect()
}

/// Compresses piece by piece into pieces.
fn deflated(container: Container, bytes: &[u8], level: Level, cuts: [usize; 2]) -> Vec<u8> {
    let mut deflater = Deflater::new(container, level);
    let mut out = Vec::new();
    let mut space = vec![0xEE; cuts[1]];
    for mut piece in bytes.chunks(cuts[0]) {
        while !piece.is_empty() {
            let step = deflater.step(piece, &mut space).unwrap();
            assert!(step.taken + step.made > 0 && !step.end);
            piece = &piece[step.taken..];
            out.extend(&space[..step.made]);
        }
    }
    loop {
        let step = deflater.finish(&mut space).unwrap();
        assert_eq!(step.taken, 0);
        out.extend(&space[..step.made]);
        if step.end {
            let after = deflater.step(&[1], &mut space).unwrap_err();
            assert_eq!(after.kind(), &ErrorKind::Argument);
            return out;
        }
    }
}

/// Decompresses piece by piece into pieces; an error keeps what came before it.
pub(crate) fn inflated(
    container: Container,
    bytes: &[u8],
    cuts: [usize; 2],
) -> (Vec<u8>, Result<()>) {
    let mut inflater = Inflater::new(container);
    let (mut out, mut space, mut at) = (Vec::new(), vec![0xEE; cuts[1]], 0);
    loop {
        let piece = &bytes[at..bytes.len().min(at + cuts[0])];
        let step = match inflater.step(piece, &mut space) {
            Ok(step) => step,
            Err(error) => return (out, Err(error)),
        };
        at += step.taken;
        assert_eq!(inflater.total_in(), at as u64);
        out.extend(&space[..step.made]);
        if step.end && step.made == 0 {
            return (
                out,
                if at == bytes.len() { Ok(()) } else { Err(Error::malformed("trailing")) },
            );
        }
        if at == bytes.len() && step.made == 0 {
            return (out, inflater.input_ended());
        }
    }
}

#[test]
fn every_level_and_size_round_trips() {
    for container in BOTH {
        for level in levels() {
            for len in [0, 1, 2, 3, 255, 256, 4095, 4096, 4097, 65_535, 65_536, 200_001, 1 << 21] {
                let bytes = sample(len);
                let stream = compress(container, &bytes, level);
                assert!(len < 256 || level.get() == 0 || stream.len() < len * 3 / 4);
                assert!(stream.len() <= len + len / 1000 + 64);
                assert_eq!(decompress(container, &stream, len as u64).unwrap(), bytes);
                assert_eq!(Container::of([stream[0], stream[1]]), Some(container));
            }
        }
    }
}

#[test]
fn every_cut_gives_the_same_bytes() {
    let bytes = sample(3000);
    for container in BOTH {
        for level in levels() {
            let whole = compress(container, &bytes, level);
            for cuts in [[1, 1], [1, 4096], [3000, 1], [7, 5], [999, 17], [3000, 64]] {
                let stream = deflated(container, &bytes, level, cuts);
                assert_eq!(decompress(container, &stream, 3000).unwrap(), bytes);
                let (out, end) = inflated(container, &whole, cuts);
                assert_eq!(out, bytes);
                end.unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn anything_round_trips(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..5000),
            proptest::collection::vec(0..3u8, 0..50_000),
        ],
        level in 0..=9u32,
        cuts in [1..3000usize, 1..3000],
        back in [1..3000usize, 1..3000],
    ) {
        for container in BOTH {
            let stream = deflated(container, &bytes, Level::new(level).unwrap(), cuts);
            let (out, end) = inflated(container, &stream, back);
            prop_assert_eq!(&out, &bytes);
            prop_assert!(end.is_ok());
            prop_assert_eq!(&decompress(container, &stream, bytes.len() as u64).unwrap(), &bytes);
        }
    }
}

#[test]
fn a_flush_lets_out_all_that_was_taken() {
    for container in BOTH {
        for level in levels() {
            let (mut deflater, mut inflater) =
                (Deflater::new(container, level), Inflater::new(container));
            for piece in [&sample(5000)[..], b"", b"x", &[0; 100]] {
                let mut space = vec![0; 20_000];
                let one = deflater.step(piece, &mut space).unwrap();
                let two = deflater.flush(&mut space[one.made..]).unwrap();
                assert_eq!(one.taken, piece.len());
                let mut out = vec![0; 6000];
                let step = inflater.step(&space[..one.made + two.made], &mut out).unwrap();
                assert_eq!(&out[..step.made], piece);
            }
        }
    }
}

#[test]
fn a_gzip_header_says_nothing_of_its_maker() {
    for level in levels() {
        let stream = deflated(Container::Gzip, b"abc", level, [1, 1]);
        let hint = match level.get() {
            9 => 2,
            0 | 1 => 4,
            _ => 0,
        };
        assert_eq!(stream[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, hint, 255]);
    }
}

/// A gzip member with these flags, and what they announce.
fn member(flags: u8, fields: &[u8], bytes: &[u8]) -> Vec<u8> {
    let plain = gzip::compress(bytes, Level::default()).unwrap();
    [&plain[..3], &[flags], &[1, 2, 3, 4, 0, 3], fields, &plain[10..]].concat()
}

/// The CRC-32 of `bytes`, of which gzip headers carry the low half: that of an empty-bodied member's own engine.
fn crc32(bytes: &[u8]) -> [u8; 4] {
    let stream = gzip::compress(bytes, Level::default()).unwrap();
    *stream[..stream.len() - 4].last_chunk().unwrap()
}

#[test]
fn members_padding_and_fields_of_a_header_are_read() {
    let mut with_sum = member(2 | 8, b"a\0", b"five");
    let sum = crc32(&with_sum[..12]);
    with_sum.splice(12..12, [sum[0], sum[1]]);
    let members = [
        member(0, b"", b"one"),
        member(4, &[3, 0, 1, 2, 3], b"two"),
        member(8, b"name.npy\0", b""),
        member(16, "comment é\0".as_bytes(), b"three"),
        member(1 | 4 | 8 | 16, b"\x01\0xname\0comment\0", b"four"),
        with_sum.clone(),
    ];
    let bytes = b"onetwothreefourfive";
    for padding in [&b""[..], &[0], &[0; 600]] {
        let joined = members.join(padding);
        for stream in [joined.clone(), [&joined, padding].concat()] {
            assert_eq!(gzip::decompress(&stream, 19).unwrap(), bytes);
            assert_eq!(gzip::decompress(&stream, 18).unwrap_err().kind(), &limit(18));
            for cuts in [[1, 1], [5, 2], [4096, 4096]] {
                let (out, end) = inflated(Container::Gzip, &stream, cuts);
                assert_eq!(out, bytes);
                end.unwrap();
            }
        }
    }
    with_sum[12] ^= 1;
    let error = gzip::decompress(&with_sum, 19).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Checksum { block: None, range: 0..14 });
    let second = [&members[0][..], &with_sum].concat();
    let at = members[0].len() as u64;
    let error = gzip::decompress(&second, 19).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Checksum { block: None, range: at..at + 14 });
    assert_eq!(error.offset(), Some(at));
}

pub(crate) fn limit(max: u64) -> ErrorKind {
    ErrorKind::Limit { name: "decompressed", asked: max + 1, max }
}

pub(crate) fn array(
    container: Container,
    bytes: &[u8],
    raw: &Raw,
    limits: &Limits,
) -> Result<ndbytes::Array> {
    match container {
        Container::Zlib => zlib::decompress_array(bytes, raw, limits),
        Container::Gzip => gzip::decompress_array(bytes, raw, limits),
    }
}

#[test]
fn arrays_come_out_as_declared_or_say_both_numbers() {
    let limits = Limits::local();
    for container in BOTH {
        let stream = compress(container, &sample(24), Level::default());
        for (spec, offset, gap, shape) in [
            ("<f8[3]", 0, 0, vec![3]),
            ("<u2[2,?,3]", 0, 0, vec![2, 2, 3]),
            ("<u2", 4, 0, vec![10]),
            ("|u1[7]", 0, 3, vec![7]),
            ("|u1[6]", 0, 3, vec![6]),
            ("<f8[]", 16, 0, vec![]),
        ] {
            let raw = Raw { offset, gap, ..Raw::new(spec.parse().unwrap()) };
            let found = array(container, &stream, &raw, &limits);
            match (spec, found) {
                // 7 items of 4 bytes are 25 or 28 bytes.
                ("|u1[7]", found) => assert_eq!(
                    found.unwrap_err().to_string(),
                    "|u1[7] with gap 3 needs 25 bytes, found 24"
                ),
                (_, found) => assert_eq!(found.unwrap().shape(), shape, "{spec}"),
            }
        }
        for (spec, kind, message) in [
            ("<f8[4]", ErrorKind::Malformed, "<f8[4] needs 32 bytes, found 24".to_owned()),
            (
                "<f8[2]",
                limit(16),
                format!("the {container} stream holds more than the 16 bytes allowed"),
            ),
            (
                "<u2[?,5]",
                ErrorKind::Malformed,
                "<u2[?,5] needs a multiple of 10 bytes, found 24".to_owned(),
            ),
            (
                "<u2[?,?]",
                ErrorKind::Argument,
                "<u2[?,?]: only one axis may be of any length".to_owned(),
            ),
        ] {
            let raw = Raw::new(spec.parse().unwrap());
            let error = array(container, &stream, &raw, &limits).unwrap_err();
            assert_eq!((error.kind(), error.message()), (&kind, &message[..]));
        }
        // What cannot be meant is said before anything is decompressed.
        let raw = Raw::new("<u2[?,?]".parse().unwrap());
        let error = array(container, b"no stream", &raw, &limits).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Argument);
        let raw = Raw::new("<f8[1099511627776]".parse().unwrap());
        let error = array(container, &stream, &raw, &Limits::untrusted()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit { name: "array", .. }), "{error}");
        // A declaration of terabytes costs what comes.
        let error = array(container, &stream, &raw, &limits).unwrap_err();
        assert_eq!(error.message(), "<f8[1099511627776] needs 8796093022208 bytes, found 24");
        let damaged = [&stream[..stream.len() - 1], &[stream[stream.len() - 1] ^ 1]].concat();
        let raw = Raw::new("<f8[3]".parse().unwrap());
        let error = array(container, &damaged, &raw, &limits).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Checksum { .. }), "{error}");
    }
}

#[test]
fn the_first_two_bytes_tell() {
    let mut zlib = 0;
    for front in 0..=u16::MAX {
        let front = front.to_be_bytes();
        match Container::of(front) {
            Some(Container::Gzip) => assert_eq!(front, [0x1f, 0x8b]),
            // What the engine takes for a header is one.
            Some(Container::Zlib) => {
                zlib += 1;
                let error = zlib::decompress(&front, 0).unwrap_err();
                assert_eq!(error.kind(), &ErrorKind::Truncated);
            }
            None if front[1] & 0x20 != 0 => {}
            None => {
                let error = zlib::decompress(&front, 0).unwrap_err();
                assert_eq!(error.kind(), &ErrorKind::Malformed, "{front:?}");
            }
        }
        if matches!(front, [0x93 | 0x89, _] | [b'P', b'K']) {
            assert_eq!(Container::of(front), None);
        }
    }
    assert_eq!(zlib, 32);
}
