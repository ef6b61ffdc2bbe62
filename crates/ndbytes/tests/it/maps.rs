//! Memory maps: what is read and written through them, what the file says meanwhile, and files that change below.

use super::{array, encode};
use ndbytes::io::map::{Map, Mode, TailState};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::raw::Raw;
use ndbytes::{Array, Checks, ChecksumState, DecodeOptions, Decoded, Dest, Error, ErrorKind};
use ndbytes::{Layout, Order, Result, frame, io, to_bytes};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    (folder, path)
}

fn open(path: &Path, mode: Mode) -> Result<Map> {
    Map::open(path, mode, DecodeOptions::default())
}

fn load(path: &Path) -> Result<Decoded> {
    io::load(path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched)
}

fn state(path: &Path) -> ChecksumState {
    load(path).unwrap().state
}

fn cut(path: &Path, len: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn frame_of(array: &Array) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = frame::Encoder::new(&array.view(), &frame::EncodeOptions::default()).unwrap();
    io::write(&mut encoder, &mut bytes, &mut io::unwatched).unwrap();
    bytes
}

/// Every order, dtypes of several kinds, bare and checked; over 1 MiB, so that there are blocks.
#[test]
fn a_created_file_is_the_one_that_would_be_saved() {
    let (_folder, path) = folder();
    for spec in [
        "<f8[3,5]",
        ">u2[7]",
        "bfloat16[2,3]",
        "{a:<u2,b:|S3}[4]",
        "<f4[]",
        "<i4[0,3]",
        "<f4[600,700]",
    ] {
        for checksum in [false, true] {
            for order in [Order::C, Order::F] {
                let wanted = array(spec);
                let data = to_bytes(&wanted.view(), order).unwrap();
                let options = EncodeOptions { checksum, order: Some(order), ..Default::default() };
                let mut map = Map::create(&path, wanted.dtype(), wanted.shape(), &options).unwrap();
                map.bytes_mut().unwrap().copy_from_slice(&data);
                assert_eq!(to_bytes(&map.view().unwrap(), Order::C).unwrap(), wanted.data()[..]);
                map.close().unwrap();
                let loaded = load(&path).unwrap();
                let array = loaded.array.unwrap();
                assert_eq!(
                    (array.dtype(), array.shape()),
                    (wanted.dtype(), wanted.shape()),
                    "{spec}"
                );
                assert_eq!(array.data()[..], data);
                let checked = checksum || spec.starts_with("bfloat16");
                let expected =
                    if checked { ChecksumState::Verified } else { ChecksumState::Unchecked };
                assert_eq!(loaded.state, expected);
                if order == Order::C {
                    assert_eq!(fs::read(&path).unwrap(), encode(&wanted, &options), "{spec}");
                }
                let map = open(&path, Mode::Read).unwrap();
                assert_eq!(map.verify(&mut io::unwatched).unwrap(), expected);
                assert_eq!(map.array().unwrap().data()[..], data);
            }
        }
    }
}

#[test]
fn a_tail_is_open_from_before_the_first_change_until_it_is_sealed() {
    let (_folder, path) = folder();
    let wanted = array("<u2[700000]");
    for (bytes, size) in
        [(encode(&wanted, &EncodeOptions::checked()), 128), (frame_of(&wanted), 128)]
    {
        fs::write(&path, &bytes).unwrap();
        let mut map = open(&path, Mode::ReadWrite).unwrap();
        assert_eq!((map.tail_state(), state(&path)), (TailState::Sealed, ChecksumState::Verified));
        map.flush().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        for round in 1..3u8 {
            let before = fs::read(&path).unwrap();
            map.bytes_mut().unwrap();
            assert_eq!((map.tail_state(), state(&path)), (TailState::Open, ChecksumState::Open));
            assert_eq!(map.verify(&mut io::unwatched).unwrap(), ChecksumState::Open);
            assert_eq!(map.verify_block(0).unwrap(), ChecksumState::Open);
            let marked = fs::read(&path).unwrap();
            let differing = before.iter().zip(&marked).filter(|(a, b)| a != b).count();
            assert!((2..=5).contains(&differing), "the state and its sum: {differing}");
            map.bytes_mut().unwrap()[1_300_000] = round;
            assert_eq!(state(&path), ChecksumState::Open);
            map.flush().unwrap();
            assert_eq!(
                (map.tail_state(), state(&path)),
                (TailState::Sealed, ChecksumState::Verified)
            );
            assert_eq!(fs::read(&path).unwrap()[size + 1_300_000], round);
            assert_eq!(map.verify(&mut io::unwatched).unwrap(), ChecksumState::Verified);
            assert_eq!(map.verify_block(1).unwrap(), ChecksumState::Verified);
        }
        assert_eq!(fs::read(&path).unwrap().len(), bytes.len());
    }
}

