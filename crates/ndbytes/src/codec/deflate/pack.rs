//! One stream out of blocks that are compressed each on its own, by several threads.

use super::pack_block::pack_block;
use super::{Container, Level};
use crate::codec::Crc32;
use crate::error::{Error, Result};
use crate::threads::Threads;

/// Compresses bytes that come in pieces, in blocks, on several threads, to one stream.
///
/// Every block begins at a byte and refers to nothing before it; each but the last ends with an empty stored block, as a
/// flush does. A stream of one block is as if there were none. What comes out depends neither on the number of threads
/// nor on how the bytes are cut.
#[derive(Debug)]
pub(crate) struct Packer {
    container: Option<Container>,
    level: Level,
    threads: Threads,
    /// Bytes of a block.
    block: usize,
    /// Bytes that wait for more of their batch.
    pending: Vec<u8>,
    adler: u32,
    packed: Packed,
}

/// What a stream became.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    /// Bytes that went in.
    pub(crate) size: u64,
    /// Bytes that came out.
    pub(crate) packed: u64,
    /// The CRC-32 of what went in.
    pub(crate) crc: u32,
    pub(crate) blocks: Vec<PackedBlock>,
}

/// What one block became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedBlock {
    /// Bytes that came out.
    pub(crate) packed: u32,
    /// The CRC-32 of what went in.
    pub(crate) crc: u32,
}

/// Where bytes of the stream go.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&[u8]) -> Result<()>;

/// Bytes that are compressed together, where blocks are smaller: few, since nothing else happens meanwhile.
const BATCH: usize = 1 << 24;

/// The sum of no bytes.
const ADLER: u32 = 1;

impl Packer {
    /// A stream that has not begun, bare or in a container, of blocks of `block` bytes.
    pub(crate) fn new(
        container: Option<Container>,
        level: Level,
        threads: Threads,
        block: usize,
    ) -> Self {
        let (block, packed) = (block.max(1), Packed::default());
        Self { container, level, threads, block, pending: Vec::new(), adler: ADLER, packed }
    }

