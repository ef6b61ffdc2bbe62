//! Whether the bytes of a member are those that its entry tells of.

use super::Entry;
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
        if holds(found, entry.crc) {
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
