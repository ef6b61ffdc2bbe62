//! Archives: whatever stands in them.

use crate::input::Input;
use crate::machine::{Cuts, Fault};
use ndbytes::io::npz::{Archive, Method, Style, WriteOptions, Writer};
use ndbytes::{
    DecodeOptions, Decoded, Dest, Encode, Error, ErrorKind, Level, Limits, Order, Piece, Selection,
    Slice, Threads, io,
};
use std::io::{Cursor, Read};

/// Reads an archive: one byte of choices, two of limits, one of cuts; then the archive.
pub fn npz(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let mut limits = input.limits();
    limits.members = if choices & 0x80 == 0 { limits.members } else { 2 };
    let every = usize::from(input.byte());
    let archive = input.rest();

    let whole = read(archive, &limits, &mut Cuts::Whole);
    assert_eq!(read(archive, &limits, &mut Cuts::Every(every)), whole, "cuts change nothing");
    match &whole {
        Err(fault) => known(fault, &limits),
        Ok(members) => members.iter().for_each(|member| {
            if let Err(fault) = &member.bytes {
                known(fault, &limits);
            }
        }),
    }
    at_once(archive, &limits, &whole);
    arrays(archive, &limits);
    if let Ok(members) = &whole {
        for streamed in [false, true] {
            comes_back(members, options(choices), streamed);
        }
    }
}

#[derive(Debug, PartialEq)]
struct Stored {
    name: String,
    bytes: Result<Vec<u8>, Fault>,
}

/// Names and bytes of all members; no archive of the inputs' size holds more than this of one.
const MOST: u64 = 1 << 20;

fn read(archive: &[u8], limits: &Limits, cuts: &mut Cuts) -> Result<Vec<Stored>, Fault> {
    let mut opened = Archive::open(Cursor::new(archive), limits)?;
    assert!(opened.entries().len() <= limits.members);
    let names: Vec<_> = opened.entries().iter().map(|entry| entry.name().to_owned()).collect();
    let members = names.into_iter().enumerate().map(|(index, name)| {
        assert_eq!(opened.find(&name), Some(index), "no name stands twice");
        let bytes = member(&mut opened, index, archive.len(), cuts);
        Stored { name, bytes }
    });
    Ok(members.collect())
}

fn member(
    opened: &mut Archive<Cursor<&[u8]>>,
    index: usize,
    len: usize,
    cuts: &mut Cuts,
) -> Result<Vec<u8>, Fault> {
    let range = opened.range(index)?;
    assert!(range.start <= range.end && range.end <= len as u64, "{range:?} of {len} bytes");
    let mut member = opened.member(index)?;
    let (size, mut bytes) = (member.entry().size(), Vec::new());
    loop {
        let mut space = vec![0; cuts.next().min(1 << 16)];
        match member.read(&mut space).map_err(Error::from) {
            Ok(0) => break,
            Ok(n) => bytes.extend_from_slice(&space[..n]),
            Err(error) => {
                let again = Error::from(member.read(&mut space).expect_err("it stays"));
                assert_eq!(again.to_string(), error.to_string());
                return Err(error.into());
            }
        }
        assert!(bytes.len() as u64 <= size.min(MOST), "more came out than is declared");
    }
    assert_eq!(bytes.len() as u64, size, "less came out than is declared");
    Ok(bytes)
}

/// Each member at once, by its blocks if it has any: what comes is what came piece by piece. Blocks are bound to be independent, so
/// that reading by them may fail where the stream holds.
fn at_once(archive: &[u8], limits: &Limits, whole: &Result<Vec<Stored>, Fault>) {
    let Ok(members) = whole else { return };
    let opened = Archive::open(Cursor::new(archive), limits).expect("it was opened");
    let mut opened = opened.with_threads(Threads::new(2));
    let limits = Limits::local();
    for (index, member) in members.iter().enumerate() {
        match opened.read(index, &limits, &mut io::unwatched) {
            Ok(bytes) => assert_eq!(member.bytes.as_deref(), Ok(&bytes[..])),
            Err(error) => {
                known(&error.into(), &limits);
                let in_blocks = opened.entries()[index].blocks().is_some();
                assert!(member.bytes.is_err() || in_blocks, "an error in one way only");
            }
        }
    }
}

