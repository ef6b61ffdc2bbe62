//! `.ndb` files through every command.

use crate::room::{Room, mark_open, numbers};
use ndbytes::Order;
use ndbytes::npy::EncodeOptions;
use serde_json::json;

/// Bytes of the header of a frame that says little, and of the tail of one block.
const HEADER: usize = 128;
const TAIL: usize = 44;

#[test]
fn a_frame_keeps_all_that_a_checked_npy_has_and_gives_it_back() {
    let room = Room::new();
    let labelled = room.labelled("a.npy", &[2, 3]);
    room.run(&["convert", "a.npy", "-o", "a.ndb"])
        .said(&format!("a.npy -> a.ndb: <u2[2,3], {} bytes", HEADER + 12 + TAIL));
    room.run(&["convert", "a.ndb", "-o", "b.npy", "--check"])
        .said("a.ndb -> b.npy: <u2[2,3], 350 bytes");
    assert_eq!(room.read("b.npy"), labelled);
    let note = "ndbytes: a.ndb: its name and attributes are not in the output; --check keeps them";
    room.run(&["convert", "a.ndb", "-o", "bare.npy"]).failed(0, note);
    room.run(&["convert", "a.ndb", "-o", "a.raw"])
        .failed(0, "ndbytes: a.ndb: its name and attributes are not in the output");
    assert_eq!(room.run(&["convert", "a.ndb", "-o", "b.ndb"]).err, "");
    assert_eq!(room.read("b.ndb"), room.read("a.ndb"));
}

#[test]
fn order_byte_order_cast_and_options_as_for_npy() {
    let room = Room::new();
    room.bare("a.npy", &[2, 3]);
    let options = ["--order", "F", "--endian", "big", "--cast", "f8", "--check", "--durable"];
    let done = room.run(&[&["convert", "--json", "a.npy", "-o", "a.ndb"][..], &options].concat());
    let expected = json!({
        "path": "a.npy", "output": "a.ndb", "spec": ">f8[2,3]", "bytes": HEADER + 48 + TAIL, "format": "ndb",
        "compression": null, "checksum": true,
    });
    assert_eq!((done.json(), done.err.as_str()), (vec![expected], ""));
    let facts = &room.run(&["info", "--json", "a.ndb"]).json()[0];
    assert_eq!((&facts["descr"], &facts["order"]), (&json!("'>f8'"), &json!("F")));
    let fortran = room.npy("f.npy", &[2, 3], Order::F, &EncodeOptions::bare());
    assert_eq!(room.run(&["convert", "f.npy", "-o", "f.ndb"]).code, Some(0));
    assert_eq!(room.run(&["convert", "f.ndb", "-o", "g.npy"]).code, Some(0));
    assert_eq!(room.read("g.npy"), fortran);
    assert_eq!(room.run(&["diff", "a.ndb", "f.ndb"]).code, Some(0));
    room.run(&["head", "f.ndb"]).said("[[0 1 2]\n [3 4 5]]");
    let (code, out, _) = room.pipe(&["convert", "-", "-o", "-", "--to", "ndb"], &fortran);
    assert!(code == Some(0) && out == room.read("f.ndb"));
}

#[test]
fn info_says_what_a_header_holds() {
    let room = Room::new();
    room.labelled("a.npy", &[2, 3]);
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.ndb"]).code, Some(0));
    room.run(&["info", "a.ndb"]).said(
        "a.ndb\n\
        \x20 format    ndb 0\n\
        \x20 dtype     '<u2' (uint16, little-endian)\n\
        \x20 shape     (2, 3), 6 items\n\
        \x20 order     C (last axis fastest)\n\
        \x20 data      12 bytes, behind 128 of header\n\
        \x20 checksum  present, not verified here ('ndbytes verify' does)\n\
        \x20 name      scan\n\
        \x20 attrs     {\"unit\": \"mV\"}\n\
        \x20 spec      '<u2[2,3]'",
    );
    let expected = json!({
        "path": "a.ndb", "format": "ndb", "version": "0", "descr": "'<u2'", "dtype": "uint16", "shape": [2, 3],
        "order": "C", "items": 6, "itemsize": 2, "header_bytes": 128, "data_bytes": 12, "file_bytes": 184,
        "compression": null, "checksum": "present", "checksum_kind": "crc32c", "name": "scan",
        "attrs": {"unit": "mV"}, "spec": "<u2[2,3]", "stats": null, "codec": "none", "filter": "none", "block": null, "grows": false, "method": null,
    });
    assert_eq!(room.run(&["info", "--json", "a.ndb"]).json(), [expected]);
}