#[test]
fn a_map_that_is_dropped_leaves_its_file_open() {
    let (_folder, path) = folder();
    fs::write(&path, encode(&array("<u2[9]"), &EncodeOptions::checked())).unwrap();
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    map.bytes_mut().unwrap()[3] = 77;
    drop(map);
    assert_eq!(state(&path), ChecksumState::Open);
    let required = DecodeOptions { checks: Checks::Required, ..Default::default() };
    let error = Map::open(&path, Mode::Read, required).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(146)));
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    assert_eq!(map.tail_state(), TailState::Open);
    // Whoever changed nothing vouches for nothing.
    map.flush().unwrap();
    assert_eq!(state(&path), ChecksumState::Open);
    map.bytes_mut().unwrap();
    map.close().unwrap();
    assert_eq!(state(&path), ChecksumState::Verified);
    assert_eq!(load(&path).unwrap().array.unwrap().data()[3], 77);
    // A created one is open too, whether it was written to or not, and close seals it.
    for close in [false, true] {
        let map =
            Map::create(&path, array("<u2[9]").dtype(), &[9], &EncodeOptions::checked()).unwrap();
        assert_eq!(state(&path), ChecksumState::Open);
        if close {
            map.close().unwrap();
        }
        let expected = if close { ChecksumState::Verified } else { ChecksumState::Open };
        assert_eq!(state(&path), expected);
    }
}

