//! A deflated member whose blocks are inflated one by one, by any thread.

use super::archive::inside;
use crate::buffer::BufferMut;
use crate::codec::{Crc32, unpack_block};
use crate::error::{Error, Result};
use crate::format::npz::{Block, Blocks, Entry};
use crate::format::{DecodeOptions, Decoded, Dest, Header, HeaderDecoder, Shares};
use crate::io::read::{fill_header, read, run_body};
use crate::io::{Place, ReadAt, Watch};
use crate::kernel::zeroed;
use crate::threads::Threads;
use std::io::{Seek, SeekFrom};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Stored bytes that are worth another thread: half a millisecond, of which starting it takes a tenth.
const WORTH: u64 = 1 << 17;

/// Bytes that are read at a time where nobody wants them.
const REST: usize = 1 << 16;

/// Reads the blocks of a member.
pub(super) struct Inflating<'a, S> {
    source: &'a S,
    entry: &'a Entry,
    blocks: &'a Blocks,
    /// Where its stored bytes begin in the archive.
    start: u64,
    /// Where compressed bytes go, and do not at the moment.
    idle: Mutex<Vec<Vec<u8>>>,
    /// The block of which only a part was wanted last.
    kept: Mutex<Option<(u64, Vec<u8>)>>,
    /// Whether an error was one of its bytes.
    failed: AtomicBool,
}

impl<'a, S: ReadAt> Inflating<'a, S> {
    /// # Errors
    /// Argument for a member without an index.
    pub(super) fn new(source: &'a S, entry: &'a Entry, start: u64) -> Result<Self> {
        let no_index = || Error::argument(format!("{} has no index of blocks", entry.label()));
        let blocks = entry.blocks().ok_or_else(no_index)?;
        let (idle, kept, failed) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Ok(Self { source, entry, blocks, start, idle, kept, failed })
    }

