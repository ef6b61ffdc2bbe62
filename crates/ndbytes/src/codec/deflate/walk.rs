//! Walking a bare stream without writing what it holds, to find where its last block begins and where it ends.
//!
//! An engine that only makes whole streams says neither, and both are needed to let another stream follow.

use super::codes::{Code, Entry, Kind, Narrow, Wide, fixed};

/// Places in a stream, in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    /// The header of the last block, whose first bit says that it is the last.
    pub(super) last: usize,
    /// Behind the last code.
    pub(super) end: usize,
}

/// Where the last block of a stream begins and where it ends; None for bytes that are no stream, or go on behind it.
///
/// Distances are not held against what stands before them: whoever asks knows what the stream holds.
pub(super) fn walk(stream: &[u8]) -> Option<Walked> {
    let mut bits = Bits { bytes: stream, at: 0, buffer: 0, count: 0 };
    let mut constant = None;
    loop {
        bits.refill()?;
        let last = bits.at();
        let (is_last, kind) = (bits.take(1), bits.take(2));
        match kind {
            0 => stored(&mut bits)?,
            1 => {
                let pair = constant.take().or_else(fixed)?;
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
fn codes(bits: &mut Bits<'_>, (literals, distances): &(Wide, Wide)) -> Option<()> {
    loop {
        bits.refill()?;
        // Three codes of 15 bits and what stands behind the third are not more than there are: it is these chains of
        // looking up and shifting that take the time.
        let mut entry = next(bits, literals)?;
        for _ in 0..2 {
            if entry.kind() == Kind::Literals {
                entry = next(bits, literals)?;
            }
        }
        match entry.kind() {
            Kind::Literals => {}
            Kind::Length => {
                bits.refill()?;
                next(bits, distances)?;
            }
            Kind::End => return Some(()),
            Kind::Long => return None,
        }
    }
}

#[inline(always)]
fn next<const SIZE: usize>(bits: &mut Bits<'_>, code: &Code<SIZE>) -> Option<Entry> {
    let mut entry = code.entry(bits.buffer);
    if entry.kind() == Kind::Long {
        entry = code.long(bits.buffer)?;
    }
    bits.skip(entry.bits());
    Some(entry)
}

/// The order in which the lengths of the code of lengths stand.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The codes that a block begins with.
fn dynamic(bits: &mut Bits<'_>) -> Option<(Wide, Wide)> {
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
    Some((Wide::literals(literals)?, Wide::distances(distances)?))
}
