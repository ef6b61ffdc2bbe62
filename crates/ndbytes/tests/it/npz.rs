//! Archives: what is written is read, whole, and nothing else is.

use crate::{array, encode};
use ndbytes::io::npz::{self, Archive, Method, Style, WriteOptions, Writer};
use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{
    Array, Checks, ChecksumState, DecodeOptions, Dest, Encode, Error, ErrorKind, Level, Limits,
    Piece, Result, io,
};
use std::io::{Cursor, Read, Seek, SeekFrom, Write};

/// Every way to write: stored in both styles, and deflated; seekable or not.
fn ways() -> Vec<(WriteOptions, bool)> {
    let stored = |style| WriteOptions { style, ..Default::default() };
    let deflated = |level| WriteOptions {
        style: Style::NumPy,
        method: Method::Deflated,
        level: Level::new(level).unwrap(),
        ..Default::default()
    };
    let zstd = WriteOptions { method: Method::Zstd, ..Default::default() };
    [stored(Style::NumPy), stored(Style::Aligned), deflated(6), deflated(0), deflated(9), zstd]
        .into_iter()
        .flat_map(|options| [(options, false), (options, true)])
        .collect()
}

/// The archive of these arrays.
fn written<N: AsRef<str>>(
    members: &[(N, &Array)],
    options: WriteOptions,
    streamed: bool,
) -> Vec<u8> {
    if streamed {
        return filled(Writer::streamed(Vec::new(), options), members);
    }
    filled(Writer::new(Cursor::new(Vec::new()), options), members).into_inner()
}

fn filled<W: Write, N: AsRef<str>>(mut writer: Writer<W>, members: &[(N, &Array)]) -> W {
    for (name, array) in members {
        let mut encoder = Encoder::new(&array.view(), &EncodeOptions::bare()).unwrap();
        let mut seen = 0;
        let mut watch = |n| {
            seen = n;
            Ok(())
        };
        writer.add(name.as_ref(), &mut encoder, &mut watch).unwrap();
        assert_eq!(Some(seen), encoder.total());
    }
    writer.finish().unwrap()
}

fn open(bytes: &[u8]) -> Result<Archive<Cursor<&[u8]>>> {
    Archive::open(Cursor::new(bytes), &Limits::local())
}

/// Names and bytes of all members, read at most `step` bytes at a time.
fn contents(bytes: &[u8], step: usize) -> Result<Vec<(String, Vec<u8>)>> {
    let mut archive = open(bytes)?;
    let names: Vec<String> = archive.entries().iter().map(|e| e.name().to_owned()).collect();
    let mut read = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let mut member = archive.member(index)?;
        let (mut bytes, mut space) = (Vec::new(), vec![0; step]);
        loop {
            match member.read(&mut space).map_err(Error::from)? {
                0 => break,
                n => bytes.extend_from_slice(&space[..n]),
            }
        }
        assert_eq!(bytes.len() as u64, member.entry().size());
        read.push((name, bytes));
    }
    Ok(read)
}

fn read(bytes: &[u8], name: &str) -> Result<ndbytes::Decoded> {
    let mut archive = open(bytes)?;
    let index = archive.find(name).unwrap();
    archive.read_array(index, DecodeOptions::default(), |_| Ok(Dest::Owned), &mut io::unwatched)
}

#[test]
fn what_is_written_is_read_in_every_way() {
    let arrays = ["<f8[3,4]", "|u1[0]", "<i2[]", "<f4[70000]", "<M8[ns][7]", "|S3[5]"].map(array);
    let names = ["a.npy", "params/dense/kernel.npy", "é☃.npy", "no suffix", "../x.npy", ".npy"];
    let members: Vec<_> = names.into_iter().zip(&arrays).collect();
    for (options, streamed) in ways() {
        let bytes = written(&members, options, streamed);
        assert_eq!(bytes, written(&members, options, streamed), "the same bytes each time");
        for step in [1, 1000, 1 << 20] {
            let read = contents(&bytes, step).unwrap();
            let expected: Vec<_> = members
                .iter()
                .map(|(name, array)| ((*name).to_owned(), encode(array, &EncodeOptions::bare())))
                .collect();
            assert!(read == expected, "{options:?} {streamed} {step}");
        }
        for (name, array) in &members {
            let decoded = read(&bytes, name).unwrap();
            assert_eq!(decoded.state, ChecksumState::Verified);
            let back = decoded.array.unwrap();
            assert_eq!((back.shape(), back.data()), (array.shape(), array.data()), "{name}");
        }
    }
}