#[test]
fn private_changes_and_reading_leave_the_file() {
    let (_folder, path) = folder();
    for bytes in [
        encode(&array("<u2[9]"), &EncodeOptions::checked()),
        encode(&array("<u2[9]"), &EncodeOptions::bare()),
        frame_of(&array("<u2[9]")),
    ] {
        fs::write(&path, &bytes).unwrap();
        let mut map = open(&path, Mode::CopyOnWrite).unwrap();
        map.bytes_mut().unwrap().fill(0xEE);
        assert_eq!(map.bytes().unwrap(), [0xEE; 18]);
        map.flush().unwrap();
        map.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let mut map = open(&path, Mode::Read).unwrap();
        let error = map.bytes_mut().unwrap_err();
        assert_eq!(
            error.message(),
            "mapped for reading; open it with Mode::ReadWrite or Mode::CopyOnWrite"
        );
        map.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

/// Others may spell the metadata of a tail in other ways, and say more in it: marking changes none of it.
#[test]
fn a_foreign_tail_keeps_its_metadata_byte_for_byte() {
    let (_folder, path) = folder();
    let sealed = encode(&array("<u2[9]"), &EncodeOptions::checked());
    let text = b"{ \"x\": [1],  \"name\" :\"n\"}";
    let tail = &sealed[146..];
    let n = 40 + text.len() + 4;
    let mut foreign = sealed[..146].to_vec();
    // The npy header of the tail as the library writes it for another length.
    let spelled = ndbytes::npy::encode_header(array("|u1[1]").dtype(), &[n], false, None).unwrap();
    foreign.extend(&spelled);
    foreign.extend(&tail[128..156]);
    foreign.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    foreign.extend(text);
    let sum = ndbytes::crc32c(&foreign[146..]).to_le_bytes();
    foreign.extend(sum);
    foreign.extend(&tail[164..]);
    fs::write(&path, &foreign).unwrap();
    assert_eq!(state(&path), ChecksumState::Verified);
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    assert_eq!(map.metadata().unwrap().name.as_deref(), Some("n"));
    map.bytes_mut().unwrap();
    assert_eq!(state(&path), ChecksumState::Open);
    map.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap(), foreign);
}

#[test]
fn damage_is_found_whole_and_by_block() {
    let (_folder, path) = folder();
    let bytes = encode(&array("<u2[1200000]"), &EncodeOptions::checked());
    fs::write(&path, &bytes).unwrap();
    let map = open(&path, Mode::Read).unwrap();
    assert_eq!(map.blocks(), 3);
    let mut damaged = bytes.clone();
    damaged[128 + (1 << 20) + 5] ^= 4;
    fs::write(&path, &damaged).unwrap();
    let error = map.verify(&mut io::unwatched).unwrap_err();
    let range = 128 + (1 << 20)..128 + (2 << 20);
    assert_eq!(*error.kind(), ErrorKind::Checksum { block: Some(1), range });
    assert_eq!(error.path(), Some(path.as_path()));
    let by_block = map.verify_block(1).unwrap_err();
    assert_eq!((by_block.kind(), by_block.message()), (error.kind(), error.message()));
    assert_eq!(map.verify_block(0).unwrap(), ChecksumState::Verified);
    assert_eq!(map.verify_block(2).unwrap(), ChecksumState::Verified);
    let error = map.verify_block(3).unwrap_err();
    assert_eq!((error.kind(), error.message()), (&ErrorKind::Argument, "block 3 of an array of 3"));
    // Another map may change the file and seal it again: then its own tail counts.
    let mut other = open(&path, Mode::ReadWrite).unwrap();
    other.bytes_mut().unwrap()[0] ^= 1;
    assert_eq!(map.verify_block(0).unwrap(), ChecksumState::Open);
    assert_eq!(map.verify(&mut io::unwatched).unwrap(), ChecksumState::Open);
    other.close().unwrap();
    assert_eq!(map.verify_block(0).unwrap(), ChecksumState::Verified);
    assert_eq!(map.verify(&mut io::unwatched).unwrap(), ChecksumState::Verified);
    // Cut behind the data, the array is whole and its tail is not.
    cut(&path, map.bytes().unwrap().len() as u64 + 128);
    let error = map.verify(&mut io::unwatched).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (&ErrorKind::Truncated, "the checksum tail has been cut off since the file was mapped")
    );
    // There is nothing to compare in a bare file.
    fs::write(&path, encode(&array("<u2[9]"), &EncodeOptions::bare())).unwrap();
    let map = open(&path, Mode::Read).unwrap();
    assert_eq!(map.verify_block(0).unwrap(), ChecksumState::Unchecked);
}

#[test]
fn a_file_cut_under_its_map_is_an_error_of_the_next_access() {
    let (_folder, path) = folder();
    for mode in [Mode::Read, Mode::ReadWrite, Mode::CopyOnWrite] {
        for len in [0u64, 100, 128, 129, 5000, 20_127] {
            fs::write(&path, encode(&array("<u2[10000]"), &EncodeOptions::checked())).unwrap();
            let mut map = open(&path, mode).unwrap();
            map.probe(0..20_000).unwrap();
            cut(&path, len);
            let check = |error: Error| {
                let ErrorKind::Truncated = error.kind() else { panic!("{error:?}") };
                assert_eq!((error.offset(), error.path()), (Some(len), Some(path.as_path())));
                assert!(
                    error.message().starts_with("the file was cut under its map: it ends at byte"),
                    "{error}"
                );
            };
            check(map.bytes().unwrap_err());
            check(map.view().unwrap_err());
            check(map.probe(0..20_000).unwrap_err());
            check(map.probe(0..1).unwrap_err());
            if mode == Mode::ReadWrite {
                check(map.resize(5).unwrap_err());
            }
            if mode == Mode::Read {
                check(map.array().unwrap_err());
            } else {
                check(map.bytes_mut().unwrap_err());
            }
            assert_eq!(*map.verify(&mut io::unwatched).unwrap_err().kind(), ErrorKind::Truncated);
            assert_eq!(fs::metadata(&path).unwrap().len(), len);
        }
    }
    // What was cut while it was being changed is not sealed.
    fs::write(&path, encode(&array("<u2[10000]"), &EncodeOptions::checked())).unwrap();
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    map.bytes_mut().unwrap()[0] = 1;
    cut(&path, 20_130);
    let error = map.flush().unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&ErrorKind::Truncated, Some(20_130)));
    assert_eq!(fs::metadata(&path).unwrap().len(), 20_130);
}

