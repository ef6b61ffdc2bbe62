//! Frames that grow, beside others: read while they do, cut or claimed to be longer than they are.

use crate::coded::array;
use crate::growing::{grown, options, place, rows};
use ndbytes::io::{self, Appender, Parts, unwatched};
use ndbytes::{Codec, DecodeOptions, Dest, Engine, ErrorKind, crc32c};

const STORED: Codec = Codec::Engine(Engine::Stored, None);

#[test]
fn what_was_opened_before_it_grew_is_verified_as_it_was() {
    let (_folder, path) = place();
    let array = array("<f4", &[60_000, 3], 5);
    let options = options(STORED, None);
    let mut appender = Appender::create(&path, array.dtype(), &[3], &options).unwrap();
    let open = || {
        let file = io::open(&path, io::PATIENCE).unwrap();
        let len = file.len().unwrap();
        Parts::open(file, len, DecodeOptions::default()).unwrap()
    };
    let mut all = Vec::new();
    for (from, len) in [(0, 0), (0, 10), (10, 50_000), (50_010, 9_990)] {
        appender.append(&rows(&array, from, len), &mut unwatched).unwrap();
        appender.flush(&mut unwatched).unwrap();
        all.push((open(), from + len));
        for (parts, rows) in &all {
            parts.verify(&mut unwatched).unwrap();
            assert_eq!(parts.header().shape, [*rows, 3]);
        }
    }
    // What is damaged of it is found, and what is damaged behind it is not part of it.
    let bytes = std::fs::read(&path).unwrap();
    let ends: Vec<u64> = all.iter().map(|(parts, _)| parts.coding().grown.unwrap().end).collect();
    for (number, at) in [(1, 200), (2, ends[1] + 30), (3, ends[2] + 30), (4, 150), (0, 20)] {
        let mut damaged = bytes.clone();
        damaged[usize::try_from(at).unwrap()] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        for (seen, (parts, _)) in all.iter().enumerate() {
            let is_whole = parts.verify(&mut unwatched).is_ok();
            assert_eq!(is_whole, at > 192 && seen < number, "byte {at}: {seen}");
        }
    }
    // Another frame in its place is not the one that was opened.
    let other = grown(&array, &crate::growing::options(STORED, Some(&[7, 3])), &[(60_000, true)]);
    std::fs::write(&path, other).unwrap();
    let error = all[2].0.verify(&mut unwatched).unwrap_err();
    assert!(error.message().contains("is another one than when it was opened"), "{error}");
}

/// A mark that names a place where no file can have a byte.
#[test]
fn an_end_that_no_file_has_is_a_truncation() {
    let (_folder, path) = place();
    let array = array("<i2", &[9, 2], 5);
    let bytes = grown(&array, &options(STORED, None), &[(4, true), (5, true)]);
    let len = bytes.len() as u64;
    let mark = usize::try_from(u32::from_le_bytes(*bytes[12..].first_chunk().unwrap())).unwrap();
    for end in
        [len + 1, len + 500, 1 << 40, 1 << 62, i64::MAX as u64, 1 << 63, u64::MAX - 63, u64::MAX]
    {
        let mut lie = bytes.clone();
        lie[mark + 40..mark + 48].copy_from_slice(&end.to_le_bytes());
        let sum = crc32c(&lie[mark..mark + 60]).to_le_bytes();
        lie[mark + 60..mark + 64].copy_from_slice(&sum);
        std::fs::write(&path, &lie).unwrap();
        let open = || io::open(&path, io::PATIENCE).unwrap();
        let all = DecodeOptions::default;
        for error in [
            io::peek(open(), len, all()).unwrap_err(),
            Parts::open(open(), len, all()).unwrap_err(),
            Parts::open(&lie[..], len, all()).unwrap_err(),
            io::load(&path, all(), Dest::Owned, &mut unwatched).unwrap_err(),
            Appender::open(&path, all(), &options(STORED, None)).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(len)), "{end}");
            let why =
                format!("the mark says that the frame ends at byte {end}, the input has {len}");
            // Where little is missing, a reader of all of it says in what.
            let behind = "the end record behind block 1: the input ends 0 bytes into it, it has 24";
            assert!([&why, behind].contains(&error.message()), "{error}");
        }
    }
}

#[test]
fn nothing_is_appended_to_what_another_has_cut() {
    let (_folder, path) = place();
    let array = array("<f4", &[40_000, 100], 5);
    let options = options(STORED, None);
    let mut appender = Appender::create(&path, array.dtype(), &[100], &options).unwrap();
    for more in [1, 30_000] {
        appender.append(&rows(&array, 0, 3), &mut unwatched).unwrap();
        appender.flush(&mut unwatched).unwrap();
        let len = std::fs::metadata(&path).unwrap().len() - 1;
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
        let error = (appender.append(&rows(&array, 0, more), &mut unwatched))
            .and_then(|()| appender.flush(&mut unwatched))
            .unwrap_err();
        assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(len)));
        assert!(error.message().contains("another has cut the file to"), "{error}");
        appender = Appender::create(&path, array.dtype(), &[100], &options).unwrap();
    }
}
