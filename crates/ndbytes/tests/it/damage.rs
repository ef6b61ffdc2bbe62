//! No damage to a checked file is read as success: every bit, every length, many bursts.
//!
//! Built with `--cfg ndbytes_unchecked`, which makes every sum hold, these tests must fail: `cargo xtask test` sees
//! to it that they do.

use crate::checked_files;
use ndbytes::{Checks, DecodeOptions, Decoded, Dest, ErrorKind, Result, io};

fn decode(bytes: &[u8], checks: Checks) -> Result<Decoded> {
    let options = DecodeOptions { checks, whole: true, ..Default::default() };
    io::read_array(bytes, options, |_| Ok(Dest::Discard), &mut io::unwatched)
}

/// Whether a flip of this byte is tried. In the file of two blocks each flip costs a pass over a megabyte: the
/// ordinary run tries every bit near an edge and every 1,021st byte between, the long one (`NDBYTES_LONG=1`) all.
fn is_tried(byte: usize, len: usize, long: bool) -> bool {
    let near_an_edge = byte < 256 || len - byte < 300 || (byte + 8) % (1 << 20) < 16 + 128;
    long || len < 4096 || near_an_edge || byte.is_multiple_of(1021)
}

#[test]
fn every_flipped_bit_is_reported() {
    let long = std::env::var_os("NDBYTES_LONG").is_some();
    for (what, array, bytes) in checked_files() {
        let header = decode(&bytes, Checks::Required).unwrap().header.len;
        assert_eq!(bytes[usize::try_from(header).unwrap()..][..array.nbytes()], array.data()[..]);
        let half = |parity: usize| {
            let (mut tried, mut inside_blocks) = (0, 0);
            let mut damaged = bytes.clone();
            for byte in
                (parity..bytes.len()).step_by(2).filter(|&byte| is_tried(byte, bytes.len(), long))
            {
                for bit in 0..8 {
                    damaged[byte] ^= 1 << bit;
                    inside_blocks += usize::from(is_reported(what, &damaged, byte as u64, header));
                    damaged[byte] ^= 1 << bit;
                    tried += 1;
                }
            }
            (tried, inside_blocks)
        };
        let (odd, even) = std::thread::scope(|scope| {
            let odd = scope.spawn(|| half(1));
            let even = half(0);
            (odd.join().unwrap(), even)
        });
        let (tried, inside_blocks) = (odd.0 + even.0, odd.1 + even.1);
        assert!(
            tried >= 1000 && inside_blocks > 0,
            "{what}: {tried} flips, {inside_blocks} in blocks"
        );
        println!("{what}: {tried} of {} flips, all reported", bytes.len() * 8);
    }
}

/// Asserts that damage at `byte` is an error; true if it is one about a block, which must then be the right one.
fn is_reported(what: &str, damaged: &[u8], byte: u64, header: u64) -> bool {
    let Err(error) = decode(damaged, Checks::Optional) else {
        panic!("{what}: a flip of byte {byte} went unseen")
    };
    if damaged.len() < 4096 {
        assert!(
            decode(damaged, Checks::Required).is_err(),
            "{what}: a flip of byte {byte} went unseen"
        );
    }
    let ErrorKind::Checksum { block: Some(block), range } = error.kind() else { return false };
    assert!(range.contains(&byte), "{what}: byte {byte}: {error}");
    assert_eq!(*block, (byte - header) >> 20);
    true
}

#[test]
fn every_truncation_is_reported() {
    for (what, array, bytes) in checked_files() {
        let header = usize::try_from(decode(&bytes, Checks::Required).unwrap().header.len).unwrap();
        let (data_end, len) = (header + array.nbytes(), bytes.len());
        let mut lengths: Vec<usize> =
            (0..len).filter(|n| len < 4096 || n % 509 == 0 || *n < 300 || len - n < 300).collect();
        lengths.push(data_end);
        for n in lengths {
            let Err(error) = decode(&bytes[..n], Checks::Required) else {
                panic!("{what}: cut at {n} went unseen")
            };
            assert_eq!(*error.kind(), ErrorKind::Truncated, "{what}: {n}: {error}");
            // The offset is where the input ended, but for the empty one.
            assert_eq!(error.offset(), Some(n as u64), "{what}: {n}: {error}");
            let unchecked = decode(&bytes[..n], Checks::Optional);
            assert_eq!(unchecked.is_ok(), n == data_end, "{what}: {n}");
        }
    }
}

#[test]
fn bursts_swaps_and_splices_are_reported() {
    let files = checked_files();
    for (what, _, bytes) in &files {
        let mut seed = 0x9E37_79B9_7F4A_7C15u64;
        for _ in 0..(if bytes.len() < 4096 { 20_000 } else { 200 }) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let start = usize::try_from(seed % (bytes.len() as u64 - 4)).unwrap();
            let burst = u32::try_from(seed >> 32).unwrap() | 1;
            let mut damaged = bytes.clone();
            for (byte, flip) in damaged[start..start + 4].iter_mut().zip(burst.to_le_bytes()) {
                *byte ^= flip;
            }
            assert!(
                decode(&damaged, Checks::Required).is_err(),
                "{what}: burst {burst:08x} at {start} went unseen"
            );
        }
    }
    let (_, _, blocks) = &files[3];
    let mut swapped = blocks.clone();
    swapped[128..128 + (1 << 20) + 4].rotate_left(4);
    assert!(matches!(
        decode(&swapped, Checks::Required).unwrap_err().kind(),
        ErrorKind::Checksum { block: Some(0), .. }
    ));
    // The data of one file with the tail of another.
    let spliced = [&files[0].2[..168], &files[1].2[128 + 48..]].concat();
    assert!(decode(&spliced, Checks::Required).is_err());
}
