//! The codes of deflate blocks (RFC 1951), as tables that say how many bits to skip.

/// A code of at most 15 bits, with a table over its next ones: `SIZE` places, a power of two.
pub(super) struct Code<const SIZE: usize> {
    table: Box<[Entry; SIZE]>,
    /// Symbols by length, and in their order among those of one length.
    symbols: [u16; SYMBOLS],
    /// How many symbols have a code of each length.
    counts: [u16; LONGEST + 1],
    meaning: fn(u16) -> Option<Entry>,
}

/// A code of literals and lengths, or one of distances: often a literal and the code behind it are in the table, which
/// the nearest cache holds.
pub(super) type Wide = Code<{ 1 << 12 }>;
/// The code of the lengths of other codes, none longer than 7 bits.
pub(super) type Narrow = Code<{ 1 << 7 }>;

const LONGEST: usize = 15;
/// Literals and lengths, those without a meaning among them.
const SYMBOLS: usize = 288;

/// What stands at the front of some bits: literals, with or without what ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Entry(u16);

/// Where the kind stands in an entry, above its bits, which are the lowest, where shifts want them.
const KIND: usize = 6;
/// Where the bits stand that it is known by.
const KNOWN: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A code that is longer than the table is wide, or none.
    Long = 0,
    Literals = 1 << KIND,
    /// A length, behind which a distance stands.
    Length = 2 << KIND,
    /// The end of the block.
    End = 3 << KIND,
}

impl Entry {
    /// Of a symbol with so many bits behind its code.
    fn new(bits: u16, kind: Kind) -> Self {
        Self(bits | kind as u16)
    }

    #[inline(always)]
    fn is(self, kind: Kind) -> bool {
        self.0 & Kind::End as u16 == kind as u16
    }

    #[inline(always)]
    pub(super) fn is_long(self) -> bool {
        self.is(Kind::Long)
    }

    #[inline(always)]
    pub(super) fn is_literals(self) -> bool {
        self.is(Kind::Literals)
    }

    #[inline(always)]
    pub(super) fn is_end(self) -> bool {
        self.is(Kind::End)
    }

    /// Bits of all of it, those behind a length or distance code among them.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        u32::from(self.0) & ((1 << KIND) - 1)
    }

    /// Bits that it was known by.
    fn known(self) -> usize {
        usize::from(self.0 >> KNOWN)
    }

    /// The same behind so many bits of codes.
    fn behind(self, bits: usize) -> Self {
        Self(self.0 + u16::try_from(bits | bits << KNOWN).unwrap_or_default())
    }
}

/// The bits behind the code of a literal, length or end; None for a symbol that means nothing.
fn literal(symbol: u16) -> Option<Entry> {
    Some(match symbol {
        0..=255 => Entry::new(0, Kind::Literals),
        256 => Entry::new(0, Kind::End),
        257..=264 | 285 => Entry::new(0, Kind::Length),
        265..=284 => Entry::new((symbol - 261) / 4, Kind::Length),
        _ => return None,
    })
}

/// The bits behind the code of a distance.
fn distance(symbol: u16) -> Option<Entry> {
    let bits = (symbol / 2).saturating_sub(1);
    (symbol < 30).then(|| Entry::new(bits, Kind::Literals))
}

/// The two codes of blocks that bring none.
pub(super) fn fixed() -> Option<(Wide, Wide)> {
    let mut lengths = [8; SYMBOLS];
    lengths.get_mut(144..256)?.fill(9);
    lengths.get_mut(256..280)?.fill(7);
    Some((Wide::literals(&lengths)?, Wide::distances(&[5; 32])?))
}

impl<const SIZE: usize> Code<SIZE> {
    const BITS: usize = SIZE.ilog2() as usize;

    pub(super) fn literals(lengths: &[u8]) -> Option<Self> {
        let mut code = Self::new(lengths, literal)?;
        code.join_literals();
        Some(code)
    }

    pub(super) fn distances(lengths: &[u8]) -> Option<Self> {
        Self::new(lengths, distance)
    }

    /// The code of the lengths of the others.
    pub(super) fn of_lengths(lengths: &[u8]) -> Option<Self> {
        Self::new(lengths, |_| Some(Entry::new(0, Kind::Literals)))
    }

    /// The code whose symbols have codes of these lengths; None where that is not possible, or some bits would be no code
    /// though there are two.
    fn new(lengths: &[u8], meaning: fn(u16) -> Option<Entry>) -> Option<Self> {
        let mut counts = [0_u16; LONGEST + 1];
        for len in lengths {
            *counts.get_mut(usize::from(*len))? += 1;
        }
        counts[0] = 0;
        let (mut starts, mut start, mut room) = ([0_u16; LONGEST + 1], 0, 1_i32);
        for (count, first) in counts.iter().zip(&mut starts).skip(1) {
            *first = start;
            start += count;
            room = room * 2 - i32::from(*count);
            if room < 0 {
                return None;
            }
        }
        if room > 0 && start > 1 {
            return None;
        }
        let mut symbols = [0; SYMBOLS];
        for (symbol, len) in (0_u16..).zip(lengths).filter(|(_, len)| **len > 0) {
            let place = starts.get_mut(usize::from(*len))?;
            *symbols.get_mut(usize::from(*place))? = symbol;
            *place += 1;
        }
        let table = Box::new([Entry::default(); SIZE]);
        let mut code = Self { table, symbols, counts, meaning };
        code.fill();
        Some(code)
    }

    /// Writes every short code to all places that begin with it.
    fn fill(&mut self) {
        let (mut code, mut symbols) = (0_u16, self.symbols.iter());
        for (len, count) in self.counts.iter().enumerate().skip(1).take(Self::BITS) {
            code <<= 1;
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                // Codes stand with their first bit lowest.
                let first = usize::from(code.reverse_bits() >> (16 - len));
                let entry = (self.meaning)(*symbol).map(|entry| entry.behind(len));
                let places = self.table.iter_mut().skip(first).step_by(1 << len);
                places.for_each(|place| *place = entry.unwrap_or_default());
                code += 1;
            }
        }
    }

    /// Lets every place go on behind a literal for as long as its bits say how.
    fn join_literals(&mut self) {
        let single = self.table.clone();
        for (bits, place) in self.table.iter_mut().enumerate() {
            while place.is_literals() {
                let next = single[bits >> place.known()];
                // Bits that are not in the table are zeros here: what depends on them does not count.
                if next.is_long() || place.known() + next.known() > Self::BITS {
                    break;
                }
                *place = next.behind(place.known());
            }
        }
    }

    #[inline(always)]
    pub(super) fn entry(&self, bits: u64) -> Entry {
        let at = usize::try_from(bits & (SIZE as u64 - 1)).unwrap_or_default();
        self.table[at]
    }

    /// The entry of any code, by its bits one for one.
    #[cold]
    pub(super) fn long(&self, bits: u64) -> Option<Entry> {
        let (symbol, len) = self.symbol(bits)?;
        (self.meaning)(symbol).map(|entry| entry.behind(len as usize))
    }

    /// The symbol whose code stands at the front, and how long that is.
    pub(super) fn symbol(&self, mut bits: u64) -> Option<(u16, u32)> {
        let (mut code, mut first, mut index) = (0_u16, 0_u16, 0_u16);
        for (len, count) in self.counts.iter().enumerate().skip(1) {
            code |= u16::from(bits & 1 == 1);
            bits >>= 1;
            if let Some(offset) = code.checked_sub(first).filter(|offset| offset < count) {
                let symbol = self.symbols.get(usize::from(index + offset))?;
                return Some((*symbol, u32::try_from(len).ok()?));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}
