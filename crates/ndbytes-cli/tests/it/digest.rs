use crate::room::Room;
use serde_json::json;

#[test]
fn a_manifest_outlives_a_conversion() {
    let room = Room::new();
    room.mkdir("d");
    room.checked("d/a.npy", &[3, 40]);
    room.bare("d/b.npy", &[7]);
    let sums = room.run(&["digest", "-r", "d"]);
    assert_eq!((sums.code, sums.err.as_str()), (Some(0), ""));
    let digests: Vec<&str> = sums.out.lines().filter_map(|line| line.get(..64)).collect();
    let [a, b] = *digests else { panic!("{sums:?}") };
    assert_eq!(sums.out, format!("{a}  d/a.npy\n{b}  d/b.npy\n"));
    room.write("SUMS", &sums.out);
    room.run(&["verify", "--manifest", "SUMS"]).said("d/a.npy: ok\nd/b.npy: ok");
    let convert = ["convert", "d/a.npy", "-o", "d/a.ndb", "--order", "F", "--endian", "big"];
    assert_eq!(room.run(&convert).code, Some(0));
    let checked = room.run(&["verify", "--manifest", "SUMS", "./d/a.ndb"]);
    checked.said("./d/a.ndb: ok, the array of d/a.npy");
    let found = room.run(&["digest", "--json", "d/a.ndb"]).json();
    assert_eq!(found, [json!({"path": "d/a.ndb", "digest": a})]);
}

#[test]
fn each_way_to_fail_has_its_code() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[50]);
    room.write("SUMS", room.run(&["digest", "a.npy"]).out);
    room.checked("a.npy", &[5, 10]);
    let changed = room.run(&["verify", "--manifest", "SUMS"]);
    assert_eq!(changed.code, Some(1));
    assert!(changed.err.starts_with("ndbytes: a.npy: differs: its digest is "), "{changed:?}");
    assert!(changed.err.contains(", line 1 of SUMS says "), "{changed:?}");
    file[130] ^= 1;
    room.write("a.npy", &file);
    assert_eq!(room.run(&["verify", "--manifest", "SUMS"]).code, Some(6));
    assert_eq!(
        (room.run(&["digest", "a.npy"]).code, room.run(&["digest", "a.npy"]).out),
        (Some(6), String::new())
    );
    room.run(&["verify", "--manifest", "SUMS", "b.npy"]).failed(
        2,
        "ndbytes: b.npy: no line of the manifest has this path, or this path with another suffix",
    );
    std::fs::remove_file(room.path("a.npy")).unwrap();
    assert_eq!(room.run(&["verify", "--manifest", "SUMS"]).code, Some(3));
    room.write("SUMS", "what\n");
    room.run(&["verify", "--manifest", "SUMS"]).failed(
        5,
        "ndbytes: SUMS: line 1: expected a digest of 64 hexadecimal digits, two spaces and a path, found \"what\"",
    );
}