#[test]
fn a_file_replaced_under_its_map_stays_for_the_map() {
    let (_folder, path) = folder();
    let (old, new) = (array("<u2[70000]"), array("<i8[3]"));
    fs::write(&path, encode(&old, &EncodeOptions::checked())).unwrap();
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    let reader = open(&path, Mode::Read).unwrap();
    let shared = reader.array().unwrap();
    let mut encoder = Encoder::new(&new.view(), &EncodeOptions::bare()).unwrap();
    io::save(&path, &mut encoder, io::SaveOptions::default(), &mut io::unwatched).unwrap();
    assert_eq!(reader.bytes().unwrap(), &old.data()[..]);
    drop(reader);
    assert_eq!(shared.data()[..], old.data()[..]);
    // It is not overwritten by rows for the old one.
    for error in [map.resize(3).unwrap_err(), map.append(&old.view()).unwrap_err()] {
        assert_eq!(*error.kind(), ErrorKind::Io);
        assert!(
            error.message().starts_with("another file has taken its place since it was opened"),
            "{error}"
        );
    }
    assert_eq!(load(&path).unwrap().array.unwrap().data()[..], new.data()[..]);
    map.bytes_mut().unwrap()[0] = 9;
    map.close().unwrap();
    assert_eq!(load(&path).unwrap().array.unwrap().data()[..], new.data()[..]);
    // Nor is a new file cut, or an old one changed, by making another in its place.
    let mapped = open(&path, Mode::Read).unwrap();
    Map::create(&path, old.dtype(), &[1], &EncodeOptions::bare()).unwrap().close().unwrap();
    assert_eq!(mapped.bytes().unwrap(), &new.data()[..]);
    fs::remove_file(&path).unwrap();
    assert_eq!(mapped.bytes().unwrap(), &new.data()[..]);
}

#[test]
fn raw_files_are_mapped_as_declared() {
    let (_folder, path) = folder();
    let data: Vec<u8> = (0..=255).cycle().take(10_007).collect();
    fs::write(&path, &data).unwrap();
    for (spec, offset, gap, order) in [
        ("<u2[?,5]", 7, 0, Order::C),
        ("<u2[?,5]", 7, 0, Order::F),
        ("|u1", 5000, 0, Order::C),
        ("<u4[?]", 7, 6, Order::C),
        ("<f8[1250]", 7, 0, Order::F),
        ("<u4[2,500]", 7, 6, Order::F),
    ] {
        let raw = Raw { order, offset, gap, ..Raw::new(spec.parse().unwrap()) };
        let wanted = raw.array(data.clone().into()).unwrap();
        let mut map = Map::open_raw(&path, Mode::CopyOnWrite, &raw).unwrap();
        assert_eq!(map.shape(), wanted.shape());
        let items = to_bytes(&wanted.view(), Order::C).unwrap();
        assert_eq!(to_bytes(&map.view().unwrap(), Order::C).unwrap(), items, "{spec}");
        map.bytes_mut().unwrap()[0] ^= 1;
        map.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), data);
        let mut map = Map::open_raw(&path, Mode::ReadWrite, &raw).unwrap();
        map.bytes_mut().unwrap()[0] ^= 1;
        assert_eq!(map.tail_state(), TailState::None);
        assert_eq!(map.verify(&mut io::unwatched).unwrap(), ChecksumState::Unchecked);
        map.close().unwrap();
        let mut changed = data.clone();
        changed[usize::try_from(offset).unwrap()] ^= 1;
        assert_eq!(fs::read(&path).unwrap(), changed);
        fs::write(&path, &data).unwrap();
        if gap > 0 {
            let mut map = Map::open_raw(&path, Mode::ReadWrite, &raw).unwrap();
            assert_eq!(
                map.resize(1).unwrap_err().message(),
                "rows with gaps belong to other data too: their number is not changed"
            );
        }
    }
    let raw = Raw { offset: 7, gap: 2, ..Raw::new("<u2[3]".parse().unwrap()) };
    let map = Map::create_raw(&path, &raw).unwrap();
    assert_eq!((map.bytes().unwrap().len(), map.shape()), (12, &[3][..]));
    map.close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), [0; 19]);
    let error = Map::create_raw(&path, &Raw::new("<u2[?]".parse().unwrap())).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (&ErrorKind::Argument, "<u2[?]: a new file needs the length of every axis")
    );
    let error =
        Map::open_raw(&path, Mode::ReadWrite, &Raw::new("<u8[3]".parse().unwrap())).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (&ErrorKind::Malformed, "<u8[3] needs 24 bytes, found 19")
    );
    assert_eq!(fs::read(&path).unwrap(), [0; 19]);
}

