use crate::room::{Room, bytes, numbers, with_header};
use ndbytes::Order;
use ndbytes::npy::EncodeOptions;
use serde_json::json;

#[test]
fn says_all_there_is_for_a_person() {
    let room = Room::new();
    room.bare("a.npy", &[300, 4]);
    room.run(&["info", "a.npy"]).said(
        "a.npy\n\
        \x20 format    npy 1.0\n\
        \x20 dtype     '<u2' (uint16, little-endian)\n\
        \x20 shape     (300, 4), 1,200 items\n\
        \x20 order     C (last axis fastest)\n\
        \x20 data      2,400 bytes, behind 128 of header\n\
        \x20 checksum  none ('ndbytes checksum' adds one)\n\
        \x20 spec      '<u2[300,4]'",
    );
}

#[test]
fn says_all_there_is_for_a_program() {
    let room = Room::new();
    room.labelled("a.npy", &[2, 3]);
    let done = room.run(&["info", "--json", "a.npy"]);
    let expected = json!({
        "path": "a.npy", "format": "npy", "version": "1.0", "descr": "'<u2'", "dtype": "uint16", "shape": [2, 3],
        "order": "C", "items": 6, "itemsize": 2, "header_bytes": 128, "data_bytes": 12, "checksum": "present",
        "checksum_kind": "crc32c", "compression": null, "file_bytes": 350,
        "name": "scan", "attrs": {"unit": "mV"}, "spec": "<u2[2,3]", "stats": null, "codec": "none", "filter": "none",
        "block": null,
        "grows": false, "method": null,
    });
    assert_eq!(done.json(), [expected]);
}

#[test]
fn sees_fortran_order_labels_and_an_open_tail() {
    let room = Room::new();
    room.npy("f.npy", &[2, 3], Order::F, &EncodeOptions::bare());
    room.labelled("a.npy", &[2, 3]);
    let done = room.run(&["info", "f.npy", "a.npy"]);
    for line in [
        "  order     F (Fortran: first axis fastest)",
        "  checksum  present, not verified here ('ndbytes verify' does)",
        "  name      scan",
        "  attrs     {\"unit\": \"mV\"}",
    ] {
        assert!(done.out.lines().any(|own| own == line), "{line}\n{}", done.out);
    }
}

#[test]
fn sums_nothing_of_a_file_and_all_of_a_stream() {
    let room = Room::new();
    let mut file = room.checked("a.npy", &[1000]);
    file[500] ^= 1;
    room.write("a.npy", &file);
    assert_eq!(room.run(&["info", "a.npy"]).code, Some(0));
    let (code, _, err) = room.pipe(&["info", "-"], &file);
    assert_eq!(code, Some(6));
    assert!(
        err.starts_with(
            "ndbytes: standard input: block 0 of 0 to 0 (bytes 128 to 2128) is damaged"
        ),
        "{err}"
    );
    file[500] ^= 1;
    let (code, out, _) = room.pipe(&["info", "--json", "-"], &file);
    let facts: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        (code, &facts["checksum"], &facts["path"]),
        (Some(0), &json!("verified"), &json!("-"))
    );
}

#[test]
fn declares_headerless_files() {
    let room = Room::new();
    room.write("a.bin", bytes(&numbers(12)));
    let facts = room.run(&["info", "--json", "a.bin", "--raw", "<u2[?,3]"]).json();
    assert_eq!((&facts[0]["format"], &facts[0]["shape"]), (&json!("raw"), &json!([4, 3])));
    let (code, out, _) =
        room.pipe(&["info", "--json", "-", "--raw", "<u2[?,4]"], &bytes(&numbers(12)));
    let facts: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((code, &facts["shape"]), (Some(0), &json!([3, 4])));
    room.run(&["info", "a.bin"]).failed(
        2,
        "ndbytes: a.bin: no header says what these bytes are; 24 bytes may be '|u1[24]', '<u2[12]', '<f4[6]', \
         '<f8[3]': say which with --raw",
    );
}

#[test]
fn dtypes_have_numpys_names() {
    let room = Room::new();
    let dict = "{'descr': [('t', '<M8[ns]'), ('v', '>f4', (3,))], 'fortran_order': False, 'shape': (2,), }";
    room.write("r.npy", with_header(dict, &[0; 40]));
    let facts = room.run(&["info", "--json", "r.npy"]).json();
    assert_eq!(facts[0]["dtype"], "void160");
    assert_eq!(facts[0]["descr"], "[('t', '<M8[ns]'), ('v', '>f4', (3,))]");
    assert_eq!(facts[0]["spec"], "{t:<M8[ns],v:>f4[3]}[2]");
}
