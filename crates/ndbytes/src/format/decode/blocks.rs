//! Data in blocks behind a header, and their index.

use super::steps::{Step, Steps};
use super::store::Place;
use super::{Checks, DecodeOptions, Decoded};
use crate::array::{Array, Layout, Order};
use crate::codec::block::{Block, BlockCoder, Elements};
use crate::codec::{Crc32c, Engine, Filter, crc32c};
use crate::error::{Error, Result};
use crate::format::frame::{
    BLOCK_HEADER, BlockHeader, Entry, Expected, Footer, Grid, boxed, check_len, index_size,
    parse_index,
};
use crate::format::{ChecksumState, Dest, Event, Header, STEP, holds};
use crate::kernel::{Stores, fit, scatter};
use crate::threads::Threads;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes of input to ask for at a time, for each thread that decodes them.
const AHEAD: usize = 1 << 20;
/// Bytes of items to decode before the caller hears of it, for each thread.
const BATCH: usize = 1 << 22;

/// And so many blocks, however small.
const MOST_JOBS: usize = 1 << 12;

/// Reads blocks and index.
#[derive(Debug)]
pub(super) struct Coded<'d> {
    options: DecodeOptions,
    header: Header,
    decoder: Decoder,
    place: Place<'d>,
    /// Rows of blocks on their way to a function, which takes items in their order.
    band: Vec<u8>,
    threads: Threads,
    /// What has come and is not made use of yet, and how much of it has.
    pending: Vec<u8>,
    filled: usize,
    /// Where in the frame it begins.
    offset: u64,
    entries: Vec<Entry>,
    /// Of a frame that grows: indexes stand between its blocks.
    steps: Option<Steps>,
    stage: Stage,
}

/// What 24 bytes are the front of.
enum Front {
    Block(BlockHeader),
    Step(Step),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// And the indexes between them.
    Blocks,
    Index,
    /// One byte of space, to see that nothing follows.
    End,
    Done,
}

/// What decodes a block, on any thread.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(crate) grid: Grid,
    elements: Elements,
    /// What threads work with, and do not at the moment.
    idle: Mutex<Vec<BlockCoder>>,
}

/// A block that has come whole.
struct Job<'i> {
    number: u64,
    header: BlockHeader,
    stored: &'i [u8],
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

impl<'d> Coded<'d> {
    pub(super) fn new(options: DecodeOptions, header: Header, dest: Dest<'d>) -> Result<Self> {
        let decoder = Decoder::new(&header)?;
        let blocks = decoder.grid.len();
        // Where little is missing, the block where it shows is named later.
        if let Some(len) = options.input_len {
            check_len(&header, blocks, len, STEP as u64)?;
        }
        let (place, _) = Place::new(dest, header.nbytes())?;
        let (grown, input_len) = (header.grown(), options.input_len);
        let stage = match grown {
            Some(_) if blocks == 0 => Stage::Done,
            None if blocks == 0 => Stage::Index,
            _ => Stage::Blocks,
        };
        Ok(Self {
            options,
            offset: header.len,
            header,
            decoder,
            place,
            band: Vec::new(),
            threads: Threads::ONE,
            pending: Vec::new(),
            filled: 0,
            entries: Vec::new(),
            steps: grown.map(|grown| Steps::new(grown, input_len)),
            stage,
        })
    }

    #[cfg(feature = "std")]
    pub(super) fn set_threads(&mut self, threads: Threads) {
        self.threads = threads;
    }

    /// The number of the block that comes next.
    fn next(&self) -> u64 {
        self.entries.len() as u64
    }

