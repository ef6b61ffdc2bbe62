//! The golden and the bad files of `spec/vectors`, made by a program that shares no code with this one.

use ndbytes::{Checks, ChecksumState, DecodeOptions, Dest, crc32c, io};
use serde_json::Value;
use std::path::PathBuf;

#[test]
fn every_vector_reads_as_its_row_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec/vectors");
    let rows: Vec<Value> =
        serde_json::from_slice(&std::fs::read(folder.join("vectors.json")).unwrap()).unwrap();
    let (mut good, mut bad) = (0, 0);
    for row in &rows {
        let name = row["file"].as_str().unwrap();
        let required = row["require_checksum"].as_bool().unwrap_or(false);
        let checks = if required { Checks::Required } else { Checks::Optional };
        let options = DecodeOptions { checks, whole: true, ..Default::default() };
        let decoded = io::load(folder.join(name), options, Dest::Owned, &mut io::unwatched);
        if name.starts_with("bad/") {
            let error = decoded.map(|d| d.header).unwrap_err();
            let kind = format!("{:?}", error.kind());
            assert!(kind.starts_with(row["kind"].as_str().unwrap()), "{name}: {kind}");
            assert_eq!(error.message(), row["message"].as_str().unwrap(), "{name}");
            assert_eq!(error.offset(), row["offset"].as_u64(), "{name}");
            assert!(error.to_string().contains(name), "{name}: the error names the file: {error}");
            bad += 1;
            continue;
        }
        let decoded = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
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
        let attrs: Option<Value> =
            decoded.metadata.attrs.map(|text| serde_json::from_str(&text).unwrap());
        assert_eq!(attrs.unwrap_or(Value::Null), row["attrs"], "{name}");
        assert_eq!(
            format!("{:08x}", crc32c(array.data())),
            row["data_crc32c"].as_str().unwrap(),
            "{name}"
        );
        good += 1;
    }
    assert!(good >= 13 && bad >= 23, "{good} good, {bad} bad");
}
