//! One stream out of blocks that are compressed each on its own, by several threads.

use super::choose::choose;
use super::pack_block::{Recipe, pack_block};
use super::pending::Pending;
use super::{Container, Level};
use crate::codec::Crc32;
use crate::error::{Error, Result};
use crate::threads::Threads;
use std::sync::{Mutex, PoisonError};
use zlib_rs::adler32::adler32_combine;

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
    /// None before the first byte.
    pending: Option<Pending>,
    adler: u32,
    /// Of a full section, for how many more.
    recipe: Option<(Recipe, usize)>,
    packed: Packed,
    /// Memory of blocks that are out.
    idle: Mutex<Vec<Vec<u8>>>,
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

/// Bytes that are compressed together by as many threads as there are mostly: few, since nothing else happens meanwhile.
/// What compresses them is chosen for all.
const SECTION: usize = 1 << 24;
/// Sections that one choice stands for.
const CHOICE: usize = 4;

/// The sum of no bytes.
const ADLER: u32 = 1;

/// The base-2 logarithm of the bytes of a block, of a stream of so many: a MiB, or down to a quarter of one where there would be one block alone.
pub(crate) fn block_log(size: u64) -> u8 {
    const LEAST: u32 = 18;
    const MOST: u32 = 20;
    let half = (size / 2).checked_ilog2().unwrap_or_default();
    u8::try_from(half.clamp(LEAST, MOST)).unwrap_or_default()
}

impl Packer {
    /// A stream that has not begun, bare or in a container, of blocks of `block` bytes.
    pub(crate) fn new(
        container: Option<Container>,
        level: Level,
        threads: Threads,
        block: usize,
    ) -> Self {
        let block = block.max(1);
        Self {
            container,
            level,
            threads,
            block,
            pending: None,
            adler: ADLER,
            recipe: None,
            packed: Packed::default(),
            idle: Mutex::default(),
        }
    }

    /// The same with blocks of the usual size, of a stream of so many bytes, if it is known.
    pub(crate) fn usual(
        container: Option<Container>,
        level: Level,
        threads: Threads,
        size: Option<u64>,
    ) -> Self {
        Self::new(container, level, threads, 1 << block_log(size.unwrap_or(u64::MAX)))
    }

    /// The same by so many threads.
    #[cfg(feature = "std")]
    pub(crate) fn with_threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Takes bytes in; what they become goes to `sink` now or later.
    ///
    /// # Errors
    /// Those of `sink`, after which the stream is lost; [`Memory`](crate::ErrorKind::Memory).
    pub(crate) fn push(&mut self, mut bytes: &[u8], sink: Sink<'_>) -> Result<()> {
        let batch = self.batch();
        while !bytes.is_empty() {
            // Only now, since whether a block is the last one shows in what follows it.
            if self.pending.as_ref().is_some_and(|pending| pending.len() == batch) {
                self.drain(false, sink)?;
            }
            let pending = match &mut self.pending {
                Some(pending) => pending,
                none => none.insert(Pending::new()?),
            };
            let (front, rest) = bytes.split_at(bytes.len().min(batch - pending.len()));
            pending.extend(front, batch)?;
            bytes = rest;
        }
        Ok(())
    }

    /// Lets out all that was taken, so that a reader of the other side has it: it ends the block.
    ///
    /// # Errors
    /// As [`Packer::push`].
    #[cfg(any(feature = "std", test))]
    pub(crate) fn flush(&mut self, sink: Sink<'_>) -> Result<()> {
        self.drain(false, sink)
    }

    /// Ends the stream, and says what it became.
    ///
    /// # Errors
    /// As [`Packer::push`].
    pub(crate) fn finish(&mut self, sink: Sink<'_>) -> Result<Packed> {
        self.drain(true, sink)?;
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

    /// Bytes of one batch: whole sections, with a block for each of that many threads that there may be.
    fn batch(&self) -> usize {
        const MOST: usize = 4;
        let section = self.section();
        let sections = self.threads.get().div_ceil(section).min(MOST);
        self.block.saturating_mul(section).saturating_mul(sections)
    }

    /// Blocks of one section.
    fn section(&self) -> usize {
        (SECTION / self.block).max(1)
    }

    /// What compresses these blocks, which are a section or the rest of one.
    fn recipe(&mut self, blocks: &[&[u8]]) -> Result<Recipe> {
        if let Some((recipe, left @ 1..)) = self.recipe {
            self.recipe = Some((recipe, left - 1));
            return Ok(recipe);
        }
        let recipe = choose(self.level, blocks, self.threads)?;
        self.recipe = (blocks.len() == self.section()).then_some((recipe, CHOICE - 1));
        Ok(recipe)
    }

    /// Compresses what is pending.
    fn drain(&mut self, last: bool, sink: Sink<'_>) -> Result<()> {
        self.begin(sink)?;
        let mut pending = self.pending.take();
        let bytes = match &mut pending {
            Some(pending) => pending.bytes()?,
            None => &[],
        };
        let mut blocks: Vec<_> = bytes.chunks(self.block).collect();
        if last && blocks.is_empty() {
            blocks.push(&[]);
        }
        self.blocks(&blocks, last, sink)?;
        pending.iter_mut().for_each(Pending::clear);
        self.pending = pending;
        Ok(())
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
    fn blocks(&mut self, blocks: &[&[u8]], last: bool, sink: Sink<'_>) -> Result<()> {
        let (container, count) = (self.container, blocks.len());
        let mut parts = Vec::new();
        for section in blocks.chunks(self.section()) {
            let recipe = self.recipe(section)?;
            parts.extend(section.iter().map(|block| (*block, recipe)));
        }
        let idle = &self.idle;
        let work = |(at, (bytes, recipe)): (usize, (&[u8], Recipe))| {
            let space = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let packed =
                pack_block(bytes, last && at + 1 == count, recipe, space.unwrap_or_default())?;
            Ok((at, Done::new(bytes, packed, container)))
        };
        let mut waiting: Vec<Option<Done>> = (0..count).map(|_| None).collect();
        let mut next = 0;
        let parts = parts.into_iter().enumerate().collect();
        self.threads.run(parts, &work, &mut |(at, done)| {
            if let Some(place) = waiting.get_mut(at) {
                *place = Some(done);
            }
            while let Some(done) = waiting.get_mut(next).and_then(Option::take) {
                self.packed.add(&done)?;
                self.adler = adler32_combine(self.adler, done.adler, done.size);
                sink(&done.packed)?;
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(done.packed);
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
            unpack_block(&mut stored.to_vec(), left == 0, raw).unwrap();
            assert_eq!(Crc32::of(raw), found.crc);
            assert!(left == 0 || stored.ends_with(&[0, 0, 255, 255]));
            assert!(unpack_block(&mut stored.to_vec(), left != 0, raw).is_err());
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