/// Kind, offset and message of what cannot be mapped; the file stays as it was.
#[test]
fn what_cannot_be_mapped_says_why() {
    let (_folder, path) = folder();
    let bare = encode(&array("<f8[5]"), &EncodeOptions::bare());
    let checked = encode(&array("<f8[5]"), &EncodeOptions::checked());
    let objects = String::from_utf8_lossy(&bare[10..]).replace("'<f8'", "'|O' ");
    let objects = [&bare[..10], objects.as_bytes()].concat();
    let frame = frame_of(&array("<f8[5]"));
    for (bytes, kind, offset, message) in [
        (&bare[..0], ErrorKind::Truncated, 0, "npy header: the input is empty"),
        (
            &bare[..100],
            ErrorKind::Truncated,
            100,
            "npy header: the input ends after 100 bytes, at least 128 are needed",
        ),
        (
            &bare[..140],
            ErrorKind::Truncated,
            140,
            "shape (5,) of <f8 needs 40 bytes of data, the input has 12",
        ),
        (
            &checked[..300],
            ErrorKind::Truncated,
            300,
            "the checksum tail is cut: the input ends 132 bytes into it",
        ),
        (
            &[&bare[..], b"xyz"].concat(),
            ErrorKind::Malformed,
            168,
            "bytes behind the array that are no checksum tail; only ndbytes.numpy.load passes over them",
        ),
        (
            &[&checked[..], b"x"].concat(),
            ErrorKind::Malformed,
            340,
            "bytes behind the array that are no checksum tail; only ndbytes.numpy.load passes over them",
        ),
        (
            &frame[..200],
            ErrorKind::Truncated,
            200,
            "the checksum tail is cut: the input ends 32 bytes into it, it has 44",
        ),
        (
            &objects,
            ErrorKind::Unsupported,
            20,
            "npy header: descr: \"|O\" is an object dtype, which means pickle; convert the array to numbers or fixed-size strings",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        for mode in [Mode::Read, Mode::ReadWrite, Mode::CopyOnWrite] {
            let error = open(&path, mode).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (&kind, Some(offset)), "{error}");
            assert_eq!(error.path(), Some(path.as_path()));
            assert_eq!(error.message(), message);
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
    let mut damaged = checked.clone();
    damaged[checked.len() - 1] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let error = open(&path, Mode::Read).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Checksum { block: None, .. }), "{error}");
    fs::write(&path, &checked).unwrap();
    let ignored = DecodeOptions { checks: Checks::Ignored, ..Default::default() };
    assert_eq!(
        Map::open(&path, Mode::ReadWrite, ignored.clone()).unwrap_err().message(),
        "a tail that is ignored would be wrong after the first change; use Checks::Optional"
    );
    assert_eq!(Map::open(&path, Mode::Read, ignored).unwrap().tail_state(), TailState::None);
    for (text, mode) in
        [("r", Mode::Read), ("readwrite", Mode::ReadWrite), ("c", Mode::CopyOnWrite)]
    {
        assert_eq!(text.parse::<Mode>().unwrap(), mode);
    }
    assert_eq!(
        "w+".parse::<Mode>().unwrap_err().message(),
        "mode must be one of r, r+ or c, found \"w+\""
    );
    let map = open(&path, Mode::Read).unwrap();
    let end = map.bytes().unwrap().len();
    map.probe(end..end).unwrap();
    assert_eq!(
        map.probe(0..end + 1).unwrap_err().message(),
        "bytes 0 to 41 are not inside the 40 of the data"
    );
    let map = open(&path, Mode::CopyOnWrite).unwrap();
    assert_eq!(
        map.array().unwrap_err().message(),
        "an array's bytes do not change, and this map may be written to: use its view"
    );
}

