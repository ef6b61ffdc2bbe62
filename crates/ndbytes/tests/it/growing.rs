//! Frames that grow: however rows are appended, all of them come back; no damage goes unseen; what was not finished is not there.

use crate::coded::array;
use crate::damage::{Random, decode};
use ndbytes::io::{self, Appender, Parts, unwatched};
use ndbytes::{
    Array, ArrayRef, Checks, Codec, DecodeOptions, Engine, Error, ErrorKind, Order, Result,
    Selection, Slice, Threads, frame, to_bytes,
};
use std::path::{Path, PathBuf};

/// A folder and a path in it.
pub(crate) fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ndb");
    (folder, path)
}

pub(crate) fn options(codec: Codec, block: Option<&[usize]>) -> frame::EncodeOptions {
    frame::EncodeOptions { codec, block: block.map(<[usize]>::to_vec), ..Default::default() }
}

pub(crate) fn rows<'a>(array: &'a Array, from: usize, len: usize) -> ArrayRef<'a> {
    let mut slices: Vec<Slice> =
        array.shape().iter().map(|&len| Slice { start: 0, len, step: 1 }).collect();
    slices[0] = Slice { start: from, len, step: 1 };
    array.view().sliced(&slices).unwrap()
}

/// Appends all rows of an array in steps: so many rows, and whether they are flushed then.
fn grow(appender: &mut Appender, array: &Array, steps: &[(usize, bool)]) {
    let mut at = 0;
    for &(len, flush) in steps {
        appender.append(&rows(array, at, len), &mut unwatched).unwrap();
        at += len;
        if flush {
            appender.flush(&mut unwatched).unwrap();
            assert!(appender.is_flushed());
        }
        assert_eq!(appender.rows(), at);
    }
    assert_eq!(at, array.shape()[0]);
    appender.flush(&mut unwatched).unwrap();
}

/// A file that has grown by these steps.
pub(crate) fn grown(
    array: &Array,
    options: &frame::EncodeOptions,
    steps: &[(usize, bool)],
) -> Vec<u8> {
    let (_folder, path) = place();
    let mut appender =
        Appender::create(&path, array.dtype(), &array.shape()[1..], options).unwrap();
    grow(&mut appender, array, steps);
    std::fs::read(&path).unwrap()
}

fn read(bytes: &[u8], threads: usize) -> Result<Array> {
    let options = DecodeOptions {
        input_len: Some(bytes.len() as u64),
        checks: Checks::Required,
        whole: true,
        ..Default::default()
    };
    let how = ndbytes::Copying { threads: Threads::new(threads), ..Default::default() };
    let decoded = io::read_slice(bytes, options, |_| Ok(ndbytes::Dest::Owned), how, &mut unwatched);
    Ok(decoded?.array.unwrap())
}

fn opened(bytes: &[u8]) -> Result<Parts<&[u8]>> {
    Parts::open(bytes, bytes.len() as u64, DecodeOptions::default())
}

fn whole(parts: &Parts<&[u8]>) -> Result<Vec<u8>> {
    let all = |&len: &usize| Selection::Slice(Slice { start: 0, len, step: 1 });
    let all: Vec<_> = parts.header().shape.iter().map(all).collect();
    let mut out = vec![0xEE; parts.size(&all)?];
    parts.read(&all, Order::C, Threads::ONE, &mut out, &mut unwatched)?;
    Ok(out)
}

fn items(array: &ArrayRef<'_>) -> Vec<u8> {
    to_bytes(array, Order::C).unwrap()
}

