//! Blocks and their index, and streams without one, that somebody made to harm.

use crate::npz_fake::{Fake, archive, crc32, deflated, index, read};
use ndbytes::ErrorKind::{self, Malformed};
use ndbytes::io::npz::Archive;
use ndbytes::io::{Place, unwatched};
use ndbytes::{
    ArrayRef, DecodeOptions, Deflater, Dest, Error, Level, Limits, Order, Result, Selection, Slice,
    Threads, io, npy,
};
use std::io::Cursor;

/// An array of three blocks and a bit that deflate to little, as a member.
fn blocks() -> (Vec<u8>, Vec<u8>) {
    let values: Vec<u16> = (0..69_000u32).map(|n| u16::try_from(n / 4000).unwrap()).collect();
    let view = ArrayRef::from_slice(&values, &[69, 1000]).unwrap();
    let mut bytes = Vec::new();
    let mut encoder = npy::Encoder::new(&view, &npy::EncodeOptions::bare()).unwrap();
    io::write(&mut encoder, &mut bytes, &mut unwatched).unwrap();
    let file = archive(&[Fake::in_blocks(b"a.npy", &bytes)]);
    (bytes, file)
}

/// The bytes of the only member, by its blocks; its array; and two parts of it: what of them is read.
fn read_blocks(file: &[u8]) -> [Result<Vec<u8>>; 4] {
    let open = || Archive::open(Place::new(file, file.len() as u64), &Limits::local());
    let limits = Limits::local();
    let threads = Threads::ONE;
    let owned = |_: &_| Ok(Dest::Owned);
    let options = DecodeOptions::default;
    let part = |row: usize| {
        let parts = open()?.parts(0, options())?;
        let row = Selection::Slice(Slice { start: row, len: 1, step: 1 });
        let columns = Selection::Slice(Slice { start: 999, len: 500, step: -2 });
        let mut out = vec![0; 1000];
        parts.read(&[row, columns], Order::C, threads, &mut out, &mut unwatched)?;
        Ok(out)
    };
    [
        open().and_then(|archive| {
            let read = archive.with_threads(threads).read(0, &limits, &mut unwatched)?;
            Ok(read.to_vec())
        }),
        open().and_then(|archive| {
            let mut archive = archive.with_threads(threads);
            let read = archive.read_array(0, options(), owned, &mut unwatched)?;
            Ok(read.array.unwrap().data().to_vec())
        }),
        part(1),
        part(68),
    ]
}

#[test]
fn every_cut_and_flipped_bit_of_blocks_and_their_index_is_an_error_or_changes_nothing() {
    let (bytes, file) = blocks();
    assert!(file.len() < 1000, "{} bytes", file.len());
    assert_eq!(read(&file).unwrap(), [&bytes[..]]);
    let entry = Archive::open(Cursor::new(&file), &Limits::local()).unwrap().entries()[0].clone();
    assert_eq!(entry.blocks().unwrap().len(), 3);
    let whole = read_blocks(&file).map(Result::unwrap);
    assert!(whole[0] == bytes && whole[1] == bytes[128..]);
    for len in 0..file.len() {
        assert!(read_blocks(&file[..len]).iter().all(Result::is_err), "{len}");
    }
    let mut errors = 0;
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        for (found, whole) in read_blocks(&damaged).into_iter().zip(&whole) {
            match found {
                Ok(found) => assert!(found == *whole, "bit {bit}"),
                Err(_) => errors += 1,
            }
        }
    }
    // Most of it is data, of which each part has a third.
    assert!(errors > file.len() * 8, "{errors} errors");
}