#[test]
fn names_of_files_do_not_decide_how_they_are_read() {
    let room = Room::new();
    let npy = room.checked("a.npy", &[5]);
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.ndb"]).code, Some(0));
    room.write("npy.ndb", npy);
    room.write("ndb.npy", room.read("a.ndb"));
    room.write("ndb.raw", room.read("a.ndb"));
    let formats = room.run(&["info", "--json", "npy.ndb", "ndb.npy", "ndb.raw"]).json();
    let formats: Vec<_> = formats.iter().map(|facts| facts["format"].clone()).collect();
    assert_eq!(formats, ["npy", "ndb", "ndb"]);
    room.run(&["verify", "npy.ndb", "ndb.npy", "ndb.raw"])
        .said("npy.ndb: ok\nndb.npy: ok\nndb.raw: ok");
    room.write("raw.ndb", [7; 6]);
    room.run(&["info", "raw.ndb"]).failed(
        5,
        "ndbytes: raw.ndb: not a .npy or .ndb file: expected \\x93NUMPY or \\x89NDBF, found \\x07\\x07\\x07\\x07\\x07\\x07; \
         for bytes without a header, declare dtype and shape (6 bytes may be '|u1[6]', '<u2[3]': say which with --raw) (at byte 0)",
    );
}

#[test]
fn damage_has_its_block_and_cuts_their_place() {
    let room = Room::new();
    room.bare("a.npy", &[1_000_000]);
    let done = room.run(&["convert", "a.npy", "-o", "a.ndb", "--codec", "none"]);
    assert_eq!(done.code, Some(0));
    let file = room.read("a.ndb");
    let end = HEADER + 2_000_000;
    let mut flipped = file.clone();
    flipped[HEADER + (1 << 20)] ^= 1;
    room.write("flipped.ndb", flipped);
    let done = room.run(&["verify", "flipped.ndb"]);
    let line = "ndbytes: flipped.ndb: block 1 of 0 to 1 (bytes 1048704 to 2000128) is damaged: its CRC-32C is ";
    assert!(done.code == Some(6) && done.err.starts_with(line), "{}", done.err);
    let cut = |at: usize, command: &str, err: &str| {
        room.write("cut.ndb", &file[..at]);
        room.run(&[command, "cut.ndb"]).failed(5, &format!("ndbytes: cut.ndb: {err}"));
    };
    for command in ["info", "verify", "checksum", "head"] {
        cut(
            40,
            command,
            "frame header: the input ends after 40 bytes, at least 128 are needed (at byte 40)",
        );
        cut(
            end - 1,
            command,
            "shape (1000000,) of <u2 needs 2000000 bytes of data, the input has 1999999 (at byte 2000127)",
        );
        for found in [0, 1, 47] {
            let at = end + found;
            let err = format!(
                "the checksum tail is cut: the input ends {found} bytes into it, it has 48 (at byte {at})"
            );
            cut(at, command, &err);
        }
        room.write("long.ndb", [&file[..], b"x"].concat());
        let err = "ndbytes: long.ndb: bytes behind the end of the frame; a file holds one (at byte 2000176)";
        room.run(&[command, "long.ndb"]).failed(5, err);
    }
}

#[test]
fn checksums_are_always_there_and_those_left_open_are_made_anew() {
    let room = Room::new();
    room.bare("a.npy", &[100]);
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.ndb"]).code, Some(0));
    let sealed = room.read("a.ndb");
    room.run(&["verify", "--require-checksum", "a.ndb"]).said("a.ndb: ok");
    room.run(&["checksum", "a.ndb"]).said("a.ndb: a .ndb always has its checksums, and they hold");
    room.run(&["checksum", "--strip", "a.ndb"]).failed(
        2,
        "ndbytes: a.ndb: a .ndb file always has its checksums; convert it to .npy to do without",
    );
    let mut file = sealed.clone();
    mark_open(&mut file, HEADER + 200, HEADER + 200);
    room.write("a.ndb", &file);
    room.run(&["verify", "a.ndb"])
        .said("a.ndb: open: complete, but a writer did not finish its checksum");
    room.run(&["verify", "--require-checksum", "a.ndb"]).failed(
        5,
        "ndbytes: a.ndb: open: complete, but a writer did not finish its checksum; `ndbytes checksum` makes it anew",
    );
    assert_eq!(room.run(&["info", "--json", "a.ndb"]).json()[0]["checksum"], "open");
    room.run(&["convert", "a.ndb", "-o", "b.ndb"])
        .failed(0, "ndbytes: a.ndb: its checksum was open, so it was not verified");
    room.run(&["checksum", "a.ndb"])
        .said("a.ndb: its checksums were open; they are those of the data now");
    assert_eq!((room.read("a.ndb"), room.read("b.ndb")), (sealed.clone(), sealed));
    assert_eq!(room.run(&["checksum", "--json", "a.ndb"]).json()[0]["action"], "kept");
}

