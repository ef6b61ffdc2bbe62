//! What a target draws from its bytes: choices, sizes, text; and numbers from a seed.

use ndbytes::Limits;

/// The bytes of an input, taken from the front; where they end, zeros follow.
#[derive(Debug, Default)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// A number below `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.u16()) % n
    }

    /// At most `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Text of at most 255 bytes, its length in front.
    pub(crate) fn text(&mut self) -> String {
        let n = usize::from(self.byte());
        String::from_utf8_lossy(self.take(n)).into_owned()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Limits from tiny to those of local files, in two bytes.
    pub(crate) fn limits(&mut self) -> Limits {
        let (one, two) = (self.byte(), self.byte());
        let mut limits = if one & 1 == 0 { Limits::local() } else { Limits::untrusted() };
        limits.header = match one >> 1 & 3 {
            0 => limits.header,
            1 => 80,
            2 => 1000,
            _ => usize::from(two) * 4,
        };
        limits.grow = match one >> 3 & 3 {
            0 => limits.grow,
            1 => 1,
            2 => 64,
            _ => usize::from(two),
        };
        limits.array = match one >> 5 & 3 {
            0 => limits.array,
            1 => 0,
            2 => 4096,
            _ => u64::from(two),
        };
        if one >> 7 == 1 {
            limits.fields = usize::from(two) % 8;
        }
        limits
    }
}

/// Xorshift: the same numbers from the same seed on every machine.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Numbers that follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let [byte, ..] = (self.next_u64() >> 24).to_le_bytes();
        byte
    }

    /// A number below `n`, which is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        let bits = u32::try_from(self.next_u64() >> 32).unwrap_or_default();
        bits as usize % n
    }
}
