//! Everything that the public surface promises, in one binary so that it links once.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "tls")]
mod certificates;
mod channels;
#[cfg(feature = "tls")]
mod channels_tls;
mod chunks;
mod coded;
mod coded_damage;
#[cfg(feature = "deflate")]
mod compressed;
mod damage;
#[cfg(feature = "datagram")]
mod datagram_hostile;
#[cfg(feature = "datagram")]
mod datagram_partial;
#[cfg(feature = "datagram")]
mod datagrams;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "deflate")]
mod deflate_damage;
mod files;
mod frame_chunks;
mod frame_damage;
mod frames;
mod growing;
mod growing_beside;
mod large_files;
#[cfg(feature = "datagram")]
mod lossy;
mod maps;
mod messages;
#[cfg(feature = "deflate")]
mod npz;
#[cfg(feature = "deflate")]
mod npz_blocks;
#[cfg(feature = "deflate")]
mod npz_fake;
#[cfg(feature = "deflate")]
mod npz_hostile;
#[cfg(feature = "deflate")]
mod npz_hostile_blocks;
mod parts;
mod pipe;
mod samples;
#[cfg(target_os = "linux")]
mod shm;
mod stream_faults;
mod streams;
#[cfg(feature = "tls")]
mod tls_faults;
#[cfg(feature = "datagram")]
mod udp;
#[cfg(target_os = "linux")]
mod uncopied;
mod vectors;
mod whole;

use ndbytes::npy::{EncodeOptions, Encoder};
use ndbytes::{Array, Metadata, io};
use samples::array;

fn encode(array: &Array, options: &EncodeOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&array.view(), options).unwrap();
    let total = ndbytes::Encode::total(&encoder);
    io::write(&mut encoder, &mut bytes, &mut io::unwatched).unwrap();
    assert_eq!(Some(bytes.len() as u64), total);
    bytes
}

/// The four small checked files that the damage tests work on.
fn checked_files() -> Vec<(&'static str, Array, Vec<u8>)> {
    let named = Metadata::new(Some("déjà".into()), Some("{\"unit\": \"V\"}".into()));
    let with_metadata = EncodeOptions { metadata: named, ..EncodeOptions::checked() };
    [
        ("plain", "<f8[5]", EncodeOptions::checked()),
        ("structured", "{Long=a:<u2,:|V2,b:<f4[2],c:|S3}[3]", EncodeOptions::checked()),
        ("with metadata", "bfloat16[2,3]", with_metadata),
        ("two blocks", "<u4[262145]", EncodeOptions::checked()),
    ]
    .map(|(what, spec, options)| (what, array(spec), encode(&array(spec), &options)))
    .into()
}
