//! `.npy.zz` and `.npy.gz` files through every command.

use crate::room::{Room, bytes, numbers};
use ndbytes::{Container, Level, gzip, zlib};
use serde_json::{Value, json};

#[test]
fn what_is_packed_is_the_npy_file_at_every_level() {
    let room = Room::new();
    let npy = room.bare("a.npy", &[2000]);
    let mut sizes = Vec::new();
    for level in ["0", "1", "6", "9"] {
        for (output, to) in [("a.npy.zz", "zz"), ("a.npy.gz", "gz")] {
            let done = room.run(&["convert", "a.npy", "-o", output, "--level", level]);
            let file = room.read(output);
            done.said(&format!("a.npy -> {output}: <u2[2000], {} bytes", grouped(file.len())));
            let unpacked = match to {
                "zz" => zlib::decompress(&file, 1 << 20),
                _ => gzip::decompress(&file, 1 << 20),
            };
            assert!(unpacked.unwrap() == npy, "{output} {level}");
            let args = ["convert", "-", "-o", "-", "--to", to, "--level", level];
            let (code, out, _) = room.pipe(&args, &npy);
            assert!(code == Some(0) && out == file, "{output} {level}");
            sizes.push(file.len());
        }
    }
    let (stored, small) = (sizes[0], sizes[6]);
    assert!(stored > npy.len() && small < npy.len(), "{sizes:?}");
    // By default the level is 6.
    assert_eq!(room.run(&["convert", "a.npy", "-o", "b.npy.zz"]).code, Some(0));
    assert_eq!(room.read("b.npy.zz"), zlib::compress(&npy, Level::new(6).unwrap()).unwrap());
}

#[test]
fn every_command_reads_them_by_their_first_bytes() {
    let room = Room::new();
    let npy = room.bare("a.npy", &[2, 3]);
    room.write("a.npy.gz", gzip::compress(&npy, Level::default()).unwrap());
    room.write("z.npy", zlib::compress(&npy, Level::default()).unwrap());
    room.write("g.bin", room.read("a.npy.gz"));
    room.write("plain.npy.gz", &npy);
    for name in ["a.npy.gz", "z.npy", "g.bin", "plain.npy.gz"] {
        room.run(&["head", name]).said("[[0 1 2]\n [3 4 5]]");
        assert_eq!(room.run(&["diff", "a.npy", name]).code, Some(0), "{name}");
        assert_eq!(room.run(&["convert", name, "-o", "back.npy"]).code, Some(0), "{name}");
        assert_eq!(room.read("back.npy"), npy, "{name}");
    }
    room.run(&["verify", "--require-checksum", "a.npy.gz", "z.npy", "g.bin"])
        .said("a.npy.gz: ok\nz.npy: ok\ng.bin: ok");
    let states = room.run(&["verify", "--json", "a.npy.gz", "z.npy", "plain.npy.gz"]).json();
    let found: Vec<_> = states.iter().map(|s| (&s["state"], &s["compression"])).collect();
    let expected = [
        (&json!("ok"), &json!("gzip")),
        (&json!("ok"), &json!("zlib")),
        (&json!("unchecked"), &Value::Null),
    ];
    assert_eq!(found, expected);
    // A frame in a stream is nothing that is written here, but it is read.
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.ndb"]).code, Some(0));
    room.write("a.ndb.gz", gzip::compress(&room.read("a.ndb"), Level::default()).unwrap());
    room.run(&["verify", "a.ndb.gz"]).said("a.ndb.gz: ok");
}

#[test]
fn info_unpacks_the_header_and_verifies_what_is_read_to_its_end() {
    let room = Room::new();
    let npy = room.bare("a.npy", &[300, 4]);
    let file = gzip::compress(&npy, Level::new(0).unwrap()).unwrap();
    room.write("a.npy.gz", &file);
    assert_eq!(file.len(), 2551);
    room.run(&["info", "a.npy.gz"]).said(
        "a.npy.gz\n\
        \x20 format    npy 1.0 in gzip\n\
        \x20 dtype     '<u2' (uint16, little-endian)\n\
        \x20 shape     (300, 4), 1,200 items\n\
        \x20 order     C (last axis fastest)\n\
        \x20 data      2,400 bytes, behind 128 of header\n\
        \x20 stored    2,551 bytes, 100.9 % of that\n\
        \x20 checksum  present, not verified here ('ndbytes verify' does): the CRC-32 of the gzip stream\n\
        \x20 spec      '<u2[300,4]'",
    );
    let expected = json!({
        "path": "a.npy.gz", "format": "npy", "version": "1.0", "descr": "'<u2'", "dtype": "uint16",
        "shape": [300, 4], "order": "C", "items": 1200, "itemsize": 2, "header_bytes": 128, "data_bytes": 2400,
        "file_bytes": 2551, "compression": "gzip", "checksum": "present", "checksum_kind": "crc32", "name": null,
        "attrs": null, "spec": "<u2[300,4]", "stats": null, "codec": "none", "filter": "none", "block": null, "grows": false, "method": null,
    });
    assert_eq!(room.run(&["info", "--json", "a.npy.gz"]).json(), [expected]);
    let verified = "  checksum  verified: the CRC-32 of the gzip stream";
    let (code, out, _) = room.pipe(&["info", "-"], &file);
    assert!(code == Some(0) && String::from_utf8(out).unwrap().lines().any(|l| l == verified));
    assert!(room.run(&["info", "--stats", "a.npy.gz"]).out.lines().any(|line| line == verified));
    let (_, out, _) =
        room.pipe(&["info", "--json", "-"], &zlib::compress(&npy, Level::default()).unwrap());
    let facts: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (&facts["compression"], &facts["checksum_kind"], &facts["file_bytes"]),
        (&json!("zlib"), &json!("adler32"), &Value::Null)
    );
}

