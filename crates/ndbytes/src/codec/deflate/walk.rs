//! Walking a bare stream without writing what it holds, to find where its last block begins and where it ends.
//!
//! An engine that only makes whole streams says neither, and both are needed to let another stream follow.

use super::codes::{Entry, Narrow, Pair};
use super::huffman::ORDER;
use super::unpack::FLUSH;

/// A whole stream with its final bit cleared and an empty stored block at its end, up to a byte; None for bytes that are no
/// stream, or go on behind it.
pub(super) fn joinable(mut stream: Vec<u8>) -> Option<Vec<u8>> {
    /// Bits in front of a stored block's padding: that it is not the last one, and its kind, which are zeros.
    const HEADER: usize = 3;
    let walked = walk(&stream)?;
    *stream.get_mut(walked.last / 8)? ^= 1 << (walked.last % 8);
    let behind = stream.len() * 8 - walked.end;
    let last = stream.last_mut()?;
    // What stands behind the end means nothing.
    *last &= u8::MAX >> behind;
    stream.resize((walked.end + HEADER).div_ceil(8), 0);
    stream.extend(FLUSH);
    Some(stream)
}

/// Places in a stream, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Walked {
    /// The header of the last block, whose first bit says that it is the last.
    last: usize,
    /// Behind the last code.
    end: usize,
}

/// Where the last block of a stream begins and where it ends; None for bytes that are no stream, or go on behind it.
///
/// Distances are not held against what stands before them: whoever asks knows what the stream holds.
fn walk(stream: &[u8]) -> Option<Walked> {
    let mut bits = Bits { bytes: stream, at: 0, buffer: 0, count: 0 };
    let mut constant = None;
    loop {
        bits.refill()?;
        let last = bits.at();
        let (is_last, kind) = (bits.take(1), bits.take(2));
        match kind {
            0 => stored(&mut bits)?,
            1 => {
                let pair = constant.take().or_else(Pair::fixed)?;
                codes(&mut bits, &pair)?;
                constant = Some(pair);
            }
            2 => {
                let pair = dynamic(&mut bits)?;
                codes(&mut bits, &pair)?;
            }
            _ => return None,
        }
        if is_last == 1 {
            let end = bits.at();
            return (end.div_ceil(8) == stream.len()).then_some(Walked { last, end });
        }
    }
}

/// The bits of a stream, from the lowest of each byte on.
struct Bits<'b> {
    bytes: &'b [u8],
    /// The next byte for the buffer; beyond the last one, zeros.
    at: usize,
    buffer: u64,
    /// Bits in the buffer that count.
    count: u32,
}

/// Bytes of zeros that may be seen behind the last one: as many as the buffer holds.
const BEHIND: usize = 8;

impl Bits<'_> {
    /// At least 56 bits in the buffer; None far behind the end.
    #[inline(always)]
    fn refill(&mut self) -> Option<()> {
        let word = match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(word) => u64::from_le_bytes(*word),
            None => self.near_the_end()?,
        };
        self.buffer |= word.wrapping_shl(self.count);
        self.at = self.at.wrapping_add((63 ^ self.count) as usize / 8);
        self.count |= 56;
        Some(())
    }

    #[cold]
    fn near_the_end(&self) -> Option<u64> {
        if self.at > self.bytes.len() + BEHIND {
            return None;
        }
        let mut word = [0; 8];
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        word.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Some(u64::from_le_bytes(word))
    }

    /// The place of the next bit.
    fn at(&self) -> usize {
        self.at * 8 - self.count as usize
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.buffer = self.buffer.wrapping_shr(count);
        self.count = self.count.wrapping_sub(count);
    }

    /// The next bits as a number, of those that [`Bits::refill`] has brought.
    fn take(&mut self, count: u32) -> usize {
        let found = self.buffer & ((1 << count) - 1);
        self.skip(count);
        usize::try_from(found).unwrap_or_default()
    }
}

fn stored(bits: &mut Bits<'_>) -> Option<()> {
    let start = bits.at().div_ceil(8);
    let &[a, b, c, d] = bits.bytes.get(start..)?.first_chunk()?;
    let (len, check) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    if len != !check {
        return None;
    }
    bits.at = start + 4 + usize::from(len);
    (bits.buffer, bits.count) = (0, 0);
    (bits.at <= bits.bytes.len()).then_some(())
}

