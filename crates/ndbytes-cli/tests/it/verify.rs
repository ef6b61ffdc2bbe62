use crate::room::Room;
use serde_json::json;

#[test]
fn three_states_and_their_codes() {
    let room = Room::new();
    room.checked("ok.npy", &[100]);
    room.bare("bare.npy", &[100]);
    room.run(&["verify", "ok.npy", "bare.npy"]).said(
        "ok         ok.npy: <u2[100], 1 block checked\n\
         unchecked  bare.npy: <u2[100] is complete, but has no checksum to prove it",
    );
    let done = room.run(&["verify", "--require-checksum", "ok.npy", "bare.npy"]);
    done.failed(5, "ndbytes: 1 of 2 files did not pass");
}

#[test]
fn a_flipped_bit_names_block_and_bytes() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[1_000_000]);
    file[128 + (1 << 20) + 7] ^= 0x10;
    room.write("a.npy", file);
    let done = room.run(&["verify", "a.npy"]);
    done.failed(6, "ndbytes: 1 of 1 file did not pass");
    assert!(
        done.out.starts_with("damaged    a.npy: block 1 of 0 to 1 (bytes 1048704 to 2000128) is damaged: its CRC-32C is "),
        "{}",
        done.out
    );
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
    let done = room.run(&["verify", "bare.npy"]);
    done.failed(5, "ndbytes: 1 of 1 file did not pass");
    assert_eq!(
        done.out,
        "damaged    bare.npy: shape (100,) of <u2 needs 200 bytes of data, the input has 72 (at byte 200)\n"
    );
    // The same from a pipe, where no length is known.
    let (code, out, _) = room.pipe(&["verify", "-"], &bare[..200]);
    assert_eq!(code, Some(5));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "damaged    standard input: shape (100,) of <u2 needs 200 bytes of data, the input has 72 (at byte 200)\n"
    );
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
    assert_eq!(done.out.lines().count(), 2);
    assert_eq!(
        done.err,
        "ndbytes: missing.npy: No such file or directory (os error 2)\nndbytes: 1 of 3 files did not pass\n"
    );
    assert_eq!(room.run(&["verify", "--quiet", "ok.npy"]).out, "");
}
