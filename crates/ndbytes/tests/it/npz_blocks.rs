//! Members in blocks: one deflate stream to every reader, and parts of it to this one.

use crate::array;
use ndbytes::io::npz::{Archive, Method, Style, WriteOptions, Writer};
use ndbytes::io::{Locked, Place, unwatched};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{
    Array, ArrayRef, Checks, ChecksumState, DecodeOptions, Dest, Error, ErrorKind, Layout, Limits,
    Order, Result, Selection, Slice, Threads, io,
};
use std::io::{Cursor, Read};
use std::sync::Arc;

const MIB: usize = 1 << 20;

/// Numbers that deflate to about a third.
fn numbers(len: usize) -> Vec<u32> {
    let mut state = 1u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        1000 + (state >> 24)
    };
    (0..len).map(step).collect()
}

fn options(method: Method, threads: usize) -> WriteOptions {
    WriteOptions { method, threads: Threads::new(threads), ..Default::default() }
}

fn written(members: &[(&str, ArrayRef<'_>)], options: WriteOptions, streamed: bool) -> Vec<u8> {
    fn fill<W: std::io::Write>(mut writer: Writer<W>, members: &[(&str, ArrayRef<'_>)]) -> W {
        for (name, array) in members {
            let mut encoder = Encoder::new(array, &EncodeOptions::bare()).unwrap();
            writer.add(name, &mut encoder, &mut unwatched).unwrap();
        }
        writer.finish().unwrap()
    }
    match streamed {
        true => fill(Writer::streamed(Vec::new(), options), members),
        false => fill(Writer::new(Cursor::new(Vec::new()), options), members).into_inner(),
    }
}

fn open(file: &[u8]) -> Archive<Place<&[u8]>> {
    Archive::open(Place::new(file, file.len() as u64), &Limits::local()).unwrap()
}

/// One member in every way: piece by piece, whole, and as an array in memory of every kind.
fn read_every_way(file: &[u8], index: usize) -> Vec<u8> {
    let mut archive = open(file);
    let mut bytes = Vec::new();
    archive.member(index).unwrap().read_to_end(&mut bytes).unwrap();
    for threads in [1, 2, 4] {
        let mut archive = archive.clone().with_threads(Threads::new(threads));
        let whole = archive.read(index, &Limits::local(), &mut unwatched).unwrap();
        assert!(*whole == bytes[..], "{threads} threads");
        for checks in [Checks::Required, Checks::Optional, Checks::Ignored] {
            let mut read = |dest: Dest<'_>| {
                let options = DecodeOptions { checks, ..Default::default() };
                archive.read_array(index, options, |_| Ok(dest), &mut unwatched).unwrap()
            };
            let owned = read(Dest::Owned);
            let start = usize::try_from(owned.header.len).unwrap();
            let end = start + usize::try_from(owned.header.nbytes()).unwrap();
            let data = &bytes[start..end];
            let state = match checks {
                Checks::Ignored => ChecksumState::Unchecked,
                _ => ChecksumState::Verified,
            };
            assert_eq!(owned.state, state);
            assert!(owned.array.unwrap().data()[..] == *data);
            let mut space = vec![0; data.len()];
            read(Dest::Into(&mut space));
            assert!(space == data);
            let mut seen = Vec::new();
            let mut sink = |piece: &[u8]| {
                seen.extend_from_slice(piece);
                Ok(())
            };
            read(Dest::Sink(&mut sink));
            assert!(seen == data);
            read(Dest::Discard);
        }
    }
    bytes
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_threads_and_read_in_every_way() {
    // The header takes 128 bytes: members around the edges of blocks.
    for (bytes, blocks) in [
        (MIB / 4 - 128, 0),
        (MIB / 4 - 124, 2),
        (MIB - 132, 4),
        (MIB - 128, 2),
        (2 * MIB - 128, 2),
        (2 * MIB - 124, 3),
        (5 * MIB + 4, 6),
    ] {
        let values = numbers(bytes / 4);
        let view = ArrayRef::from_slice(&values, &[values.len()]).unwrap();
        let members = [("a.npy", view.clone())];
        for streamed in [false, true] {
            let file = written(&members, options(Method::Deflated, 1), streamed);
            for threads in 2..=4 {
                let other = written(&members, options(Method::Deflated, threads), streamed);
                assert!(other == file, "{bytes} {threads}");
            }
            let archive = open(&file);
            let found = archive.entries()[0].blocks().map_or(0, |blocks| blocks.len());
            assert_eq!(found, blocks, "{bytes}");
            assert!(file.len() < bytes, "it is compressed");
            let npy = io::to_vec(&view).unwrap();
            assert!(read_every_way(&file, 0) == npy[..128 + bytes]);
        }
    }
}

#[test]
fn small_members_are_compressed_beside_each_other_to_the_same_bytes() {
    let values = numbers(3 * MIB / 2);
    // One of them is large, and all small ones together are more than a batch.
    let lens = [0, 1, 100, MIB / 3, 3 * MIB / 2, 7].into_iter().chain([MIB - 50; 9]);
    let members: Vec<(String, ArrayRef<'_>)> = lens
        .enumerate()
        .map(|(at, len)| (format!("m{at}"), ArrayRef::from_slice(&values[..len], &[len]).unwrap()))
        .collect();
    let named: Vec<_> =
        members.iter().map(|(name, array)| (name.as_str(), array.clone())).collect();
    for streamed in [false, true] {
        let wanted = written(&named, options(Method::Deflated, 1), streamed);
        for threads in [1, 2, 4] {
            let encoders = members.iter().map(|(name, array)| {
                (name.clone(), Encoder::new(array, &EncodeOptions::bare()).unwrap())
            });
            let options = options(Method::Deflated, threads);
            let found = if streamed {
                let mut writer = Writer::streamed(Vec::new(), options);
                writer.add_all(encoders, &mut unwatched).unwrap();
                writer.finish().unwrap()
            } else {
                let mut writer = Writer::new(Cursor::new(Vec::new()), options);
                writer.add_all(encoders, &mut unwatched).unwrap();
                writer.finish().unwrap().into_inner()
            };
            assert!(found == wanted, "{threads} threads, streamed: {streamed}");
        }
    }
}

#[test]
fn a_name_that_comes_again_among_small_members_is_refused() {
    let array = ArrayRef::from_slice(&[1u8, 2], &[2]).unwrap();
    let encoder = || Encoder::new(&array, &EncodeOptions::bare()).unwrap();
    let mut writer = Writer::streamed(Vec::new(), options(Method::Deflated, 2));
    let members = ["a", "b", "a"].map(|name| (name.to_owned(), encoder()));
    let error = writer.add_all(members, &mut unwatched).unwrap_err();
    assert_eq!(error.message(), "the archive has a member \"a\" already");
}

#[test]
fn a_tail_of_its_own_is_read_behind_blocks() {
    let values = numbers(MIB / 2);
    let view = ArrayRef::from_slice(&values, &[values.len()]).unwrap();
    let brains = Array::new(
        "bfloat16".parse::<ndbytes::Spec>().unwrap().dtype,
        Layout::contiguous(&[MIB], 2, Order::C).unwrap(),
        view.contiguous_bytes().unwrap().to_vec().into(),
    )
    .unwrap();
    for method in [Method::Deflated, Method::Stored, Method::Zstd] {
        let file = written(&[("a.npy", brains.view())], options(method, 2), false);
        let mut archive = open(&file);
        let owned = |_: &_| Ok(Dest::Owned);
        let read = archive.read_array(0, DecodeOptions::default(), owned, &mut unwatched).unwrap();
        let array = read.array.unwrap();
        assert_eq!((array.dtype(), array.data()[..] == brains.data()[..]), (brains.dtype(), true));
        let parts = archive.parts(0, DecodeOptions::default()).unwrap();
        assert_eq!(&parts.header().dtype, brains.dtype());
        let mut out = [0; 4];
        let two = [Selection::List(vec![MIB - 1, 0])];
        parts.read(&two, Order::C, Threads::ONE, &mut out, &mut unwatched).unwrap();
        assert_eq!(out, [&brains.data()[2 * MIB - 2..], &brains.data()[..2]].concat()[..]);
    }
}

/// What a selection takes, by the naive loop.
fn taken(view: &ArrayRef<'_>, selections: &[Selection], order: Order) -> Vec<u8> {
    let positions: Vec<Vec<usize>> = selections
        .iter()
        .map(|selection| match selection {
            Selection::List(list) => list.clone(),
            Selection::Slice(slice) => (0..slice.len)
                .map(|n| slice.start.wrapping_add_signed(n.cast_signed() * slice.step))
                .collect(),
        })
        .collect();
    let (layout, size) = (view.layout(), view.itemsize());
    let count: usize = positions.iter().map(Vec::len).product();
    let mut axes: Vec<usize> = (0..positions.len()).collect();
    if order == Order::C {
        axes.reverse();
    }
    let mut out = Vec::new();
    for n in 0..count {
        let (mut rest, mut at) = (n, layout.offset().cast_signed());
        for &axis in &axes {
            let list = &positions[axis];
            at += list[rest % list.len()].cast_signed() * layout.strides()[axis];
            rest /= list.len();
        }
        let at = at.cast_unsigned();
        out.extend_from_slice(&view.data()[at..at + size]);
    }
    out
}

fn slice(start: usize, len: usize, step: isize) -> Selection {
    Selection::Slice(Slice { start, len, step })
}

#[test]
fn parts_are_those_of_the_array_however_it_is_stored() {
    let values = numbers(3 * MIB / 4);
    let shape = [64, 96, 128];
    let rows = ArrayRef::from_slice(&values, &shape).unwrap();
    let columns = rows.transposed();
    let whole = |len| slice(0, len, 1);
    let parts = [
        vec![whole(64), whole(96), whole(128)],
        vec![slice(60, 1, 1), whole(96), whole(128)],
        vec![slice(63, 64, -1), slice(5, 3, 30), slice(127, 2, -127)],
        vec![Selection::List(vec![63, 0, 63, 31]), whole(96), slice(0, 1, 1)],
        vec![whole(64), Selection::List(vec![95, 2]), Selection::List(vec![7, 7, 120, 6])],
        vec![slice(20, 30, 1), whole(96), whole(128)],
        vec![slice(10, 3, 0), slice(0, 0, 1), whole(128)],
        vec![slice(10, 3, 0), slice(0, 2, 1), slice(3, 100, 1)],
        // This row is in two blocks, both of which come again.
        vec![Selection::List(vec![21, 63, 21]), whole(96), whole(128)],
    ];
    for method in [Method::Stored, Method::Deflated, Method::Zstd] {
        let members = [("c.npy", rows.clone()), ("f.npy", columns.clone())];
        let file = written(&members, options(method, 2), false);
        let archive = open(&file);
        for (index, view) in [&rows, &columns].into_iter().enumerate() {
            let opened = archive.parts(index, DecodeOptions::default()).unwrap();
            assert_eq!(opened.header().shape, view.shape());
            assert_eq!(opened.entry().name(), members[index].0);
            assert_eq!(opened.state() == ChecksumState::Unchecked, method == Method::Stored);
            for part in &parts {
                let mut part = part.clone();
                if index == 1 {
                    part.reverse();
                }
                for (order, threads) in [(Order::C, 1), (Order::F, 2), (Order::C, 4)] {
                    let mut out = vec![0; opened.size(&part).unwrap()];
                    let threads = Threads::new(threads);
                    opened.read(&part, order, threads, &mut out, &mut unwatched).unwrap();
                    assert!(
                        out == taken(view, &part, order),
                        "{method:?} {index} {part:?} {order:?}"
                    );
                }
            }
            let read = |part: &[Selection], out: &mut [u8]| {
                opened.read(part, Order::C, Threads::ONE, out, &mut unwatched).unwrap_err()
            };
            for error in [
                read(&[whole(64)], &mut []),
                read(&[whole(65), whole(96), whole(129)], &mut []),
                read(&[slice(0, 1, 1), slice(0, 1, 1), slice(0, 1, 1)], &mut [0; 5]),
            ] {
                assert_eq!(error.kind(), &ErrorKind::Argument);
            }
        }
    }
    // What is no multiple of its items' size in a block, and one block only.
    for spec in ["|V7[500000]", "<f8[7,3]", "<i4[]", "<f8[0,3]"] {
        let one = array(spec);
        let file = written(&[("a.npy", one.view())], options(Method::Deflated, 2), false);
        let opened = open(&file).parts(0, DecodeOptions::default()).unwrap();
        let all: Vec<_> = one.shape().iter().map(|&len| whole(len)).collect();
        let mut out = vec![0; one.nbytes()];
        opened.read(&all, Order::C, Threads::new(3), &mut out, &mut unwatched).unwrap();
        assert!(out == one.data()[..], "{spec}");
    }
}

#[test]
fn several_threads_read_members_and_parts_of_one_archive() {
    let values = numbers(MIB);
    let view = ArrayRef::from_slice(&values, &[1024, 1024]).unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("{n}.npy")).collect();
    let members: Vec<_> = names.iter().map(|name| (&**name, view.clone())).collect();
    let file = written(&members, options(Method::Deflated, 2), false);
    let source = Arc::new(Locked::new(Cursor::new(file.clone())));
    let locked = Archive::open(Place::new(source, file.len() as u64), &Limits::local()).unwrap();
    let parts = locked.parts(0, DecodeOptions::default()).unwrap();
    std::thread::scope(|scope| {
        for index in 0..members.len() {
            let (mut archive, mut other, parts) = (locked.clone(), open(&file), &parts);
            let expected = view.contiguous_bytes().unwrap();
            scope.spawn(move || {
                let owned = |_: &_| Ok(Dest::Owned);
                let options = DecodeOptions::default;
                let read = archive.read_array(index, options(), owned, &mut unwatched).unwrap();
                assert!(read.array.unwrap().data()[..] == *expected);
                other = archive.through(other.into_inner());
                let read = other.read_array(index, options(), owned, &mut unwatched).unwrap();
                assert!(read.array.unwrap().data()[..] == *expected);
                for row in (index..1024).step_by(100) {
                    let mut out = vec![0; 4096];
                    let row_of = [slice(row, 1, 1), slice(0, 1024, 1)];
                    parts.read(&row_of, Order::C, Threads::ONE, &mut out, &mut unwatched).unwrap();
                    assert!(out == expected[row * 4096..][..4096]);
                }
            });
        }
    });
}

/// Where a block of the first member stands in the archive: from the field of the directory, as section 13 of the format has it.
fn block(file: &[u8], number: usize) -> std::ops::Range<usize> {
    let id = file.windows(2).rposition(|bytes| bytes == [0x6e, 0x62]).unwrap();
    assert_eq!(file[id + 4..id + 8], [1, 20, 0, 0]);
    let stored = |n: usize| {
        usize::try_from(u32::from_le_bytes(file[id + 8 + n * 8..][..4].try_into().unwrap()))
            .unwrap()
    };
    let mut archive = open(file);
    let start = usize::try_from(archive.range(0).unwrap().start).unwrap();
    let start = start + (0..number).map(stored).sum::<usize>();
    start..start + stored(number)
}

#[test]
fn damage_is_found_by_whoever_touches_the_block_and_by_nobody_else() {
    let values = numbers(MIB);
    let view = ArrayRef::from_slice(&values, &[4, MIB / 4]).unwrap();
    let mut file = written(&[("a.npy", view.clone())], options(Method::Deflated, 2), false);
    let hit = block(&file, 2);
    for number in 0..4 {
        assert!(file[..block(&file, number).end].ends_with(&[0, 0, 0xff, 0xff]));
    }
    file[usize::midpoint(hit.start, hit.end)] ^= 0x40;
    let found = |error: &Error| match error.kind() {
        ErrorKind::Checksum { block, .. } => *block == Some(2) || block.is_none(),
        ErrorKind::Malformed => true,
        _ => false,
    };
    let mut archive = open(&file);
    let error = archive.read(0, &Limits::local(), &mut unwatched).unwrap_err();
    assert!(found(&error) && error.to_string().contains("block 2 of member \"a.npy\""), "{error}");
    let offset = usize::try_from(error.offset().unwrap()).unwrap();
    assert!(hit.contains(&offset), "{error}");
    let owned = |_: &_| Ok(Dest::Owned);
    let error = archive.read_array(0, DecodeOptions::default(), owned, &mut unwatched).unwrap_err();
    assert!(found(&error), "{error}");
    let error = archive.member(0).unwrap().read_to_end(&mut Vec::new()).map_err(Error::from);
    assert!(found(&error.unwrap_err()));
    let parts = archive.parts(0, DecodeOptions::default()).unwrap();
    let row = |number: usize| {
        let mut out = vec![0; MIB];
        let part = [slice(number, 1, 1), slice(0, MIB / 4, 1)];
        parts.read(&part, Order::C, Threads::new(2), &mut out, &mut unwatched).map(|()| out)
    };
    for number in [0, 3] {
        assert!(row(number).unwrap() == view.contiguous_bytes().unwrap()[number * MIB..][..MIB]);
    }
    // The header shifts rows against blocks.
    for number in [1, 2] {
        assert!(found(&row(number).unwrap_err()));
    }
}

#[test]
fn an_error_of_the_watcher_ends_reading_and_writing() {
    let values = numbers(3 * MIB);
    let view = ArrayRef::from_slice(&values, &[values.len()]).unwrap();
    let stop = |at: u64| {
        move |seen: u64| match seen >= at {
            true => Err(Error::new(ErrorKind::Interrupted, "stopped")),
            false => Ok(()),
        }
    };
    for method in [Method::Stored, Method::Deflated, Method::Zstd] {
        let mut writer = Writer::streamed(Vec::new(), options(method, 2));
        let mut encoder = Encoder::new(&view, &EncodeOptions::bare()).unwrap();
        let error = writer.add("a.npy", &mut encoder, &mut stop(5 << 20)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Interrupted, "{method:?}");
        let file = written(&[("a.npy", view.clone())], options(method, 2), true);
        let mut archive = open(&file);
        let owned = |_: &_| Ok(Dest::Owned);
        let read = archive.read_array(0, DecodeOptions::default(), owned, &mut stop(5 << 20));
        assert_eq!(read.unwrap_err().kind(), &ErrorKind::Interrupted, "{method:?}");
        let read = archive.read(0, &Limits::local(), &mut stop(5 << 20));
        assert_eq!(read.unwrap_err().kind(), &ErrorKind::Interrupted, "{method:?}");
    }
}

#[test]
fn a_large_file_is_the_same_as_any_target() {
    let folder = tempfile::tempdir().unwrap();
    let values = numbers(3 * MIB);
    let view = ArrayRef::from_slice(&values, &[values.len()]).unwrap();
    for method in [Method::Stored, Method::Deflated] {
        for threads in [1, 2] {
            let path = folder.path().join("a.npz");
            io::replace(&path, io::SaveOptions::default(), |file| {
                let mut writer = Writer::file(file, options(method, threads));
                for name in ["a.npy", "b.npy"] {
                    let mut encoder = Encoder::new(&view, &EncodeOptions::bare())?;
                    writer.add(name, &mut encoder, &mut unwatched)?;
                }
                writer.finish().map(drop)
            })
            .unwrap();
            let members = [("a.npy", view.clone()), ("b.npy", view.clone())];
            let expected = written(&members, options(method, 1), false);
            assert!(std::fs::read(&path).unwrap() == expected, "{method:?} {threads}");
        }
    }
}

#[test]
fn every_dtype_and_layout_comes_back_here_and_from_the_zip_crate() {
    let specs = [
        "|b1[9]",
        "|i1[5]",
        "<u2[3,4]",
        ">i4[70000]",
        "<f2[2]",
        ">f8[3,1,2]",
        "<c16[4]",
        "<M8[ns][7]",
        ">m8[D][2]",
        "|S3[5]",
        "<U4[3]",
        "|V6[2]",
        "<i2[]",
        "<f8[0,3]",
    ];
    let arrays: Vec<Array> = specs.iter().map(|spec| array(spec)).collect();
    let values = numbers(MIB);
    let large = ArrayRef::from_slice(&values, &[1024, 1024]).unwrap();
    let slices = [Slice { start: 1, len: 300, step: 3 }, Slice { start: 900, len: 300, step: -2 }];
    let strided = large.sliced(&slices).unwrap();
    let mut members: Vec<(String, ArrayRef<'_>)> = specs
        .iter()
        .zip(&arrays)
        .map(|(spec, array)| (format!("{spec}.npy"), array.view()))
        .collect();
    members.push(("params/dense/kernel.npy".into(), large.clone()));
    members.push(("é☃.npy".into(), large.transposed()));
    members.push(("strided.npy".into(), strided));
    let members: Vec<_> = members.iter().map(|(name, view)| (&**name, view.clone())).collect();
    for style in [Style::Aligned, Style::NumPy] {
        for method in [Method::Stored, Method::Deflated, Method::Zstd] {
            for streamed in [false, true] {
                let options = WriteOptions { style, ..options(method, 2) };
                let file = written(&members, options, streamed);
                // Without zstd, as it is built here.
                let mut other = (method != Method::Zstd)
                    .then(|| zip::ZipArchive::new(Cursor::new(&file)).unwrap());
                let mut own = open(&file);
                assert_eq!(own.entries().len(), members.len());
                for (index, (name, view)) in members.iter().enumerate() {
                    let mut expected = Vec::new();
                    let mut encoder = Encoder::new(view, &EncodeOptions::bare()).unwrap();
                    io::write(&mut encoder, &mut expected, &mut unwatched).unwrap();
                    if let Some(other) = &mut other {
                        let mut member = other.by_index(index).unwrap();
                        assert_eq!(member.name().unwrap(), *name);
                        let mut found = Vec::new();
                        member.read_to_end(&mut found).unwrap();
                        assert!(found == expected, "{name} {options:?}");
                    }
                    assert_eq!(own.find(name), Some(index));
                    let found = own.read(index, &Limits::local(), &mut unwatched).unwrap();
                    assert!(found[..] == expected, "{name} {options:?}");
                    let owned = |_: &_| Ok(Dest::Owned);
                    let read =
                        own.read_array(index, DecodeOptions::default(), owned, &mut unwatched);
                    let array = read.unwrap().array.unwrap();
                    let shape = (array.shape(), array.dtype());
                    assert_eq!(shape, (view.shape(), view.dtype()), "{name}");
                    assert!(array.data()[..] == expected[expected.len() - view.nbytes()..]);
                }
            }
        }
    }
}

#[test]
fn a_limit_and_a_member_that_is_no_array() {
    let values = numbers(MIB);
    let view = ArrayRef::from_slice(&values, &[values.len()]).unwrap();
    let file = written(&[("a.npy", view)], options(Method::Deflated, 1), false);
    let mut archive = open(&file);
    let limits = Limits { array: 1 << 20, ..Limits::local() };
    let error = archive.read(0, &limits, &mut unwatched).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { name: "array", .. }), "{error}");
    let options = DecodeOptions { limits, ..Default::default() };
    let read: Result<_> =
        archive.read_array(0, options.clone(), |_| Ok(Dest::Owned), &mut unwatched);
    assert!(matches!(read.unwrap_err().kind(), ErrorKind::Limit { name: "array", .. }));
    let error = archive.parts(0, options).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit { name: "array", .. }), "{error}");
    // The choice of the caller comes first.
    let error = archive
        .read_array(0, DecodeOptions::default(), |_| Err(Error::mismatch("no")), &mut unwatched)
        .unwrap_err();
    assert_eq!(error.message(), "no");
}
