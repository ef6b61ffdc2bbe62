use crate::room::{Room, mark_open};
use serde_json::json;

#[test]
fn three_states_and_their_codes() {
    let room = Room::new();
    room.checked("ok.npy", &[100]);
    room.bare("bare.npy", &[100]);
    room.run(&["verify", "ok.npy", "bare.npy"])
        .said("ok.npy: ok\nbare.npy: unchecked: complete, but no checksum proves it");
    room.run(&["verify", "--require-checksum", "bare.npy"]).failed(
        5,
        "ndbytes: bare.npy: unchecked: complete, but no checksum proves it; `ndbytes checksum` adds one",
    );
    let states = room.run(&["verify", "--require-checksum", "--json", "ok.npy", "bare.npy"]);
    assert_eq!((states.code, states.err.as_str()), (Some(5), ""));
    let expected = json!({"path": "bare.npy", "state": "unchecked", "spec": "<u2[100]", "blocks": 1, "data_bytes": 200, "compression": null});
    assert_eq!(states.json()[1], expected);
}

#[test]
fn an_open_tail_is_its_own_state() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[100]);
    mark_open(&mut file, 328, 328 + 128);
    room.write("a.npy", &file);
    room.run(&["verify", "a.npy"])
        .said("a.npy: open: complete, but a writer did not finish its checksum");
    assert_eq!(room.run(&["verify", "--require-checksum", "a.npy"]).code, Some(5));
    assert_eq!(room.run(&["info", "--json", "a.npy"]).json()[0]["checksum"], "open");
    let done = room.run(&["convert", "a.npy", "-o", "b.npy"]);
    done.failed(0, "ndbytes: a.npy: its checksum was open, so it was not verified");
    // Whoever seals it vouches for what is there.
    room.run(&["checksum", "a.npy"]).said("a.npy: checksum added");
    room.run(&["verify", "a.npy"]).said("a.npy: ok");
}

#[test]
fn a_flipped_bit_names_block_and_bytes() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[1_000_000]);
    file[128 + (1 << 20) + 7] ^= 0x10;
    room.write("a.npy", file);
    let done = room.run(&["verify", "a.npy"]);
    let line =
        "ndbytes: a.npy: block 1 of 0 to 1 (bytes 1048704 to 2000128) is damaged: its CRC-32C is ";
    assert_eq!((done.code, done.out.as_str()), (Some(6), ""));
    assert!(
        done.err.starts_with(line) && done.err.ends_with(" (at byte 1048704)\n"),
        "{}",
        done.err
    );
    assert_eq!(room.run(&["verify", "--quiet", "a.npy"]), done);
    let report = &room.run(&["verify", "--json", "a.npy"]).json()[0];
    assert_eq!(
        (&report["state"], &report["kind"], &report["block"], &report["range"], &report["offset"]),
        (
            &json!("damaged"),
            &json!("checksum"),
            &json!(1),
            &json!([1_048_704, 2_000_128]),
            &json!(1_048_704)
        )
    );
}

#[test]
fn every_flip_and_every_cut_of_a_small_file_is_seen() {
    let room = Room::new();
    let file = room.checked("a.npy", &[3]);
    let names: Vec<String> = (0..file.len()).step_by(7).map(|at| format!("{at}.npy")).collect();
    for (name, at) in names.iter().zip((0..file.len()).step_by(7)) {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        room.write(name, &flipped);
        // A cut right behind the data leaves a complete bare file; all others are seen.
        room.write(&format!("cut-{name}"), &file[..at]);
    }
    let cuts: Vec<String> = names.iter().map(|name| format!("cut-{name}")).collect();
    let all: Vec<&str> = names.iter().chain(&cuts).map(String::as_str).collect();
    let done = room.run(&[&["verify", "--json"][..], &all].concat());
    let states = done.json();
    assert_eq!(states.len() + done.err.lines().count(), all.len());
    assert!(states.iter().all(|report| report["state"] == "damaged"), "{}", done.out);
    assert_eq!(done.code, Some(6));
}

#[test]
fn cut_files_are_damaged() {
    let room = Room::new();
    let bare = room.bare("bare.npy", &[100]);
    room.write("bare.npy", &bare[..200]);
    let why = "shape (100,) of <u2 needs 200 bytes of data, the input has 72 (at byte 200)";
    room.run(&["verify", "bare.npy"]).failed(5, &format!("ndbytes: bare.npy: {why}"));
    // The same from a pipe, where no length is known.
    let (code, _, err) = room.pipe(&["verify", "-"], &bare[..200]);
    assert_eq!((code, err), (Some(5), format!("ndbytes: standard input: {why}\n")));
    let checked = room.checked("tail.npy", &[100]);
    room.write("tail.npy", &checked[..checked.len() - 1]);
    assert_eq!(room.run(&["verify", "tail.npy"]).code, Some(5));
}

#[test]
fn the_highest_code_counts_and_all_files_are_seen() {
    let room = Room::new();
    let mut flipped = room.checked("flipped.npy", &[100]);
    flipped[150] ^= 1;
    room.write("flipped.npy", flipped);
    room.checked("ok.npy", &[100]);
    let done = room.run(&["verify", "missing.npy", "flipped.npy", "ok.npy"]);
    assert_eq!(done.code, Some(6));
    assert_eq!(done.out, "ok.npy: ok\n");
    let lines: Vec<&str> = done.err.lines().collect();
    assert_eq!(lines.len(), 3, "{}", done.err);
    assert_eq!(lines[0], "ndbytes: missing.npy: No such file or directory (os error 2)");
    assert!(lines[1].starts_with("ndbytes: flipped.npy: block 0 of 0 to 0"));
    assert_eq!(lines[2], "ndbytes: 2 of 3 files did not pass");
    assert_eq!(room.run(&["verify", "--quiet", "ok.npy"]).out, "");
}