#[test]
fn any_number_of_members_is_read_by_name_and_number() {
    let one = array("<u2[3]");
    for count in [0, 1, 2, 50, 1000] {
        let names: Vec<String> =
            (0..count).map(|n| npz::member_name(&format!("arr_{}", (n * 7919) % count))).collect();
        let members: Vec<_> = names.iter().map(|name| (name, &one)).collect();
        for (options, streamed) in ways().into_iter().take(6) {
            let bytes = written(&members, options, streamed);
            let archive = open(&bytes).unwrap();
            assert!(archive.entries().iter().map(npz::Entry::name).eq(&names));
            for (index, name) in names.iter().enumerate() {
                assert_eq!(archive.find(name), Some(index));
            }
            assert_eq!(archive.find("arr_0"), None);
            assert_eq!(contents(&bytes, 4096).unwrap().len(), count);
        }
    }
}

#[test]
fn aligned_data_starts_at_multiples_of_64_wherever_the_archive_does() {
    let one = array("<f8[5]");
    let names: Vec<String> = (1..150).map(|n| "n".repeat(n)).collect();
    let members: Vec<_> = names.iter().map(|name| (name, &one)).collect();
    for start in [0, 1, 63, 1000] {
        let mut target = Cursor::new(vec![b'x'; start]);
        target.seek(SeekFrom::End(0)).unwrap();
        let file = filled(Writer::new(target, WriteOptions::default()), &members).into_inner();
        let mut archive = open(&file).unwrap();
        let npy = encode(&one, &EncodeOptions::bare());
        for index in 0..names.len() {
            let range = archive.range(index).unwrap();
            assert_eq!(range.start % 64, 0);
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert_eq!(file[range], npy);
        }
    }
}

#[test]
fn a_target_that_cannot_seek_is_streamed_to() {
    struct Pipe(Vec<u8>);
    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Seek for Pipe {
        fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
            Err(std::io::ErrorKind::NotSeekable.into())
        }
    }
    let one = array("<u2[3]");
    let options = WriteOptions::default();
    let file = filled(Writer::new(Pipe(Vec::new()), options), &[("a.npy", &one)]);
    assert_eq!(file.0, written(&[("a.npy", &one)], options, true));
}

#[test]
fn wrong_names_are_refused_and_the_archive_goes_on() {
    let one = array("<u2[3]");
    let view = one.view();
    let mut writer = Writer::new(Cursor::new(Vec::new()), WriteOptions::default());
    let mut add = |name: &str| {
        let mut encoder = Encoder::new(&view, &EncodeOptions::bare()).unwrap();
        writer.add(name, &mut encoder, &mut io::unwatched)
    };
    let longest = "é".repeat(32767);
    add("a.npy").unwrap();
    add(&longest).unwrap();
    let longer = format!("{longest}xy");
    for (name, message) in [
        ("a.npy", "the archive has a member \"a.npy\" already"),
        ("", "the member name \"\" is empty"),
        ("a\0b", "the member name \"a\\0b\" has a NUL character, at which other readers cut it"),
        (&longer, "has 65536 bytes; at most 65535 are allowed"),
    ] {
        let error = add(name).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Argument);
        assert!(error.message().ends_with(message), "{error}");
    }
    add("b.npy").unwrap();
    let file = writer.finish().unwrap().into_inner();
    let names: Vec<_> = contents(&file, 4096).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.npy", &longest, "b.npy"]);
}

