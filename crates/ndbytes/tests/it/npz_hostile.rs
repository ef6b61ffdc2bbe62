//! Archives that somebody made to harm: each rule, and the error that it is.

use crate::npz_fake::{Fake, Said, archive, archive_with, crc32, index, len, put16, put32, read};
use ndbytes::io::npz::{Archive, Entry, safe_path};
use ndbytes::io::unwatched;
use ndbytes::{ArrayRef, DecodeOptions, Dest, Error, ErrorKind, Limits};
use std::io::{Cursor, Read};

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