    /// Takes bytes in; what they become goes to `sink` now or later.
    ///
    /// # Errors
    /// Those of `sink`, after which the stream is lost; [`Memory`](crate::ErrorKind::Memory).
    pub(crate) fn push(&mut self, mut bytes: &[u8], sink: Sink<'_>) -> Result<()> {
        let batch = self.batch();
        // Whether a block is the last one shows only in what follows it.
        while self.pending.len() + bytes.len() > batch {
            let pending = std::mem::take(&mut self.pending);
            let taken = self.batch_of(&pending, bytes, batch, sink)?;
            bytes = bytes.get(taken..).unwrap_or_default();
            self.pending = pending;
            self.pending.clear();
        }
        self.pending
            .try_reserve(bytes.len())
            .map_err(|_| Error::memory((self.pending.len() + bytes.len()) as u64))?;
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets out all that was taken, so that a reader of the other side has it: it ends the block.
    ///
    /// # Errors
    /// As [`Packer::push`].
    pub(crate) fn flush(&mut self, sink: Sink<'_>) -> Result<()> {
        self.begin(sink)?;
        let pending = std::mem::take(&mut self.pending);
        self.blocks(pending.chunks(self.block).collect(), false, sink)
    }

    /// Ends the stream, and says what it became.
    ///
    /// # Errors
    /// As [`Packer::push`].
    pub(crate) fn finish(&mut self, sink: Sink<'_>) -> Result<Packed> {
        let pending = std::mem::take(&mut self.pending);
        let mut blocks: Vec<_> = pending.chunks(self.block).collect();
        if blocks.is_empty() {
            blocks.push(&[]);
        }
        self.begin(sink)?;
        self.blocks(blocks, true, sink)?;
        let size = self.packed.size.to_le_bytes();
        let [a, b, c, d, ..] = size;
        match self.container {
            None => {}
            Some(Container::Zlib) => self.put(&self.adler.to_be_bytes(), sink)?,
            Some(Container::Gzip) => {
                self.put(&self.packed.crc.to_le_bytes(), sink)?;
                self.put(&[a, b, c, d], sink)?;
            }
        }
        Ok(std::mem::take(&mut self.packed))
    }

    /// Bytes of one batch: whole blocks, and one for each thread at least.
    fn batch(&self) -> usize {
        let blocks = (BATCH / self.block).max(self.threads.get());
        self.block.saturating_mul(blocks)
    }

    /// Compresses a batch of what was pending and the front of `bytes`, and says how much of that it took.
    fn batch_of(
        &mut self,
        pending: &[u8],
        bytes: &[u8],
        batch: usize,
        sink: Sink<'_>,
    ) -> Result<usize> {
        self.begin(sink)?;
        let whole = pending.len() - pending.len() % self.block;
        let (done, part) = pending.split_at(whole);
        let missing = if part.is_empty() { 0 } else { self.block - part.len() };
        let (front, rest) = bytes.split_at_checked(missing).unwrap_or_default();
        // Only the block that is begun is copied together: the others stand in one piece.
        let joint = [part, front].concat();
        let taken = batch.saturating_sub(pending.len());
        let rest = rest.get(..taken - missing).unwrap_or_default();
        let parts = [done, &joint, rest];
        self.blocks(parts.iter().flat_map(|part| part.chunks(self.block)).collect(), false, sink)?;
        Ok(taken)
    }

    fn begin(&mut self, sink: Sink<'_>) -> Result<()> {
        if self.packed.packed > 0 {
            return Ok(());
        }
        let level = self.level.get();
        match self.container {
            None => Ok(()),
            Some(Container::Zlib) => self.put(&zlib_header(level), sink),
            Some(Container::Gzip) => self.put(&gzip_header(level), sink),
        }
    }

    fn put(&mut self, bytes: &[u8], sink: Sink<'_>) -> Result<()> {
        self.packed.packed += bytes.len() as u64;
        sink(bytes)
    }

    /// Compresses blocks, and gives them to `sink` in order.
    fn blocks(&mut self, blocks: Vec<&[u8]>, last: bool, sink: Sink<'_>) -> Result<()> {
        let (level, container, count) = (self.level, self.container, blocks.len());
        let work = |(at, bytes): (usize, &[u8])| {
            let packed = pack_block(bytes, last && at + 1 == count, level)?;
            Ok((at, Done::new(bytes, packed, container)))
        };
        let mut waiting: Vec<Option<Done>> = (0..count).map(|_| None).collect();
        let mut next = 0;
        let parts = blocks.into_iter().enumerate().collect();
        self.threads.run(parts, &work, &mut |(at, done)| {
            if let Some(place) = waiting.get_mut(at) {
                *place = Some(done);
            }
            while let Some(done) = waiting.get_mut(next).and_then(Option::take) {
                self.packed.add(&done)?;
                self.adler = adler_joined(self.adler, done.adler, done.size);
                sink(&done.packed)?;
                next += 1;
            }
            Ok(())
        })
    }
}

impl Packed {
    fn add(&mut self, done: &Done) -> Result<()> {
        let packed = u32::try_from(done.packed.len())
            .map_err(|_| Error::overflow("the size of a compressed block"))?;
        self.crc = Crc32::joined(self.crc, done.crc, done.size);
        self.size += done.size;
        self.packed += u64::from(packed);
        self.blocks.push(PackedBlock { packed, crc: done.crc });
        Ok(())
    }
}

/// A block that is compressed.
struct Done {
    packed: Vec<u8>,
    size: u64,
    crc: u32,
    /// 1 where no container needs it.
    adler: u32,
}

impl Done {
    fn new(bytes: &[u8], packed: Vec<u8>, container: Option<Container>) -> Self {
        let adler = match container {
            Some(Container::Zlib) => libdeflater::adler32(bytes),
            _ => ADLER,
        };
        Self { packed, size: bytes.len() as u64, crc: Crc32::of(bytes), adler }
    }
}

/// RFC 1950: deflate with a window of 32 KiB, how hard it was tried, and a check of the two bytes.
fn zlib_header(level: u32) -> [u8; 2] {
    match level {
        0 | 1 => [0x78, 0x01],
        2..=5 => [0x78, 0x5e],
        6 => [0x78, 0x9c],
        _ => [0x78, 0xda],
    }
}

/// RFC 1952: deflate without a name, at time 0, how hard it was tried, and a system that is nobody's business.
fn gzip_header(level: u32) -> [u8; 10] {
    let effort = match level {
        9 => 2,
        0 | 1 => 4,
        _ => 0,
    };
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, effort, 255]
}