#[test]
fn lengths_that_cannot_change_say_why_and_leave_map_and_file() {
    let (_folder, path) = folder();
    let bytes = encode(&array("<f8[5,2]"), &EncodeOptions::checked());
    fs::write(&path, &bytes).unwrap();
    for mode in [Mode::Read, Mode::CopyOnWrite] {
        let error = open(&path, mode).unwrap().resize(1).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Argument);
        assert!(error.message().starts_with("only a map that writes to its file"), "{error}");
    }
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    for (rows, found) in [("<f8[1,3]", "<f8[1,3]"), (">f8[1,2]", ">f8[1,2]"), ("<f8[2]", "<f8[2]")]
    {
        let error = map.append(&array(rows).view()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Mismatch);
        assert_eq!(error.message(), format!("expected <f8[?,2], found {found}"));
    }
    let error = map.resize(usize::MAX / 8).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { name: "size", .. }), "{error}");
    assert_eq!(map.bytes().unwrap(), &array("<f8[5,2]").data()[..]);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    for (bytes, why) in [
        (
            encode(&array("<f8[]"), &EncodeOptions::bare()),
            "an array without axes has no length to change",
        ),
        (frame_of(&array("<f8[5]")), "a frame is written once: save a longer one, or map a .npy"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let mut map = open(&path, Mode::ReadWrite).unwrap();
        assert_eq!(map.resize(1).unwrap_err().message(), why);
        assert_eq!(map.append(&array("<f8[5]").view()).unwrap_err().message(), why);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

/// One change of a file.
#[derive(Debug, Clone)]
enum Change {
    Resize(usize),
    Append(usize, bool),
    Write(u8),
    Flush,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0usize..9).prop_map(Change::Resize),
        (0usize..5, any::<bool>()).prop_map(|(rows, reversed)| Change::Append(rows, reversed)),
        any::<u8>().prop_map(Change::Write),
        Just(Change::Flush),
    ]
}

/// The array in memory that a file is held against, in C order.
struct Model {
    rows: usize,
    row: usize,
    bytes: Vec<u8>,
}

