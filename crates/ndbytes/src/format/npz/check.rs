//! Whether the bytes of a member are those that its entry tells of.

use super::{Block, Entry, Method};
use crate::codec::Crc32;
use crate::error::{Error, ErrorKind, Result};
use crate::format::holds;
use std::ops::Range;

/// Sums the bytes of a member as they come.
#[derive(Debug)]
pub(crate) struct Check {
    crc: Crc32,
    left: u64,
}

impl Check {
    pub(crate) fn new(entry: &Entry) -> Self {
        Self { crc: Crc32::default(), left: entry.size }
    }

    /// Bytes still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next bytes in, never more than are left.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }

    /// Holds all bytes, which stand in `range` of the archive, against the sum of the entry.
    pub(crate) fn finish(&self, entry: &Entry, range: &Range<u64>) -> Result<()> {
        let found = self.crc.value();
        if entry.has_sum(found) {
            return Ok(());
        }
        let Range { start, end } = *range;
        let message = format!(
            "{} (bytes {start} to {end}) is damaged: its CRC-32 is {found:08x}, and {:08x} is written",
            entry.label(),
            entry.crc
        );
        Err(Error::new(ErrorKind::Checksum { block: None, range: start..end }, message).at(start))
    }
}

impl Entry {
    /// Whether this is the CRC-32 of its bytes.
    pub(crate) fn has_sum(&self, found: u32) -> bool {
        holds(found, self.crc)
    }

    /// Holds the sum of what a block holds, whose stored bytes stand in `range` of the archive, against the index.
    ///
    /// # Errors
    /// Checksum.
    pub(crate) fn check_block(&self, block: &Block, found: u32, range: Range<u64>) -> Result<()> {
        if holds(found, block.crc) {
            return Ok(());
        }
        let Range { start, end } = range;
        let message = format!(
            "block {} of {} (bytes {start} to {end}) is damaged: its CRC-32 is {found:08x}, and {:08x} is written",
            block.number,
            self.label(),
            block.crc
        );
        let kind = ErrorKind::Checksum { block: Some(block.number), range };
        Err(Error::new(kind, message).at(start))
    }

    /// That so few stored bytes can hold so many.
    ///
    /// # Errors
    /// Malformed.
    pub(crate) fn check_ratio(&self) -> Result<()> {
        if self.method != Method::Deflated.code() || self.size <= most(self.packed) {
            return Ok(());
        }
        let message = format!(
            "{}: a deflate stream of {} bytes cannot hold {}, at most {}",
            self.label(),
            self.packed,
            self.size,
            most(self.packed)
        );
        Err(Error::malformed(message).at(self.start))
    }
}

/// The most bytes that a deflate stream of so many can hold: 258 for two bits.
pub(super) fn most(packed: u64) -> u64 {
    packed.saturating_mul(1032).saturating_add(1032)
}
