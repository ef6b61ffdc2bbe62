//! No damage to a checked file is read as success: every bit, every length, many bursts.
//!
//! Built with `--cfg ndbytes_unchecked`, which makes every sum hold, these tests must fail: `cargo xtask test` sees
//! to it that they do.

use crate::{checked_files, encode};
use ndbytes::npy::EncodeOptions;
use ndbytes::{Array, Checks, DecodeOptions, Decoded, Dest, ErrorKind, Result, io};
use std::ops::Range;

pub(crate) fn decode(bytes: &[u8], checks: Checks) -> Result<Decoded> {
    let options = DecodeOptions { checks, whole: true, ..Default::default() };
    io::read_array(bytes, options, |_| Ok(Dest::Discard), &mut io::unwatched)
}

/// Whether this is the long run (`NDBYTES_LONG=1`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("NDBYTES_LONG").is_some()
}

/// Xorshift: the same numbers in every run.
pub(crate) struct Random(pub(crate) u64);

impl Default for Random {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Random {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.bits() % n as u64).unwrap()
    }
}

/// Whether a flip of this byte is tried. In the file of two blocks each flip costs a pass over a megabyte: the
/// ordinary run tries every bit near an edge and every 1,021st byte between, the long one all.
fn is_tried(byte: usize, len: usize, long: bool) -> bool {
    let near_an_edge = byte < 256 || len - byte < 300 || (byte + 8) % (1 << 20) < 16 + 128;
    long || len < 4096 || near_an_edge || byte.is_multiple_of(1021)
}

#[test]
fn every_flipped_bit_is_reported() {
    let long = is_long();
    for (what, array, bytes) in checked_files() {
        let header = decode(&bytes, Checks::Required).unwrap().header;
        let data = header.len..header.data_end();
        let start = usize::try_from(data.start).unwrap();
        assert_eq!(bytes[start..][..array.nbytes()], array.data()[..]);
        let half = |parity: usize| {
            let (mut tried, mut inside_blocks) = (0, 0);
            let mut damaged = bytes.clone();
            for byte in
                (parity..bytes.len()).step_by(2).filter(|&byte| is_tried(byte, bytes.len(), long))
            {
                for bit in 0..8 {
                    damaged[byte] ^= 1 << bit;
                    inside_blocks += usize::from(is_reported(what, &damaged, byte as u64, &data));
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
fn is_reported(what: &str, damaged: &[u8], byte: u64, data: &Range<u64>) -> bool {
    let Err(error) = decode(damaged, Checks::Optional) else {
        panic!("{what}: a flip of byte {byte} went unseen")
    };
    if damaged.len() < 4096 {
        assert!(
            decode(damaged, Checks::Required).is_err(),
            "{what}: a flip of byte {byte} went unseen"
        );
    }
    // The tail's content has two sums of its own, and the first eight bytes tell it from other bytes.
    let content = data.end + 128;
    if byte >= content {
        let tail = checksum(None, data.end..damaged.len() as u64);
        let kind = if byte < content + 8 { ErrorKind::Malformed } else { tail };
        assert_eq!(*error.kind(), kind, "{what}: byte {byte}: {error}");
    }
    let ErrorKind::Checksum { block: Some(block), range } = error.kind() else { return false };
    assert!(range.contains(&byte), "{what}: byte {byte}: {error}");
    assert_eq!(*block, (byte - data.start) >> 20);
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
        let mut random = Random::default();
        for _ in 0..(if bytes.len() < 4096 { 20_000 } else { 200 }) {
            let start = random.below(bytes.len() - 4);
            let burst = u32::try_from(random.bits() >> 32).unwrap() | 1;
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
    // The data of one array with the tail of another: of another size, of another header, of other data.
    let tail_at = |file: &[u8]| {
        let read = decode(file, Checks::Required).unwrap();
        usize::try_from(read.header.data_end()).unwrap()
    };
    let spliced = |one: &[u8], two: &[u8]| [&one[..tail_at(one)], &two[tail_at(two)..]].concat();
    let other_data = crate::array("<f8[5]").data().iter().rev().copied().collect::<Vec<_>>();
    let layout = crate::array("<f8[5]").layout().clone();
    let other_data = Array::new("<f8".parse().unwrap(), layout, other_data.into()).unwrap();
    let checked = |array: &Array| encode(array, &EncodeOptions::checked());
    let first = &files[0].2;
    for (what, other, kind) in [
        ("size", files[1].2.clone(), ErrorKind::Malformed),
        ("header", checked(&crate::array(">f8[5]")), checksum(None, 0..128)),
        ("data", checked(&other_data), checksum(Some(0), 128..168)),
    ] {
        let error = decode(&spliced(first, &other), Checks::Required).unwrap_err();
        assert_eq!(*error.kind(), kind, "{what}: {error}");
    }
}

fn checksum(block: Option<u64>, range: Range<u64>) -> ErrorKind {
    ErrorKind::Checksum { block, range }
}
