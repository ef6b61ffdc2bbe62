//! Parts of members: only the blocks that they touch are inflated.

use super::Archive;
use super::archive::inside;
use super::blocks::{Inflating, fill_at};
use crate::array::Order;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::format::npz::{Entry, Method};
use crate::format::{
    ByteRun, ByteRuns, ChecksumState, DecodeOptions, Dest, Header, HeaderDecoder, Selection,
};
use crate::io::parts::part_size;
use crate::io::peek::behind;
use crate::io::read::{fill_header, read};
use crate::io::{Place, ReadAt, Watch, unwatched};
use crate::kernel::zeroed;
use crate::limits::Limits;
use crate::threads::Threads;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of what is stored as it is that are read at a time, where less than that is wanted of them.
const STORED: u64 = 1 << 16;
/// Blocks up to this size are inflated ahead of their use, two for each thread.
const AHEAD: u64 = 1 << 22;
/// Bytes that are worth a thread of their own.
const SHARE: u64 = 1 << 20;

/// An array in an archive, of which parts are read. Any number of threads may read at once.
///
/// Of a deflated member with an index of blocks those are inflated that a part touches, and the CRC-32 of each is compared; the last
/// one is kept. Of a stored member the bytes alone are read: nothing vouches for them ([`Parts::state`]). Any other one is inflated
/// whole when something of it is read first, held against its CRC-32, and kept.
///
/// ```
/// use ndbytes::{ArrayRef, DecodeOptions, Limits, Order, Selection, Slice, Threads, npy};
/// use ndbytes::io::{self, npz};
/// let values: Vec<u32> = (0..1_000_000).collect();
/// let array = ArrayRef::from_slice(&values, &[1000, 1000])?;
/// let options = npz::WriteOptions { method: npz::Method::Deflated, ..Default::default() };
/// let mut writer = npz::Writer::streamed(Vec::new(), options);
/// let mut encoder = npy::Encoder::new(&array, &npy::EncodeOptions::bare())?;
/// writer.add("a.npy", &mut encoder, &mut io::unwatched)?;
/// let file = writer.finish()?;
///
/// let place = io::Place::new(&file[..], file.len() as u64);
/// let archive = npz::Archive::open(place, &Limits::local())?;
/// let parts = archive.parts(0, DecodeOptions::default())?;
/// let row = Selection::Slice(Slice { start: 999, len: 1, step: 1 });
/// let mut found = [0; 8];
/// let part = [row, Selection::List(vec![999, 3])];
/// parts.read(&part, Order::C, Threads::ONE, &mut found, &mut io::unwatched)?;
/// assert_eq!(found, [999_999u32, 999_003].map(u32::to_le_bytes).concat()[..]);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Parts<S> {
    archive: Archive<Place<S>>,
    index: usize,
    entry: Entry,
    /// Where its stored bytes stand.
    range: Range<u64>,
    header: Header,
    kind: Kind,
    /// The block that was read last.
    kept: Mutex<Option<Arc<Block>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stored,
    Blocks,
    /// The only block is the whole.
    Whole,
}

/// The bytes of a block.
#[derive(Debug)]
struct Block {
    number: u64,
    bytes: Buffer,
}

/// A run within a block.
#[derive(Debug)]
struct Piece {
    number: u64,
    from: usize,
    to: usize,
    len: usize,
}