#[test]
fn after_an_error_inside_a_member_nothing_more_is_written() {
    let one = array("<u1[100]");
    let mut writer = Writer::streamed(Vec::new(), WriteOptions::default());
    let mut encoder = Encoder::new(&one.view(), &EncodeOptions::bare()).unwrap();
    let mut stop = |_| Err(Error::new(ErrorKind::Interrupted, "stopped"));
    let error = writer.add("a.npy", &mut encoder, &mut stop).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Interrupted);
    let mut encoder = Encoder::new(&one.view(), &EncodeOptions::bare()).unwrap();
    let again = writer.add("b.npy", &mut encoder, &mut io::unwatched).unwrap_err();
    assert_eq!(again.kind(), &ErrorKind::Argument);
    assert_eq!(writer.finish().unwrap_err().message(), again.message());
}

/// A file whose zeros take no memory, from some byte on.
struct Sparse {
    from: u64,
    at: u64,
    len: u64,
    kept: Vec<(u64, Vec<u8>)>,
}

impl Sparse {
    fn new(from: u64) -> Self {
        Self { from, at: from, len: from, kept: Vec::new() }
    }
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() < 1 << 20 {
            self.kept.push((self.at, bytes.to_vec()));
        }
        self.at += bytes.len() as u64;
        self.len = self.len.max(self.at);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Sparse {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let n = space.len().min(usize::try_from(self.len - self.at).unwrap_or(usize::MAX));
        space[..n].fill(0);
        let end = self.at + n as u64;
        // Later writes over earlier ones.
        for (at, bytes) in &self.kept {
            let (from, to) = (self.at.max(*at), end.min(at + bytes.len() as u64));
            if from < to {
                let part = |base: u64| {
                    usize::try_from(from - base).unwrap()..usize::try_from(to - base).unwrap()
                };
                space[part(self.at)].copy_from_slice(&bytes[part(*at)]);
            }
        }
        self.at = end;
        Ok(n)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.len.checked_add_signed(by).unwrap(),
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

/// Zeros, one piece after the other.
struct Zeros<'a>(&'a [u8], u64);

impl<'a> Encode<'a> for Zeros<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        let n = usize::try_from(self.1).unwrap_or(usize::MAX).min(self.0.len());
        self.1 -= n as u64;
        Ok((n > 0).then_some(Piece::Run(&self.0[..n])))
    }
    fn total(&self) -> Option<u64> {
        Some(self.1)
    }
}

#[test]
fn sizes_and_offsets_over_32_bits_are_told() {
    let piece = vec![0; 1 << 20];
    let one = array("<u2[3]");
    // A member on either side of where Python's zip64 begins; then offsets over it.
    for size in [(1 << 31) - 1, 1 << 31] {
        let mut writer = Writer::new(Sparse::new(0), WriteOptions::default());
        writer.add("large", &mut Zeros(&piece, size), &mut io::unwatched).unwrap();
        let mut file = filled(writer, &[("a.npy", &one)]);
        let mut archive = Archive::open(&mut file, &Limits::local()).unwrap();
        assert_eq!(archive.entries()[0].size(), size);
        let range = archive.range(0).unwrap();
        assert_eq!(range.end - range.start, size);
        assert!(archive.entries()[1].offset() >= size);
        let mut bytes = Vec::new();
        archive.member(1).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, encode(&one, &EncodeOptions::bare()));
        let field = file.kept.iter().any(|(at, bytes)| {
            *at > size && bytes.contains(&b'l') && bytes.windows(4).any(|w| w == [1, 0, 16, 0])
        });
        assert_eq!(field, size == 1 << 31, "a zip64 field in the directory where Python has one");
    }
    // An archive that stands behind more than 4 GiB.
    let file = Sparse::new((1 << 32) + 5);
    let from = file.from;
    let mut file = filled(Writer::new(file, WriteOptions::default()), &[("a.npy", &one)]);
    let mut archive = Archive::open(&mut file, &Limits::local()).unwrap();
    assert_eq!(archive.entries()[0].offset(), from);
    let mut bytes = Vec::new();
    archive.member(0).unwrap().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, encode(&one, &EncodeOptions::bare()));
}

