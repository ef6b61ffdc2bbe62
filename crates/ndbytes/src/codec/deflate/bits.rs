//! Bits as deflate writes them, from the lowest of each byte on.

use super::huffman::Symbol;
use super::unpack::FLUSH;
use crate::error::{Error, Result};

/// A stream that grows.
#[derive(Debug)]
pub(super) struct Bits {
    out: Vec<u8>,
    /// Whole bytes of the stream in `out`; the bits that follow are in the buffer, and in front of them nothing is.
    at: usize,
    buffer: u64,
    /// Bits in the buffer: at most 7 between calls.
    count: u32,
}

/// Bits in front of a block: whether it is the last one, and its kind.
pub(super) const HEADER: u32 = 3;
/// The most bytes of a block that is stored.
const LONGEST_STORED: usize = 0xffff;
/// Bytes in front of what is stored, behind the header and up to a byte.
pub(super) const STORED: usize = FLUSH.len();

impl Bits {
    /// In memory that nothing stands in yet.
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self { out, at: 0, buffer: 0, count: 0 }
    }

    /// All of it, to be put back.
    pub(super) fn take(&mut self) -> Self {
        Self { out: std::mem::take(&mut self.out), ..*self }
    }

    /// Makes room for so many bits more; those that are put without it are lost.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn reserve(&mut self, bits: usize) -> Result<()> {
        /// A word may be written behind the last bit.
        const BEHIND: usize = 2 * size_of::<u64>();
        let len = self.at + bits / 8 + BEHIND;
        let more = len.saturating_sub(self.out.len());
        self.out.try_reserve(more).map_err(|_| Error::memory(len as u64))?;
        self.out.resize(len, 0);
        Ok(())
    }

    /// Puts the lowest `count` bits, at most 56; the others are zeros.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.buffer |= bits << self.count;
        self.count += count;
        if let Some(place) = self.out.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = self.buffer.to_le_bytes();
        }
        self.at += self.count as usize / 8;
        self.buffer >>= self.count & !7;
        self.count &= 7;
    }

    #[inline(always)]
    pub(super) fn symbol(&mut self, symbol: Symbol) {
        self.put(symbol.bits.into(), symbol.len.into());
    }

    /// The symbols of these bytes, each of at most 14 bits.
    #[inline(always)]
    pub(super) fn literals(&mut self, bytes: &[u8], symbols: &[Symbol; 256]) {
        let (fours, rest) = bytes.as_chunks::<4>();
        for four in fours {
            let [a, b, c, d] = four.map(|byte| symbols[usize::from(byte)]);
            let (front, back) = (joined(a, b), joined(c, d));
            self.put(front.0 | back.0 << front.1, front.1 + back.1);
        }
        rest.iter().for_each(|byte| self.symbol(symbols[usize::from(*byte)]));
    }

    /// Stored blocks: at least one, which may be empty.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn stored(&mut self, bytes: &[u8], last: bool) -> Result<()> {
        let mut rest = bytes;
        loop {
            let (front, behind) = rest.split_at(rest.len().min(LONGEST_STORED));
            self.stored_block(front, last && behind.is_empty())?;
            if behind.is_empty() {
                return Ok(());
            }
            rest = behind;
        }
    }

    fn stored_block(&mut self, bytes: &[u8], last: bool) -> Result<()> {
        self.reserve((STORED + bytes.len()) * 8 + HEADER as usize)?;
        self.put(last.into(), HEADER);
        self.put(0, (8 - self.count) % 8);
        let len = u16::try_from(bytes.len()).unwrap_or_default();
        self.put(len.into(), 16);
        self.put((!len).into(), 16);
        let places = self.out.get_mut(self.at..).and_then(|rest| rest.get_mut(..bytes.len()));
        places.into_iter().for_each(|places| places.copy_from_slice(bytes));
        self.at += bytes.len();
        Ok(())
    }

    /// The stream, up to a byte.
    pub(super) fn done(mut self) -> Vec<u8> {
        self.out.truncate(self.at + usize::from(self.count > 0));
        self.out
    }
}

/// Two symbols as one number, and how many bits it has.
#[inline(always)]
fn joined(a: Symbol, b: Symbol) -> (u64, u32) {
    (u64::from(a.bits) | u64::from(b.bits) << a.len, u32::from(a.len) + u32::from(b.len))
}
