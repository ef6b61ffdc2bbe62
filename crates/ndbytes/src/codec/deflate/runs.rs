//! Deflate blocks (RFC 1951) of literals and of runs of one byte, without a search for matches.
//!
//! Most bytes of a measured float are as good as noise: where a search finds nothing, Huffman codes alone make as little, in
//! a tenth of the time.

use super::bits::{Bits, HEADER, STORED};
use super::huffman::{NO_SYMBOLS, Preamble, lengths, symbols};
use crate::error::Result;

/// The bare stream of `bytes`: with its end if it is the `last` of its stream, or else up to a byte, behind which others
/// may stand. It is made in `out`, which is empty.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub(super) fn runs(bytes: &[u8], last: bool, out: Vec<u8>) -> Result<Vec<u8>> {
    let (mut bits, mut parts) = (Bits::new(out), Vec::new());
    let (mut rest, is_empty) = (bytes, bytes.is_empty());
    while !rest.is_empty() {
        let len = split(rest, &mut parts);
        let (piece, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        block(piece, &parts, last && behind.is_empty(), &mut bits)?;
        rest = behind;
    }
    if !last || is_empty {
        bits.stored(&[], last)?;
    }
    Ok(bits.done())
}

/// Symbols of literals, of the end, and of lengths.
const SYMBOLS: usize = 286;
const END: usize = 256;
/// Bits of the longest code: readers have tables of so many, and look twice for longer ones.
const LONGEST_CODE: usize = 11;
/// Bytes of a match.
const SHORTEST: usize = 3;
const LONGEST: usize = 258;
/// The code of distances, of which only 1 stands anywhere; another one makes it complete.
const DISTANCES: [u8; 2] = [1, 1];

/// Some literals, and how often the last of them is repeated behind them: in matches, of which none is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    literals: usize,
    repeats: usize,
}

impl Part {
    /// The matches: how many of the longest, and one more.
    fn matches(self) -> impl Iterator<Item = Length> {
        let (full, rest) = (self.repeats / LONGEST, self.repeats % LONGEST);
        let rest = (rest > 0).then(|| Length::of(rest));
        std::iter::repeat_n(Length::of(LONGEST), full).chain(rest)
    }
}

/// The length of a match: a symbol, and a number of some bits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length {
    symbol: usize,
    more: u64,
    width: u32,
}

impl Length {
    /// RFC 1951, section 3.2.5: four symbols for each number of bits.
    fn of(len: usize) -> Self {
        if len == LONGEST {
            return Self { symbol: SYMBOLS - 1, more: 0, width: 0 };
        }
        let above = len.saturating_sub(SHORTEST);
        let width = above.checked_ilog2().unwrap_or_default().saturating_sub(2);
        let symbol = END + 1 + 4 * width as usize + (above >> width);
        Self { symbol, more: (above & ((1 << width) - 1)) as u64, width }
    }
}

/// Literals of one block: as many as one that is stored can have, and enough for codes of their own.
const LITERALS: usize = 0xffff;
/// Parts of one block, at most.
const PARTS: usize = 1 << 13;

/// Splits the front of some bytes, to be one block, and says how long it is. Runs are those that are so long that a whole step of the
/// way shows them.
fn split(bytes: &[u8], parts: &mut Vec<Part>) -> usize {
    const STEP: usize = 8;
    parts.clear();
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
        parts.push(Part { literals: first - start, repeats });
        left -= first - start;
        start = first + repeats;
        at = start + 1;
    }
    let literals = left.min(bytes.len() - start).min(at - start);
    parts.push(Part { literals, repeats: 0 });
    start + literals
}

/// The parts of a piece, each with its literals.
fn literals<'p>(piece: &'p [u8], parts: &[Part]) -> impl Iterator<Item = (Part, &'p [u8])> {
    let mut rest = piece;
    parts.iter().map(move |part| {
        let (front, behind) = rest.split_at_checked(part.literals).unwrap_or_default();
        rest = behind.get(part.repeats..).unwrap_or_default();
        (*part, front)
    })
}

/// How often each symbol stands in a piece.
fn count(piece: &[u8], parts: &[Part]) -> [u32; SYMBOLS] {
    // Four tables: a count that was just stored is not there yet to be counted up again.
    let mut tables = [[0_u32; 256]; 4];
    let mut counts = [0; SYMBOLS];
    counts[END] = 1;
    for (part, bytes) in literals(piece, parts) {
        let (fours, rest) = bytes.as_chunks::<4>();
        for four in fours {
            tables.iter_mut().zip(four).for_each(|(table, byte)| table[usize::from(*byte)] += 1);
        }
        rest.iter().for_each(|byte| tables[0][usize::from(*byte)] += 1);
        for length in part.matches() {
            counts.get_mut(length.symbol).into_iter().for_each(|count| *count += 1);
        }
    }
    for table in tables {
        counts.iter_mut().zip(table).for_each(|(sum, count)| *sum += count);
    }
    counts
}

/// Writes a piece as one block: with codes of its own, or stored where those are not shorter.
fn block(piece: &[u8], parts: &[Part], last: bool, bits: &mut Bits) -> Result<()> {
    /// The kind of a block with codes of its own, behind the bit that says whether it is the last one.
    const DYNAMIC: u64 = 2 << 1;
    let counts = count(piece, parts);
    let lengths = lengths(&counts, LONGEST_CODE);
    let used = lengths.iter().rposition(|len| *len > 0).map_or(0, |at| at + 1);
    let preamble = Preamble::new(lengths.get(..used).unwrap_or_default(), &DISTANCES);
    let codes = lengths.iter().zip(counts).map(|(len, count)| usize::from(*len) * count as usize);
    let behind =
        parts.iter().flat_map(|part| part.matches()).map(|length| length.width as usize + 1);
    let total = HEADER as usize + preamble.len() + codes.sum::<usize>() + behind.sum::<usize>();
    if total.div_ceil(8) >= piece.len() + STORED {
        return bits.stored(piece, last);
    }
    bits.reserve(total)?;
    bits.put(u64::from(last) | DYNAMIC, HEADER);
    preamble.fields().for_each(|(number, width)| bits.put(number.into(), width.into()));
    let symbols = symbols(&lengths);
    let symbol = |at: usize| symbols.get(at).copied().unwrap_or_default();
    let of_bytes = symbols.first_chunk().unwrap_or(&NO_SYMBOLS);
    for (part, bytes) in literals(piece, parts) {
        bits.literals(bytes, of_bytes);
        for length in part.matches() {
            bits.symbol(symbol(length.symbol));
            // The distance is a zero behind it.
            bits.put(length.more, length.width + 1);
        }
    }
    bits.symbol(symbol(END));
    Ok(())
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

    #[test]
    fn lengths_are_those_of_the_table_in_rfc_1951() {
        let first = |len| (Length::of(len).symbol, Length::of(len).width, Length::of(len).more);
        let found = [3, 10, 11, 12, 13, 19, 35, 66, 131, 227, 257, 258].map(first);
        let table = [
            (257, 0, 0),
            (264, 0, 0),
            (265, 1, 0),
            (265, 1, 1),
            (266, 1, 0),
            (269, 2, 0),
            (273, 3, 0),
            (276, 3, 7),
            (281, 5, 0),
            (284, 5, 0),
            (284, 5, 30),
            (285, 0, 0),
        ];
        assert_eq!(found, table);
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