#[test]
fn however_rows_are_appended_all_of_them_come_back() {
    let engine = |engine| Codec::Engine(engine, None);
    let codecs = [
        Codec::None,
        Codec::Auto,
        Codec::Fast,
        Codec::Small,
        engine(Engine::Lz4),
        engine(Engine::Zstd),
        engine(Engine::Deflate),
        engine(Engine::Pco),
    ];
    let shapes: [&[usize]; 5] = [&[], &[3], &[1, 7], &[5, 4], &[2, 3, 2]];
    let (mut random, mut cases) = (Random(7), 0);
    for dtype in ["<f4", ">f8", "<u2", "<c8", "|S5", "<M8[ns]", "bfloat16", "{t:<u4,:|V1,x:>f4}"] {
        for (codec, row) in codecs.iter().zip(shapes.iter().cycle()) {
            let len = random.below(60);
            let shape: Vec<usize> = std::iter::once(len).chain(row.iter().copied()).collect();
            let array = array(dtype, &shape, random.bits());
            let block: Vec<usize> = std::iter::once(1 + random.below(9))
                .chain(row.iter().map(|&len| 1 + random.below(len)))
                .collect();
            let mut steps = Vec::new();
            let mut left = len;
            while left > 0 {
                let step = random.below(left + 1);
                steps.push((step, random.below(2) == 1));
                left -= step;
            }
            let mut options =
                options(*codec, Some(&block).filter(|_| cases % 5 > 0).map(|b| &b[..]));
            options.threads = Threads::new(1 + cases % 3);
            let what = format!("{dtype} {shape:?} {codec} {block:?} {steps:?}");
            let bytes = grown(&array, &options, &steps);
            for threads in [1, 3] {
                let found = read(&bytes, threads).unwrap();
                assert_eq!(
                    (found.dtype(), found.shape()),
                    (array.dtype(), array.shape()),
                    "{what}"
                );
                assert!(items(&found.view()) == items(&array.view()), "{what}");
            }
            let parts = opened(&bytes).unwrap();
            assert!(whole(&parts).unwrap() == items(&array.view()), "{what}");
            parts.verify(&mut unwatched).unwrap();
            let recovered = io::recover(&bytes[..], DecodeOptions::default(), &mut unwatched);
            let mut recovered = recovered.unwrap();
            assert!(recovered.data.all().unwrap() == items(&array.view()), "{what}");
            assert!(recovered.damaged.is_empty(), "{what}");
            cases += 1;
        }
    }
    assert_eq!(cases, 64);
}

/// Random selections out of bands of uneven rows.
#[test]
fn parts_of_uneven_bands_are_what_the_array_has() {
    let array = array("<i4", &[83, 5, 6], 3);
    let steps: Vec<_> = [1, 7, 13, 2, 30, 1, 1, 20, 8].map(|len| (len, true)).to_vec();
    let bytes = grown(&array, &options(Codec::Fast, Some(&[7, 2, 6])), &steps);
    let parts = opened(&bytes).unwrap();
    let mut random = Random(11);
    for _ in 0..500 {
        let (from, step) = (random.below(83), 1 + random.below(9));
        let (down, most) = (random.below(2) == 1, [82 - from, from]);
        let len = 1 + random.below(most[usize::from(down)] / step + 1);
        let step = if down { -step.cast_signed() } else { step.cast_signed() };
        let mut rows: Vec<usize> =
            (0..len).map(|k| from.checked_add_signed(k.cast_signed() * step).unwrap()).collect();
        let mut first = Selection::Slice(Slice { start: from, len, step });
        if random.below(2) == 1 {
            rows = (0..1 + random.below(9)).map(|_| random.below(83)).collect();
            first = Selection::List(rows.clone());
        }
        let others = [
            Selection::Slice(Slice { start: 1, len: 3, step: 1 }),
            Selection::Slice(Slice { start: 5, len: 2, step: -3 }),
        ];
        let selections = [vec![first], others.to_vec()].concat();
        let mut out = vec![0; parts.size(&selections).unwrap()];
        let threads = Threads::new(1 + random.below(3));
        parts.read(&selections, Order::C, threads, &mut out, &mut unwatched).unwrap();
        let all = items(&array.view());
        let wanted: Vec<u8> = rows
            .iter()
            .flat_map(|row| (1..4).flat_map(move |y| [5, 2].map(move |x| (row * 5 + y) * 6 + x)))
            .flat_map(|at| all[4 * at..4 * at + 4].to_vec())
            .collect();
        assert!(out == wanted, "{selections:?}");
    }
}

/// Three files of several steps, with short bands between, several blocks to a band, and all codecs.
fn frames() -> Vec<(String, Array, Vec<u8>)> {
    let array = array("<f8", &[19, 11], 5);
    let engine = |engine| Codec::Engine(engine, None);
    [
        (Engine::Lz4, [7, 8]),
        (Engine::Zstd, [5, 11]),
        (Engine::Pco, [19, 4]),
        (Engine::Stored, [4, 6]),
    ]
    .into_iter()
    .map(|(name, block)| {
        let steps = [(3, true), (8, true), (1, true), (7, true)];
        let bytes = grown(&array, &options(engine(name), Some(&block)), &steps);
        (format!("{name}"), array.clone(), bytes)
    })
    .collect()
}

fn refused(what: &str, bytes: &[u8], how: &str) -> Error {
    let Err(error) = decode(bytes, Checks::Required) else { panic!("{what}: {how} went unseen") };
    let known = read(bytes, 1).map(drop).unwrap_err();
    assert_eq!(known.kind(), error.kind(), "{what}: {how}");
    let part = opened(bytes).and_then(|parts| whole(&parts));
    assert!(part.is_err(), "{what}: {how} went unseen by a reader of parts");
    error
}

