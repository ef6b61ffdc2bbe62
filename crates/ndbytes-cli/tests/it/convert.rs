use crate::room::{Room, bytes, numbers};
use ndbytes::Order;
use ndbytes::npy::EncodeOptions;
use serde_json::json;

#[test]
fn raw_becomes_what_np_save_writes_and_back() {
    let room = Room::new();
    let expected = room.bare("expected.npy", &[3, 4]);
    room.write("a.bin", bytes(&numbers(12)));
    room.run(&["convert", "a.bin", "-o", "a.npy", "--raw", "<u2[3,4]"])
        .said("a.bin -> a.npy: <u2[3,4], 152 bytes");
    assert_eq!(room.read("a.npy"), expected);
    room.run(&["convert", "a.npy", "-o", "b.raw"]).said("a.npy -> b.raw: <u2[3,4], 24 bytes");
    assert_eq!(room.read("b.raw"), bytes(&numbers(12)));
}

#[test]
fn offset_gap_and_order_of_raw_items() {
    let room = Room::new();
    room.write("a.bin", [9, 9, 0, 0, 7, 2, 0, 7, 1, 0, 7, 3, 0]);
    let args =
        ["convert", "a.bin", "-o", "a.raw", "--raw", "<u2[2,2]", "--offset", "2", "--gap", "1"];
    assert_eq!(room.run(&args).code, Some(0));
    assert_eq!(room.read("a.raw"), bytes(&[0, 2, 1, 3]));
    assert_eq!(room.run(&[&args[..], &["--raw-order", "F"]].concat()).code, Some(0));
    assert_eq!(room.read("a.raw"), bytes(&[0, 1, 2, 3]));
}

#[test]
fn order_and_byte_order_change_and_the_array_stays() {
    let room = Room::new();
    room.bare("a.npy", &[2, 3]);
    let fortran = room.npy("f.npy", &[2, 3], Order::F, &EncodeOptions::bare());
    assert_eq!(room.run(&["convert", "a.npy", "-o", "b.npy", "--order", "F"]).code, Some(0));
    assert_eq!(room.read("b.npy"), fortran);
    // By default .npy keeps the order, raw bytes are C.
    assert_eq!(room.run(&["convert", "f.npy", "-o", "c.npy"]).code, Some(0));
    assert_eq!(room.read("c.npy"), fortran);
    assert_eq!(room.run(&["convert", "f.npy", "-o", "c.raw"]).code, Some(0));
    assert_eq!(room.read("c.raw"), bytes(&numbers(6)));
    let done = room.run(&["convert", "--json", "a.npy", "-o", "big.npy", "--endian", "big"]);
    let expected = json!({
        "path": "a.npy", "output": "big.npy", "spec": ">u2[2,3]", "bytes": 140, "format": "npy", "checksum": false,
        "compression": null,
    });
    assert_eq!(done.json(), [expected]);
    assert_eq!(room.run(&["info", "--json", "big.npy"]).json()[0]["descr"], "'>u2'");
    assert_eq!(room.read("big.npy")[128..], [0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5]);
}

#[test]
fn onto_itself_with_checksums() {
    let room = Room::new();
    room.bare("a.npy", &[100]);
    let checked = room.checked("expected.npy", &[100]);
    assert_eq!(
        room.run(&["convert", "a.npy", "-o", "a.npy", "--check", "--durable"]).code,
        Some(0)
    );
    assert_eq!(room.read("a.npy"), checked);
    assert_eq!(room.names(), ["a.npy", "expected.npy"]);
}

#[test]
fn labels_stay_with_the_tail_and_their_loss_is_said() {
    let room = Room::new();
    let labelled = room.labelled("a.npy", &[5]);
    assert_eq!(room.run(&["convert", "a.npy", "-o", "b.npy", "--check"]).err, "");
    assert_eq!(room.read("b.npy"), labelled);
    let done = room.run(&["convert", "a.npy", "-o", "b.npy"]);
    done.failed(
        0,
        "ndbytes: a.npy: its name and attributes are not in the output; --check keeps them",
    );
}

#[test]
fn pipes_on_both_sides() {
    let room = Room::new();
    let expected = room.bare("expected.npy", &[500_000]);
    let (code, out, err) =
        room.pipe(&["convert", "-", "-o", "-", "--raw", "<u2"], &bytes(&numbers(500_000)));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out == expected);
    let (code, out, _) = room.pipe(&["convert", "-", "-o", "-", "--to", "raw"], &expected);
    assert!(code == Some(0) && out == bytes(&numbers(500_000)));
}

#[test]
fn many_go_to_a_folder_under_their_own_names() {
    let room = Room::new();
    room.bare("a.npy", &[3]);
    room.bare("b.v1.npy", &[4]);
    room.mkdir("in/deep");
    room.bare("in/deep/c.npy", &[5]);
    let done = room
        .run(&["convert", "-j", "2", "-r", "a.npy", "b.v1.npy", "in", "-o", "out", "--to", "raw"]);
    done.said(
        "a.npy -> out/a.raw: <u2[3], 6 bytes\nb.v1.npy -> out/b.v1.raw: <u2[4], 8 bytes\n\
         in/deep/c.npy -> out/c.raw: <u2[5], 10 bytes",
    );
    assert_eq!(room.run(&["convert", "a.npy", "-o", "new/"]).code, Some(0));
    assert_eq!(room.read("new/a.npy"), room.read("a.npy"));
}