    /// What these bytes at `offset` are the front of, where this block could stand.
    fn front(&mut self, number: u64, head: &[u8; BLOCK_HEADER], offset: u64) -> Result<Front> {
        let decoder = &mut self.decoder;
        if let Some(steps) = &self.steps {
            steps.check_room(offset, BLOCK_HEADER)?;
            let step = steps.step(head, offset, &self.header, &decoder.grid, &self.entries);
            if let Some(step) = step? {
                return Ok(Front::Step(step));
            }
            decoder.grid.learn(number, BlockHeader::rows_of(head));
        }
        let of = decoder.expected(number);
        let header = BlockHeader::parse(head, offset, &of)?;
        if let Some(steps) = &self.steps {
            if of.size == 0 {
                return Err(of.malformed(offset, "the mark says fewer blocks, or rows"));
            }
            steps.check_room(offset, BLOCK_HEADER + header.entry.stored as usize)?;
        }
        Ok(Front::Block(header))
    }

    /// Bytes that must come before anything can be made of them, counted from the first that is pending.
    fn wanted(&mut self) -> Result<usize> {
        let number = match self.stage {
            Stage::Blocks => self.next(),
            Stage::Index => {
                let size = index_size(self.decoder.grid.len());
                return usize::try_from(size).map_err(|_| Error::overflow("the index"));
            }
            Stage::End => return Ok(1),
            Stage::Done => return Ok(0),
        };
        let pending = self.pending.get(..self.filled).unwrap_or_default();
        let Some(&head) = pending.first_chunk() else {
            let room = |steps: &Steps| steps.check_room(self.offset, BLOCK_HEADER);
            self.steps.as_ref().map_or(Ok(()), room)?;
            return Ok(BLOCK_HEADER);
        };
        Ok(match self.front(number, &head, self.offset)? {
            Front::Block(header) => BLOCK_HEADER + header.entry.stored as usize,
            Front::Step(step) => step.len,
        })
    }

    /// Bytes to ask for beyond what is pending: what is wanted; and more where the input holds nothing else.
    fn more(&mut self) -> Result<usize> {
        let missing = self.wanted()?.saturating_sub(self.filled);
        let ahead = self.options.input_len.filter(|_| self.ends_input()).map_or(0, |len| {
            let len = self.steps.as_ref().map_or(len, |steps| len.min(steps.end()));
            let left = len.saturating_sub(self.offset).saturating_sub(self.filled as u64);
            let most = AHEAD * self.threads.get();
            usize::try_from(left).unwrap_or(most).min(most)
        });
        let most = self.options.limits.grow.max(1);
        Ok(match self.stage {
            Stage::Blocks if missing > 0 => missing.max(ahead).min(most),
            _ => missing.min(most).min(STEP),
        })
    }

    pub(super) fn space(&mut self) -> Result<&mut [u8]> {
        let more = self.more()?;
        let end = self.filled + more;
        if self.pending.len() < end {
            let grow = end - self.pending.len();
            self.pending.try_reserve(grow).map_err(|_| Error::memory(end as u64))?;
            self.pending.resize(end, 0);
        }
        Ok(self.pending.get_mut(self.filled..end).unwrap_or_default())
    }

    pub(super) fn filled(&mut self, n: usize) -> Result<Event> {
        match self.stage {
            Stage::Done => {}
            Stage::End if n == 0 => self.stage = Stage::Done,
            _ if n == 0 => return Err(self.cut(self.filled)?),
            _ => {
                self.filled = self.filled.saturating_add(n).min(self.pending.len());
                let pending = std::mem::take(&mut self.pending);
                let came = pending.get(..self.filled).unwrap_or_default();
                let taken = self.consume(came, &mut |_| Ok(()));
                self.pending = pending;
                let taken = taken?;
                self.pending.copy_within(taken..self.filled, 0);
                self.filled -= taken;
            }
        }
        Ok(if self.stage == Stage::Done { Event::Done } else { Event::More })
    }

