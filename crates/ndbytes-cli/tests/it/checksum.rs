use crate::room::Room;

#[test]
fn added_kept_removed_and_none() {
    let room = Room::new();
    let bare = room.bare("a.npy", &[100]);
    let checked = room.checked("expected.npy", &[100]);
    room.run(&["checksum", "a.npy"]).said("a.npy: checksum added");
    assert_eq!(room.read("a.npy"), checked);
    room.run(&["checksum", "a.npy"]).said("a.npy: has a checksum already, and it holds");
    room.run(&["checksum", "--strip", "--durable", "a.npy"])
        .said("a.npy: verified, and its checksum removed");
    assert_eq!(room.read("a.npy"), bare);
    room.run(&["checksum", "--strip", "a.npy"]).said("a.npy: had no checksum");
    let actions = room.run(&["checksum", "--json", "a.npy", "expected.npy"]).json();
    assert_eq!((&actions[0]["action"], &actions[1]["action"]), (&"added".into(), &"kept".into()));
}

#[test]
fn damaged_files_are_left_as_they_are() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[100]);
    file[150] ^= 1;
    room.write("a.npy", &file);
    for args in [&["checksum", "a.npy"][..], &["checksum", "--strip", "a.npy"]] {
        let done = room.run(args);
        assert_eq!(done.code, Some(6));
        assert!(
            done.err.starts_with("ndbytes: a.npy: block 0 of 0 to 0 (bytes 128 to 328) is damaged"),
            "{}",
            done.err
        );
    }
    assert_eq!(room.read("a.npy"), file);
    let bare = room.bare("cut.npy", &[100]);
    room.write("cut.npy", &bare[..300]);
    room.run(&["checksum", "cut.npy"]).failed(
        5,
        "ndbytes: cut.npy: shape (100,) of <u2 needs 200 bytes of data, the input has 172 (at byte 300)",
    );
    assert_eq!(room.names(), ["a.npy", "cut.npy"]);
}

#[test]
fn streams_have_nothing_to_replace() {
    Room::new().run(&["checksum", "-"]).failed(
        2,
        "ndbytes: standard input: a stream cannot be replaced; only files get a checksum tail",
    );
}
