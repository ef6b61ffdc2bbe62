//! Archives that somebody made to harm: each rule, and the error that it is.

use ndbytes::io::npz::{Archive, Entry, safe_path};
use ndbytes::io::{Place, unwatched};
use ndbytes::{
    ArrayRef, DecodeOptions, Deflater, Dest, Error, ErrorKind, Level, Limits, Order, Result,
    Selection, Slice, Threads, gzip, io, npy,
};
use std::io::{Cursor, Read};

/// An archive by hand: every field that a header has can be any.
#[derive(Clone)]
struct Fake {
    name: &'static [u8],
    /// The name in front of the data.
    local_name: &'static [u8],
    needed: u16,
    flags: u16,
    local_flags: u16,
    method: u16,
    local_method: u16,
    data: Vec<u8>,
    crc: u32,
    /// Sizes in both headers, the stored one first.
    sizes: [u32; 2],
    local_sizes: [u32; 2],
    extra: Vec<u8>,
    local_extra: Vec<u8>,
    behind: Vec<u8>,
    disk: u16,
    /// Attributes, of which the upper half is Unix's mode.
    attributes: u32,
    /// Instead of where it is.
    offset: Option<u32>,
}

impl Fake {
    fn stored(name: &'static [u8], data: &[u8]) -> Self {
        let size = u32::try_from(data.len()).unwrap();
        Self {
            name,
            local_name: name,
            needed: 20,
            flags: 0,
            local_flags: 0,
            method: 0,
            local_method: 0,
            data: data.to_vec(),
            crc: crc32(data),
            sizes: [size; 2],
            local_sizes: [size; 2],
            extra: Vec::new(),
            local_extra: Vec::new(),
            behind: Vec::new(),
            disk: 0,
            attributes: 0,
            offset: None,
        }
    }

    fn deflated(name: &'static [u8], data: &[u8]) -> Self {
        let gzip = gzip::compress(data, Level::default()).unwrap();
        // What stands between a gzip header and the sums behind it.
        let stream = &gzip[10..gzip.len() - 8];
        let sizes = [stream.len(), data.len()].map(|size| u32::try_from(size).unwrap());
        let (method, crc) = (8, crc32(data));
        let stored = Self::stored(name, stream);
        Self { method, local_method: method, sizes, local_sizes: sizes, crc, ..stored }
    }

