//! One block, decoded and held against its sums, on any thread.

use crate::codec::block::{Block, BlockCoder, Elements};
use crate::codec::{Crc32c, Engine, Filter, crc32c};
use crate::error::Result;
use crate::format::frame::{BlockHeader, Entry, Expected, Grid, boxed};
use crate::format::{Header, holds};
use crate::kernel::Stores;
use std::sync::{Mutex, PoisonError};

/// What decodes a block, on any thread.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) grid: Grid,
    elements: Elements,
    /// What threads work with, and do not at the moment.
    idle: Mutex<Vec<BlockCoder>>,
}

impl Decoder {
    pub(crate) fn new(header: &Header) -> Result<Self> {
        let grid = header.grid()?;
        Ok(Self { grid, elements: Elements::of(&header.dtype), idle: Mutex::default() })
    }

    pub(crate) fn expected(&self, number: u64) -> Expected {
        let (rows, size) = (self.grid.rows(number), self.grid.size(number));
        Expected { number, of: self.grid.len(), rows, size }
    }

    /// Decodes a block to memory of its size; its stored bytes are held against their sum before anything else is made of them, and
    /// the items against theirs.
    pub(crate) fn decode(
        &self,
        number: u64,
        header: &BlockHeader,
        stored: &[u8],
        items: &mut [u8],
    ) -> Result<()> {
        let (of, Entry { offset, stored_sum, items_sum, .. }) =
            (self.expected(number), header.entry);
        let damaged = |found: u32, written: u32, what: &str| {
            let why = format!("its CRC-32C is {found:08x}, its header says {written:08x}{what}");
            of.damaged(offset..header.entry.end(), &why)
        };
        // What is only copied is summed on its way: no codec sees it.
        let is_bare = header.engine == Engine::Stored && header.filter == Filter::NONE;
        let copied = (is_bare && stored.len() == items.len()).then(|| {
            let mut sum = Crc32c::default();
            sum.copy(stored, items, Stores::Cached);
            sum.value()
        });
        let found = copied.unwrap_or_else(|| crc32c(stored));
        if !holds(found, stored_sum) {
            return Err(damaged(found, stored_sum, ""));
        }
        let found = match copied {
            Some(sum) => sum,
            None => {
                self.undo(&of, header, stored, items)?;
                crc32c(items)
            }
        };
        if !holds(found, items_sum) {
            return Err(damaged(found, items_sum, " (of its items)"));
        }
        Ok(())
    }

    fn undo(
        &self,
        of: &Expected,
        header: &BlockHeader,
        stored: &[u8],
        items: &mut [u8],
    ) -> Result<()> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut coder = idle().pop().unwrap_or_default();
        let shape = boxed(&self.grid, self.elements, of.number);
        let block = Block { elements: self.elements, shape: &shape, size: of.size };
        let decoded = coder.decode(header.filter, header.engine, block, stored, items);
        idle().push(coder);
        decoded.map_err(|error| of.undecodable(header.entry.offset, &error))
    }
}

#[cfg(test)]
mod tests {
    use crate::array::ArrayRef;
    use crate::codec::Codec;
    use crate::codec::block::DECODED;
    use crate::error::Result;
    use crate::format::frame::BLOCK_HEADER;
    use crate::format::{Checks, DecodeOptions, Dest, Encode as _, HeaderDecoder, frame};

    /// How many blocks a codec sees before the first error, if there is one.
    fn seen(bytes: &[u8]) -> (usize, Result<()>) {
        let before = DECODED.get();
        let done = (|| {
            let mut machine = HeaderDecoder::new(DecodeOptions {
                checks: Checks::Required,
                ..Default::default()
            });
            let mut rest = bytes;
            loop {
                let space = machine.space();
                let (front, after) = rest.split_at(space.len().min(rest.len()));
                space[..front.len()].copy_from_slice(front);
                rest = after;
                if machine.filled(front.len())?.is_some() {
                    break;
                }
            }
            let mut body = machine.body(Dest::Owned)?;
            body.take(rest, Default::default(), &mut |_| Ok(()))?;
            body.finish().map(drop)
        })();
        (DECODED.get() - before, done)
    }

    #[test]
    fn no_codec_sees_bytes_whose_sum_does_not_hold() {
        let values: Vec<u16> = (0..400).map(|i| i / 3).collect();
        let array = ArrayRef::from_slice(&values, &[400]).unwrap();
        for codec in ["lz4", "zstd", "deflate", "pco"] {
            let (codec, block) = (codec.parse::<Codec>().unwrap(), Some(vec![150]));
            let options = frame::EncodeOptions { codec, block, ..Default::default() };
            let mut encoder = frame::Encoder::new(&array, &options).unwrap();
            let mut bytes = Vec::new();
            while let Some(piece) = encoder.next().unwrap() {
                bytes.extend_from_slice(&piece);
            }
            assert_eq!(seen(&bytes).0, 3, "{codec}");
            let mut at = u32::from_le_bytes(*bytes[12..].first_chunk().unwrap()) as usize;
            for number in 0..3 {
                let end = at
                    + BLOCK_HEADER
                    + u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
                for bit in at * 8..end * 8 {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                    let (count, done) = seen(&bytes);
                    assert!(done.is_err(), "{codec}: bit {bit}");
                    // The sum of the items stands in a header that has one of its own.
                    assert!(
                        count <= number,
                        "{codec}: bit {bit} of block {number}: {count} blocks decoded"
                    );
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
                at = end;
            }
        }
    }
}