#[test]
fn more_members_than_16_bits_count_are_counted_and_bounded() {
    let mut writer = Writer::streamed(Vec::new(), WriteOptions::default());
    for n in 0..65_536 {
        writer.add(&format!("{n}"), &mut Zeros(&[], 0), &mut io::unwatched).unwrap();
    }
    let file = writer.finish().unwrap();
    let error = open(&file).unwrap_err();
    let kind = ErrorKind::Limit { name: "npz members", asked: 65_536, max: 65_535 };
    assert_eq!(error.kind(), &kind);
    let limits = Limits { members: 65_536, ..Limits::local() };
    let mut archive = Archive::open(Cursor::new(&file), &limits).unwrap();
    assert_eq!(archive.entries().len(), 65_536);
    assert_eq!(archive.find("65535"), Some(65_535));
    assert_eq!(archive.member(65_535).unwrap().read(&mut [0]).unwrap(), 0);
}

#[test]
fn arrays_in_members_follow_the_options() {
    let one = array("<f8[30]");
    let checked = encode(&one, &EncodeOptions::checked());
    for (options, streamed) in ways() {
        let mut writer = Writer::streamed(Vec::new(), options);
        let piece = [&checked[..], b"rest"].concat();
        let mut whole = Zeros(&checked, checked.len() as u64);
        writer.add("checked.npy", &mut whole, &mut io::unwatched).unwrap();
        writer.add("more.npy", &mut Zeros(&piece, piece.len() as u64), &mut io::unwatched).unwrap();
        writer.add("text", &mut Zeros(b"text", 4), &mut io::unwatched).unwrap();
        let file = writer.finish().unwrap();
        assert!(!file.is_empty() || streamed);
        for checks in [Checks::Required, Checks::Optional, Checks::Ignored] {
            let mut archive = open(&file).unwrap();
            let mut read = |index| {
                let options = DecodeOptions { checks, ..Default::default() };
                archive.read_array(index, options, |_| Ok(Dest::Owned), &mut io::unwatched)
            };
            assert_eq!(read(0).unwrap().array.unwrap().data(), one.data());
            match read(1) {
                Ok(_) => assert_eq!(checks, Checks::Ignored),
                Err(error) => {
                    assert_eq!(error.kind(), &ErrorKind::Malformed);
                    assert!(error.message().starts_with("inside member \"more.npy\": "), "{error}");
                    assert_eq!(error.offset(), Some(checked.len() as u64));
                }
            }
            let error = read(2).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Malformed);
            assert!(archive.is_array(0).unwrap() && !archive.is_array(2).unwrap());
            let error = archive.member(3).unwrap_err();
            assert_eq!(error.message(), "no member 3: the archive has 3, counted from 0");
        }
    }
    assert!(npz::is_npy(&checked) && !npz::is_npy(b"text"));
    assert_eq!((npz::key("a/b.npy"), npz::key("text")), ("a/b", "text"));
}

/// Small archives of every way, with two members.
pub(crate) fn small() -> Vec<(WriteOptions, bool, Vec<u8>)> {
    let arrays = [array("<i2[9]"), array("<f4[2,3]")];
    let members = [("a.npy", &arrays[0]), ("é.npy", &arrays[1])];
    ways()
        .into_iter()
        .map(|(options, streamed)| (options, streamed, written(&members, options, streamed)))
        .collect()
}

#[test]
fn every_cut_is_an_error() {
    for (options, streamed, file) in small() {
        for n in 0..file.len() {
            let error = contents(&file[..n], 4096).unwrap_err();
            let expected = if n == 1 { ErrorKind::Malformed } else { ErrorKind::Truncated };
            assert_eq!(error.kind(), &expected, "{options:?} {streamed} {n}: {error}");
            if n > 0 {
                assert!(contents(&file[n..], 4096).is_err(), "{n} bytes lost in front");
            }
        }
    }
}