#[test]
fn every_flipped_bit_of_a_frame_that_has_grown_is_reported() {
    let mut tried = 0;
    for (what, _, bytes) in frames() {
        let mut damaged = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            let how = format!("a flip of bit {} of byte {}", bit % 8, bit / 8);
            let Err(error) = decode(&damaged, Checks::Required) else {
                panic!("{what}: {how} went unseen")
            };
            assert!(
                matches!(error.kind(), ErrorKind::Checksum { .. }) || bit / 8 < 16,
                "{what}: {how}: {error}"
            );
            let part = opened(&damaged).and_then(|parts| whole(&parts));
            // Which is not read by who knows the indexes: where earlier ones stood that are followed no more.
            if let Ok(part) = part {
                assert!(
                    part == whole(&opened(&bytes).unwrap()).unwrap(),
                    "{what}: {how}: other items"
                );
            }
            damaged[bit / 8] ^= 1 << (bit % 8);
            tried += 1;
        }
    }
    assert!(tried > 30_000, "{tried} flips");
}

#[test]
fn every_truncation_is_reported_and_what_follows_the_end_is_not_there() {
    for (what, array, bytes) in frames() {
        for len in 0..bytes.len() {
            let error = refused(&what, &bytes[..len], &format!("a cut at {len}"));
            assert_eq!(*error.kind(), ErrorKind::Truncated, "{what}: a cut at {len}: {error}");
        }
        let mut longer = bytes.clone();
        for more in [&b"x"[..], &[0; 24], &bytes[128..], &[0xFF; 3000]] {
            longer.extend(more);
            assert!(items(&read(&longer, 1).unwrap().view()) == items(&array.view()), "{what}");
            assert!(whole(&opened(&longer).unwrap()).unwrap() == items(&array.view()), "{what}");
        }
    }
}

/// Whatever a writer leaves behind the end before its mark, and however much of it.
#[test]
fn a_step_that_was_not_finished_leaves_the_rows_of_before() {
    let array = array("<u4", &[30, 3], 9);
    let options = options(Codec::Auto, Some(&[4, 3]));
    let (_folder, path) = place();
    let mut appender = Appender::create(&path, array.dtype(), &[3], &options).unwrap();
    for at in [0, 10, 20] {
        let before = std::fs::read(&path).unwrap();
        appender.append(&rows(&array, at, 10), &mut unwatched).unwrap();
        appender.flush(&mut unwatched).unwrap();
        let after = std::fs::read(&path).unwrap();
        let (mark, end) = (before.len().min(after.len()), after.len());
        assert!(mark <= end);
        for len in before.len()..=end {
            // All that was written by then, under the old mark.
            let mut unfinished = after[..len].to_vec();
            unfinished[..before.len()].copy_from_slice(&before);
            let found = read(&unfinished, 1).unwrap();
            assert!(items(&found.view()) == items(&rows(&array, 0, at)), "{at} rows, {len} bytes");
            std::fs::write(path.with_extension("cut"), &unfinished).unwrap();
            if len % 37 == 0 {
                let cut = path.with_extension("cut");
                let mut again = Appender::open(&cut, DecodeOptions::default(), &options).unwrap();
                again.append(&rows(&array, at, 5), &mut unwatched).unwrap();
                again.flush(&mut unwatched).unwrap();
                let found = read(&std::fs::read(&cut).unwrap(), 1).unwrap();
                assert!(
                    items(&found.view()) == items(&rows(&array, 0, at + 5)),
                    "{at} rows, {len} bytes"
                );
            }
        }
        assert!(items(&read(&after, 1).unwrap().view()) == items(&rows(&array, 0, at + 10)));
    }
}

#[test]
fn many_small_steps_leave_few_indexes_to_follow() {
    let array = array("<u2", &[1000], 2);
    let (_folder, path) = place();
    let options = options(Codec::Fast, None);
    drop(Appender::create(&path, array.dtype(), &[], &options).unwrap());
    for at in 0..1000 {
        let mut appender = Appender::open(&path, DecodeOptions::default(), &options).unwrap();
        appender.append(&rows(&array, at, 1), &mut unwatched).unwrap();
        appender.flush(&mut unwatched).unwrap();
    }
    let bytes = std::fs::read(&path).unwrap();
    assert!(items(&read(&bytes, 2).unwrap().view()) == items(&array.view()));
    assert!(whole(&opened(&bytes).unwrap()).unwrap() == items(&array.view()));
    let number = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().unwrap());
    let (mut end, mut links) = (number(128 + 40), 0);
    while end > 0 {
        end = number(usize::try_from(end).unwrap() - 64 + 48);
        links += 1;
    }
    assert!(links <= 10, "{links} indexes to follow");
    // A block of 26 bytes, an end record, a footer and a sum; and each named about ten times.
    assert!(bytes.len() < 1000 * (26 + 24 + 64 + 4 + 24 * 11), "{} bytes", bytes.len());
}