impl<S: ReadAt + Clone + Send> Parts<S> {
    /// Reads the header, and a tail of its own if it has one.
    pub(super) fn open(
        mut archive: Archive<Place<S>>,
        index: usize,
        entry: Entry,
        range: Range<u64>,
        mut options: DecodeOptions,
    ) -> Result<Self> {
        let kind = match entry.method()? {
            Method::Stored => Kind::Stored,
            Method::Deflated if entry.blocks.is_some() => Kind::Blocks,
            Method::Deflated | Method::Zstd => Kind::Whole,
        };
        (options.input_len, options.whole, options.sealed) = (Some(entry.size), true, true);
        let mut machine = HeaderDecoder::new(options.clone());
        let header = if kind == Kind::Whole {
            let mut member = archive.member(index)?;
            let header = fill_header(&mut |space| read(&mut member, space), &mut machine);
            header.map_err(|error| member.explain(error))?
        } else {
            let raw = Raw::new(&archive, &entry, &range)?;
            let mut front = Place::new(&raw, entry.size);
            let header = fill_header(&mut |space| read(&mut front, space), &mut machine);
            header.map_err(|error| raw.explain(error))?
        };
        if header.coding.is_some() {
            let message = format!("{} is a frame in blocks of its own; load it", entry.label());
            return Err(Error::argument(message));
        }
        let (has_more, kept) = (header.data_end() != entry.size, Mutex::default());
        let mut parts = Self { archive, index, entry, range, header, kind, kept };
        if has_more && kind == Kind::Whole {
            // Nothing is kept before all of it is what the header says.
            let discard = |_: &Header| Ok(Dest::Discard);
            let read = parts.archive.read_array(index, options, discard, &mut unwatched);
            parts.header = read?.header;
        } else if has_more {
            parts.header = parts.header_behind(machine)?;
        }
        Ok(parts)
    }

    /// The header with the dtype that a tail names.
    fn header_behind(&self, machine: HeaderDecoder) -> Result<Header> {
        let raw = Raw::new(&self.archive, &self.entry, &self.range)?;
        let found = behind(&mut Place::new(&raw, self.entry.size), &self.header, machine);
        found.map(|(header, _)| header).map_err(|error| raw.explain(error))
    }

    /// What the directory says of it.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// What its header says, with the dtype that its tail names if it has one.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Where the bytes come from.
    #[must_use]
    pub fn source(&self) -> &S {
        self.archive.source()
    }

    /// Whether what is read was held against a sum.
    #[must_use]
    pub fn state(&self) -> ChecksumState {
        match self.kind {
            Kind::Stored => ChecksumState::Unchecked,
            Kind::Blocks | Kind::Whole => ChecksumState::Verified,
        }
    }

    /// Reads all of the member, and compares it with its CRC-32; nothing is kept.
    ///
    /// # Errors
    /// As [`Archive::read_array`].
    pub fn verify(&self, watch: Watch<'_>) -> Result<ChecksumState> {
        let discard = |_: &Header| Ok(Dest::Discard);
        let options = DecodeOptions { limits: Limits::local(), ..DecodeOptions::default() };
        let read = self.archive.clone().read_array(self.index, options, discard, watch);
        read.map(|decoded| decoded.state)
    }

    /// Bytes of a part: of one selection for each axis.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if they overflow.
    pub fn size(&self, selections: &[Selection]) -> Result<usize> {
        part_size(&self.header, selections)
    }