    /// Reads it as an array.
    pub(super) fn read_array<'d>(
        &self,
        options: DecodeOptions,
        choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
        threads: Threads,
        watch: Watch<'_>,
    ) -> Result<Decoded> {
        let decoded = self.array(options, choose, threads, watch);
        decoded.map_err(|error| self.explain(error))
    }

    /// An error about its bytes, with its name.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.failed.load(Ordering::Relaxed) {
            // It has said whose bytes they are.
            true => error,
            false => inside(error, self.entry),
        }
    }

    fn array<'d>(
        &self,
        options: DecodeOptions,
        choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
        threads: Threads,
        watch: Watch<'_>,
    ) -> Result<Decoded> {
        let mut reader = Place::new(self, self.entry.size);
        let mut machine = HeaderDecoder::new(options);
        let header = fill_header(&mut |space| read(&mut reader, space), &mut machine)?;
        let (start, block) = (header.len, self.blocks.size());
        let mut body = machine.body(choose(&header)?)?;
        let shares = Shares::blocks(block - start % block, block);
        let fetch = |at: u64, space: &mut [u8]| self.read(start + at, space);
        let threads = self.enough(threads);
        let fetched = body.fetch(&fetch, shares, threads, &mut |seen| watch(start + seen))?;
        let start = reader.seek(SeekFrom::Start(start + fetched))?;
        let mut next = |space: &mut [u8]| read(&mut reader, space);
        run_body(&mut next, &mut body, &mut |seen| watch(start + seen))?;
        // What nobody asked for has a sum, too.
        let mut rest = vec![0; REST];
        while read(&mut reader, &mut rest)? > 0 {}
        body.finish()
    }

    /// As many of the threads as have something to do: what is stored says how long it takes.
    fn enough(&self, threads: Threads) -> Threads {
        let most = usize::try_from(self.entry.packed / WORTH).unwrap_or(usize::MAX);
        Threads::new(threads.get().min(most.saturating_add(1)))
    }

    /// All of its bytes.
    pub(super) fn read_all(&self, threads: Threads, watch: Watch<'_>) -> Result<BufferMut> {
        // The index holds: no block claims more than its stored bytes can make.
        let mut bytes = BufferMut::known(self.entry.size)?;
        let size = usize::try_from(self.blocks.size()).unwrap_or(usize::MAX);
        let parts = bytes.all()?.chunks_mut(size).zip(0..).collect();
        let work = |(part, number): (&mut [u8], u64)| {
            self.inflate(number, part)?;
            Ok(part.len() as u64)
        };
        let mut seen = 0;
        self.enough(threads).run(parts, &work, &mut |more: u64| {
            seen += more;
            watch(seen)
        })?;
        Ok(bytes)
    }

    /// Reads bytes of the member from `at` on to the front of the space, none behind its end. A block that is wanted whole goes
    /// there at once; another one is kept for whoever wants the rest of it.
    pub(super) fn read(&self, at: u64, space: &mut [u8]) -> Result<usize> {
        let number = at / self.blocks.size();
        let Some(block) = self.blocks.get(number).filter(|_| !space.is_empty()) else {
            return Ok(0);
        };
        let fits = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let (skip, size) = (fits(at - block.raw.start), fits(block.raw.end - block.raw.start));
        if let Some(space) = space.get_mut(..size).filter(|_| skip == 0) {
            self.inflate(number, space)?;
            return Ok(size);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_none_or(|(of, _)| *of != number) {
            let mut bytes = kept.take().map(|(_, bytes)| bytes).unwrap_or_default();
            if bytes.len() != size {
                bytes = zeroed(size)?;
            }
            self.inflate(number, &mut bytes)?;
            *kept = Some((number, bytes));
        }
        let rest = kept.as_ref().and_then(|(_, bytes)| bytes.get(skip..)).unwrap_or_default();
        let n = rest.len().min(space.len());
        if let (Some(to), Some(from)) = (space.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    /// Inflates a block to memory of its size, and compares its sum.
    pub(super) fn inflate(&self, number: u64, out: &mut [u8]) -> Result<()> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stored = idle().pop().unwrap_or_default();
        let done = self.inflate_through(number, &mut stored, out);
        self.failed.fetch_or(done.is_err(), Ordering::Relaxed);
        idle().push(stored);
        done
    }

    fn inflate_through(&self, number: u64, stored: &mut Vec<u8>, out: &mut [u8]) -> Result<()> {
        let Some(block) = self.blocks.get(number) else {
            return Err(Error::argument(format!("{} has no block {number}", self.entry.label())));
        };
        let Block { stored: range, is_last, .. } = &block;
        let (start, end) = (self.start + range.start, self.start + range.end);
        let len = usize::try_from(end - start).map_err(|_| Error::overflow("a block"))?;
        if stored.capacity() <= len {
            // Another block may be longer, and what ends one that is not the last has to fit, too.
            *stored = zeroed(len + len / 8 + 64)?;
        }
        stored.resize(len, 0);
        fill_at(self.source, stored, start)?;
        unpack_block(stored, *is_last, out).map_err(|error| {
            let offset = error.offset().unwrap_or_default().saturating_add(start);
            error.at(offset).context(format_args!("block {number} of {}", self.entry.label()))
        })?;
        self.entry.check_block(&block, Crc32::of(out), start..end)
    }
}

impl<S: ReadAt> ReadAt for Inflating<'_, S> {
    fn read_at(&self, space: &mut [u8], offset: u64) -> std::io::Result<usize> {
        Ok(self.read(offset, space)?)
    }
}

/// Fills all of the space with the bytes from `at` on.
pub(super) fn fill_at(source: &impl ReadAt, mut space: &mut [u8], at: u64) -> Result<()> {
    let wanted = space.len();
    let mut place = at;
    while !space.is_empty() {
        match source.read_at(space, place) {
            Ok(0) => {
                let message =
                    format!("the zip archive ends within {wanted} bytes that should be here");
                return Err(Error::truncated(message).at(at));
            }
            Ok(n) => {
                place += n as u64;
                space = space.split_at_mut_checked(n).unwrap_or_default().1;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
