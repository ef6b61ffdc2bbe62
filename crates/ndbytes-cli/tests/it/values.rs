//! What reads the values: head, diff, convert --cast, info --stats.

use crate::room::{Room, with_header};

#[test]
fn head_prints_as_numpy_does() {
    let room = Room::new();
    room.bare("a.npy", &[4, 3]);
    room.bare("long.npy", &[2000]);
    room.run(&["head", "a.npy"]).said("[[ 0  1  2]\n [ 3  4  5]\n [ 6  7  8]\n [ 9 10 11]]");
    room.run(&["head", "a.npy", "--slice", "0:2, ::-1"]).said("[[2 1 0]\n [5 4 3]]");
    room.run(&["head", "a.npy", "--slice", "-1"]).said("[ 9 10 11]");
    room.run(&["head", "-n", "1", "a.npy"]).said("[[0 1 2]]");
    room.run(&["head", "long.npy"]).said("[   0    1    2 ... 1997 1998 1999]");
    room.run(&["head", "-n", "1", "a.npy", "long.npy"])
        .said("==> a.npy <==\n[[0 1 2]]\n==> long.npy <==\n[0]");
    room.write("a.bin", [1, 0, 2, 0]);
    room.run(&["head", "a.bin", "--raw", ">u2"]).said("[256 512]");
    room.run(&["head", "a.npy", "--slice", ":,3"]).failed(
        2,
        "ndbytes: a.npy: axis 1 has no index 3: its length is 3, so -3 to 2 are allowed",
    );
    assert_eq!(room.run(&["head", "a.npy", "--slice", "x"]).code, Some(2));
    room.run(&["head", "none.npy"])
        .failed(3, "ndbytes: none.npy: No such file or directory (os error 2)");
}

#[test]
fn head_shows_no_damaged_value() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[100]);
    file[200] ^= 1;
    room.write("a.npy", file);
    let done = room.run(&["head", "a.npy"]);
    assert_eq!((done.code, done.out.as_str()), (Some(6), ""));
}

#[test]
fn diff_says_whether_where_and_how_much() {
    let room = Room::new();
    room.bare("a.npy", &[2, 3]);
    room.bare("flat.npy", &[6]);
    assert_eq!(
        room.run(&["convert", "a.npy", "-o", "b.npy", "--cast", ">f8", "--order", "F"]).code,
        Some(0)
    );
    room.run(&["diff", "a.npy", "b.npy"]).said("a.npy and b.npy are equal\n  items     6");
    room.write("c.raw", [0, 0, 1, 0, 2, 0, 3, 0, 9, 0, 5, 0]);
    assert_eq!(room.run(&["convert", "c.raw", "-o", "c.npy", "--raw", "<u2[2,3]"]).code, Some(0));
    let done = room.run(&["diff", "a.npy", "c.npy"]);
    assert_eq!((done.code, done.err.as_str()), (Some(1), ""));
    assert!(done.out.starts_with(
        "a.npy and c.npy differ\n  differing 1 of 6 items\n  first     at [1, 1]: 4 and 9\n"
    ));
    assert_eq!(room.run(&["diff", "a.npy", "c.npy", "--atol", "5"]).code, Some(0));
    assert_eq!(room.run(&["diff", "a.npy", "c.npy", "--rtol", "0.1"]).code, Some(1));
    let report = &room.run(&["diff", "--json", "a.npy", "c.npy"]).json()[0];
    assert_eq!((&report["equal"], &report["differing"]), (&false.into(), &1.into()));
    assert_eq!(room.run(&["diff", "a.npy", "flat.npy"]).code, Some(5));
    room.run(&["diff", "a.npy", "b.npy", "--atol", "nan"])
        .failed(2, "ndbytes: --atol must be a number from 0, found NaN");
    room.run(&["diff", "-", "-"]).failed(2, "ndbytes: '-' stands twice; it can be read once");
}

#[test]
fn a_cast_that_loses_is_refused_without_lossy() {
    let room = Room::new();
    room.bare("a.npy", &[300]);
    let done = room.run(&["convert", "a.npy", "-o", "b.npy", "--cast", "u1"]);
    assert_eq!(done.code, Some(5));
    assert!(done.err.starts_with("ndbytes: a.npy: ") && done.err.contains("[256]"), "{}", done.err);
    assert_eq!(room.names(), ["a.npy"]);
    assert_eq!(
        room.run(&["convert", "a.npy", "-o", "b.raw", "--cast", "u1", "--lossy"]).code,
        Some(0)
    );
    assert_eq!(room.read("b.raw")[254..258], [254, 255, 0, 1]);
    room.run(&["convert", "a.npy", "-o", "b.npy", "--cast", "f4"])
        .said("a.npy -> b.npy: <f4[300], 1,328 bytes");
    room.run(&["convert", "a.npy", "-o", "b.npy", "--cast", "f5"])
        .failed(2, "ndbytes: spec \"f5\": \"f5\" is no dtype, at character 0");
    assert_eq!(room.run(&["convert", "a.npy", "-o", "b.npy", "--lossy"]).code, Some(2));
}

#[test]
fn stats_of_numbers() {
    let room = Room::new();
    let dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }";
    let values: Vec<u8> =
        [1.5f32, f32::NAN, -2.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    room.write("f.npy", with_header(dict, &values));
    let facts = &room.run(&["info", "--stats", "--json", "f.npy"]).json()[0];
    assert_eq!((&facts["stats"]["min"], &facts["stats"]["max"]), (&"-2.0".into(), &"4.0".into()));
    assert_eq!(facts["stats"]["nan"], 1);
    room.bare("a.npy", &[5]);
    let done = room.run(&["info", "--stats", "a.npy"]);
    for line in ["  min       0", "  max       4", "  mean      2"] {
        assert!(done.out.lines().any(|own| own == line), "{line}\n{}", done.out);
    }
}