    /// Reads the part that the selections take, one for each axis, all of each with all of the others: the items come into `out` without
    /// gaps, [`Order::F`] with the first axis fastest, else the last. Each block that is touched is read once, where no position is
    /// repeated.
    ///
    /// `watch` is told the bytes of blocks that were read.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a selection that leaves its axis, or memory of another size;
    /// [`Checksum`](crate::ErrorKind::Checksum), [`Malformed`](crate::ErrorKind::Malformed) and
    /// [`Truncated`](crate::ErrorKind::Truncated) for what is read; [`Memory`](crate::ErrorKind::Memory),
    /// [`Io`](crate::ErrorKind::Io), and whatever `watch` returns.
    pub fn read(
        &self,
        selections: &[Selection],
        order: Order,
        threads: Threads,
        out: &mut [u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        let (mut shape, fortran) = (self.header.shape.clone(), self.header.fortran_order);
        let mut storage: Vec<&Selection> = selections.iter().collect();
        if fortran {
            shape.reverse();
            storage.reverse();
        }
        let order = if (order == Order::F) == fortran { Order::C } else { Order::F };
        let runs = ByteRuns::new(&shape, self.header.dtype.itemsize(), &storage, order)?;
        if runs.size() != out.len() {
            let (size, found) = (runs.size(), out.len());
            return Err(Error::argument(format!(
                "the part has {size} bytes, the destination {found}"
            )));
        }
        match runs.single() {
            Some(run) => self.read_run(run, threads, out, watch),
            None => self.read_runs(&runs, threads, out, watch),
        }
    }

    /// Bytes that lie together come straight to where they stay.
    fn read_run(
        &self,
        run: ByteRun,
        threads: Threads,
        out: &mut [u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        let (mut rest, mut jobs) = (out, Vec::new());
        for piece in self.pieces(run) {
            let (part, more) = std::mem::take(&mut rest)
                .split_at_mut_checked(piece.len)
                .ok_or_else(|| Error::overflow("a part"))?;
            rest = more;
            jobs.push((piece, part));
        }
        let threads = self.worth(threads, jobs.len() as u64);
        let mut seen = 0;
        let work = |(piece, part): (Piece, &mut [u8])| {
            let len = part.len() as u64;
            self.put(&piece, part)?;
            Ok(len)
        };
        threads.run(jobs, &work, &mut |more: u64| {
            seen += more;
            watch(seen)
        })
    }

    /// Blocks are read ahead by threads, and the caller's own takes out of them what is wanted.
    fn read_runs(
        &self,
        runs: &ByteRuns,
        threads: Threads,
        out: &mut [u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        let pieces = || runs.iter().flat_map(|run| self.pieces(run));
        // Which blocks follow each other: where positions are repeated, a block may come again.
        let mut last = None;
        let mut numbers = pieces()
            .map(|piece| piece.number)
            .filter(|&number| last.replace(number) != Some(number));
        let ahead = if self.block_size() <= AHEAD { 2 * threads.get() } else { threads.get() };
        let (mut pieces, mut seen) = (pieces().peekable(), 0);
        loop {
            let batch: Vec<u64> = numbers.by_ref().take(ahead).collect();
            if batch.is_empty() {
                return Ok(());
            }
            let mut wanted = batch.clone();
            wanted.sort_unstable();
            wanted.dedup();
            let threads = self.worth(threads, wanted.len() as u64);
            let mut blocks = Vec::new();
            threads.run(wanted, &|number| self.block(number), &mut |block| {
                seen += block.bytes.len() as u64;
                blocks.push(block);
                watch(seen)
            })?;
            for number in batch {
                let block = blocks.iter().find(|block| block.number == number);
                let bytes = block.map(|block| &block.bytes[..]).unwrap_or_default();
                while let Some(piece) = pieces.next_if(|piece| piece.number == number) {
                    let Piece { from, to, len, .. } = piece;
                    match (out.get_mut(to..to + len), bytes.get(from..from + len)) {
                        (Some(out), Some(bytes)) => out.copy_from_slice(bytes),
                        _ => return Err(Error::overflow("a part")),
                    }
                }
            }
        }
    }

    /// As many threads as there is work for.
    fn worth(&self, threads: Threads, blocks: u64) -> Threads {
        let shares = blocks.saturating_mul(self.block_size()) / SHARE;
        Threads::new(threads.get().min(usize::try_from(shares).unwrap_or(usize::MAX)))
    }

    fn block_size(&self) -> u64 {
        match (self.kind, self.entry.blocks()) {
            (Kind::Blocks, Some(blocks)) => blocks.size(),
            (Kind::Whole, _) => self.entry.size.max(1),
            _ => STORED,
        }
    }

    /// The parts of a run in blocks.
    fn pieces(&self, run: ByteRun) -> impl Iterator<Item = Piece> + use<S> {
        let (size, mut at) = (self.block_size(), self.header.len + run.from);
        let (mut to, end) = (run.to, run.to + run.len);
        std::iter::from_fn(move || {
            let (number, from) = (at / size, at % size);
            let len = usize::try_from(size - from).unwrap_or(usize::MAX).min(end - to);
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let piece = Piece { number, from, to, len };
            (at, to) = (at + len as u64, to + len);
            (len > 0).then_some(piece)
        })
    }

    /// Reads a piece to memory of its size.
    fn put(&self, piece: &Piece, out: &mut [u8]) -> Result<()> {
        let &Piece { number, from, len, .. } = piece;
        match (self.kind, self.entry.blocks()) {
            (Kind::Stored, _) => {
                let at = self.range.start + number * STORED + from as u64;
                fill_at(self.source(), out, at)
            }
            (Kind::Blocks, Some(blocks)) if blocks.raw_size(number) == len as u64 => {
                self.inflating()?.inflate(number, out)
            }
            _ => {
                let block = self.block(number)?;
                let bytes = block.bytes.get(from..from + len);
                out.copy_from_slice(bytes.ok_or_else(|| Error::overflow("a part"))?);
                Ok(())
            }
        }
    }

    /// The bytes of a block, which is kept for the next one who wants it.
    fn block(&self, number: u64) -> Result<Arc<Block>> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = kept().as_ref().filter(|block| block.number == number) {
            return Ok(Arc::clone(block));
        }
        let bytes = match (self.kind, self.entry.blocks()) {
            (Kind::Whole, _) => {
                // Whoever else wants it waits, and finds it.
                let mut kept = kept();
                if let Some(block) = kept.as_ref() {
                    return Ok(Arc::clone(block));
                }
                let limits = Limits { array: u64::MAX, ..Limits::local() };
                let bytes = self.archive.clone().read(self.index, &limits, &mut unwatched)?;
                return Ok(Arc::clone(kept.insert(Arc::new(Block { number, bytes }))));
            }
            (Kind::Blocks, Some(blocks)) => {
                let mut bytes = zeroed_for(blocks.raw_size(number))?;
                self.inflating()?.inflate(number, &mut bytes)?;
                bytes
            }
            _ => {
                let start = number * STORED;
                let mut bytes = zeroed_for(self.entry.size.saturating_sub(start).min(STORED))?;
                fill_at(self.source(), &mut bytes, self.range.start + start)?;
                bytes
            }
        };
        let block = Arc::new(Block { number, bytes: bytes.into() });
        *kept() = Some(Arc::clone(&block));
        Ok(block)
    }

    fn inflating(&self) -> Result<Inflating<'_, S>> {
        Inflating::new(self.source(), &self.entry, self.range.start)
    }
}

fn zeroed_for(size: u64) -> Result<Vec<u8>> {
    zeroed(usize::try_from(size).map_err(|_| Error::overflow("a block"))?)
}

/// The bytes of a member, stored or in blocks, at any place.
enum Raw<'a, S> {
    Stored(&'a S, &'a Entry, &'a Range<u64>),
    Blocks(Inflating<'a, S>),
}

impl<'a, S: ReadAt> Raw<'a, S> {
    fn new(
        archive: &'a Archive<Place<S>>,
        entry: &'a Entry,
        range: &'a Range<u64>,
    ) -> Result<Self> {
        match entry.blocks() {
            None => Ok(Self::Stored(archive.source(), entry, range)),
            Some(_) => Inflating::new(archive.source(), entry, range.start).map(Self::Blocks),
        }
    }

    /// An error about its bytes, with its name.
    fn explain(&self, error: Error) -> Error {
        match self {
            Self::Stored(_, entry, _) => inside(error, entry),
            Self::Blocks(blocks) => blocks.explain(error),
        }
    }
}

impl<S: ReadAt> ReadAt for Raw<'_, S> {
    fn read_at(&self, space: &mut [u8], offset: u64) -> std::io::Result<usize> {
        match self {
            Self::Stored(source, entry, range) => {
                let left = entry.size.saturating_sub(offset);
                let most = usize::try_from(left).unwrap_or(usize::MAX).min(space.len());
                let space = space.get_mut(..most).unwrap_or_default();
                source.read_at(space, range.start.saturating_add(offset))
            }
            Self::Blocks(blocks) => blocks.read_at(space, offset),
        }
    }
}
