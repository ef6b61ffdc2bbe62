//! No damage to a coded frame is read as success, and what is reported names the block.
//!
//! Built with `--cfg ndbytes_unchecked`, which makes every sum hold, the first test must fail: `cargo xtask test` sees
//! to it that it does.

use crate::coded::{array, coded};
use crate::damage::decode;
use ndbytes::{Array, Checks, Codec, Engine, Error, ErrorKind, frame, io};
use std::ops::Range;

struct Frame {
    what: String,
    bytes: Vec<u8>,
    header: usize,
    blocks: Vec<Range<usize>>,
}

/// Where the parts of a coded frame are.
fn parts(what: String, bytes: Vec<u8>) -> Frame {
    let number = |at: usize| {
        usize::try_from(u64::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap()
    };
    let header = u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) as usize;
    let footer = bytes.len() - 64;
    let (count, start) = (number(footer + 16), number(footer + 40));
    let mut blocks = Vec::new();
    let mut at = header;
    for _ in 0..count {
        let stored = u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
        blocks.push(at..at + 24 + stored);
        at += 24 + stored;
    }
    assert_eq!(at, start);
    Frame { what, bytes, header, blocks }
}

fn frame_of(array: &Array, codec: Codec, filter: Option<&str>, block: &[usize]) -> Frame {
    let options = frame::EncodeOptions {
        codec,
        filter: filter.map(|filter| filter.parse().unwrap()),
        block: Some(block.to_vec()),
        ..Default::default()
    };
    parts(format!("{codec} {filter:?}"), coded(&array.view(), &options))
}

/// One of every codec, of six blocks with ragged edges; each codec's blocks are shorter than the items.
fn frames() -> Vec<Frame> {
    let array = array("<f8", &[19, 11], 5);
    let engine = |engine| Codec::Engine(engine, None);
    let frames = vec![
        frame_of(&array, engine(Engine::Stored), None, &[7, 8]),
        frame_of(&array, engine(Engine::Lz4), Some("delta+bits"), &[7, 8]),
        frame_of(&array, engine(Engine::Zstd), Some("decimal+delta2+bytes"), &[7, 8]),
        frame_of(&array, engine(Engine::Deflate), Some("planes+rowdelta+bytes"), &[7, 8]),
        frame_of(&array, engine(Engine::Pco), Some("none"), &[7, 8]),
    ];
    for (number, frame) in frames.iter().enumerate() {
        assert_eq!(frame.blocks.len(), 6);
        let coded = frame.blocks.iter().filter(|block| frame.bytes[block.start + 5] != 0).count();
        assert!(coded >= 4 || number == 0, "{}: {coded} blocks are coded", frame.what);
    }
    frames
}

fn refused(frame: &Frame, damaged: &[u8], how: &str) -> Error {
    let Err(error) = decode(damaged, Checks::Required) else {
        panic!("{}: {how} went unseen", frame.what)
    };
    for checks in [Checks::Optional, Checks::Ignored] {
        let Err(other) = decode(damaged, checks) else {
            panic!("{}: {how} went unseen with {checks:?}", frame.what)
        };
        assert_eq!((other.kind(), other.to_string()), (error.kind(), error.to_string()));
    }
    error
}

fn names(error: &Error, block: usize) -> bool {
    error.message().starts_with(&format!("block {block} of 0 to 5"))
}

#[test]
fn every_flipped_bit_is_reported_with_its_block() {
    let mut tried = 0;
    for frame in frames() {
        let mut damaged = frame.bytes.clone();
        for byte in 0..frame.bytes.len() {
            for bit in 0..8 {
                damaged[byte] ^= 1 << bit;
                let how = format!("a flip of bit {bit} of byte {byte}");
                let error = refused(&frame, &damaged, &how);
                let what = format!("{}: {how}: {error}", frame.what);
                let block = frame.blocks.iter().position(|block| block.contains(&byte));
                match (error.kind(), block) {
                    (ErrorKind::Checksum { block, range }, Some(at)) => {
                        assert_eq!(*block, Some(at as u64), "{what}");
                        assert!(range.contains(&(byte as u64)) && names(&error, at), "{what}");
                    }
                    (_, Some(_)) => panic!("{what}"),
                    // The length alone is used before the header's sum has held.
                    (_, None) if byte < 16 => {}
                    (ErrorKind::Checksum { block: None, .. }, None) => {}
                    _ => panic!("{what}"),
                }
                damaged[byte] ^= 1 << bit;
                tried += 1;
            }
        }
    }
    assert!(tried > 30_000, "{tried} flips");
}

#[test]
fn every_truncation_is_reported_with_its_block() {
    for frame in frames() {
        for len in 0..frame.bytes.len() {
            let error = refused(&frame, &frame.bytes[..len], &format!("a cut at {len}"));
            let what = format!("{}: a cut at {len}: {error}", frame.what);
            assert_eq!(
                (error.kind(), error.offset()),
                (&ErrorKind::Truncated, Some(len as u64)),
                "{what}"
            );
            let block = frame.blocks.iter().position(|block| block.start <= len && len < block.end);
            match block {
                Some(at) => assert!(names(&error, at), "{what}"),
                None if len >= frame.header => {
                    assert!(error.message().starts_with("the index is cut"), "{what}")
                }
                None => {}
            }
        }
        let mut longer = frame.bytes.clone();
        longer.push(0);
        let error = refused_at_end(&longer);
        assert_eq!(
            (error.kind(), error.offset()),
            (&ErrorKind::Malformed, Some(frame.bytes.len() as u64))
        );
    }
}

