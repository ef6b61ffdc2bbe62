//! Data in blocks behind a header, and their index.

use super::block::Decoder;
use super::settle::{Job, Target};
use super::steps::{Step, Steps};
use super::store::Place;
use super::{Checks, DecodeOptions, Decoded};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::format::frame::{
    BLOCK_HEADER, BlockHeader, Entry, Footer, check_len, index_size, parse_index,
};
use crate::format::{ChecksumState, Dest, Event, Header, STEP};
use crate::threads::Threads;

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
    target: Target<'d>,
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
            target: Target::new(place),
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
                self.entries.extend(jobs.iter().map(|job| job.header.entry));
                self.target.run(&self.decoder, jobs, self.threads)?;
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
        let Self { header, target, .. } = self;
        let array = match target.place.finish()? {
            Some(data) => Some(Array::new(header.dtype.clone(), header.layout()?, data)?),
            None => None,
        };
        let metadata = header.metadata.clone();
        Ok(Decoded { header, state: ChecksumState::Verified, metadata, array })
    }
}