fn rows(spec: &str, count: usize, others: &[usize], reversed: bool) -> Array {
    let dtype: ndbytes::DType = spec.parse().unwrap();
    let shape: Vec<usize> = std::iter::once(count).chain(others.iter().copied()).collect();
    let packed =
        Layout::contiguous(&shape, dtype.itemsize(), if reversed { Order::F } else { Order::C })
            .unwrap();
    let size = packed.len() * dtype.itemsize();
    let data: Vec<u8> = (0..size).map(|i| u8::try_from((i * 37 + count) % 251).unwrap()).collect();
    if !reversed || packed.is_empty() {
        return Array::new(dtype, packed, data.into()).unwrap();
    }
    // The last row first.
    let step = packed.strides()[0];
    let strides = std::iter::once(-step).chain(packed.strides()[1..].iter().copied()).collect();
    let offset = (count - 1) * step.unsigned_abs();
    Array::new(dtype, Layout::new(shape, strides, offset).unwrap(), data.into()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn lengths_change_as_those_of_an_array_in_memory(
        spec in prop::sample::select(vec!["|u1", "<f8", ">u2", "bfloat16", "{a:<u2,b:|S3}", "|S0"]),
        others in prop::collection::vec(0usize..4, 0..3), first in 0usize..5,
        form in prop::sample::select(vec!["bare", "checked", "raw"]), fortran: bool,
        changes in prop::collection::vec(change(), 1..7),
    ) {
        let (_folder, path) = folder();
        let order = if fortran { Order::F } else { Order::C };
        let start = rows(spec, first, &others, false);
        let raw = Raw { order, offset: 13, ..Raw::new(format!("{spec}[?{}]", others.iter().map(|n| format!(",{n}")).collect::<String>()).parse().unwrap()) };
        let raw_of = |shape: &[usize]| Raw { spec: ndbytes::Spec::exact(start.dtype().clone(), shape), ..raw.clone() };
        let mut map = if form == "raw" {
            fs::write(&path, [&[7u8; 13][..], &to_bytes(&start.view(), order).unwrap()].concat()).unwrap();
            Map::open_raw(&path, Mode::ReadWrite, &raw_of(start.shape())).unwrap()
        } else {
            let options = EncodeOptions { checksum: form == "checked", order: Some(order), ..Default::default() };
            let mut map = Map::create(&path, start.dtype(), start.shape(), &options).unwrap();
            map.bytes_mut().unwrap().copy_from_slice(&to_bytes(&start.view(), order).unwrap());
            map
        };
        let size = start.dtype().itemsize();
        let mut model = Model {
            rows: first, row: others.iter().product::<usize>() * size, bytes: start.data().to_vec(),
        };
        for change in changes {
            match change {
                Change::Resize(len) => {
                    map.resize(len).unwrap();
                    model.bytes.resize(len * model.row, 0);
                    model.rows = len;
                }
                Change::Append(count, reversed) => {
                    let more = rows(spec, count, &others, reversed);
                    map.append(&more.view()).unwrap();
                    model.bytes.extend(to_bytes(&more.view(), Order::C).unwrap());
                    model.rows += count;
                }
                Change::Write(value) => {
                    map.bytes_mut().unwrap().fill(value);
                    model.bytes.fill(value);
                }
                Change::Flush => map.flush().unwrap(),
            }
            prop_assert_eq!(map.shape()[0], model.rows);
            prop_assert_eq!(&map.shape()[1..], &others[..]);
            let found = to_bytes(&map.view().unwrap(), Order::C).unwrap();
            prop_assert_eq!(&found, &model.bytes);
            prop_assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }
        map.close().unwrap();
        if form == "raw" {
            let file = fs::read(&path).unwrap();
            prop_assert_eq!(&file[..13], &[7u8; 13][..]);
            let shape: Vec<usize> = std::iter::once(model.rows).chain(others).collect();
            let array = raw_of(&shape).array(file.into()).unwrap();
            prop_assert_eq!(to_bytes(&array.view(), Order::C).unwrap(), model.bytes);
            return Ok(());
        }
        let loaded = load(&path).unwrap();
        let checked = form == "checked" || spec == "bfloat16";
        prop_assert_eq!(loaded.state == ChecksumState::Verified, checked);
        prop_assert_eq!(loaded.header.fortran_order, fortran);
        let found = loaded.array.unwrap();
        prop_assert_eq!(found.dtype(), start.dtype());
        prop_assert_eq!(to_bytes(&found.view(), Order::C).unwrap(), model.bytes);
    }
}

/// Sizes beyond every buffer on the way.
#[test]
fn large_files_grow_in_both_orders() {
    let (_folder, path) = folder();
    for order in [Order::C, Order::F] {
        let options = EncodeOptions { order: Some(order), ..EncodeOptions::checked() };
        let start = rows("<u4", 900, &[700], false);
        let mut map = Map::create(&path, start.dtype(), start.shape(), &options).unwrap();
        map.bytes_mut().unwrap().copy_from_slice(&to_bytes(&start.view(), order).unwrap());
        let more = rows("<u4", 533, &[700], true);
        map.append(&more.view()).unwrap();
        let wanted = [&start.data()[..], &to_bytes(&more.view(), Order::C).unwrap()].concat();
        assert_eq!(to_bytes(&map.view().unwrap(), Order::C).unwrap(), wanted);
        map.resize(777).unwrap();
        assert_eq!(map.verify(&mut io::unwatched).unwrap(), ChecksumState::Verified);
        assert_eq!(to_bytes(&map.view().unwrap(), Order::C).unwrap(), wanted[..777 * 2800]);
    }
}

/// In C order NumPy's headers have room for the first axis to grow. In F order they have not: some get longer, and
/// the data move.
#[test]
fn a_header_may_get_longer_with_its_shape() {
    let (_folder, path) = folder();
    for order in [Order::C, Order::F] {
        let mut moved = 0;
        for others in 0..32 {
            let shape = vec![1; others + 1];
            let options = EncodeOptions { order: Some(order), ..EncodeOptions::checked() };
            let dtype = "|u1".parse().unwrap();
            let mut map = Map::create(&path, &dtype, &shape, &options).unwrap();
            map.bytes_mut().unwrap().fill(3);
            map.flush().unwrap();
            let before = load(&path).unwrap().header.len;
            map.resize(1000).unwrap();
            assert_eq!(map.bytes().unwrap(), [&[3][..], &[0; 999]].concat());
            let loaded = load(&path).unwrap();
            assert_eq!(loaded.state, ChecksumState::Verified);
            moved += u32::from(loaded.header.len != before);
        }
        assert_eq!(moved > 0, order == Order::F, "{moved}");
    }
}

#[test]
fn mode_and_name_of_a_file_stay_when_its_length_changes() {
    let (folder, path) = folder();
    Map::create(&path, array("<u2[9]").dtype(), &[9], &EncodeOptions::checked())
        .unwrap()
        .close()
        .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("link.npy");
        std::os::unix::fs::symlink("a.npy", &link).unwrap();
        let mut map = open(&link, Mode::ReadWrite).unwrap();
        map.append(&array("<u2[9]").view()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_link(&link).unwrap(), Path::new("a.npy"));
    }
    assert_eq!(load(&path).unwrap().header.shape, [18]);
    drop(folder);
}

