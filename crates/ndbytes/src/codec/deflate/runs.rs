//! Deflate blocks (RFC 1951) of literals and of runs of one byte, without a search for matches.
//!
//! Most bytes of a measured float are as good as noise: where a search finds nothing, Huffman codes alone make as little, in
//! a tenth of the time.

use super::block::{LITERALS, LONGEST, PARTS, Part, SHORTEST, stream};
use crate::error::Result;

/// The bare stream of `bytes`, as [`stream`] makes it.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub(super) fn runs(bytes: &[u8], last: bool, out: Vec<u8>) -> Result<Vec<u8>> {
    stream(bytes, last, out, split)
}

/// Splits the front of some bytes, to be one block, and says how long it is. Runs are those that are so long that a whole step of the
/// way shows them.
fn split(bytes: &[u8], parts: &mut Vec<Part>) -> usize {
    const STEP: usize = 8;
    let word = |at: usize| bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word));
    let same = |at: usize| at > 0 && bytes.get(at) == bytes.get(at - 1);
    let (mut start, mut at, mut left) = (0, 1, LITERALS);
    while parts.len() < PARTS && at - start < left {
        let (Some(before), Some(here)) = (word(at - 1), word(at)) else {
            at = bytes.len();
            break;
        };
        if before != here {
            at += STEP;
            continue;
        }
        let (mut first, byte) = (at, bytes.get(at));
        while first > start + 1 && same(first - 1) {
            first -= 1;
        }
        let behind = bytes.get(at..).unwrap_or_default();
        let same = behind.iter().position(|found| Some(found) != byte).unwrap_or(behind.len());
        let repeats = at + same - first;
        let rest = repeats % LONGEST;
        let repeats = if rest < SHORTEST { repeats - rest } else { repeats };
        parts.push(Part { literals: first - start, repeats, distance: 1 });
        left -= first - start;
        start = first + repeats;
        at = start + 1;
    }
    let literals = left.min(bytes.len() - start).min(at - start);
    parts.push(Part { literals, repeats: 0, distance: 1 });
    start + literals
}

#[cfg(test)]
mod tests {
    use super::super::{unpack, unpack_block};
    use super::*;
    use proptest::prelude::*;

    fn back(bytes: &[u8]) {
        let mut out = vec![1; bytes.len()];
        let stream = runs(bytes, true, Vec::new()).unwrap();
        unpack(&stream, &mut out).unwrap();
        assert!(out == bytes, "{}", bytes.len());
        out.fill(1);
        let mut stream = runs(bytes, false, Vec::new()).unwrap();
        unpack_block(&mut stream, false, &mut out).unwrap();
        assert!(out == bytes, "{}", bytes.len());
    }

    #[test]
    fn runs_of_every_length_come_back() {
        for len in 0..600 {
            for front in [0, 1, 3, 8] {
                for behind in [0, 1, 9] {
                    let parts = [vec![2; front], vec![3; len], (0..behind).collect()];
                    back(&parts.concat());
                }
            }
        }
    }

    #[test]
    fn blocks_of_every_kind_come_back() {
        let mut state = 1_u32;
        let mut noise = move |bits: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 24 >> (8 - bits)).unwrap()
        };
        for len in [1, 100, LITERALS - 1, LITERALS, LITERALS + 1, 200_000] {
            for bits in 0..=8 {
                let bytes: Vec<_> = (0..len).map(|_| noise(bits)).collect();
                back(&bytes);
                let most = bytes.len() + (bytes.len() / LITERALS + 2) * 5;
                assert!(runs(&bytes, true, Vec::new()).unwrap().len() <= most);
                // The end has a code too, which costs half a bit a byte where there are only two.
                let few = len * (2 * bits as usize + 1) / 16 + 200 * (1 + len / LITERALS);
                assert!(
                    runs(&bytes, true, Vec::new()).unwrap().len() <= few.max(len / 200 + 100),
                    "{len} {bits}"
                );
            }
        }
    }

    #[test]
    fn what_is_only_a_run_costs_two_bits_a_match() {
        let stream = runs(&vec![0; 64 << 20], true, Vec::new()).unwrap();
        assert!(stream.len() < (64 << 20) / LONGEST / 4 + 200, "{}", stream.len());
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(parts in proptest::collection::vec((any::<u8>(), 1_usize..40, any::<bool>()), 0..200)) {
            let part = |(byte, len, is_run): (u8, usize, bool)| {
                (0..len).map(move |at| if is_run { byte } else { byte.rotate_left(u32::try_from(at).unwrap()) ^ 1 })
            };
            back(&parts.into_iter().flat_map(part).collect::<Vec<_>>());
        }
    }
}
