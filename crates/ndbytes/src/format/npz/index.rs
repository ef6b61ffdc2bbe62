//! Where the blocks of a deflated member end, and their sums: an extra field of the directory that other readers pass over.

use super::Method;
use super::check::most;
use crate::codec::{Crc32, block_log};
use crate::error::{Error, Result};
use crate::format::Fields;
use std::ops::Range;

/// The field's id: "nb".
pub(super) const INDEX: u16 = 0x626e;

/// The only version there is.
const VERSION: u8 = 1;
/// Base-2 logarithms of how long blocks may be.
const LOGS: std::ops::RangeInclusive<u8> = 16..=31;
/// The most bytes of the field that are written: all extra fields of a member must fit 64 KiB.
const MOST: u64 = 48 << 10;
/// Bytes before the blocks, and of each.
const HEAD: u64 = 4;
const EACH: u64 = 8;

/// The blocks of a deflated member: each of them can be inflated without the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    log: u8,
    /// Where the stored bytes of each end, counted from the member's first, and the CRC-32 of what they hold.
    ends: Vec<(u64, u32)>,
    /// Bytes of the member.
    size: u64,
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) number: u64,
    /// Where its bytes stand among the stored ones of the member.
    pub(crate) stored: Range<u64>,
    /// Where what they hold lies in the member.
    pub(crate) raw: Range<u64>,
    /// The CRC-32 of that.
    pub(crate) crc: u32,
    /// Whether the stream ends with it.
    pub(crate) is_last: bool,
}

impl Blocks {
    /// Blocks of the base-2 logarithm `log`, by their stored lengths and sums; none where they would not fit the field.
    pub(crate) fn new(
        log: u8,
        size: u64,
        blocks: impl IntoIterator<Item = (u32, u32)>,
    ) -> Option<Self> {
        let mut end = 0u64;
        let ends = blocks.into_iter().map(|(stored, crc)| {
            end = end.saturating_add(stored.into());
            (end, crc)
        });
        let blocks = Self { log, ends: ends.collect(), size };
        (LOGS.contains(&log) && field_size(blocks.ends.len() as u64) <= MOST).then_some(blocks)
    }

    /// The base-2 logarithm of how long the blocks of a member are, of whose bytes this is the number; not more than there is.
    pub(crate) fn usual(size: u64) -> u8 {
        (block_log(size)..=*LOGS.end())
            .find(|&log| field_size(size.div_ceil(1 << log)) <= MOST)
            .unwrap_or(*LOGS.end())
    }

    /// Reads the field of a member of so many bytes, and stored ones, with this sum; none where its version is another.
    ///
    /// # Errors
    /// Malformed where it does not say what the directory does.
    pub(super) fn parse(
        field: &[u8],
        method: u16,
        [size, packed]: [u64; 2],
        crc: u32,
    ) -> Result<Option<Self>> {
        let wrong = |what: String| Err(Error::malformed(format!("its index of blocks {what}")));
        let mut fields = Fields(field);
        if fields.take() != Some([VERSION]) {
            return Ok(None);
        }
        let (Some([log]), Some(reserved)) = (fields.take(), fields.u16()) else {
            return wrong(format!("has {} bytes; at least {HEAD} are needed", field.len()));
        };
        if method != Method::Deflated.code() {
            return wrong(format!("stands at compression method {method}, which has none"));
        }
        if !LOGS.contains(&log) {
            let (least, most) = (LOGS.start(), LOGS.end());
            return wrong(format!(
                "says blocks of 2^{log} bytes; 2^{least} to 2^{most} are allowed"
            ));
        }
        if reserved != 0 {
            return wrong(format!("has {reserved:#06x} where zero is reserved"));
        }
        let (wanted, found) = (size.div_ceil(1 << log), field.len() as u64);
        if wanted.checked_mul(EACH).and_then(|all| all.checked_add(HEAD)) != Some(found) {
            return wrong(format!(
                "has {found} bytes, and {wanted} blocks of 2^{log} bytes hold the member's {size}"
            ));
        }
        let blocks = std::iter::from_fn(|| fields.u32().zip(fields.u32()));
        let mut end = 0u64;
        let ends = blocks.map(|(stored, crc)| {
            end = end.saturating_add(stored.into());
            (end, crc)
        });
        let blocks = Self { log, ends: ends.collect(), size };
        if end != packed {
            return wrong(format!("says {end} stored bytes, the directory {packed}"));
        }
        let mut all = (0..wanted).filter_map(|number| blocks.get(number));
        let large = |block: &Block| {
            block.raw.end - block.raw.start > most(block.stored.end - block.stored.start)
        };
        if let Some(Block { number, stored, .. }) = all.find(large) {
            let stored = stored.end - stored.start;
            return wrong(format!("says {stored} bytes of block {number}, which cannot hold it"));
        }
        let sum = blocks.sum();
        if sum != crc {
            return wrong(format!(
                "has sums that make {sum:08x}, and the directory says {crc:08x}"
            ));
        }
        Ok(Some(blocks))
    }

