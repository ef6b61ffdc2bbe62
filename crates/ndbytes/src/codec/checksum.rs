//! CRC-32C (Castagnoli, RFC 3720 appendix B.4), whole and block by block; and the CRC-32 of zip archives.

use crate::error::Result;
use crate::kernel::{Look, Stores, copy_by_steps, copy_folded};
use crate::threads::Threads;
use crc_fast::{CrcAlgorithm, Digest, checksum, checksum_combine};
use std::ops::Range;
#[cfg(feature = "deflate")]
use zlib_rs::crc32::crc32_combine;

/// Bytes of one checked block of data: 1 MiB.
pub const BLOCK: usize = 1 << 20;

/// Bytes that one thread sums at a time.
const SHARE: usize = 4 * BLOCK;
/// From this many bytes on a second thread gains more than its start costs.
const PARALLEL: usize = 16 * BLOCK;

/// The CRC-32C of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    low(checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// The 32 bits of a checksum of this width.
fn low(sum: u64) -> u32 {
    u32::try_from(sum & u64::from(u32::MAX)).unwrap_or_default()
}

/// A CRC-32C of bytes that come in pieces.
#[derive(Debug, Clone)]
pub struct Crc32c(Digest);

impl Default for Crc32c {
    fn default() -> Self {
        Self(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }
}

impl Crc32c {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum of all bytes so far.
    #[must_use]
    pub fn value(&self) -> u32 {
        low(self.0.finalize())
    }

    /// Copies all of `from` to `to`, which are of one length, and takes the copy in.
    pub(crate) fn copy(&mut self, from: &[u8], to: &mut [u8], stores: Stores) {
        let begun = |lead: &[u8]| {
            self.update(lead);
            low(self.0.get_state())
        };
        let Some(folded) = copy_folded(from, to, stores, begun) else {
            return copy_by_steps(from, to, |copied| self.update(copied));
        };
        *self = Self::behind(0);
        self.update(&folded.bytes);
        self.update(to.get(folded.lead + folded.len..).unwrap_or_default());
    }

    /// Takes in the `len` bytes that `next` has summed.
    fn append(&mut self, next: &Self, len: usize) {
        let (sum, next) = (self.0.finalize(), next.0.finalize());
        let joint = checksum_combine(CrcAlgorithm::Crc32Iscsi, sum, next, len as u64);
        *self = Self::behind(!low(joint));
    }

    /// Behind bytes that have left it in this state: the complement of their sum.
    fn behind(state: u32) -> Self {
        Self(Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, state.into()))
    }
}

/// A CRC-32 (ISO 3309, as of zip and gzip) of bytes that come in pieces.
#[cfg(feature = "deflate")]
#[cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "streams are summed by blocks, only archives piece by piece")
)]
#[derive(Debug, Clone, Default)]
pub(crate) struct Crc32(u32);

#[cfg(feature = "deflate")]
#[cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "streams are summed by blocks, only archives piece by piece")
)]
impl Crc32 {
    /// Takes the next bytes in.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        // Twice as fast as that of `crc_fast` without AVX-512.
        let mut crc = libdeflater::Crc::with_initial(self.0);
        crc.update(bytes);
        self.0 = crc.sum();
    }

    /// The sum of all bytes so far.
    pub(crate) fn value(&self) -> u32 {
        self.0
    }

    /// The sum of `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> u32 {
        libdeflater::crc32(bytes)
    }

    /// The sum of bytes whose sum is `first`, with `len` bytes behind them whose sum is `next`.
    pub(crate) fn joined(first: u32, next: u32, len: u64) -> u32 {
        // That of `crc_fast` takes a hundred times as long, which an index of a thousand blocks shows.
        crc32_combine(first, next, len)
    }
}

/// The CRC-32C of each part of a [`BLOCK`] among bytes that come from some byte of the data on.
#[derive(Debug)]
pub(crate) struct PartSums {
    start: usize,
    end: usize,
    parts: Vec<(usize, Crc32c)>,
}

