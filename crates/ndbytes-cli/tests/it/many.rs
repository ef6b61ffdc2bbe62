//! Many files: folders, order of reports, files at a time.

use crate::room::Room;

#[test]
fn folders_give_their_npy_files_by_name() {
    let room = Room::new();
    room.mkdir("d/b");
    for name in ["d/c.npy", "d/a.npy", "d/b/x.npy", "one.npy"] {
        room.checked(name, &[10]);
    }
    room.write("d/notes.txt", "not an array");
    let done = room.run(&["verify", "-r", "--json", "one.npy", "d"]);
    let paths: Vec<_> = done.json().iter().map(|line| line["path"].clone()).collect();
    assert_eq!(paths, ["one.npy", "d/a.npy", "d/b/x.npy", "d/c.npy"]);
}

#[test]
fn reports_keep_the_order_of_the_files_at_any_number_at_a_time() {
    let room = Room::new();
    let names: Vec<String> = (0..40).map(|n| format!("{n}.npy")).collect();
    for (n, name) in names.iter().enumerate() {
        room.checked(name, &[if n % 3 == 0 { 300_000 } else { 5 }]);
    }
    let files: Vec<&str> = names.iter().map(String::as_str).collect();
    for jobs in ["1", "4", "0", "100"] {
        let done = room.run(&[&["verify", "--json", "-j", jobs][..], &files].concat());
        let paths: Vec<_> =
            done.json().iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect();
        assert_eq!((done.code, paths), (Some(0), names.clone()));
    }
}