    /// Takes the blocks that are whole of bytes that are in memory already, and gives how many bytes it took; `each` is told how many so
    /// far.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        threads: Threads,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<usize> {
        self.threads = threads;
        if self.filled == 0 { self.consume(input, each) } else { Ok(0) }
    }

    /// Makes use of all that has come whole, and gives how many bytes that were.
    fn consume(&mut self, input: &[u8], each: &mut dyn FnMut(u64) -> Result<()>) -> Result<usize> {
        let mut taken = 0;
        while self.stage == Stage::Blocks {
            let rest = input.get(taken..).unwrap_or_default();
            let (jobs, mut len) = self.jobs(rest)?;
            if jobs.is_empty() {
                len = self.step(rest)?;
            } else {
                self.run(jobs)?;
            }
            if len == 0 {
                return Ok(taken);
            }
            taken += len;
            self.offset += len as u64;
            self.stage = self.after_blocks()?;
            each(taken as u64)?;
        }
        let rest = input.get(taken..).unwrap_or_default();
        match self.stage {
            Stage::Index => {
                let Some(index) = rest.get(..self.wanted()?) else { return Ok(taken) };
                self.check(index)?;
                self.offset += index.len() as u64;
                let whole = self.ends_input();
                self.stage = if whole { Stage::End } else { Stage::Done };
                taken += index.len();
                if whole && taken < input.len() {
                    return Err(self.trailing());
                }
            }
            Stage::End if !rest.is_empty() => return Err(self.trailing()),
            _ => {}
        }
        Ok(taken)
    }

    /// The stage behind what was read of the blocks.
    fn after_blocks(&self) -> Result<Stage> {
        let (next, grid) = (self.next(), &self.decoder.grid);
        match &self.steps {
            None if next == grid.len() => Ok(Stage::Index),
            Some(steps) if self.offset == steps.end() => {
                steps.finish(next, grid).map(|()| Stage::Done)
            }
            _ => Ok(Stage::Blocks),
        }
    }

    /// Reads the index of a step that has come whole, if one is next, and gives how many bytes it has.
    fn step(&mut self, input: &[u8]) -> Result<usize> {
        let Some(head) = input.first_chunk().filter(|_| self.steps.is_some()) else { return Ok(0) };
        let Front::Step(step) = self.front(self.next(), head, self.offset)? else { return Ok(0) };
        let (Some(bytes), Some(steps)) = (input.get(..step.len), &mut self.steps) else {
            return Ok(0);
        };
        let (first, written) = steps.read(bytes, &step, self.header.len)?;
        self.compare(first, &written)?;
        Ok(step.len)
    }

    /// Whether nothing may stand behind the frame.
    fn ends_input(&self) -> bool {
        self.options.whole || self.options.checks == Checks::Optional
    }

    fn trailing(&self) -> Error {
        Error::malformed("bytes behind the end of the frame; a file holds one").at(self.offset)
    }

    /// The next blocks that are whole in `input`, as many as are decoded in one go, and how many bytes they are.
    fn jobs<'i>(&mut self, input: &'i [u8]) -> Result<(Vec<Job<'i>>, usize)> {
        let (mut jobs, mut len, mut items) = (Vec::new(), 0, 0);
        let most = BATCH.saturating_mul(self.threads.get());
        for number in self.next()..self.decoder.grid.len() {
            let rest = input.get(len..).unwrap_or_default();
            let Some((head, rest)) = rest.split_first_chunk() else { break };
            let header = match self.front(number, head, self.offset + len as u64) {
                Ok(Front::Block(header)) => header,
                Ok(Front::Step(_)) => break,
                // What is wrong in the blocks before comes first.
                Err(_) if !jobs.is_empty() => break,
                Err(error) => return Err(error),
            };
            let Some(stored) = rest.get(..header.entry.stored as usize) else { break };
            if number == 0 {
                self.header.name_method(&header);
            }
            jobs.push(Job { number, header, stored });
            len += BLOCK_HEADER + stored.len();
            items += self.decoder.grid.size(number);
            if items >= most || jobs.len() >= MOST_JOBS {
                break;
            }
        }
        Ok((jobs, len))
    }

    /// Decodes blocks, and puts their items where they belong.
    fn run(&mut self, jobs: Vec<Job<'_>>) -> Result<()> {
        self.entries.extend(jobs.iter().map(|job| job.header.entry));
        let (decoder, place, band) = (&self.decoder, &mut self.place, &mut self.band);
        // A function is told of the items in their order.
        let threads = if let Place::Sink(_) = place { Threads::ONE } else { self.threads };
        if threads == Threads::ONE {
            let mut space = Vec::new();
            for job in jobs {
                let part = decoder.grid.place(job.number)?;
                match straight(place, decoder, &part)? {
                    Some(items) => decoder.decode(job.number, &job.header, job.stored, items)?,
                    None => {
                        let items = fit(&mut space, decoder.grid.size(job.number))?;
                        decoder.decode(job.number, &job.header, job.stored, items)?;
                        put(place, band, decoder, job.number, items)?;
                    }
                }
            }
            return Ok(());
        }
        if let Some(pieces) = pieces(place, decoder, &jobs)? {
            let jobs = jobs.into_iter().zip(pieces).collect();
            let decode = |(job, items): (Job<'_>, &mut [u8])| {
                decoder.decode(job.number, &job.header, job.stored, items)
            };
            return threads.run(jobs, &decode, &mut |()| Ok(()));
        }
        let used = Mutex::new(Vec::new());
        let used = || used.lock().unwrap_or_else(PoisonError::into_inner);
        let decode = |Job { number, header, stored }: Job<'_>| {
            let (mut space, size) = (used().pop().unwrap_or_default(), decoder.grid.size(number));
            decoder.decode(number, &header, stored, fit(&mut space, size)?)?;
            Ok((number, space, size))
        };
        threads.run(jobs, &decode, &mut |(number, space, size)| {
            put(place, band, decoder, number, space.get(..size).unwrap_or_default())?;
            used().push(space);
            Ok(())
        })
    }

    /// Holds the index against all that was read.
    fn check(&self, index: &[u8]) -> Result<()> {
        let grid = &self.decoder.grid;
        let known = Footer::whole(&self.header, grid, self.offset);
        self.compare(0, &parse_index(index, grid.len(), &known, self.header.len)?)
    }

    /// Holds what is written of the blocks from this one on against what was read of them.
    fn compare(&self, first: usize, written: &[Entry]) -> Result<()> {
        let seen = self.entries.get(first..).unwrap_or_default();
        for (number, (entry, seen_one)) in (first as u64..).zip(written.iter().zip(seen)) {
            let differs = entry != seen_one && !cfg!(ndbytes_unchecked);
            if differs || written.len() != seen.len() {
                let (why, range) =
                    ("it is another one than the index names", seen_one.offset..seen_one.end());
                return Err(self.decoder.expected(number).damaged(range, why));
            }
        }
        Ok(())
    }

    /// The error of an input that ends here.
    fn cut(&mut self, found: usize) -> Result<Error> {
        let wanted = self.wanted()?;
        let pending = self.pending.get(..self.filled).and_then(|pending| pending.first_chunk());
        let front = match (self.stage, pending.copied()) {
            (Stage::Blocks, Some(head)) => Some(self.front(self.next(), &head, self.offset)?),
            _ => None,
        };
        // The record in front of an index in a frame that grows has come whole.
        let before = if let Some(Front::Step(_)) = front { BLOCK_HEADER } else { 0 };
        if self.stage == Stage::Blocks && before == 0 {
            return Ok(self.decoder.expected(self.next()).cut(self.offset, found, wanted));
        }
        let (into, has) = (found - before, wanted - before);
        let message =
            format!("the index is cut: the input ends {into} bytes into it, it has {has}");
        Ok(Error::truncated(message).at(self.offset.saturating_add(found as u64)))
    }

    pub(super) fn finish(self) -> Result<Decoded> {
        if self.stage != Stage::Done {
            return Err(Error::argument("the array is not complete"));
        }
        let Self { header, place, .. } = self;
        let array = match place.finish()? {
            Some(data) => Some(Array::new(header.dtype.clone(), header.layout()?, data)?),
            None => None,
        };
        let metadata = header.metadata.clone();
        Ok(Decoded { header, state: ChecksumState::Verified, metadata, array })
    }
}