/// A header of 128 bytes may say that there are as many columns of nothing as it likes.
#[test]
fn columns_of_nothing_cost_nothing() {
    let (_folder, path) = folder();
    let dtype = "|V0".parse().unwrap();
    let options = EncodeOptions { order: Some(Order::F), ..EncodeOptions::checked() };
    let mut map = Map::create(&path, &dtype, &[1, 1 << 40], &options).unwrap();
    map.resize(2).unwrap();
    assert_eq!(map.shape(), [2, 1 << 40]);
    map.close().unwrap();
    assert_eq!(load(&path).unwrap().header.shape, [2, 1 << 40]);
}

#[test]
fn a_longer_file_leaves_the_map_of_the_old_one() {
    let (_folder, path) = folder();
    fs::write(&path, encode(&array("<u2[3,2]"), &EncodeOptions::checked())).unwrap();
    let old = open(&path, Mode::ReadWrite).unwrap();
    let before = old.bytes().unwrap().to_vec();
    let mut seen = 0;
    let new = old.resized(5, &mut |n| {
        seen = n;
        Ok(())
    });
    let new = new.unwrap().unwrap();
    assert_eq!((new.shape(), old.shape(), seen), (&[5, 2][..], &[3, 2][..], 20));
    assert_eq!(old.bytes().unwrap(), before);
    assert_eq!(new.bytes().unwrap()[..12], before);
    assert!(new.resized(5, &mut io::unwatched).unwrap().is_none());
    let rows = array("<u2[1,2]");
    let longer = new.appended(&rows.view(), &mut io::unwatched).unwrap().unwrap();
    assert_eq!(longer.shape(), [6, 2]);
    assert_eq!(state(&path), ChecksumState::Verified);
}

/// Whoever watches can stop it: the file is the old one, or open.
#[test]
fn growing_and_sealing_can_be_stopped() {
    let (_folder, path) = folder();
    fs::write(&path, encode(&array("<u2[3,2]"), &EncodeOptions::checked())).unwrap();
    let stop = |_: u64| Err(Error::new(ErrorKind::Interrupted, "stopped"));
    let mut map = open(&path, Mode::ReadWrite).unwrap();
    let file = fs::read(&path).unwrap();
    let error = map.resized(5, &mut { stop }).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Interrupted);
    assert_eq!(fs::read(&path).unwrap(), file);
    map.bytes_mut().unwrap()[0] ^= 1;
    assert_eq!(map.flush_watched(&mut { stop }).unwrap_err().kind(), &ErrorKind::Interrupted);
    assert_eq!((map.tail_state(), state(&path)), (TailState::Open, ChecksumState::Open));
    map.flush().unwrap();
    assert_eq!((map.tail_state(), state(&path)), (TailState::Sealed, ChecksumState::Verified));
}