impl From<usize> for PartSums {
    /// The bytes will come from byte `start` on.
    fn from(start: usize) -> Self {
        Self { start, end: start, parts: Vec::new() }
    }
}

impl PartSums {
    /// Tells `step` of the sum of each part that the next bytes belong to, and which of them do.
    fn by_parts(&mut self, len: usize, mut step: impl FnMut(&mut Crc32c, Range<usize>)) {
        let mut start = 0;
        while start < len {
            let filled = self.end % BLOCK;
            let end = len.min(start + BLOCK - filled);
            match self.parts.last_mut().filter(|_| filled > 0) {
                Some((len, sum)) => {
                    *len += end - start;
                    step(sum, start..end);
                }
                None => {
                    let mut sum = Crc32c::default();
                    step(&mut sum, start..end);
                    self.parts.push((end - start, sum));
                }
            }
            self.end += end - start;
            start = end;
        }
    }
}

impl Look for Crc32c {
    fn see(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn copy(&mut self, from: &[u8], to: &mut [u8], stores: Stores) {
        Self::copy(self, from, to, stores);
    }
}

impl Look for PartSums {
    fn see(&mut self, bytes: &[u8]) {
        self.by_parts(bytes.len(), |sum, part| sum.update(bytes.get(part).unwrap_or_default()));
    }

    fn copy(&mut self, from: &[u8], to: &mut [u8], stores: Stores) {
        self.by_parts(from.len(), |sum, part| copy_part(sum, part, from, to, stores));
    }
}

/// Copies a part of `from`, and takes it into its sum.
fn copy_part(sum: &mut Crc32c, part: Range<usize>, from: &[u8], to: &mut [u8], stores: Stores) {
    if let (Some(from), Some(to)) = (from.get(part.clone()), to.get_mut(part)) {
        sum.copy(from, to, stores);
    }
}

/// The CRC-32C of each [`BLOCK`] of bytes that come in pieces; the last block may be short.
#[derive(Debug, Clone, Default)]
pub struct BlockSums {
    sums: Vec<u32>,
    current: Crc32c,
    filled: usize,
}

impl Look for BlockSums {
    fn see(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn copy(&mut self, from: &[u8], to: &mut [u8], stores: Stores) {
        self.by_blocks(from.len(), |sum, part| copy_part(sum, part, from, to, stores));
    }
}

impl BlockSums {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.by_blocks(bytes.len(), |sum, part| sum.update(bytes.get(part).unwrap_or_default()));
    }

    /// Tells `step` of the sum of each block that the next bytes belong to, and which of them do.
    fn by_blocks(&mut self, len: usize, mut step: impl FnMut(&mut Crc32c, Range<usize>)) {
        let mut start = 0;
        while start < len {
            let end = len.min(start + BLOCK - self.filled);
            step(&mut self.current, start..end);
            self.filled += end - start;
            start = end;
            if self.filled == BLOCK {
                self.close();
            }
        }
    }

    /// Takes the next bytes in, which begin at byte `start` of all, by so many threads; `each` is told how many of them were
    /// summed.
    pub(crate) fn update_with(
        &mut self,
        start: usize,
        bytes: &[u8],
        threads: Threads,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        if bytes.len() < SHARE {
            self.update(bytes);
            return each(bytes.len() as u64);
        }
        let (mut at, mut shares, mut rest) = (start, Vec::new(), bytes);
        while !rest.is_empty() {
            let (share, after) = rest.split_at(rest.len().min(SHARE));
            shares.push((at, share));
            at += share.len();
            rest = after;
        }
        let threads = if bytes.len() >= PARALLEL { threads } else { Threads::ONE };
        let (mut parts, mut summed) = (Vec::new(), 0);
        let sum = |(at, share): (usize, &[u8])| {
            let mut sums = PartSums::from(at);
            sums.see(share);
            Ok(sums)
        };
        threads.run(shares, &sum, &mut |found| {
            summed += (found.end - found.start) as u64;
            parts.push(found);
            each(summed)
        })?;
        self.join(parts);
        Ok(())
    }