/// Each member as an array: of whatever is read, all bytes came out of an archive that held.
fn arrays(archive: &[u8], limits: &Limits) {
    let Ok(mut opened) = Archive::open(Cursor::new(archive), limits) else { return };
    for index in 0..opened.entries().len() {
        let options = DecodeOptions { limits: limits.clone(), ..Default::default() };
        let size = opened.entries()[index].size();
        let choose = |_: &_| Ok(Dest::Owned);
        if let Ok(read) = opened.read_array(index, options, choose, &mut io::unwatched) {
            let nbytes = read.array.as_ref().expect("an owned array").nbytes() as u64;
            assert!(nbytes < size, "an array of {nbytes} bytes out of {size}");
            let mut bytes = Vec::new();
            let mut member = opened.member(index).expect("it was read");
            assert_eq!(member.read_to_end(&mut bytes).expect("it was read") as u64, size);
            part(archive, limits, index, &read);
        }
    }
}

/// All of an array as a part of it, in its own order.
fn part(archive: &[u8], limits: &Limits, index: usize, whole: &Decoded) {
    let place = io::Place::new(archive, archive.len() as u64);
    let opened = Archive::open(place, limits).expect("it was opened");
    let options = DecodeOptions { limits: limits.clone(), ..Default::default() };
    // An array in blocks of its own has no parts here.
    let Ok(parts) = opened.parts(index, options) else {
        assert!(whole.header.coding.is_some(), "an array that was read has parts");
        return;
    };
    assert_eq!(parts.header(), &whole.header);
    let all: Vec<_> = whole
        .header
        .shape
        .iter()
        .map(|&len| Selection::Slice(Slice { start: 0, len, step: 1 }))
        .collect();
    let order = if whole.header.fortran_order { Order::F } else { Order::C };
    let data = whole.array.as_ref().expect("an owned array").data();
    let mut out = vec![0; data.len()];
    parts.read(&all, order, Threads::ONE, &mut out, &mut io::unwatched).expect("it was read");
    assert!(out == data[..], "the part is the whole");
}

fn options(choices: u8) -> WriteOptions {
    WriteOptions {
        style: if choices & 1 == 0 { Style::NumPy } else { Style::Aligned },
        method: match choices & 6 {
            2 => Method::Deflated,
            6 => Method::Zstd,
            _ => Method::Stored,
        },
        level: Level::new(u32::from(choices >> 2) % 10).expect("a level"),
        ..Default::default()
    }
}

/// What was read, written again, is read as the same.
fn comes_back(members: &[Stored], options: WriteOptions, streamed: bool) {
    let read_well = |member: &&Stored| !member.name.is_empty() && member.bytes.is_ok();
    let members: Vec<_> = members.iter().filter(read_well).collect();
    let file = if streamed {
        written(Writer::streamed(Vec::new(), options), &members)
    } else {
        written(Writer::new(Cursor::new(Vec::new()), options), &members).into_inner()
    };
    let back = read(&file, &Limits::local(), &mut Cuts::Whole).expect("what was written is read");
    assert!(back.iter().eq(members), "what was written is what is read");
}

fn written<W: std::io::Write>(mut writer: Writer<W>, members: &[&Stored]) -> W {
    struct Bytes<'a>(Option<&'a [u8]>);
    impl<'a> Encode<'a> for Bytes<'a> {
        fn next(&mut self) -> ndbytes::Result<Option<Piece<'a>>> {
            Ok(self.0.take().map(Piece::Run))
        }
        fn total(&self) -> Option<u64> {
            Some(self.0.map_or(0, <[u8]>::len) as u64)
        }
    }
    for member in members {
        let mut bytes = Bytes(member.bytes.as_deref().ok());
        writer.add(&member.name, &mut bytes, &mut io::unwatched).expect("a vector takes all");
    }
    writer.finish().expect("a vector takes all")
}

/// An error that reading may give. It says where, if not always within the archive: a directory can point anywhere.
fn known(fault: &Fault, limits: &Limits) {
    assert!(fault.offset.is_some(), "it does not say where: {fault:?}");
    match &fault.kind {
        ErrorKind::Malformed | ErrorKind::Truncated | ErrorKind::Unsupported => {}
        ErrorKind::Checksum { range, .. } => assert!(range.start <= range.end),
        ErrorKind::Limit { name: "npz members", asked, max } => {
            assert!(*max == limits.members as u64 && asked > max);
        }
        _ => unreachable!("{fault:?}"),
    }
}