/// Where a flipped bit of a small archive may mean nothing: versions, dates, attributes, how hard deflate tried, which
/// field pads; in a stream the bits that fill a byte up.
fn means_nothing(file: &[u8], at: usize) -> bool {
    let in_header = |magic: &[u8], fields: &[std::ops::Range<usize>]| {
        let headers = file.windows(4).enumerate().filter(|(_, bytes)| *bytes == magic);
        headers.into_iter().any(|(start, _)| {
            fields.iter().any(|field| (start + field.start..start + field.end).contains(&at))
        })
    };
    let mut archive = open(file).unwrap();
    let in_data = (0..archive.entries().len()).any(|index| {
        let entry = &archive.entries()[index];
        let (start, packed) = (entry.offset(), entry.stored_size());
        let stored = entry.method().unwrap() == Method::Stored;
        let data = archive.range(index).unwrap().start;
        let name = archive.entries()[index].name().len() as u64;
        // A zip64 field may be longer than what is taken from it, where there is something behind it.
        let zip64 = start + 30 + name;
        let (length, padding) = (zip64 + 2..zip64 + 4, zip64 + 20..data);
        let at = at as u64;
        (!padding.is_empty() && length.contains(&at))
            || padding.contains(&at)
            || (!stored && (data..data + packed).contains(&at))
    });
    // Version, flags, time and date; in the directory attributes, too.
    in_data
        || in_header(b"PK\x03\x04", &[4..7, 10..14])
        || in_header(b"PK\x01\x02", &[4..9, 12..16, 36..42])
}

#[test]
fn every_flipped_bit_is_an_error_or_changes_nothing() {
    for (options, streamed, file) in small() {
        let whole = contents(&file, 4096).unwrap();
        for bit in 0..file.len() * 8 {
            let mut damaged = file.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            for step in [1, 4096] {
                if let Ok(read) = contents(&damaged, step) {
                    assert_eq!(read, whole, "{options:?} {streamed}: bit {bit}");
                    assert!(means_nothing(&file, bit / 8), "{options:?} {streamed}: bit {bit}");
                }
            }
        }
    }
}

#[test]
fn members_that_are_pushed_are_those_that_are_added() {
    let arrays = [array("<f8[300]"), array("|u1[0]"), array("<i2[2,3]")];
    for style in [Style::NumPy, Style::Aligned] {
        let options = WriteOptions { style, ..Default::default() };
        let names = ["a.npy", "b.npy", "c.npy"];
        let members: Vec<_> = names.into_iter().zip(&arrays).collect();
        let added = written(&members, options, false);
        for step in [1, 7, 1 << 20] {
            let mut writer = Writer::new(Cursor::new(Vec::new()), options);
            for (name, array) in &members {
                writer.open(name).unwrap();
                let mut encoder = Encoder::new(&array.view(), &EncodeOptions::bare()).unwrap();
                while let Some(piece) = encoder.next().unwrap() {
                    piece.chunks(step).for_each(|part| writer.push(part).unwrap());
                }
                writer.close().unwrap();
            }
            assert_eq!(writer.finish().unwrap().into_inner(), added);
        }
    }
}

#[test]
fn what_is_pushed_belongs_to_a_member_that_was_begun() {
    let mut writer = Writer::new(Cursor::new(Vec::new()), WriteOptions::default());
    for error in [writer.push(b"x").unwrap_err(), writer.close().unwrap_err()] {
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Argument, "no member was begun"));
    }
    writer.open("a.npy").unwrap();
    for error in [writer.open("b.npy").unwrap_err(), writer.finish().unwrap_err()] {
        assert!(error.message().contains("unfinished member"), "{error}");
    }
    let mut writer = Writer::new(Cursor::new(Vec::new()), WriteOptions::default());
    writer.open("a.npy").unwrap();
    writer.close().unwrap();
    assert!(writer.open("a.npy").unwrap_err().message().contains("has a member"));
    let options = WriteOptions { method: Method::Deflated, ..Default::default() };
    let mut writer = Writer::new(Cursor::new(Vec::new()), options);
    assert!(
        writer.open("a.npy").unwrap_err().message().starts_with("only members that are stored")
    );
}