#[test]
fn raw_items_go_into_a_frame_piece_by_piece() {
    let room = Room::new();
    let raw = crate::room::bytes(&numbers(6));
    room.bare("a.npy", &[2, 3]);
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.ndb"]).code, Some(0));
    let (code, out, err) =
        room.pipe(&["convert", "-", "-o", "-", "--to", "ndb", "--raw", "<u2[2,3]"], &raw);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, room.read("a.ndb"));
}

#[test]
fn compressed_blocks_are_read_by_every_command() {
    let room = Room::new();
    room.bare("a.npy", &[300, 1000]);
    for codec in ["none", "auto", "fast", "small", "lz4", "zstd", "deflate", "pco"] {
        let file = format!("{codec}.ndb");
        assert_eq!(room.run(&["convert", "a.npy", "-o", &file, "--codec", codec]).code, Some(0));
        assert_eq!(room.run(&["diff", "a.npy", &file]).code, Some(0));
        room.run(&["verify", &file]).said(&format!("{file}: ok"));
        let facts = room.run(&["info", "--json", &file]).json().remove(0);
        let named = !matches!(codec, "auto" | "fast" | "small");
        assert!(!named || facts["codec"] == codec, "{facts}");
        assert_eq!(facts["checksum"], "present");
        assert_eq!(room.run(&["head", &file]).out, room.run(&["head", "a.npy"]).out);
        assert_eq!(room.run(&["convert", &file, "-o", "back.npy"]).code, Some(0));
        assert_eq!(room.read("back.npy"), room.read("a.npy"));
    }
    let file = room.read("auto.ndb");
    assert!(file.len() < room.read("none.ndb").len() / 2);
    let mut flipped = file.clone();
    flipped[file.len() / 2] ^= 1;
    room.write("flipped.ndb", flipped);
    let done = room.run(&["verify", "flipped.ndb"]);
    assert!(
        done.code == Some(6) && done.err.starts_with("ndbytes: flipped.ndb: block "),
        "{}",
        done.err
    );
    room.write("cut.ndb", &file[..file.len() - 1]);
    for command in ["info", "verify", "head"] {
        assert_eq!(
            room.run(&[command, "cut.ndb"]).code,
            Some(if command == "info" { 6 } else { 5 }),
            "{command}"
        );
    }
}

#[test]
fn a_frame_that_has_grown_is_read_by_every_command() {
    let room = Room::new();
    let spec = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors");
    let grown = std::fs::read(spec.join("growing_three_steps.ndb")).unwrap();
    room.write("a.ndb", &grown);
    assert_eq!(room.run(&["convert", "a.ndb", "-o", "a.npy"]).code, Some(0));
    room.run(&["verify", "a.ndb"]).said("a.ndb: ok");
    assert_eq!(room.run(&["diff", "a.ndb", "a.npy"]).code, Some(0));
    let facts = |name: &str| room.run(&["info", "--json", name]).json().remove(0);
    assert_eq!((&facts("a.ndb")["grows"], &facts("a.npy")["grows"]), (&json!(true), &json!(false)));
    assert_eq!(facts("a.ndb")["shape"], facts("a.npy")["shape"]);
    let heads = ["a.ndb", "a.npy"].map(|name| room.run(&["head", name, "--slice", "1:3"]).out);
    assert_eq!(heads[0], heads[1]);
    let digests = ["a.ndb", "a.npy"].map(|name| room.run(&["digest", name]).out);
    assert_eq!(digests[0].split(' ').next(), digests[1].split(' ').next());
    // What was not finished behind the end changes nothing, and is told.
    room.write("b.ndb", [&grown[..], &grown[..100]].concat());
    room.run(&["verify", "b.ndb"]).said("b.ndb: ok");
    assert_eq!(room.run(&["diff", "b.ndb", "a.npy"]).code, Some(0));
    let told = room.run(&["info", "b.ndb"]).out;
    let wanted =
        "grows     rows can be appended; the last 100 bytes were not finished, and are passed over";
    assert!(told.contains(wanted), "{told}");
    assert!(room.run(&["info", "a.ndb"]).out.contains("grows     rows can be appended\n"));
    room.write("cut.ndb", &grown[..grown.len() - 1]);
    let cut = room.run(&["verify", "cut.ndb"]);
    assert!(cut.err.contains("cut.ndb: the index is cut: the input ends 187 bytes"), "{}", cut.err);
    assert_eq!(cut.code, room.run(&["verify", "a.ndb", "cut.ndb"]).code);
    assert_ne!(cut.code, Some(0));
}