    /// Takes in the next bytes, which were summed in parts, in any order.
    pub(crate) fn join(&mut self, mut parts: Vec<PartSums>) {
        parts.sort_unstable_by_key(|part| part.start);
        for (len, sum) in parts.into_iter().flat_map(|part| part.parts) {
            match self.filled {
                0 => self.current = sum,
                _ => self.current.append(&sum, len),
            }
            self.filled += len;
            if self.filled == BLOCK {
                self.close();
            }
        }
    }

    /// One sum per block.
    #[must_use]
    pub fn finish(mut self) -> Vec<u32> {
        if self.filled > 0 {
            self.close();
        }
        self.sums
    }

    fn close(&mut self) {
        self.sums.push(std::mem::take(&mut self.current).value());
        self.filled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
    }

    #[test]
    fn pieces_give_the_same_blocks_as_the_whole() {
        let bytes: Vec<u8> = (0..BLOCK * 2 + 77).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let expected: Vec<u32> = bytes.chunks(BLOCK).map(crc32c).collect();
        for piece in [1 << 20, 4096, 65_537] {
            let mut sums = BlockSums::default();
            bytes.chunks(piece).for_each(|part| sums.update(part));
            assert_eq!(sums.finish(), expected);
        }
        assert!(BlockSums::default().finish().is_empty());
    }

    #[test]
    fn a_copy_is_summed_as_it_is_made() {
        let bytes: Vec<u8> = (0..BLOCK + 4000).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for stores in [Stores::Cached, Stores::Streaming] {
            for (start, len) in (0..70).map(|start| (start, start * 61)).chain([(3, BLOCK)]) {
                let from = &bytes[start / 3..][..len];
                let (mut sum, mut to) = (Crc32c::default(), vec![0; start + len]);
                sum.update(&bytes[..start]);
                sum.copy(from, &mut to[start..], stores);
                assert!(to[start..] == *from);
                sum.update(b"more");
                let all = [&bytes[..start], from, b"more"].concat();
                assert_eq!(sum.value(), crc32c(&all), "{len} bytes to {start}, {stores:?}");
            }
        }
    }

    #[test]
    fn parts_that_are_copied_have_the_sums_of_parts_that_are_seen() {
        let bytes: Vec<u8> = (0..BLOCK * 2 + 999).map(|i| u8::try_from(i % 241).unwrap()).collect();
        let (mut seen, mut copied) = (PartSums::from(7000), PartSums::from(7000));
        let mut blocks = BlockSums::default();
        let mut to = vec![0; bytes.len()];
        for (from, to) in bytes.chunks(300_007).zip(to.chunks_mut(300_007)) {
            seen.see(from);
            copied.copy(from, to, Stores::Streaming);
            blocks.copy(from, to, Stores::Cached);
        }
        assert!(to == bytes);
        let sums = |parts: PartSums| -> Vec<_> {
            parts.parts.into_iter().map(|(len, sum)| (len, sum.value())).collect()
        };
        assert_eq!(sums(copied), sums(seen));
        assert_eq!(blocks.finish(), bytes.chunks(BLOCK).map(crc32c).collect::<Vec<_>>());
    }

    #[test]
    fn sums_of_parts_in_any_order_are_those_of_the_whole() {
        let bytes: Vec<u8> = (0..BLOCK * 3 + 77).map(|i| u8::try_from(i % 253).unwrap()).collect();
        let expected: Vec<u32> = bytes.chunks(BLOCK).map(crc32c).collect();
        for size in [70_001, BLOCK, BLOCK * 2 + 5] {
            let (first, rest) = bytes.split_at(1000);
            let mut parts: Vec<PartSums> = Vec::new();
            for (i, part) in rest.chunks(size).enumerate() {
                let mut sums = PartSums::from(1000 + i * size);
                part.chunks(2048).for_each(|step| sums.see(step));
                parts.push(sums);
            }
            parts.reverse();
            let mut sums = BlockSums::default();
            sums.update(first);
            sums.join(parts);
            assert_eq!(sums.finish(), expected, "{size}");
        }
    }
}
