//! Bytes that wait for more of their batch.

use crate::buffer::BufferMut;
use crate::error::Result;

/// From this many bytes on they stand in memory for as many as there may be, of which only what is filled costs anything, and that in huge
/// pages: in small ones, a MiB takes half a millisecond to touch, and as little as five to compress.
const MUCH: usize = 1 << 19;

#[derive(Debug)]
pub(super) struct Pending {
    memory: BufferMut,
    len: usize,
}

impl Pending {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { memory: BufferMut::new(0)?, len: 0 })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts more behind them, of which there will be at most `most` in all.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn extend(&mut self, bytes: &[u8], most: usize) -> Result<()> {
        let end = self.len.saturating_add(bytes.len());
        if end > self.memory.capacity() {
            let mut memory = match end.checked_next_power_of_two() {
                Some(few) if few <= MUCH => BufferMut::new(few as u64)?,
                _ => BufferMut::known(most.max(end) as u64)?,
            };
            memory.space(0, self.len)?.copy_from_slice(self.memory.space(0, self.len)?);
            self.memory = memory;
        }
        self.memory.space(self.len, end)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    pub(super) fn bytes(&mut self) -> Result<&[u8]> {
        Ok(self.memory.space(0, self.len)?)
    }

    /// Forgets them; their memory is used again.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_there_however_they_come() {
        let bytes: Vec<u8> = (0..3 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
        for cut in [1 << 12, 1_000_003, bytes.len()] {
            let mut pending = Pending::new().unwrap();
            for _ in 0..2 {
                for (piece, at) in bytes.chunks(cut).zip(1..) {
                    pending.extend(piece, 1 << 24).unwrap();
                    assert_eq!(pending.len(), bytes.len().min(at * cut));
                }
                assert!(pending.bytes().unwrap() == bytes, "{cut}");
                pending.clear();
                assert_eq!(pending.bytes().unwrap(), b"");
            }
        }
    }
}