#[test]
fn colliding_outputs_are_refused_before_anything_is_written() {
    let room = Room::new();
    room.mkdir("x");
    room.bare("a.npy", &[3]);
    room.bare("x/a.npy", &[4]);
    room.run(&["convert", "a.npy", "x/a.npy", "-o", "out", "--to", "raw"]).failed(
        2,
        "ndbytes: out/a.raw: both a.npy and x/a.npy would become this file; nothing was written",
    );
    assert_eq!(room.names(), ["a.npy", "x"]);
}

#[test]
fn outputs_that_cannot_be_meant() {
    let room = Room::new();
    room.bare("a.npy", &[3]);
    room.bare("b.npy", &[3]);
    for (args, err) in [
        (
            &["a.npy", "-o", "a.txt"][..],
            "ndbytes: a.txt: .txt says no format; .npy, .ndb, .npy.zz, .npy.gz, .npz, .raw and .bin do, or --to; a folder ends with /",
        ),
        (
            &["a.npy", "-o", "a"],
            "ndbytes: a: no suffix says no format; .npy, .ndb, .npy.zz, .npy.gz, .npz, .raw and .bin do, or --to; a folder ends with /",
        ),
        (
            &["a.npy", "b.npy", "-o", "-"],
            "ndbytes: standard output takes one array, there are 2 inputs",
        ),
        (
            &["a.npy", "b.npy", "-o", "b.npy"],
            "ndbytes: b.npy: many inputs go to a folder, this is a file; there are 2",
        ),
        (
            &["-", "a.npy", "-o", "out"],
            "ndbytes: standard input: a stream has no name to take in a folder; give a file with -o",
        ),
        (&["-", "-", "-o", "out"], "ndbytes: '-' stands twice; it can be read once"),
        (
            &["a.npy", "-o", "a.raw", "--check"],
            "ndbytes: --check needs .npy output; raw bytes have no place for it",
        ),
    ] {
        room.run(&[&["convert"][..], args].concat()).failed(2, err);
    }
    assert_eq!(room.names(), ["a.npy", "b.npy"]);
    // Any name will do once the format is said.
    assert_eq!(room.run(&["convert", "a.npy", "-o", "a.txt", "--to", "raw"]).code, Some(0));
}

/// What is copied piece by piece must be what goes through memory, byte for byte.
#[test]
fn streamed_and_gathered_outputs_are_the_same() {
    let room = Room::new();
    let raw = bytes(&numbers(700_003));
    room.write("a.bin", &raw);
    for (spec, options) in [
        ("<u2", &[][..]),
        (">u2[7,100_000]", &["--offset", "6"]),
        ("<u2[700003]", &["--check"]),
        ("<u2[1,700003]", &["--raw-order", "F", "--check"]),
        ("<u2[3,?]", &["--offset", "2", "--raw-order", "F"]),
        ("<u2[3,?]", &["--offset", "2", "--raw-order", "F", "--order", "F", "--to", "raw"]),
        ("bfloat16[?,7]", &["--offset", "6"]),
        ("|u1[0,?]", &["--offset", "1400006"]),
        ("{a:<u2,b:|u1}[]", &["--offset", "1400003", "--check"]),
    ] {
        let spec = spec.replace('_', "");
        let to = |output: &'static str| {
            [&["convert", "a.bin", "-o", output, "--raw", &spec][..], options].concat()
        };
        for (streamed, gathered) in [
            ("streamed.npy", "gathered.npy"),
            ("streamed.ndb", "gathered.ndb"),
            ("streamed.npy.zz", "gathered.npy.zz"),
        ] {
            let done = room.run(&to(streamed));
            assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{streamed} {spec}");
            // A cast to the same dtype is none, but needs the array in memory.
            let dtype = spec.split('[').next().unwrap();
            if !dtype.starts_with('{') {
                let done = room.run(&[&to(gathered)[..], &["--cast", dtype]].concat());
                assert_eq!(done.code, Some(0), "{gathered} {spec}");
                assert!(
                    room.read(streamed) == room.read(gathered),
                    "{streamed} {spec} {options:?}"
                );
            }
            if !options.contains(&"raw") {
                assert_eq!(room.run(&["verify", streamed]).code, Some(0), "{streamed} {spec}");
            }
        }
    }
}

#[test]
fn a_stream_of_another_length_leaves_the_old_file() {
    let room = Room::new();
    room.write("b.npy", "the old file");
    for (len, spec, err) in [
        (2_000_000, "|u1[2000001]", "|u1[2000001] needs 2000001 bytes, found 2000000"),
        (2_000_001, "|u1[2000000]", "|u1[2000000] needs 2000000 bytes, found 2000001"),
        (5, "<u2[?]", "<u2[?] needs a multiple of 2 bytes, found 5"),
    ] {
        let args = ["convert", "-", "-o", "b.npy", "--raw", spec];
        let (code, _, found) = room.pipe(&args, &vec![7; len]);
        assert_eq!((code, found), (Some(5), format!("ndbytes: standard input: {err}\n")));
        assert_eq!(
            (room.names(), room.read("b.npy")),
            (vec!["b.npy".to_owned()], b"the old file".to_vec())
        );
    }
}