#[test]
fn large_rows_are_coded_where_they_are() {
    let array = array("<f4", &[40_000, 100], 4);
    let steps = [(10, false), (30_000, false), (9_000, true), (990, false)];
    let bytes = grown(&array, &options(Codec::Auto, None), &steps);
    assert!(bytes.len() < 16_000_000 / 2, "{} bytes", bytes.len());
    assert!(items(&read(&bytes, 2).unwrap().view()) == items(&array.view()));
    // The next rows find those before.
    let parts = opened(&bytes).unwrap();
    assert_ne!(parts.coding().engine, Engine::Stored);
}

fn fails(path: &Path, options: &frame::EncodeOptions) -> Error {
    Appender::open(path, DecodeOptions::default(), options).unwrap_err()
}

#[test]
fn what_cannot_be_appended_to_says_why() {
    let (_folder, path) = place();
    let options = options(Codec::Auto, None);
    let create = |dtype: &str, row: &[usize], options: &frame::EncodeOptions| {
        Appender::create(&path, &dtype.parse().unwrap(), row, options)
    };
    for (dtype, row) in [("<f4", &[2, 0][..]), ("|S0", &[])] {
        let error = create(dtype, row, &options).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Argument);
        assert!(
            error.message().starts_with("rows that are appended have at least one item"),
            "{error}"
        );
    }
    let wide = create("<f4", &[1; 64], &options).unwrap_err();
    assert_eq!(wide.message(), "65 axes; at most 64 are allowed");
    for block in [&[][..], &[0], &[1, 2], &[1 << 23]] {
        let wrong = frame::EncodeOptions { block: Some(block.to_vec()), ..options.clone() };
        assert_eq!(
            *create("<f4", &[], &wrong).unwrap_err().kind(),
            ErrorKind::Argument,
            "{block:?}"
        );
    }
    assert!(!path.exists());

    let mut first = create("<f4", &[2], &options).unwrap();
    let busy = fails(&path, &options);
    assert_eq!(*busy.kind(), ErrorKind::Io);
    assert!(busy.to_string().contains("another appends to it"), "{busy}");
    for (dtype, shape) in [(">f4", &[1, 2][..]), ("<f8", &[1, 2]), ("<f4", &[1, 3]), ("<f4", &[2])]
    {
        let error = first.append(&array(dtype, shape, 1).view(), &mut unwatched).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Mismatch, "{dtype} {shape:?}");
    }
    // A mistake of the caller's breaks nothing.
    first.append(&array("<f4", &[3, 2], 1).view(), &mut unwatched).unwrap();
    // What is not flushed is not there.
    drop(first);
    let mut again = Appender::open(&path, DecodeOptions::default(), &options).unwrap();
    assert_eq!(again.rows(), 0);
    again.append(&array("<f4", &[3, 2], 1).view(), &mut unwatched).unwrap();
    again.flush(&mut unwatched).unwrap();
    // Another file has taken its place.
    std::fs::copy(&path, path.with_extension("other")).unwrap();
    std::fs::rename(path.with_extension("other"), &path).unwrap();
    again.append(&array("<f4", &[1, 2], 1).view(), &mut unwatched).unwrap();
    let stale = again.flush(&mut unwatched).unwrap_err();
    assert!(stale.to_string().contains("another file has taken its place"), "{stale}");
    let broken = again.append(&array("<f4", &[1, 2], 1).view(), &mut unwatched).unwrap_err();
    assert!(broken.message().starts_with("an earlier write has failed"), "{broken}");
    drop(again);

    let once = crate::coded::coded(&array("<f4", &[9, 2], 1).view(), &options);
    std::fs::write(&path, once).unwrap();
    let error = fails(&path, &options);
    assert_eq!(*error.kind(), ErrorKind::Argument);
    assert!(error.message().contains("written at once"), "{error}");
}

/// What a watch returns comes out, and the file stays what it was.
#[test]
fn an_append_can_be_interrupted() {
    let (_folder, path) = place();
    let array = array("<f4", &[3000, 100], 4);
    let options = options(Codec::Fast, Some(&[10, 100]));
    let mut appender = Appender::create(&path, array.dtype(), &[100], &options).unwrap();
    appender.append(&rows(&array, 0, 5), &mut unwatched).unwrap();
    appender.flush(&mut unwatched).unwrap();
    let mut stop = |_: u64| Err(Error::argument("enough"));
    appender.append(&rows(&array, 5, 100), &mut stop).unwrap();
    let error = appender.flush(&mut stop).unwrap_err();
    assert_eq!(error.message(), "enough");
    assert!(appender.flush(&mut unwatched).is_err());
    let found = read(&std::fs::read(&path).unwrap(), 1).unwrap();
    assert!(items(&found.view()) == items(&rows(&array, 0, 5)));
}