    /// What [`Blocks::parse`] reads.
    pub(super) fn field(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.log, 0, 0];
        let mut start = 0;
        for &(end, crc) in &self.ends {
            let stored = u32::try_from(end - start).unwrap_or(u32::MAX);
            out.extend(stored.to_le_bytes());
            out.extend(crc.to_le_bytes());
            start = end;
        }
        out
    }

    /// The CRC-32 of the member that those of the blocks make.
    fn sum(&self) -> u32 {
        (0..self.len() as u64)
            .filter_map(|number| self.get(number))
            .fold(0, |sum, block| Crc32::joined(sum, block.crc, block.raw.end - block.raw.start))
    }

    /// Bytes of the member in each block; in the last one there may be fewer.
    #[must_use]
    pub fn size(&self) -> u64 {
        1 << self.log
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none: only in a member without bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of the member in the block of this number; none where there is no such block.
    pub(crate) fn raw_size(&self, number: u64) -> u64 {
        self.get(number).map_or(0, |block| block.raw.end - block.raw.start)
    }

    /// The block of this number.
    pub(crate) fn get(&self, number: u64) -> Option<Block> {
        let index = usize::try_from(number).ok()?;
        let &(end, crc) = self.ends.get(index)?;
        let before = index.checked_sub(1).and_then(|before| self.ends.get(before));
        let start = number << self.log;
        Some(Block {
            number,
            stored: before.map_or(0, |&(end, _)| end)..end,
            raw: start..start.saturating_add(self.size()).min(self.size),
            crc,
            is_last: index + 1 == self.ends.len(),
        })
    }
}

/// Bytes of the field of so many blocks.
fn field_size(count: u64) -> u64 {
    count.saturating_mul(EACH).saturating_add(HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The field of a member of these bytes in blocks of 64 KiB, and what the directory says of it.
    fn made(size: usize) -> (Blocks, [u64; 2], u32) {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        let stored = |n: usize| u32::try_from(100 + n).unwrap();
        let blocks =
            bytes.chunks(1 << 16).enumerate().map(|(n, part)| (stored(n), Crc32::of(part)));
        let packed = blocks.clone().map(|(stored, _)| u64::from(stored)).sum();
        let blocks = Blocks::new(16, size as u64, blocks).unwrap();
        (blocks, [size as u64, packed], Crc32::of(&bytes))
    }

    #[test]
    fn what_is_written_is_read_and_covers_the_member() {
        for size in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let (blocks, sizes, crc) = made(size);
            let read = Blocks::parse(&blocks.field(), 8, sizes, crc).unwrap();
            assert_eq!(read.as_ref(), Some(&blocks));
            let (mut raw, mut stored) = (0, 0);
            for number in 0..blocks.len() as u64 {
                let block = blocks.get(number).unwrap();
                assert_eq!(
                    (block.number, block.raw.start, block.stored.start),
                    (number, raw, stored)
                );
                assert_eq!(block.is_last, block.raw.end == size as u64);
                (raw, stored) = (block.raw.end, block.stored.end);
            }
            assert_eq!([raw, stored], sizes);
            assert_eq!(blocks.get(blocks.len() as u64), None);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_an_error_or_another_version() {
        let (blocks, sizes, crc) = made(200_000);
        let field = blocks.field();
        for bit in 0..field.len() * 8 {
            let mut damaged = field.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let read = Blocks::parse(&damaged, 8, sizes, crc);
            // Stored lengths whose sum is the same take two bits.
            if bit < 8 {
                assert_eq!(read.unwrap(), None)
            } else {
                read.unwrap_err();
            }
        }
        for len in 1..field.len() {
            Blocks::parse(&field[..len], 8, sizes, crc).unwrap_err();
        }
        assert_eq!(Blocks::parse(&[], 8, sizes, crc).unwrap(), None);
        let longer = [&field[..], &[0]].concat();
        Blocks::parse(&longer, 8, sizes, crc).unwrap_err();
        Blocks::parse(&field, 0, sizes, crc).unwrap_err();
        Blocks::parse(&field, 8, [u64::MAX, sizes[1]], crc).unwrap_err();
    }

    #[test]
    fn blocks_grow_so_that_the_field_fits() {
        let most = 6143u64;
        let small =
            [(0, 18), ((1 << 20) - 1, 18), (1 << 20, 19), ((1 << 21) - 1, 19), (1 << 21, 20)];
        let large = [(most << 20, 20), ((most << 20) + 1, 21), (most << 31, 31), (u64::MAX, 31)];
        for (size, log) in small.into_iter().chain(large) {
            assert_eq!(Blocks::usual(size), log, "{size}");
        }
        let of = |count| Blocks::new(20, 1, vec![(1, 1); count]);
        assert_eq!(of(6143).unwrap().field().len(), 4 + 6143 * 8);
        assert_eq!(of(6144), None);
    }
}
