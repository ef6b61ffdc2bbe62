//! Deflate blocks (RFC 1951) of literals and matches, each with codes of its own.

use super::bits::{Bits, HEADER, STORED};
use super::huffman::{NO_SYMBOLS, Preamble, Symbol, lengths, symbols};
use crate::error::Result;

/// The bare stream of `bytes`: with its end if it is the `last` of its stream, or else up to a byte, behind which others
/// may stand. It is made in `out`, which is empty. `split` makes parts of the front of what is left, and says how long it is.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub(super) fn stream(
    bytes: &[u8],
    last: bool,
    out: Vec<u8>,
    mut split: impl FnMut(&[u8], &mut Vec<Part>) -> usize,
) -> Result<Vec<u8>> {
    let (mut bits, mut parts) = (Bits::new(out), Vec::new());
    let (mut rest, is_empty) = (bytes, bytes.is_empty());
    while !rest.is_empty() {
        parts.clear();
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

/// Symbols of literals, of the end, and of lengths; and of distances.
const SYMBOLS: usize = 286;
const END: usize = 256;
const DISTANCES: usize = 30;
/// Bits of the longest code: readers have tables of so many, and look twice for longer ones.
const LONGEST_CODE: usize = 11;
/// Bytes of a match.
pub(super) const SHORTEST: usize = 3;
pub(super) const LONGEST: usize = 258;
/// Literals of one block: as many as one that is stored can have, and enough for codes of their own.
pub(super) const LITERALS: usize = 0xffff;
/// Parts of one block, at most.
pub(super) const PARTS: usize = 1 << 13;

/// Some literals, and bytes behind them that stand a distance before, too: in matches, of which none is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) literals: usize,
    pub(super) repeats: usize,
    pub(super) distance: usize,
}

impl Part {
    /// The matches: how many of the longest, and one more.
    fn matches(self) -> impl Iterator<Item = Code> {
        let (full, rest) = (self.repeats / LONGEST, self.repeats % LONGEST);
        let rest = (rest > 0).then(|| Code::of_length(rest));
        std::iter::repeat_n(Code::of_length(LONGEST), full).chain(rest)
    }
}

/// The length or the distance of a match: a symbol, and a number of some bits behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Code {
    symbol: usize,
    more: u64,
    width: u32,
}

impl Code {
    /// RFC 1951, section 3.2.5: four symbols for each number of bits.
    fn of_length(len: usize) -> Self {
        if len == LONGEST {
            return Self { symbol: SYMBOLS - 1, more: 0, width: 0 };
        }
        let above = len.saturating_sub(SHORTEST);
        let width = above.checked_ilog2().unwrap_or_default().saturating_sub(2);
        let symbol = END + 1 + 4 * width as usize + (above >> width);
        Self { symbol, more: (above & ((1 << width) - 1)) as u64, width }
    }

    /// The same section: two symbols for each number of bits.
    fn of_distance(distance: usize) -> Self {
        let above = distance.saturating_sub(1);
        let width = above.checked_ilog2().unwrap_or_default().saturating_sub(1);
        let symbol = 2 * width as usize + (above >> width);
        Self { symbol, more: (above & ((1 << width) - 1)) as u64, width }
    }