/// Skips the codes of a block, its end among them.
fn codes(all: &mut Bits<'_>, pair: &Pair) -> Option<()> {
    // A copy of its own stays in registers.
    let (mut bits, mut entry) = (Bits { ..*all }, Entry::START);
    loop {
        bits.refill()?;
        // A length and a distance with all that is behind their codes are not more bits than there are.
        for _ in 0..2 {
            let before = entry;
            entry = pair.next(bits.buffer, before);
            if entry.is_other() {
                if !entry.is_end() {
                    entry = pair.long(bits.buffer, before)?;
                }
                if entry.is_end() {
                    bits.skip(entry.bits());
                    *all = bits;
                    return Some(());
                }
            }
            bits.skip(entry.bits());
        }
    }
}

/// The codes that a block begins with.
fn dynamic(bits: &mut Bits<'_>) -> Option<Pair> {
    bits.refill()?;
    let (literals, distances) = (257 + bits.take(5), 1 + bits.take(5));
    let count = 4 + bits.take(4);
    let mut lengths = [0; 19];
    for symbol in ORDER.iter().take(count) {
        bits.refill()?;
        *lengths.get_mut(usize::from(*symbol))? = u8::try_from(bits.take(3)).ok()?;
    }
    let code = Narrow::of_lengths(&lengths)?;
    let (mut lengths, total) = ([0; 286 + 32], literals + distances);
    let mut at = 0;
    while at < total {
        bits.refill()?;
        let (symbol, len) = code.symbol(bits.buffer)?;
        bits.skip(len);
        let (value, times) = match symbol {
            16 => (*lengths.get(at.checked_sub(1)?)?, 3 + bits.take(2)),
            17 => (0, 3 + bits.take(3)),
            18 => (0, 11 + bits.take(7)),
            _ => (u8::try_from(symbol).ok()?, 1),
        };
        lengths.get_mut(at..at + times)?.fill(value);
        at += times;
    }
    let (literals, distances) = lengths.get(..total)?.split_at_checked(literals)?;
    Pair::of(literals, distances)
}

#[cfg(test)]
mod tests {
    use super::super::pack_block::{Recipe, pack_block};
    use super::super::unpack_block;
    use super::*;
    use proptest::prelude::*;

    /// Bytes with long and short matches, and some without.
    fn sample(len: usize, kind: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut byte = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = u8::try_from(state >> 24).unwrap();
            match kind {
                0 => 7,
                1 => u8::try_from(i / 7 % 251).unwrap(),
                2 => noise >> 4,
                _ => noise >> (i / 3000 % 8),
            }
        };
        (0..len).map(&mut byte).collect()
    }

    fn recipes() -> impl Iterator<Item = Recipe> {
        let whole = (1..=12).map(Recipe::Whole);
        whole.chain((0..=9).map(Recipe::Streamed)).chain([
            Recipe::Stored,
            Recipe::Runs(6),
            Recipe::Items(64),
        ])
    }

    #[test]
    fn streams_of_every_kind_are_joined() {
        for len in (0..30).chain([100, 1000, 9999, 70_000, 400_000]) {
            for kind in 0..4 {
                let bytes = sample(len, kind);
                for recipe in recipes() {
                    let stream = pack_block(&bytes, true, recipe, Vec::new()).unwrap();
                    let mut joined = joinable(stream.clone()).unwrap();
                    assert!(joined.len() <= stream.len() + 5);
                    let mut back = vec![0; len];
                    unpack_block(&mut joined, false, &mut back).unwrap();
                    assert!(back == bytes, "{len} {kind} {recipe:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_or_goes_on_is_no_stream() {
        for kind in 0..4 {
            for recipe in recipes() {
                let stream = pack_block(&sample(300, kind), true, recipe, Vec::new()).unwrap();
                for len in 0..stream.len() {
                    assert_eq!(walk(&stream[..len]), None, "{kind} {recipe:?} {len}");
                }
                assert_eq!(walk(&[&stream[..], &[0]].concat()), None);
            }
        }
    }

    #[test]
    fn flipped_bits_lead_to_some_end_within_or_none() {
        for kind in 0..4 {
            for recipe in recipes() {
                let stream = pack_block(&sample(700, kind), true, recipe, Vec::new()).unwrap();
                for bit in 0..stream.len() * 8 {
                    let mut changed = stream.clone();
                    changed[bit / 8] ^= 1 << (bit % 8);
                    is_within(&changed);
                }
            }
        }
    }

    fn is_within(stream: &[u8]) {
        if let Some(walked) = walk(stream) {
            assert!(walked.last + 3 <= walked.end && walked.end.div_ceil(8) == stream.len());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0_u8..8) {
            is_within(&bytes);
            // The kind of the first block by turns: most are wrong at once.
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = *first & !7 | kind;
            }
            is_within(&bytes);
        }
    }
}