fn refused_at_end(bytes: &[u8]) -> Error {
    decode(bytes, Checks::Required).unwrap_err()
}

/// The frame with its blocks in another order, or others' in their place.
fn rebuilt(frame: &Frame, blocks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = frame.bytes[..frame.header].to_vec();
    blocks.iter().for_each(|block| bytes.extend_from_slice(block));
    bytes.extend_from_slice(&frame.bytes[frame.blocks[5].end..]);
    bytes
}

#[test]
fn moved_blocks_are_reported() {
    let all = frames();
    for frame in &all {
        let blocks: Vec<&[u8]> =
            frame.blocks.iter().map(|block| &frame.bytes[block.clone()]).collect();
        for one in 0..6 {
            for other in 0..6 {
                let mut moved = blocks.clone();
                moved[one] = blocks[other];
                if moved[one] != blocks[one] {
                    let how = format!("block {other} in place of {one}");
                    let error = refused(frame, &rebuilt(frame, &moved), &how);
                    assert!(
                        error.message().contains("block ") || error.message().contains("index"),
                        "{how}: {error}"
                    );
                }
                moved[other] = blocks[one];
                if moved[one] != blocks[one] {
                    refused(frame, &rebuilt(frame, &moved), &format!("{one} and {other} swapped"));
                }
            }
            let mut dropped = blocks.clone();
            dropped.remove(one);
            refused(frame, &rebuilt(frame, &dropped), &format!("block {one} dropped"));
            let mut repeated = blocks.clone();
            repeated.insert(one, blocks[one]);
            refused(frame, &rebuilt(frame, &repeated), &format!("block {one} twice"));
        }
    }
}

#[test]
fn blocks_of_another_frame_are_reported_by_number() {
    // Two arrays of one header and one grid, whose stored blocks are as long as each other's.
    let [one, other] = [5, 6].map(|seed| {
        frame_of(&array("<f8", &[19, 11], seed), Codec::Engine(Engine::Stored, None), None, &[7, 8])
    });
    assert_eq!(one.bytes[..one.header], other.bytes[..other.header]);
    for at in 0..6 {
        let mut blocks: Vec<&[u8]> =
            one.blocks.iter().map(|block| &one.bytes[block.clone()]).collect();
        blocks[at] = &other.bytes[other.blocks[at].clone()];
        let error = refused(&one, &rebuilt(&one, &blocks), "a spliced block");
        let ErrorKind::Checksum { block, .. } = error.kind() else { panic!("{error}") };
        assert_eq!(*block, Some(at as u64), "{error}");
        assert!(error.message().ends_with("it is another one than the index names"), "{error}");
    }
    // The whole index of another frame.
    let mut bytes = one.bytes[..one.blocks[5].end].to_vec();
    bytes.extend_from_slice(&other.bytes[other.blocks[5].end..]);
    assert!(matches!(refused(&one, &bytes, "a spliced index").kind(), ErrorKind::Checksum { .. }));
}

#[test]
fn what_is_intact_is_recovered() {
    for frame in frames() {
        let whole = io::from_slice(&frame.bytes, &ndbytes::Limits::local()).unwrap();
        for at in 0..6 {
            let mut damaged = frame.bytes.clone();
            damaged[frame.blocks[at].start + 30] ^= 4;
            let mut found =
                io::recover(&damaged[..], Default::default(), &mut io::unwatched).unwrap();
            let lost: u64 = found.damaged.iter().map(|range| range.end - range.start).sum();
            let lens = [7usize.min(19 - at / 2 * 7), 8usize.min(11 - at % 2 * 8)];
            assert_eq!(
                lost,
                (lens[0] * lens[1] * 8) as u64,
                "{}: block {at}: {:?}",
                frame.what,
                found.damaged
            );
            let data = found.data.all().unwrap();
            for (byte, (found, whole)) in data.iter().zip(&whole.data()[..]).enumerate() {
                let is_lost = |range: &Range<u64>| range.contains(&(byte as u64));
                let wanted = if found_in(&found_damaged(&damaged), is_lost) { 0 } else { *whole };
                assert_eq!(*found, wanted, "{}: block {at}: byte {byte}", frame.what);
            }
        }
        // Without the index, each block says where the next one is.
        let cut = &frame.bytes[..frame.blocks[3].end - 1];
        let found = io::recover(cut, Default::default(), &mut io::unwatched).unwrap();
        let lost: u64 = found.damaged.iter().map(|range| range.end - range.start).sum();
        assert_eq!(lost, ((7 * 3 + 5 * 11) * 8) as u64, "{}", frame.what);
    }
}

#[test]
fn of_an_array_without_axes_all_is_intact_or_nothing() {
    let array = ndbytes::ArrayRef::from_slice(&[7u64], &[]).unwrap();
    let options = frame::EncodeOptions {
        codec: Codec::Engine(Engine::Stored, None),
        block: Some(vec![]),
        ..Default::default()
    };
    let mut bytes = coded(&array, &options);
    assert_eq!(found_damaged(&bytes), []);
    let start = bytes.len() - 92 - 8;
    bytes[start] ^= 1;
    assert_eq!(found_damaged(&bytes), std::slice::from_ref(&(0..8)));
}

fn found_damaged(bytes: &[u8]) -> Vec<Range<u64>> {
    io::recover(bytes, Default::default(), &mut io::unwatched).unwrap().damaged
}

fn found_in(ranges: &[Range<u64>], is_in: impl Fn(&Range<u64>) -> bool) -> bool {
    ranges.iter().any(is_in)
}
