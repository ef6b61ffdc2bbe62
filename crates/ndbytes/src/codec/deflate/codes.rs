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

/// A code of literals and lengths: often a literal and the code behind it are in the table. A wider one takes as long to make as it saves.
type Wide = Code<{ LENGTH as usize }>;
/// A code of distances.
type Middle = Code<{ 1 << 9 }>;
/// The code of the lengths of other codes, none longer than 7 bits.
pub(super) type Narrow = Code<{ 1 << 7 }>;

const LONGEST: usize = 15;
/// Literals and lengths, those without a meaning among them.
const SYMBOLS: usize = 288;

/// What stands at the front of some bits: literals, with or without what ends them; or a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u16);

/// A code that is longer than the table is wide, or none.
const LONG: u16 = 1 << 6;
/// The end of the block, which is no code to go on behind either.
const END: u16 = LONG | 1 << 7;
/// A length, behind which a distance stands: the size of the table of literals, behind which that of distances stands.
const LENGTH: u16 = 1 << 11;
/// Where the bits stand that it is known by; its bits are the lowest, where shifts want them.
const KNOWN: usize = 12;

impl Default for Entry {
    fn default() -> Self {
        Self(LONG)
    }
}

impl Entry {
    /// What is before the first code of a block.
    pub(super) const START: Self = Self(0);

    /// Whether it is no code to go on behind.
    #[inline(always)]
    pub(super) fn is_other(self) -> bool {
        self.0 & LONG != 0
    }

    pub(super) fn is_end(self) -> bool {
        self.0 & END == END
    }

    fn is_literals(self) -> bool {
        self.0 & (END | LENGTH) == 0
    }

    /// Bits of all of it, those behind a length or distance code among them.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        u32::from(self.0) & u32::from(LONG - 1)
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

/// Both codes of a block, in one table: which of them is next depends on the entry before, and so costs no jump.
pub(super) struct Pair {
    table: Box<[Entry; 2 * LENGTH as usize]>,
    literals: Wide,
    distances: Middle,
}

impl Pair {
    fn new(literals: Wide, distances: Middle) -> Self {
        let mut table = Box::new([Entry::default(); 2 * LENGTH as usize]);
        let both = literals.table.iter().chain(distances.table.iter().cycle());
        table.iter_mut().zip(both).for_each(|(place, entry)| *place = *entry);
        Self { table, literals, distances }
    }

    /// The codes of literals and of distances that have these lengths; None where that is not possible.
    pub(super) fn of(literals: &[u8], distances: &[u8]) -> Option<Self> {
        Some(Self::new(Wide::literals(literals)?, Middle::distances(distances)?))
    }

    /// The two codes of blocks that bring none.
    pub(super) fn fixed() -> Option<Self> {
        let mut lengths = [8; SYMBOLS];
        lengths.get_mut(144..256)?.fill(9);
        lengths.get_mut(256..280)?.fill(7);
        Self::of(&lengths, &[5; 32])
    }

    /// What stands at the front of these bits, behind another one.
    #[inline(always)]
    pub(super) fn next(&self, bits: u64, before: Entry) -> Entry {
        let low = usize::try_from(bits & u64::from(LENGTH - 1)).unwrap_or_default();
        self.table[low | usize::from(before.0 & LENGTH)]
    }

    /// The same for any code, by its bits one for one.
    #[cold]
    pub(super) fn long(&self, bits: u64, before: Entry) -> Option<Entry> {
        match before.0 & LENGTH {
            0 => self.literals.long(bits),
            _ => self.distances.long(bits),
        }
    }
}

/// The bits behind the code of a literal, length or end; None for a symbol that means nothing.
fn literal(symbol: u16) -> Option<Entry> {
    Some(match symbol {
        0..=255 => Entry(0),
        256 => Entry(END),
        257..=264 | 285 => Entry(LENGTH),
        265..=284 => Entry(((symbol - 261) / 4) | LENGTH),
        _ => return None,
    })
}

/// The bits behind the code of a distance.
fn distance(symbol: u16) -> Option<Entry> {
    let bits = (symbol / 2).saturating_sub(1);
    (symbol < 30).then_some(Entry(bits))
}

impl<const SIZE: usize> Code<SIZE> {
    const BITS: usize = SIZE.ilog2() as usize;

    fn literals(lengths: &[u8]) -> Option<Self> {
        let mut code = Self::new(lengths, literal)?;
        code.join_literals();
        Some(code)
    }

    fn distances(lengths: &[u8]) -> Option<Self> {
        Self::new(lengths, distance)
    }

    /// The code of the lengths of the others.
    pub(super) fn of_lengths(lengths: &[u8]) -> Option<Self> {
        Self::new(lengths, |_| Some(Entry(0)))
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
                if next.is_other() && !next.is_end() || place.known() + next.known() > Self::BITS {
                    break;
                }
                *place = next.behind(place.known());
            }
        }
    }

    /// The entry of any code, by its bits one for one.
    fn long(&self, bits: u64) -> Option<Entry> {
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