    /// Deflated in blocks of 2^16 bytes, each on its own, with the index of them.
    fn in_blocks(name: &'static [u8], data: &[u8]) -> Self {
        let (mut stream, mut blocks) = (Vec::new(), Vec::new());
        let count = data.len().div_ceil(1 << 16);
        for (number, part) in data.chunks(1 << 16).enumerate() {
            let block = deflated(part, number + 1 == count);
            blocks.push((u32::try_from(block.len()).unwrap(), crc32(part)));
            stream.extend(block);
        }
        let sizes = [stream.len(), data.len()].map(|size| u32::try_from(size).unwrap());
        let (method, crc, extra) = (8, crc32(data), index(16, &blocks));
        let stored = Self::stored(name, &stream);
        Self { method, local_method: method, sizes, local_sizes: sizes, crc, extra, ..stored }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn local(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        put16(&mut out, &[self.needed, self.local_flags, self.local_method, 0, 0x21]);
        put32(&mut out, &[self.crc, self.local_sizes[0], self.local_sizes[1]]);
        put16(&mut out, &[len(self.local_name), len(&self.local_extra)]);
        [&out, self.local_name, &self.local_extra, &self.data, &self.behind].concat()
    }

    fn central(&self, at: usize) -> Vec<u8> {
        let mut out = b"PK\x01\x02".to_vec();
        put16(&mut out, &[20, self.needed, self.flags, self.method, 0, 0x21]);
        put32(&mut out, &[self.crc, self.sizes[0], self.sizes[1]]);
        put16(&mut out, &[len(self.name), len(&self.extra), 0, self.disk, 0]);
        let offset = self.offset.unwrap_or_else(|| u32::try_from(at).unwrap());
        put32(&mut out, &[self.attributes, offset]);
        [&out, self.name, &self.extra].concat()
    }
}

fn put16(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn len(bytes: &[u8]) -> u16 {
    bytes.len().try_into().unwrap()
}

/// The CRC-32 of bytes: what a gzip stream of them has behind it.
fn crc32(bytes: &[u8]) -> u32 {
    let stream = gzip::compress(bytes, Level::default()).unwrap();
    let (_, sums) = stream.split_last_chunk::<8>().unwrap();
    u32::from_le_bytes(*sums.first_chunk().unwrap())
}

/// One block of a stream, which ends it or ends with an empty stored block.
fn deflated(bytes: &[u8], last: bool) -> Vec<u8> {
    let mut deflater = Deflater::bare(Level::default());
    let mut out = vec![0; bytes.len() + 1000];
    let step = deflater.step(bytes, &mut out).unwrap();
    assert_eq!(step.taken, bytes.len());
    let rest = &mut out[step.made..];
    let end = if last { deflater.finish(rest) } else { deflater.flush(rest) };
    let made = step.made + end.unwrap().made;
    out.truncate(made);
    out
}

/// The index of these blocks: stored lengths and sums.
fn index(log: u8, blocks: &[(u32, u32)]) -> Vec<u8> {
    let mut field = Vec::new();
    put16(&mut field, &[0x626e, u16::try_from(4 + 8 * blocks.len()).unwrap()]);
    field.extend([1, log, 0, 0]);
    blocks.iter().for_each(|&(stored, crc)| put32(&mut field, &[stored, crc]));
    field
}

/// What the end record says: members here and in all, bytes of the directory, where it is.
struct Said {
    disk: u16,
    counts: [u16; 2],
    size: u32,
    start: u32,
}

fn archive(members: &[Fake]) -> Vec<u8> {
    archive_with(members, |_| {})
}

fn archive_with(members: &[Fake], change: impl FnOnce(&mut Said)) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        directory.extend(member.central(file.len()));
        file.extend(member.local());
    }
    let [size, start] = [directory.len(), file.len()].map(|len| u32::try_from(len).unwrap());
    let count = u16::try_from(members.len()).unwrap();
    let mut said = Said { disk: 0, counts: [count; 2], size, start };
    change(&mut said);
    file.extend(directory);
    file.extend(b"PK\x05\x06");
    put16(&mut file, &[said.disk, 0, said.counts[0], said.counts[1]]);
    put32(&mut file, &[said.size, said.start]);
    put16(&mut file, &[0]);
    file
}

/// Opens and reads all: the bytes of the members.
fn read(file: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut archive = Archive::open(Cursor::new(file), &Limits::local())?;
    (0..archive.entries().len())
        .map(|index| {
            let mut bytes = Vec::new();
            archive.member(index)?.read_to_end(&mut bytes).map_err(Error::from)?;
            Ok(bytes)
        })
        .collect()
}

#[track_caller]
fn refused(file: &[u8], kind: &ErrorKind, offset: u64, message: &str) {
    let error = read(file).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (kind, Some(offset)), "{error}");
    assert!(error.message().contains(message), "{error}");
}

use ErrorKind::{Malformed, Truncated, Unsupported};

fn one() -> Fake {
    Fake::stored(b"a", b"first")
}

fn two() -> Fake {
    Fake::deflated(b"b", &b"second ".repeat(20))
}

/// Bytes of a local header of these, and of their data.
const ONE: u64 = 30 + 1 + 5;