#[test]
fn labels_are_kept_with_a_tail_in_the_stream() {
    let room = Room::new();
    let labelled = room.labelled("a.npy", &[5]);
    room.run(&["convert", "a.npy", "-o", "b.npy.zz"]).failed(
        0,
        "ndbytes: a.npy: its name and attributes are not in the output; --check keeps them",
    );
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.npy.zz", "--check"]).err, "");
    assert_eq!(room.run(&["convert", "a.npy.zz", "-o", "c.npy", "--check"]).err, "");
    assert_eq!(room.read("c.npy"), labelled);
    // The tail stands at the end: --stats reads as far.
    let facts = room.run(&["info", "--json", "--stats", "a.npy.zz"]).json();
    assert_eq!((&facts[0]["name"], &facts[0]["checksum"]), (&json!("scan"), &json!("verified")));
}

#[test]
fn damage_and_cuts_are_named() {
    let room = Room::new();
    let npy = room.bare("a.npy", &[1000]);
    for container in [Container::Zlib, Container::Gzip] {
        let name = format!("a.npy.{}", container.suffix());
        let file = match container {
            Container::Zlib => zlib::compress(&npy, Level::default()),
            Container::Gzip => gzip::compress(&npy, Level::default()),
        };
        let file = file.unwrap();
        let half = file.len() / 2;
        room.write(&name, &file[..half]);
        let cut = format!(
            "ndbytes: {name}: the {container} stream is cut: the input ends after {half} bytes of it (at byte {half})"
        );
        for args in [&["verify", &name][..], &["head", &name], &["convert", &name, "-o", "b.npy"]] {
            room.run(args).failed(5, &cut);
        }
        let mut flipped = file.clone();
        // The last byte but four is in the sum of both.
        let at = file.len() - if container == Container::Gzip { 5 } else { 1 };
        flipped[at] ^= 1;
        room.write(&name, &flipped);
        let done = room.run(&["verify", &name]);
        assert_eq!(done.code, Some(6), "{}", done.err);
        assert!(done.err.contains(container.sum_name()), "{}", done.err);
        let report = &room.run(&["verify", "--json", &name]).json()[0];
        assert_eq!((&report["state"], &report["kind"]), (&json!("damaged"), &json!("checksum")));
        room.write(&name, [&file[..], b"x"].concat());
        let err =
            format!("bytes behind the end of the {container} stream (at byte {})", file.len());
        room.run(&["verify", &name]).failed(5, &format!("ndbytes: {name}: {err}"));
    }
    // What is in the stream is at fault: the place counts unpacked bytes.
    room.write("short.npy.gz", gzip::compress(&npy[..228], Level::default()).unwrap());
    room.run(&["verify", "short.npy.gz"]).failed(
        5,
        "ndbytes: short.npy.gz: inside the gzip stream: shape (1000,) of <u2 needs 2000 bytes of data, the input has \
         100 (at byte 228)",
    );
    assert!(!room.names().contains(&"b.npy".to_owned()));
}

#[test]
fn checksum_has_nothing_to_add_or_to_take() {
    let room = Room::new();
    room.mkdir("d");
    let npy = room.bare("d/a.npy", &[5]);
    let file = gzip::compress(&npy, Level::default()).unwrap();
    room.write("d/b.npy.gz", &file);
    room.write("z.npy.zz", zlib::compress(&npy, Level::default()).unwrap());
    room.run(&["checksum", "d/b.npy.gz"]).failed(
        2,
        "ndbytes: d/b.npy.gz: a gzip stream has its CRC-32, which covers every byte; `ndbytes verify` compares it",
    );
    room.run(&["checksum", "--strip", "z.npy.zz"]).failed(
        2,
        "ndbytes: z.npy.zz: a zlib stream has its Adler-32, which is part of it; `ndbytes convert` it to .npy to do without",
    );
    // Folders are full of both.
    room.run(&["checksum", "-r", "d"]).said("d/a.npy: checksum added");
    assert_eq!(room.read("d/b.npy.gz"), file);
    room.run(&["verify", "-r", "d"]).said("d/a.npy: ok\nd/b.npy.gz: ok");
}