/// The memory of a block whose items follow each other where they stay.
fn straight<'p>(
    place: &'p mut Place<'_>,
    decoder: &Decoder,
    part: &Layout,
) -> Result<Option<&'p mut [u8]>> {
    match range(decoder, part) {
        Some(range) => memory(place, range),
        None => Ok(None),
    }
}

/// The memories of blocks which, all together, follow each other where they stay.
fn pieces<'p>(
    place: &'p mut Place<'_>,
    decoder: &Decoder,
    jobs: &[Job<'_>],
) -> Result<Option<Vec<&'p mut [u8]>>> {
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let range = range(decoder, &decoder.grid.place(job.number)?);
        let Some(range) =
            range.filter(|range| ranges.last().is_none_or(|last| last.end == range.start))
        else {
            return Ok(None);
        };
        ranges.push(range);
    }
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(None) };
    let Some(mut rest) = memory(place, first.start..last.end)? else { return Ok(None) };
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Some((piece, behind)) = rest.split_at_mut_checked(range.len()) else {
            return Ok(None);
        };
        pieces.push(piece);
        rest = behind;
    }
    Ok(Some(pieces))
}

/// Where the items of a block stay, if they follow each other there.
fn range(decoder: &Decoder, part: &Layout) -> Option<Range<usize>> {
    let itemsize = decoder.grid.itemsize();
    let (start, len) = (part.offset(), part.len() * itemsize);
    part.is_c_contiguous(itemsize).then_some(start..start + len)
}

