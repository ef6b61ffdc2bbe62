//! Each failure: its line and its exit code.

use crate::room::{Room, with_header};

const DICT: &str = "{'descr': '<u2', 'fortran_order': False, 'shape': (3,), }";

#[test]
fn without_a_command_there_is_help() {
    let room = Room::new();
    let done = room.run(&[]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert!(done.out.contains("Examples:") && done.out.contains("Exit codes:"), "{}", done.out);
    for command in ["demo", "info", "convert", "verify", "checksum"] {
        assert!(room.run(&[command, "--help"]).out.contains("Usage: ndbytes"));
    }
    let version = format!("ndbytes {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(room.run(&["--version"]).out, version);
    assert_eq!(room.run(&["nonsense"]).code, Some(2));
    assert_eq!(room.run(&["convert", "a.npy"]).code, Some(2));
    assert_eq!(room.run(&["convert", "a", "-o", "b.npy", "--offset", "3"]).code, Some(2));
}

#[test]
fn missing_files_and_folders() {
    let room = Room::new();
    room.mkdir("d/empty");
    for command in ["info", "verify", "checksum"] {
        room.run(&[command, "no.npy"])
            .failed(3, "ndbytes: no.npy: No such file or directory (os error 2)");
        room.run(&[command, "d"]).failed(
            8,
            "ndbytes: d: a folder; -r takes the array files in it: Is a directory (os error 21)",
        );
        let formats = match command {
            "checksum" => ".npy or .ndb",
            _ => ".npy, .ndb, .npy.zz, .npy.gz or .npz",
        };
        let err = format!("ndbytes: d: no {formats} file in this folder: entity not found");
        room.run(&[command, "-r", "d"]).failed(3, &err);
    }
    room.bare("a.npy", &[3]);
    room.run(&["convert", "a.npy", "-o", "no/a.npy"])
        .failed(3, "ndbytes: no/a.npy: No such file or directory (os error 2)");
}

#[test]
fn bytes_that_are_no_npy_file() {
    let room = Room::new();
    let cut = &with_header(DICT, b"")[..20];
    for (bytes, code, err) in [
        (&b""[..], 5, "npy header: the input is empty (at byte 0)"),
        (
            b"hello world!",
            5,
            "not a .npy or .ndb file: expected \\x93NUMPY or \\x89NDBF, found hello ; for bytes without a header, declare dtype and shape \
             (12 bytes may be '|u1[12]', '<u2[6]', '<f4[3]': say which with --raw) (at byte 0)",
        ),
        (
            b"PK\x03\x04\x14\x00\x00\x00",
            5,
            "the zip archive is cut: it has no end record (at byte 8)",
        ),
        (b"\x93NUMPY\x04\x00\x10\x00", 5, "npy version 4.0; 1.0, 2.0 and 3.0 are read (at byte 6)"),
        (cut, 5, "npy header: the input ends after 20 bytes, at least 68 are needed (at byte 20)"),
        (
            &with_header(DICT, &[1, 0, 2]),
            5,
            "shape (3,) of <u2 needs 6 bytes of data, the input has 3 (at byte 71)",
        ),
        (
            &with_header(&DICT.replace("<u2", "|O"), &[0; 24]),
            5,
            "npy header: descr: \"|O\" is an object dtype, which means pickle; convert the array to numbers or fixed-size strings (at byte 20)",
        ),
        (
            &with_header(&DICT.replace("(3,)", "(-1,)"), b""),
            5,
            "npy header: shape: expected an integer from 0, found \"-1\" (at byte 61)",
        ),
        (
            &with_header(&DICT.replace("(3,)", "(4294967296, 4294967296)"), b""),
            7,
            "npy header: the array's size overflows; at most 9223372036854775807 bytes are allowed",
        ),
        (
            &[b"\x93NUMPY\x02\x00\xf0\xff\xff\xff".as_slice(), b"{'descr'"].concat(),
            7,
            "npy header is 4294967280, at most 1048576 are allowed (at byte 8)",
        ),
    ] {
        room.write("a.npy", bytes);
        room.run(&["info", "a.npy"]).failed(code, &format!("ndbytes: a.npy: {err}"));
        room.run(&["convert", "a.npy", "-o", "b.npy"])
            .failed(code, &format!("ndbytes: a.npy: {err}"));
    }
    assert_eq!(room.names(), ["a.npy"]);
}

#[test]
fn bytes_behind_the_array_are_refused() {
    let room = Room::new();
    room.write("a.npy", with_header(DICT, &[0; 7]));
    let err = "ndbytes: a.npy: bytes behind the array that are no checksum tail; only ndbytes.numpy.load passes over them (at byte 74)";
    room.run(&["info", "a.npy"]).failed(5, err);
    assert_eq!(room.run(&["verify", "a.npy"]).code, Some(5));
}

#[test]
fn specs_that_do_not_read_or_do_not_fit() {
    let room = Room::new();
    room.write("a.bin", [0; 10]);
    for (spec, code, err) in [
        ("f5[3]", 2, "ndbytes: spec \"f5[3]\": \"f5\" is no dtype, at character 0"),
        (
            "<f4[x]",
            2,
            "ndbytes: spec \"<f4[x]\": shape: expected an integer from 0, found \"x]\", at character 4",
        ),
        ("<f8", 5, "ndbytes: a.bin: <f8 needs a multiple of 8 bytes, found 10"),
        ("<u2[3,2]", 5, "ndbytes: a.bin: <u2[3,2] needs 12 bytes, found 10"),
        ("<u2[?,?]", 2, "ndbytes: a.bin: <u2[?,?]: only one axis may be of any length"),
        (
            "<u2[4294967296,4294967296]",
            7,
            "ndbytes: a.bin: the declared size overflows; at most 9223372036854775807 bytes are allowed",
        ),
    ] {
        room.run(&["convert", "a.bin", "-o", "a.npy", "--raw", spec]).failed(code, err);
        room.run(&["info", "a.bin", "--raw", spec]).failed(code, err);
    }
    room.run(&["convert", "a.bin", "-o", "a.npy"]).failed(
        2,
        "ndbytes: a.bin: no header says what these bytes are; 10 bytes may be '|u1[10]', '<u2[5]': say which with --raw",
    );
    assert_eq!(room.names(), ["a.bin"]);
}

#[test]
fn errors_for_programs() {
    let room = Room::new();
    room.write("a.npy", with_header(DICT, &[1, 0, 2]));
    let done = room.run(&["info", "--json", "a.npy"]);
    let error: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    let expected = serde_json::json!({
        "error": "shape (3,) of <u2 needs 6 bytes of data, the input has 3", "kind": "truncated", "path": "a.npy",
        "offset": 71, "exit": 5,
    });
    assert_eq!((done.code, done.out.as_str(), error), (Some(5), "", expected));
}