#[test]
fn an_index_that_lies_is_refused() {
    let (bytes, file) = blocks();
    let start = 30 + 5;
    let changed =
        |change: &dyn Fn(&mut Fake)| archive(&[Fake::in_blocks(b"a.npy", &bytes).with(change)]);
    let at = file.len() as u64 - 22 - (46 + 5 + 8 + 24);
    let field = |change: fn(&mut Vec<u8>)| changed(&|fake| change(&mut fake.extra));
    for (file, message) in [
        (field(|extra| extra[5] = 15), "says blocks of 2^15 bytes; 2^16 to 2^31 are allowed"),
        (field(|extra| extra[5] = 32), "says blocks of 2^32 bytes"),
        (field(|extra| extra[5] = 17), "has 28 bytes, and 2 blocks of 2^17 bytes hold"),
        (field(|extra| extra[6] = 1), "where zero is reserved"),
        (field(|extra| extra[8] ^= 1), "stored bytes, the directory"),
        (field(|extra| extra[12] ^= 1), "has sums that make"),
        (field(|extra| extra.extend(extra.clone())), "two extra fields 0x626e"),
        (
            changed(&|fake| {
                fake.extra.truncate(20);
                fake.extra[2] = 16;
            }),
            "has 16 bytes, and 3 blocks",
        ),
        (
            changed(&|fake| {
                fake.extra.truncate(6);
                fake.extra[2] = 2;
            }),
            "has 2 bytes; at least 4 are needed",
        ),
        (
            changed(&|fake| {
                fake.sizes[0] = fake.sizes[1];
                (fake.method, fake.local_method) = (0, 0);
            }),
            "stands at compression method 0",
        ),
    ] {
        let error = read(&file).unwrap_err();
        assert_eq!(error.kind(), &Malformed, "{error}");
        assert!(error.message().contains(message), "{error}");
        let near = error.offset().unwrap();
        assert!(near >= start && near <= at + 1_000_000, "{error}");
    }
    // Another version is passed over, and so is one at another place.
    for passed in [
        field(|extra| extra[4] = 2),
        field(|extra| {
            extra.truncate(4);
            extra[2] = 0;
        }),
        changed(&|fake| std::mem::swap(&mut fake.extra, &mut fake.local_extra)),
    ] {
        assert_eq!(read(&passed).unwrap(), [&bytes[..]]);
        let archive = Archive::open(Cursor::new(&passed), &Limits::local()).unwrap();
        assert!(archive.entries()[0].blocks().is_none());
    }
}

#[test]
fn blocks_that_do_not_stand_alone_are_refused() {
    let (bytes, _) = blocks();
    // Edges elsewhere; one stream in which matches reach back; and a block that ends the stream before the others.
    let parts: Vec<&[u8]> = bytes.chunks(1 << 16).collect();
    let streams: [&dyn Fn() -> Vec<Vec<u8>>; 3] = [
        &|| {
            let mut blocks: Vec<_> =
                parts.iter().enumerate().map(|(n, part)| deflated(part, n == 2)).collect();
            let moved = blocks[1].remove(0);
            blocks[0].push(moved);
            blocks
        },
        &|| {
            let mut deflater = Deflater::bare(Level::default());
            let block = |(n, part): (usize, &&[u8])| {
                let mut out = vec![0; 1 << 16];
                let step = deflater.step(part, &mut out).unwrap();
                let rest = &mut out[step.made..];
                let end = if n == 2 { deflater.finish(rest) } else { deflater.flush(rest) };
                let made = step.made + end.unwrap().made;
                out.truncate(made);
                out
            };
            parts.iter().enumerate().map(block).collect()
        },
        &|| parts.iter().map(|part| deflated(part, true)).collect(),
    ];
    for (number, stream) in streams.iter().enumerate() {
        let blocks = stream();
        let lens = blocks.iter().map(|block| u32::try_from(block.len()).unwrap());
        let extra = index(16, &lens.zip(parts.iter().map(|part| crc32(part))).collect::<Vec<_>>());
        let file = archive(&[Fake::stored(b"a.npy", &blocks.concat()).with(|fake| {
            (fake.method, fake.local_method, fake.crc) = (8, 8, crc32(&bytes));
            let size = u32::try_from(bytes.len()).unwrap();
            (fake.sizes[1], fake.local_sizes[1], fake.extra) = (size, size, extra);
        })]);
        assert_eq!(read(&file).is_ok(), number < 2, "as one stream: {number}");
        let [whole, array, ..] = read_blocks(&file);
        for read in [whole, array] {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), &Malformed, "{number}: {error}");
            assert!(error.message().contains("of member \"a.npy\""), "{number}: {error}");
        }
    }
}

/// An array that deflates to enough to be inflated at once, as a member without blocks.
fn at_once(len: u32) -> (Vec<u8>, Fake) {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    let values: Vec<u32> = (0..len).map(next).collect();
    let view = ArrayRef::from_slice(&values, &[values.len()]).unwrap();
    let mut bytes = Vec::new();
    let mut encoder = npy::Encoder::new(&view, &npy::EncodeOptions::bare()).unwrap();
    io::write(&mut encoder, &mut bytes, &mut unwatched).unwrap();
    let member = Fake::deflated(b"a.npy", &bytes);
    (bytes, member)
}

