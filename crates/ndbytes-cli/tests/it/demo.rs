use crate::room::Room;

#[test]
fn the_built_in_arrays_come_back_and_damage_is_named() {
    let room = Room::new();
    let done: crate::room::Done =
        room.command(&["demo"]).env("TMPDIR", room.folder()).output().unwrap().into();
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    for text in [
        "All 224 round trips are exact",
        "ndbytes  block 1 of 0 to 2 (bytes 1048704 to 2097280) is damaged",
        "np.load returns the array without a word",
        "<f8[53940,7] needs 3020640 bytes, found 1510320",
        "over TCP, and the sender is gone after 1,510,320 bytes",
    ] {
        assert!(done.out.contains(text), "{text}\n{}", done.out);
    }
    assert!(done.out.lines().all(|line| line.chars().count() <= 80), "{}", done.out);
    assert_eq!(room.names(), [""; 0], "the temporary folder is gone");
}

#[test]
fn files_of_ones_own_and_json() {
    let room = Room::new();
    room.labelled("mine.npy", &[7, 5]);
    let lines = room.run(&["demo", "--json", "mine.npy"]).json();
    assert_eq!(lines.len(), 5);
    assert_eq!((&lines[0]["array"], &lines[0]["spec"]), (&"mine".into(), &"<u2[7,5]".into()));
    assert_eq!((&lines[0]["trips"], &lines[0]["exact"]), (&64.into(), &64.into()));
    let ways = lines[0]["ways"].as_array().unwrap();
    let stored = |name: &str| {
        let way = ways.iter().find(|way| way["way"] == name).unwrap();
        assert_eq!(
            (&way["trips"], &way["exact"], &way["bytes"]),
            (&8.into(), &8.into(), &560.into())
        );
        way["stored"].as_u64().unwrap()
    };
    // 70 bytes of items; 128 of header; a tail of 128 + 44, or of 44 alone.
    for (name, bytes) in [
        ("memory", 370),
        (".npy file", 198),
        ("checked file", 370),
        ("raw file", 70),
        (".ndb file", 242),
        ("memory map", 370),
        ("TCP", 242),
    ] {
        assert_eq!(stored(name), 8 * bytes, "{name}");
    }
    assert!((1..8 * 198).contains(&stored("zlib")));
    let kinds: Vec<_> = lines[1..].iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["checksum", "truncated", "malformed", "truncated"]);
    for shape in [&[][..], &[0], &[3, 0], &[1]] {
        room.bare("small.npy", shape);
        assert_eq!(room.run(&["demo", "small.npy"]).code, Some(0), "{shape:?}");
    }
    room.run(&["demo", "none.npy"])
        .failed(3, "ndbytes: none.npy: No such file or directory (os error 2)");
}