/// The Adler-32 of bytes whose sum is `first`, with `len` bytes behind them whose sum is `next`.
fn adler_joined(first: u32, next: u32, len: u64) -> u32 {
    const BASE: u64 = 65_521;
    let halves = |sum: u32| (u64::from(sum & 0xffff), u64::from(sum >> 16));
    let ((a1, b1), (a2, b2)) = (halves(first), halves(next));
    // Each of the first bytes, and the 1 that a sum begins with, is counted once more for each byte that follows.
    let a = (a1 + a2 + BASE - 1) % BASE;
    let b = (b1 + b2 + (len % BASE) * (a1 + BASE - 1)) % BASE;
    u32::try_from(b << 16 | a).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::deflate::{decompress, unpack, unpack_block};

    /// Bytes with runs and repeats.
    fn sample(len: usize) -> Vec<u8> {
        let byte = |i: usize| u8::try_from(i * i / 7 % 251 / (1 + i / 64 % 9)).unwrap();
        (0..len).map(byte).collect()
    }

    fn packed(mut packer: Packer, bytes: &[u8], cut: usize) -> (Vec<u8>, Packed) {
        let mut out = Vec::new();
        let mut sink = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        bytes.chunks(cut).for_each(|piece| packer.push(piece, &mut sink).unwrap());
        let packed = packer.finish(&mut sink).unwrap();
        assert_eq!((packed.packed, packed.size), (out.len() as u64, bytes.len() as u64));
        assert_eq!(packed.crc, Crc32::of(bytes));
        (out, packed)
    }

    #[test]
    fn the_bytes_are_the_same_for_any_number_of_threads_and_any_cuts() {
        let bytes = sample(40_000);
        for container in [None, Some(Container::Zlib), Some(Container::Gzip)] {
            let with = |threads, cut| {
                let packer = Packer::new(container, Level::default(), Threads::new(threads), 1000);
                packed(packer, &bytes, cut).0
            };
            let one = with(1, usize::MAX);
            for threads in [1, 2, 3, 4, 50] {
                for cut in [1, 999, 1000, 7001, 60_000] {
                    assert!(with(threads, cut) == one, "{container:?} {threads} {cut}");
                }
            }
        }
    }

    #[test]
    fn all_comes_back_whole_and_by_blocks() {
        for len in (0..140).chain([4095, 4096, 4097, 9000]) {
            let bytes = sample(len);
            for block in [16, 64, 4096] {
                for level in 0..=9 {
                    let level = Level::new(level).unwrap();
                    for container in [Container::Zlib, Container::Gzip] {
                        let packer = Packer::new(Some(container), level, Threads::ONE, block);
                        let (stream, _) = packed(packer, &bytes, usize::MAX);
                        let back = decompress(container, &stream, len as u64, &mut |_| Ok(()));
                        assert!(back.unwrap() == bytes, "{len} {block} {level:?}");
                    }
                    let packer = Packer::new(None, level, Threads::ONE, block);
                    by_blocks(&bytes, block, packed(packer, &bytes, usize::MAX));
                }
            }
        }
    }

    fn by_blocks(bytes: &[u8], block: usize, (stream, packed): (Vec<u8>, Packed)) {
        let mut back = vec![0; bytes.len()];
        unpack(&stream, &mut back).unwrap();
        assert!(back == bytes);
        back.fill(0);
        assert_eq!(packed.blocks.len(), bytes.len().div_ceil(block).max(1));
        let (mut rest, mut left) = (&stream[..], packed.blocks.len());
        for (found, raw) in packed.blocks.iter().zip(back.chunks_mut(block)) {
            let (stored, after) = rest.split_at(found.packed as usize);
            (rest, left) = (after, left - 1);
            unpack_block(stored, left == 0, raw).unwrap();
            assert_eq!(Crc32::of(raw), found.crc);
            assert!(left == 0 || stored.ends_with(&[0, 0, 255, 255]));
            assert!(unpack_block(stored, left != 0, raw).is_err());
        }
        assert!(back == bytes);
    }

    #[test]
    fn what_was_flushed_is_out() {
        let bytes = sample(5000);
        let mut packer =
            Packer::new(Some(Container::Zlib), Level::default(), Threads::ONE, 1 << 20);
        let mut out = Vec::new();
        for part in bytes.chunks(2500) {
            let mut sink = |bytes: &[u8]| {
                out.extend_from_slice(bytes);
                Ok(())
            };
            packer.push(part, &mut sink).unwrap();
            packer.flush(&mut sink).unwrap();
            assert!(out.ends_with(&[0, 0, 255, 255]));
        }
        let mut sink = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        packer.finish(&mut sink).unwrap();
        let back = decompress(Container::Zlib, &out, 5000, &mut |_| Ok(())).unwrap();
        assert!(back == bytes);
    }

    #[test]
    fn an_error_of_the_sink_ends_it() {
        for threads in [1, 2] {
            let mut packer = Packer::new(None, Level::default(), Threads::new(threads), 10);
            let mut calls = 0;
            packer.push(&sample(1000), &mut |_| Ok(())).unwrap();
            let ended = packer.finish(&mut |_| {
                calls += 1;
                Err(Error::argument("no"))
            });
            assert_eq!((ended.unwrap_err().message(), calls), ("no", 1));
        }
    }
}