fn memory<'p>(
    place: &'p mut Place<'_>,
    Range { start, end }: Range<usize>,
) -> Result<Option<&'p mut [u8]>> {
    match place {
        Place::Owned(buffer) => buffer.space(start, end).map(Some),
        Place::Fill(buffer) => buffer.space(start, end).map(Some),
        Place::Into(memory) => Ok(memory.get_mut(start..end)),
        Place::Sink(_) | Place::Discard => Ok(None),
    }
}

/// Puts the items of a block where they belong.
fn put(
    place: &mut Place<'_>,
    band: &mut Vec<u8>,
    decoder: &Decoder,
    number: u64,
    items: &[u8],
) -> Result<()> {
    let (grid, itemsize) = (&decoder.grid, decoder.grid.itemsize());
    let part = grid.place(number)?;
    let memory = match place {
        Place::Owned(buffer) => buffer.space(0, part.span(itemsize)?.end)?,
        Place::Fill(buffer) => buffer.space(0, part.span(itemsize)?.end)?,
        Place::Into(memory) => memory,
        Place::Discard => return Ok(()),
        Place::Sink(sink) => {
            // The items of some rows of the array come in several blocks.
            let shape = grid.band(number);
            let size = shape.iter().product::<usize>() * itemsize;
            if size == items.len() {
                return items.chunks(AHEAD).try_for_each(sink);
            }
            let band = fit(band, size)?;
            let mut slices = grid.slices(number);
            slices.iter_mut().take(1).for_each(|rows| rows.start = 0);
            let part = Layout::contiguous(&shape, itemsize, Order::C)?.sliced(&slices)?;
            scatter(items, band, &part, itemsize)?;
            return if grid.ends_band(number) {
                band.chunks(AHEAD).try_for_each(sink)
            } else {
                Ok(())
            };
        }
    };
    scatter(items, memory, &part, itemsize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::ArrayRef;
    use crate::codec::Codec;
    use crate::codec::block::DECODED;
    use crate::format::{Encode as _, HeaderDecoder, frame};

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