/// The array of the only member, inflated at once and piece by piece.
fn both_ways(file: &[u8]) -> [std::result::Result<Vec<u8>, String>; 2] {
    let told = |error: Error| format!("{error} ({:?}, at {:?})", error.kind(), error.offset());
    let open = || Archive::open(Cursor::new(file), &Limits::local());
    let options = DecodeOptions::default;
    let owned = open()
        .and_then(|mut archive| {
            archive.read_array(0, options(), |_| Ok(Dest::Owned), &mut unwatched)
        })
        .map(|read| read.array.unwrap().data().to_vec())
        .map_err(told);
    let mut seen = Vec::new();
    let mut sink = |piece: &[u8]| {
        seen.extend_from_slice(piece);
        Ok(())
    };
    let streamed = open().and_then(|mut archive| {
        archive.read_array(0, options(), |_| Ok(Dest::Sink(&mut sink)), &mut unwatched)
    });
    [owned, streamed.map(|_| seen).map_err(told)]
}

#[test]
fn what_is_inflated_at_once_is_read_as_piece_by_piece_and_refused_with_the_same_words() {
    let (bytes, member) = at_once(30_000);
    let file = archive(std::slice::from_ref(&member));
    assert!(member.sizes[0] > 1 << 14, "{} bytes", member.sizes[0]);
    assert_eq!(both_ways(&file), [Ok(bytes[128..].to_vec()), Ok(bytes[128..].to_vec())]);
    let whole = |file: &[u8]| {
        let mut archive = Archive::open(Cursor::new(file), &Limits::local())?;
        archive.read(0, &Limits::local(), &mut unwatched)
    };
    assert_eq!(whole(&file).unwrap()[..], bytes);
    let mut damaged: Vec<Vec<u8>> = (35..file.len())
        .step_by(101)
        .map(|at| {
            let mut file = file.clone();
            file[at] ^= 1 << (at % 8);
            file
        })
        .collect();
    for by in [-1i32, 1, 1000, 100_000] {
        damaged.push(archive(&[member.clone().with(|fake| {
            let size = fake.sizes[1].checked_add_signed(by).unwrap();
            (fake.sizes[1], fake.local_sizes[1]) = (size, size);
        })]));
    }
    damaged.push(archive(&[member.clone().with(|fake| fake.crc ^= 1)]));
    damaged.push(archive(&[member.with(|fake| {
        fake.data.push(0);
        (fake.sizes[0], fake.local_sizes[0]) = (fake.sizes[0] + 1, fake.local_sizes[0] + 1);
    })]));
    for (number, file) in damaged.iter().enumerate() {
        let [at_once, streamed] = both_ways(file);
        assert_eq!(at_once, streamed, "{number}");
        let read = read(file).map(|members| members.concat());
        match (whole(file), read) {
            (Ok(whole), Ok(read)) => assert_eq!(whole[..], read),
            (Err(whole), Err(read)) => assert_eq!(whole.to_string(), read.to_string()),
            other => panic!("{number}: {other:?}"),
        }
    }
    let errors = damaged.iter().filter(|file| both_ways(file)[0].is_err()).count();
    assert!(errors > damaged.len() / 2, "{errors} of {}", damaged.len());
}

#[test]
fn a_long_member_is_inflated_beside_and_left_alone_when_it_is_stopped() {
    let (bytes, member) = at_once(9 << 20);
    let stored = member.sizes[0];
    let file = archive(&[member]);
    let mut archive = Archive::open(Cursor::new(&file), &Limits::local()).unwrap();
    let mut calls = 0;
    let mut count = |_| {
        calls += 1;
        Ok(())
    };
    assert!(archive.read(0, &Limits::local(), &mut count).unwrap()[..] == bytes);
    assert!(calls > 1);
    // The first call behind those about what is read: while it is inflated, or behind that.
    let mut left = stored.div_ceil(4 << 20) + 1;
    let mut stop = |_| {
        left -= 1;
        if left == 0 { Err(Error::new(ErrorKind::Interrupted, "stopped")) } else { Ok(()) }
    };
    let error = archive.read(0, &Limits::local(), &mut stop).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Interrupted);
}