    /// Its bits behind those of its symbol, as one number, and how many they are.
    #[inline(always)]
    fn behind(self, symbols: &[Symbol]) -> (u64, u32) {
        let Symbol { bits, len } = symbols.get(self.symbol).copied().unwrap_or_default();
        (u64::from(bits) | self.more << len, u32::from(len) + self.width)
    }
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

/// How often each symbol stands in a piece, and how many bits stand behind the symbols.
struct Counts {
    symbols: [u32; SYMBOLS],
    distances: [u32; DISTANCES],
    behind: usize,
}

impl Counts {
    fn of(piece: &[u8], parts: &[Part]) -> Self {
        // Four tables: a count that was just stored is not there yet to be counted up again.
        let mut tables = [[0_u32; 256]; 4];
        let mut counts = Self { symbols: [0; SYMBOLS], distances: [0; DISTANCES], behind: 0 };
        counts.symbols[END] = 1;
        for (part, bytes) in literals(piece, parts) {
            let (fours, rest) = bytes.as_chunks::<4>();
            for four in fours {
                tables
                    .iter_mut()
                    .zip(four)
                    .for_each(|(table, byte)| table[usize::from(*byte)] += 1);
            }
            rest.iter().for_each(|byte| tables[0][usize::from(*byte)] += 1);
            let distance = Code::of_distance(part.distance);
            for length in part.matches() {
                counts.symbols.get_mut(length.symbol).into_iter().for_each(|count| *count += 1);
                counts.distances.get_mut(distance.symbol).into_iter().for_each(|count| *count += 1);
                counts.behind += (length.width + distance.width) as usize;
            }
        }
        for table in tables {
            counts.symbols.iter_mut().zip(table).for_each(|(sum, count)| *sum += count);
        }
        counts
    }
}

/// Lengths of codes up to the last that is used.
fn used(lengths: &[u8]) -> &[u8] {
    let used = lengths.iter().rposition(|len| *len > 0).map_or(0, |at| at + 1);
    lengths.get(..used).unwrap_or_default()
}

fn bits_of(lengths: &[u8], counts: &[u32]) -> usize {
    lengths.iter().zip(counts).map(|(len, count)| usize::from(*len) * *count as usize).sum()
}

/// Writes a piece as one block: with codes of its own, or stored where those are not shorter.
fn block(piece: &[u8], parts: &[Part], last: bool, bits: &mut Bits) -> Result<()> {
    /// The kind of a block with codes of its own, behind the bit that says whether it is the last one.
    const DYNAMIC: u64 = 2 << 1;
    let counts = Counts::of(piece, parts);
    let of_symbols = lengths(&counts.symbols, LONGEST_CODE);
    let of_distances = lengths(&counts.distances, LONGEST_CODE);
    let preamble = Preamble::new(used(&of_symbols), used(&of_distances));
    let codes = bits_of(&of_symbols, &counts.symbols) + bits_of(&of_distances, &counts.distances);
    let total = HEADER as usize + preamble.len() + codes + counts.behind;
    if total.div_ceil(8) >= piece.len() + STORED {
        return bits.stored(piece, last);
    }
    bits.reserve(total)?;
    // One that nobody else can see stays in registers.
    let all = bits;
    let mut bits = all.take();
    bits.put(u64::from(last) | DYNAMIC, HEADER);
    preamble.fields().for_each(|(number, width)| bits.put(number.into(), width.into()));
    let (symbols, distances) = (symbols(&of_symbols), symbols(&of_distances));
    let of_bytes = symbols.first_chunk().unwrap_or(&NO_SYMBOLS);
    for (part, bytes) in literals(piece, parts) {
        bits.literals(bytes, of_bytes);
        let distance = Code::of_distance(part.distance).behind(&distances);
        for length in part.matches() {
            let length = length.behind(&symbols);
            bits.put(length.0 | distance.0 << length.1, length.1 + distance.1);
        }
    }
    bits.symbol(symbols.get(END).copied().unwrap_or_default());
    *all = bits;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(code: Code) -> (usize, u32, u64) {
        (code.symbol, code.width, code.more)
    }

    #[test]
    fn lengths_are_those_of_the_table_in_rfc_1951() {
        let found = [3, 10, 11, 12, 13, 19, 35, 66, 131, 227, 257, 258];
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
        assert_eq!(found.map(|len| fields(Code::of_length(len))), table);
    }

    #[test]
    fn distances_are_those_of_the_table_in_rfc_1951() {
        let found = [1, 2, 4, 5, 6, 7, 9, 13, 192, 193, 8192, 8193, 24576, 24577, 32768];
        let table = [
            (0, 0, 0),
            (1, 0, 0),
            (3, 0, 0),
            (4, 1, 0),
            (4, 1, 1),
            (5, 1, 0),
            (6, 2, 0),
            (7, 2, 0),
            (14, 6, 63),
            (15, 6, 0),
            (25, 11, 2047),
            (26, 12, 0),
            (28, 13, 8191),
            (29, 13, 0),
            (29, 13, 8191),
        ];
        assert_eq!(found.map(|distance| fields(Code::of_distance(distance))), table);
    }
}
