//! The golden and the bad files of `spec/vectors`, made by a program that shares no code with this one.

use ndbytes::{
    Array, Checks, ChecksumState, DecodeOptions, Decoded, Dest, Digest, Format, Result, Threads,
    crc32c, digest, frame, io,
};
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn every_vector_reads_as_its_row_says() {
    let [mut good, mut bad] = [[0, 0], [0, 0]];
    for row in &rows() {
        let name = row["file"].as_str().unwrap();
        let is_frame = usize::from(row["format"] == "frame");
        if name.starts_with("bad/") {
            check_error(name, row);
            bad[is_frame] += 1;
        } else {
            check_array(name, row);
            good[is_frame] += 1;
        }
    }
    assert!(good[0] >= 13 && bad[0] >= 25, "npy: {good:?} good, {bad:?} bad");
    assert!(good[1] >= 35 && bad[1] >= 85, "frames: {good:?} good, {bad:?} bad");
}

#[test]
fn frames_are_written_as_the_vectors_are() {
    let mut written = 0;
    for row in rows().iter().filter(|row| row["written"] == true) {
        let name = row["file"].as_str().unwrap();
        let decoded = load(name, Checks::Required).unwrap();
        let array = decoded.array.unwrap();
        let metadata = decoded.metadata;
        let options = frame::EncodeOptions { metadata, ..Default::default() };
        let found = crate::frames::write(&array, &options);
        let wanted = std::fs::read(folder().join(name)).unwrap();
        assert_eq!(found.len(), wanted.len(), "{name}");
        let differs = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
        assert_eq!(differs, None, "{name}: the first byte that differs");
        written += 1;
    }
    assert!(written >= 30, "{written} frames");
}

#[test]
fn the_media_type_is_the_one_of_the_spec() {
    let spec = include_str!("../../../../spec/FORMAT.md");
    assert!(spec.contains(&format!("**Media type**: `{}`", ndbytes::MEDIA_TYPE)));
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors")
}

fn rows() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(folder().join("vectors.json")).unwrap()).unwrap()
}

fn load(name: &str, checks: Checks) -> Result<Decoded> {
    let options = DecodeOptions { checks, whole: true, ..Default::default() };
    io::load(folder().join(name), options, Dest::Owned, &mut io::unwatched)
}

fn check_error(name: &str, row: &Value) {
    let required = row["require_checksum"].as_bool().unwrap();
    let checks = if required { Checks::Required } else { Checks::Optional };
    let Err(error) = load(name, checks) else { panic!("{name} was read") };
    let kind = format!("{:?}", error.kind());
    assert!(kind.starts_with(row["kind"].as_str().unwrap()), "{name}: {kind}: {error}");
    assert_eq!(error.message(), row["message"].as_str().unwrap(), "{name}");
    assert_eq!(error.offset(), row["offset"].as_u64(), "{name}");
    assert!(error.to_string().contains(name), "{name}: the error names the file: {error}");
}

fn check_array(name: &str, row: &Value) {
    let decoded = load(name, Checks::Optional).unwrap_or_else(|error| panic!("{name}: {error}"));
    let format = match decoded.header.format {
        Format::Frame => "frame",
        _ => "npy",
    };
    assert_eq!(row["format"], format, "{name}");
    let array = decoded.array.unwrap();
    assert_eq!(array.dtype().to_string(), row["spec"].as_str().unwrap(), "{name}");
    let shape: Vec<Value> = array.shape().iter().map(|&len| len.into()).collect();
    assert_eq!(Value::from(shape), row["shape"], "{name}");
    assert_eq!(decoded.header.fortran_order, row["fortran_order"].as_bool().unwrap(), "{name}");
    let state = match decoded.state {
        ChecksumState::Verified => "verified",
        ChecksumState::Unchecked => "unchecked",
        ChecksumState::Open => "open",
    };
    assert_eq!(state, row["state"].as_str().unwrap(), "{name}");
    assert_eq!(decoded.metadata.name.as_deref(), row["name"].as_str(), "{name}");
    let attrs = decoded.metadata.attrs.map(|text| serde_json::from_str(&text).unwrap());
    assert_eq!(attrs.unwrap_or(Value::Null), row["attrs"], "{name}");
    let sum = format!("{:08x}", crc32c(array.data()));
    assert_eq!(sum, row["data_crc32c"].as_str().unwrap(), "{name}");
    check_digest(name, row, &array);
}

/// Of the array, and of the file as it is read, in pieces.
fn check_digest(name: &str, row: &Value, array: &Array) {
    // What a long double uses of its bytes differs between platforms; the vectors are x87's.
    let is_x87 = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
    if !is_x87 && name.contains("longdouble") {
        return;
    }
    let wanted: Digest = row["digest"].as_str().unwrap().parse().unwrap();
    assert_eq!(digest(&array.view()).unwrap(), wanted, "{name}");
    let file = std::fs::File::open(folder().join(name)).unwrap();
    let options = DecodeOptions { whole: true, ..Default::default() };
    let read = |choose: io::Choose<'_, '_>, watch: io::Watch<'_>| {
        io::read_array(file, options, choose, watch)
    };
    let (found, _) = io::digest_read(read, Threads::ONE, &mut io::unwatched).unwrap();
    assert_eq!(found, wanted, "{name}, as it is read");
}