#[test]
fn outputs_and_levels_that_cannot_be_meant() {
    let room = Room::new();
    room.bare("a.npy", &[3]);
    for (args, err) in [
        (
            &["-o", "a.gz"][..],
            "ndbytes: a.gz: a compressed output holds a .npy: end its name with .npy.gz, or say --to gz",
        ),
        (
            &["-o", "a.raw.zz"],
            "ndbytes: a.raw.zz: a compressed output holds a .npy: end its name with .npy.zz, or say --to zz",
        ),
        (
            &["-o", "b.npy", "--level", "3"],
            "ndbytes: --level is for .npy.zz, .npy.gz and .ndb output (--to zz, gz or ndb); .npy is not compressed",
        ),
        (&["-o", "a.ndb", "--level", "0"], "ndbytes: codec auto has no levels"),
        (
            &["-o", "a.ndb", "--codec", "zstd", "--level", "20"],
            "ndbytes: codec zstd has levels 1 to 19, found 20",
        ),
        (
            &["-o", "a.ndb", "--codec", "gzip"],
            "ndbytes: there is no codec \"gzip\"; there are none, auto, fast, small, lz4, zstd, deflate and pco",
        ),
        (
            &["-o", "b.npy", "--codec", "zstd"],
            "ndbytes: --codec is for .ndb output (--to ndb); .npy has none",
        ),
        (
            &["-o", "a.npy.gz", "--level", "10"],
            "ndbytes: the compression level is 10; 0 to 9 are allowed",
        ),
    ] {
        room.run(&[&["convert", "a.npy"][..], args].concat()).failed(2, err);
    }
    assert_eq!(room.names(), ["a.npy"]);
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.gz", "--to", "gz"]).code, Some(0));
    room.run(&["verify", "a.gz"]).said("a.gz: ok");
}

#[test]
fn folders_take_and_give_the_whole_suffix() {
    let room = Room::new();
    room.mkdir("d");
    let npy = room.bare("a.npy", &[3]);
    room.run(&["convert", "a.npy", "-o", "d/", "--to", "gz", "--level", "0"])
        .said(&format!("a.npy -> d/a.npy.gz: <u2[3], {} bytes", npy.len() + 23));
    room.write("d/b.npy.zz", zlib::compress(&npy, Level::default()).unwrap());
    assert_eq!(room.run(&["convert", "-r", "d", "-o", "out"]).code, Some(0));
    assert_eq!((room.read("out/a.npy"), room.read("out/b.npy")), (npy.clone(), npy));
}

#[test]
fn headerless_items_are_not_taken_for_what_packs_them() {
    let room = Room::new();
    let raw = bytes(&numbers(100));
    room.write("a.raw.gz", gzip::compress(&raw, Level::default()).unwrap());
    for args in
        [&["info", "a.raw.gz"][..], &["convert", "a.raw.gz", "-o", "a.npy"], &["head", "a.raw.gz"]]
    {
        room.run(args).failed(
            5,
            "ndbytes: a.raw.gz: inside the gzip stream: not a .npy or .ndb file: expected \\x93NUMPY or \\x89NDBF, found \
             \\x00\\x00\\x01\\x00\\x02\\x00; for bytes without a header, declare dtype and shape with --raw, once it is unpacked (at byte 0)",
        );
        room.run(&[args, &["--raw", "<u2[?]"]].concat()).failed(
            2,
            "ndbytes: a.raw.gz: gzip compressed it, and --raw takes bytes as they are; unpack it first",
        );
    }
    // Any bytes may begin like a stream; only a name that says so makes them one.
    room.write("b.raw", [0x1f, 0x8b, 1, 0]);
    room.run(&["info", "b.raw"]).failed(
        2,
        "ndbytes: b.raw: no header says what these bytes are; 4 bytes may be '|u1[4]', '<u2[2]', '<f4[1]', '|u1[2,2]': \
         say which with --raw",
    );
    assert_eq!(room.run(&["convert", "b.raw", "-o", "b.npy.gz", "--raw", "<u2"]).code, Some(0));
    room.run(&["head", "b.npy.gz"]).said("[35615     1]");
}

fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let split = digits.len().saturating_sub(3);
    if split == 0 { digits } else { format!("{},{}", &digits[..split], &digits[split..]) }
}