#[test]
fn what_is_well_made_is_read() {
    let both = vec![b"first".to_vec(), b"second ".repeat(20)];
    assert_eq!(read(&archive(&[one(), two()])).unwrap(), both);
    let file = archive(&[one(), two()]);
    for comment in [&b"x"[..], &[0; 65_535], b"PK\x05\x06 is in it, and more than 22 bytes follow"]
    {
        let mut file = file.clone();
        let at = file.len() - 2;
        file[at..].copy_from_slice(&len(comment).to_le_bytes());
        file.extend(comment);
        if comment.starts_with(b"PK") {
            // As for Python, the last that looks like a record is one.
            refused(&file, &Malformed, at as u64 + 2, "bytes follow");
        } else {
            assert_eq!(read(&file).unwrap(), both);
        }
    }
}

#[test]
fn every_form_of_data_descriptor_is_read_and_no_false_one() {
    for member in [one(), two()] {
        let [packed, size] = member.sizes;
        for signature in [&b""[..], b"PK\x07\x08"] {
            for wide in [false, true] {
                let mut behind = [signature, &member.crc.to_le_bytes()].concat();
                for size in [packed, size] {
                    behind.extend(size.to_le_bytes());
                    behind.extend(&[0; 4][..if wide { 4 } else { 0 }]);
                }
                let described = member.clone().with(|fake| {
                    (fake.flags, fake.local_flags, fake.behind) = (8, 8, behind.clone());
                    fake.local_sizes = [0, 0];
                });
                assert_eq!(
                    read(&archive(&[
                        described.clone(),
                        two().with(|b| {
                            b.name = b"c";
                            b.local_name = b"c";
                        })
                    ]))
                    .unwrap()
                    .len(),
                    2
                );
                for at in 0..behind.len() {
                    let mut changed = described.clone();
                    changed.behind[at] ^= 0x10;
                    let error = read(&archive(&[changed])).unwrap_err();
                    assert_eq!(error.kind(), &Malformed);
                    assert_eq!(error.offset(), Some(31 + u64::from(packed)), "{error}");
                }
                let cut = described.with(|fake| fake.behind.truncate(behind.len() - 1));
                assert_eq!(read(&archive(&[cut])).unwrap_err().kind(), &Malformed);
            }
        }
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let at = ONE;
    refused(&archive(&[one(), one()]), &Malformed, at, "two members are called \"a\"");
    // In two spellings, too: in code page 437, and in UTF-8.
    let old = Fake::stored(b"\x82", b"first");
    let new = Fake::stored("é".as_bytes(), b"other").with(|fake| {
        (fake.flags, fake.local_flags) = (1 << 11, 1 << 11);
    });
    refused(&archive(&[old.clone(), new]), &Malformed, at, "two members are called \"é\"");
    assert!(read(&archive(&[old])).is_ok());
}

#[test]
fn what_overlaps_is_refused() {
    // The same data twice (Fifield's bombs), a member inside another's data, and one in the directory.
    let same = Fake::stored(b"b", b"first").with(|fake| fake.offset = Some(0));
    refused(&archive(&[one(), same]), &Malformed, 0, "at byte 0 another member");
    let inner = one().local();
    let outer = Fake::stored(b"o", &inner);
    let hidden = one().with(|fake| fake.offset = Some(31));
    refused(&archive(&[outer, hidden]), &Malformed, 0, "at byte 31 another member");
    let long = one().with(|fake| (fake.sizes, fake.local_sizes) = ([6; 2], [6; 2]));
    refused(&archive(&[long]), &Malformed, 0, "has 6 bytes in the archive, and at byte 36");
    // It fits only as long as nobody has seen how long the extra fields are.
    let extra = one().with(|fake| {
        fake.local_extra = b"\x34\x12\x01\x00x".to_vec();
        fake.data.clear();
    });
    refused(&archive(&[extra]), &Malformed, 0, "has 5 bytes in the archive, and at byte 36");
}

#[test]
fn sizes_of_2_to_the_64_are_refused() {
    let zip64 = |values: &[u64]| {
        let mut field = Vec::new();
        put16(&mut field, &[1, u16::try_from(values.len() * 8).unwrap()]);
        field.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        field
    };
    for huge in [u64::MAX, u64::MAX - 30, 1 << 63] {
        let all =
            one().with(|fake| (fake.sizes, fake.extra) = ([u32::MAX; 2], zip64(&[huge, huge])));
        refused(&archive(&[all]), &Malformed, 0, "another member or the directory begins");
        let far = one().with(|fake| (fake.offset, fake.extra) = (Some(u32::MAX), zip64(&[huge])));
        refused(&archive(&[far]), &Malformed, huge, "another member or the directory begins");
        // A deflated one cannot hold more than 258 bytes for two bits.
        let claim = |size: u64| {
            two().with(|fake| {
                (fake.sizes[1], fake.extra) = (u32::MAX, zip64(&[size]));
                (fake.local_sizes[1], fake.local_extra) = (u32::MAX, zip64(&[size]));
            })
        };
        refused(&archive(&[claim(huge)]), &Malformed, 0, "cannot hold");
        let most = 1032 * u64::from(two().sizes[0]) + 1032;
        refused(&archive(&[claim(most + 1)]), &Malformed, 0, "cannot hold");
        refused(
            &archive(&[claim(most)]),
            &Malformed,
            31 + 12,
            "its deflate stream holds 140 bytes, not",
        );
    }
    let missing = one().with(|fake| fake.sizes = [u32::MAX; 2]);
    let file = archive(&[missing]);
    refused(&file, &Malformed, ONE, "the size should stand in a zip64 field, and does not");
    let twice = one().with(|fake| fake.extra = [zip64(&[1]), zip64(&[1])].concat());
    refused(&archive(&[twice]), &Malformed, ONE, "two extra fields 0x0001");
    let long = one().with(|fake| fake.extra = vec![1, 0, 9, 0, 1]);
    refused(&archive(&[long]), &Malformed, ONE, "extra field 0x0001 of 9 bytes, where 1 are left");
}

#[test]
fn directories_elsewhere_are_refused() {
    let both = [one(), two()];
    let end = archive(&both).len() as u64 - 22;
    let elsewhere = "bytes were put in front or lost";
    for (change, message) in [
        ((|said| said.start += 1) as fn(&mut Said), elsewhere),
        (|said| said.start = u32::MAX, elsewhere),
        (|said| said.size = u32::MAX, elsewhere),
        (|said| (said.size, said.start) = (0, 0), elsewhere),
    ] {
        refused(&archive_with(&both, change), &Malformed, end, message);
    }
    let front = [&b"x"[..], &archive(&both)].concat();
    refused(&front, &Malformed, end + 1, elsewhere);
    // One record too few, and one too many.
    let few = archive_with(&both, |said| said.counts = [1; 2]);
    let start = end - 2 * 47;
    refused(&few, &Malformed, start + 47, "the 1 records of the zip directory do not fill its 94");
    let many = archive_with(&both, |said| said.counts = [3; 2]);
    refused(&many, &Truncated, end, "ends within 46 bytes");
    let most = archive_with(&both, |said| said.counts = [u16::MAX; 2]);
    refused(&most, &Truncated, end, "ends within 46 bytes");
    let shifted =
        archive_with(&both, |said| (said.size, said.start) = (said.size - 1, said.start + 1));
    refused(&shifted, &Malformed, start + 1, "no record of the zip directory");
}

#[test]
fn split_archives_are_unsupported() {
    let end = archive(&[one()]).len() as u64 - 22;
    for change in [(|said| said.disk = 1) as fn(&mut Said), |said| said.counts[0] = 0] {
        refused(&archive_with(&[one()], change), &Unsupported, end, "in several files");
    }
    let part = one().with(|fake| fake.disk = 3);
    refused(&archive(&[part]), &Unsupported, ONE, "is in part 3 of a split zip archive");
}

/// The zip64 records that belong to an archive, in front of its end record, which points to them where `pointing`.
fn with_zip64(file: &[u8], pointing: bool, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let (rest, end) = file.split_at(file.len() - 22);
    let at = |from| u32::from_le_bytes(*end[from..].first_chunk().unwrap());
    let count = u64::from(u16::from_le_bytes([end[10], end[11]]));
    let mut records = b"PK\x06\x06".to_vec();
    records.extend(44u64.to_le_bytes());
    put16(&mut records, &[45, 45]);
    put32(&mut records, &[0, 0]);
    for value in [count, count, at(12).into(), at(16).into()] {
        records.extend(u64::to_le_bytes(value));
    }
    records.extend(b"PK\x06\x07\0\0\0\0");
    records.extend((rest.len() as u64).to_le_bytes());
    put32(&mut records, &[1]);
    change(&mut records);
    let mut end = end.to_vec();
    if pointing {
        end[8..20].fill(0xff);
    }
    [rest, &records, &end].concat()
}

#[test]
fn both_end_records_must_say_the_same() {
    let file = archive(&[one(), two()]);
    let end = file.len() as u64 + 76 - 22;
    for pointing in [false, true] {
        assert_eq!(read(&with_zip64(&file, pointing, |_| {})).unwrap().len(), 2);
        // Counts, size and start of the directory, its disks, the record's length and signature, the place in the locator.
        for at in [24, 32, 40, 48, 55, 16, 20, 4, 0, 64] {
            let changed = with_zip64(&file, pointing, |records| records[at] ^= 1);
            let error = read(&changed).unwrap_err();
            let split = pointing && [24, 32].contains(&at);
            let expected = if split { &Unsupported } else { &Malformed };
            assert_eq!(error.kind(), expected, "{at}: {error}");
            assert!(error.offset().unwrap() >= end - 20, "{at}: {error}");
        }
    }
    let mut huge = with_zip64(&file, true, |records| records[24..56].fill(0xff));
    refused(&huge, &Malformed, end, "bytes were put in front or lost");
    // So many members that no reader would want them.
    huge = with_zip64(&file, true, |records| {
        records[24..40].fill(0xfe);
    });
    let kind = ErrorKind::Limit { name: "npz members", asked: 0xfefe_fefe_fefe_fefe, max: 65_535 };
    refused(&huge, &kind, end - 76 - 94, "npz members");
}

#[test]
fn both_headers_must_say_the_same() {
    type Change = fn(&mut Fake);
    let facts: [(Change, &str); 7] = [
        (|fake| fake.local_name = b"z", "has another name"),
        (|fake| fake.local_flags = 1 << 11, "has the flags 2048, the directory 0"),
        (|fake| fake.local_flags = 1 << 3, "has the flags 8, the directory 0"),
        (|fake| fake.local_method ^= 8, "has the method"),
        (|fake| fake.local_sizes[0] += 1, "has the stored size"),
        (|fake| fake.local_sizes[1] = 0, "has the size 0"),
        (|fake| fake.local_extra = vec![1, 0, 9, 0], "extra field 0x0001 of 9 bytes"),
    ];
    for (change, message) in facts {
        for (before, at) in [
            (vec![], 0),
            (
                vec![one().with(|fake| {
                    (fake.name, fake.local_name) = (b"q", b"q");
                })],
                ONE,
            ),
        ] {
            for member in [one(), two()] {
                let changed = [&before[..], &[member.with(change)]].concat();
                refused(&archive(&changed), &Malformed, at, message);
            }
        }
    }
    let mut file = archive(&[one()]);
    file[14] ^= 1;
    refused(&file, &Malformed, 0, "its local header has the CRC-32");
    file[0] = b'Q';
    refused(&file, &Malformed, 0, "no local header stands where the directory says");
}

#[test]
fn what_is_not_read_is_named() {
    let flags = |flags| one().with(|fake| (fake.flags, fake.local_flags) = (flags, flags));
    for bits in [1, 1 << 6, 1 << 13] {
        refused(&archive(&[flags(bits)]), &Unsupported, 0, "member \"a\": it is encrypted");
    }
    for bits in [1 << 5, 1 << 4, 1 << 7, 1 << 15] {
        refused(&archive(&[flags(bits)]), &Unsupported, 0, &format!("unknown flags {bits:#06x}"));
    }
    for (method, name) in
        [(9, "deflate64"), (12, "bzip2"), (14, "lzma"), (20, "zstd"), (777, "unknown")]
    {
        let other = one().with(|fake| (fake.method, fake.local_method) = (method, method));
        let message = format!("compression method {method} ({name}); 0 (stored), 8 (deflated)");
        refused(&archive(std::slice::from_ref(&other)), &Unsupported, 0, &message);
        // The others can be read.
        let file = archive(&[other, two()]);
        let mut archive = Archive::open(Cursor::new(&file), &Limits::local()).unwrap();
        assert_eq!(archive.entries().iter().map(Entry::name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(archive.member(1).unwrap().read_to_end(&mut Vec::new()).unwrap(), 140);
    }
    let newer = one().with(|fake| fake.needed = 64);
    refused(&archive(&[newer]), &Unsupported, ONE, "needs zip version 6.4; up to 6.3 is read");
    let nul = Fake::stored(b"a\0b", b"first");
    refused(&archive(&[nul]), &Malformed, ONE + 2, "has a NUL");
    let wrong = flags(1 << 11).with(|fake| (fake.name, fake.local_name) = (b"\xff", b"\xff"));
    refused(&archive(&[wrong]), &Malformed, ONE, "a member name is not UTF-8");
}

#[test]
fn a_second_name_is_refused() {
    let second = |version: u8, crc: u32, name: &[u8]| {
        let mut field = Vec::new();
        put16(&mut field, &[0x7075, u16::try_from(5 + name.len()).unwrap()]);
        field.push(version);
        put32(&mut field, &[crc]);
        field.extend(name);
        one().with(|fake| fake.extra = field)
    };
    let crc = crc32(b"a");
    refused(&archive(&[second(1, crc, b"z")]), &Unsupported, ONE, "two names, \"a\" and");
    refused(&archive(&[second(1, crc, b"\xff")]), &Unsupported, ONE, "two names, \"a\" and");
    for passed in [second(1, crc, b"a"), second(1, crc ^ 1, b"z"), second(2, crc, b"z")] {
        assert_eq!(read(&archive(&[passed])).unwrap(), [b"first"]);
    }
    let short = one().with(|fake| fake.extra = vec![0x75, 0x70, 1, 0, 1]);
    refused(&archive(&[short]), &Malformed, ONE, "0x7075 (Unicode path) of fewer than 5 bytes");
}

#[test]
fn no_more_and_no_less_comes_out_than_is_declared() {
    // A member's stream is longer, shorter, cut, or followed by more than the directory says.
    let size = |by: i32| {
        two().with(|fake| {
            let size = fake.sizes[1].checked_add_signed(by).unwrap();
            (fake.sizes[1], fake.local_sizes[1]) = (size, size);
        })
    };
    refused(&archive(&[size(-1)]), &Malformed, 31, "holds more than its 139 bytes");
    refused(&archive(&[size(-140)]), &Malformed, 31, "holds more than its 0 bytes");
    refused(&archive(&[size(1)]), &Malformed, 31, "holds 140 bytes, not 141");
    let packed = |by: i32| {
        two().with(|fake| {
            let size = fake.sizes[0].checked_add_signed(by).unwrap();
            fake.data.resize(usize::try_from(size).unwrap(), 0);
            (fake.sizes[0], fake.local_sizes[0]) = (size, size);
        })
    };
    let end = 31 + u64::from(two().sizes[0]);
    refused(
        &archive(&[packed(-1)]),
        &Truncated,
        end - 1,
        "member \"b\": the deflate stream is cut",
    );
    refused(&archive(&[packed(1)]), &Malformed, end, "bytes stand behind its deflate stream");
    refused(&archive(&[packed(70_000)]), &Malformed, end, "bytes stand behind its deflate stream");
    let uneven = one().with(|fake| fake.sizes[1] += 1);
    refused(&archive(&[uneven]), &Malformed, ONE, "is stored, and says 6 bytes take 5");
    for member in [one(), two(), Fake::stored(b"e", b"")] {
        let end = 31 + member.data.len() as u64;
        let wrong = member.with(|fake| fake.crc ^= 1);
        let kind = ErrorKind::Checksum { block: None, range: 31..end };
        refused(&archive(&[wrong]), &kind, 31, "is damaged: its CRC-32 is");
    }
}

#[test]
fn a_bomb_behind_a_small_header_is_not_unpacked() {
    let mut npy = ndbytes::to_vec(&ArrayRef::from_slice(&[1u8; 1024], &[1024]).unwrap()).unwrap();
    npy.truncate(128 + 1024);
    npy.resize(64 << 20, 0);
    let file = archive(&[Fake::deflated(b"a.npy", &npy)]);
    assert!(file.len() < 80_000);
    let mut archive = Archive::open(Cursor::new(&file), &Limits::local()).unwrap();
    let mut seen = 0;
    let mut watch = |n| {
        seen = n;
        Ok(())
    };
    let error = archive
        .read_array(0, DecodeOptions::default(), |_| Ok(Dest::Owned), &mut watch)
        .unwrap_err();
    assert_eq!((error.kind(), error.offset()), (&Malformed, Some(1152)), "{error}");
    assert!(seen <= 1152 + (1 << 16), "{seen} bytes came out");
    // A header that says more than the member has is refused before memory is taken.
    let large = Fake::deflated(b"a.npy", &npy[..1000]);
    let file = self::archive(&[large]);
    let mut archive = Archive::open(Cursor::new(&file), &Limits::local()).unwrap();
    let error = archive
        .read_array(0, DecodeOptions::default(), |_| Ok(Dest::Owned), &mut unwatched)
        .unwrap_err();
    assert_eq!(error.kind(), &Truncated, "{error}");
    assert!(error.message().starts_with("inside member \"a.npy\": "), "{error}");
}

#[test]
fn what_is_no_archive_is_told_from_one_that_is_cut() {
    refused(b"", &Truncated, 0, "no zip archive: the input is empty");
    refused(b"\x93NUMPY and more", &Malformed, 0, "no zip archive");
    refused(&archive(&[one()])[..40], &Truncated, 40, "the zip archive is cut");
    refused(
        &[archive(&[one()]), vec![0]].concat(),
        &Malformed,
        ONE + 47,
        "says that 0 bytes follow, and 1 do",
    );
    assert!(read(&archive(&[])).unwrap().is_empty());
}

/// A rule of what is no archive of arrays, an archive that breaks it, and the error that it is.
type Rule = (&'static str, Vec<u8>, ErrorKind, &'static str);

#[test]
fn the_twelve_rules() {
    let other = |name| two().with(|fake| (fake.name, fake.local_name) = (name, name));
    let mut behind = b"PK\x07\x08".to_vec();
    put32(&mut behind, &[two().crc, two().sizes[0], two().sizes[1] + 1]);
    let flags = |fake: &mut Fake, flags| (fake.flags, fake.local_flags) = (flags, flags);
    let method = |fake: &mut Fake, method| (fake.method, fake.local_method) = (method, method);
    let grow = |fake: &mut Fake, by: u32| {
        (fake.sizes[1], fake.local_sizes[1]) = (fake.sizes[1] + by, fake.local_sizes[1] + by);
    };
    let limit = ErrorKind::Limit { name: "npz members", asked: 3, max: 2 };
    let rules: [Rule; 12] = [
        (
            "no more members than are allowed",
            archive(&[one(), two(), other(b"c")]),
            limit,
            "npz members",
        ),
        ("no name twice", archive(&[one(), other(b"a")]), Malformed, "two members are called"),
        (
            "no bytes in two members",
            archive(&[one(), two().with(|fake| fake.offset = Some(0))]),
            Malformed,
            "another member",
        ),
        (
            "both headers are the same",
            archive(&[two().with(|fake| fake.local_sizes[1] += 1)]),
            Malformed,
            "its local header has the size",
        ),
        (
            "a data descriptor says the same",
            archive(&[two().with(|fake| {
                flags(fake, 8);
                fake.behind = behind;
            })]),
            Malformed,
            "what stands behind its data",
        ),
        (
            "stored, deflated, or zstd",
            archive(&[two().with(|fake| method(fake, 12))]),
            Unsupported,
            "method 12 (bzip2)",
        ),
        (
            "the stream holds as much as is said",
            archive(&[two().with(|fake| grow(fake, 1))]),
            Malformed,
            "holds 140 bytes, not 141",
        ),
        (
            "no size that the stream cannot hold",
            archive(&[two().with(|fake| grow(fake, 1 << 30))]),
            Malformed,
            "cannot hold",
        ),
        (
            "an index of blocks is true",
            archive(&[two().with(|fake| fake.extra = index(16, &[(fake.sizes[0], 0)]))]),
            Malformed,
            "its index of blocks",
        ),
        (
            "nothing encrypted",
            archive(&[one().with(|fake| flags(fake, 1))]),
            Unsupported,
            "encrypted",
        ),
        (
            "no symbolic links",
            archive(&[one().with(|fake| fake.attributes = 0o120_777 << 16)]),
            Unsupported,
            "a symbolic link",
        ),
        (
            "the sum holds",
            archive(&[Fake::stored(b"", b"first").with(|fake| {
                (fake.name, fake.local_name, fake.crc) = (b"a", b"a", 1);
            })]),
            ErrorKind::Checksum { block: None, range: 31..36 },
            "its CRC-32 is",
        ),
    ];
    for (rule, file, kind, message) in rules {
        let limits = Limits { members: 2, ..Limits::local() };
        let read = Archive::open(Cursor::new(&file), &limits).and_then(|mut archive| {
            (0..archive.entries().len()).try_for_each(|index| {
                archive.member(index)?.read_to_end(&mut Vec::new()).map_err(Error::from).map(drop)
            })
        });
        let error = read.expect_err(rule);
        assert_eq!(error.kind(), &kind, "{rule}: {error}");
        assert!(error.message().contains(message), "{rule}: {error}");
        let whole = Archive::open(Cursor::new(&file), &limits).and_then(|mut archive| {
            (0..archive.entries().len())
                .try_for_each(|index| archive.read(index, &limits, &mut unwatched).map(drop))
        });
        assert_eq!(whole.expect_err(rule).kind(), &kind, "{rule}");
    }
}

#[test]
fn an_archive_in_an_archive_is_bytes_and_a_name_is_no_path() {
    let inner = archive(&[one()]);
    let file = archive(&[Fake::stored(b"../inner.npz", &inner)]);
    let mut archive = Archive::open(Cursor::new(&file), &Limits::local()).unwrap();
    assert!(!archive.is_array(0).unwrap());
    assert_eq!(archive.read(0, &Limits::local(), &mut unwatched).unwrap()[..], inner);
    let options = DecodeOptions::default();
    let error = archive.read_array(0, options, |_| Ok(Dest::Owned), &mut unwatched).unwrap_err();
    assert_eq!(error.kind(), &Malformed);
    assert_eq!(safe_path(archive.entries()[0].name()).unwrap_err().kind(), &ErrorKind::Argument);
}

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
