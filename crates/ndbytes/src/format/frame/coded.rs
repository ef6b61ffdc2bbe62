//! An array to a coded frame: header, blocks, index.

use super::grid::{Grid, MAX_BLOCK};
use super::index::{Footer, encode_index, index_size};
use super::record::{BLOCK_HEADER, BlockHeader, Entry};
use crate::array::Layout;
use crate::codec::block::{Block, BlockCoder, Elements, Method};
use crate::codec::{Codec, Crc32c, Filter, Plan, Sample, crc32c};
use crate::error::{Error, Result};
use crate::format::{Encode, Header, Piece, misfit};
use crate::kernel::{Copying, Items, Stores, fit, zeroed};
use crate::threads::Threads;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of items that are coded at a time, for each thread: less, and threads start too often.
const BATCH: usize = 1 << 21;
/// The same where they are taken as they are made: threads wait for each other at the end of that alone.
const AHEAD: usize = 1 << 25;
/// From this many bytes on frames are written past the cache.
const LARGE: u64 = 1 << 25;
/// Blocks that are smaller in the end go out several at a time.
const SMALL: usize = 1 << 16;

/// How many samples are tried, each of how many bytes, and of which part of the array all together.
const SAMPLES: usize = 4;
const LEAST_SAMPLE: usize = 1 << 13;
const MOST_SAMPLE: usize = 1 << 16;
const SAMPLED: usize = 256;
/// Larger items are tried in part.
const NEAR_ITEM: usize = 1 << 10;

/// What blocks are made of, on any thread.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    items: Items<'a>,
    /// Its axes are the storage axes.
    layout: Layout,
    elements: Elements,
    grid: Grid,
    plan: Plan,
}

/// What a thread works in.
#[derive(Debug, Default)]
struct Workplace {
    coder: BlockCoder,
    items: Vec<u8>,
    /// What another method makes of them.
    other: Vec<u8>,
}

impl<'a> Blocks<'a> {
    /// Tries methods on samples.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn new(
        items: Items<'a>,
        layout: Layout,
        elements: Elements,
        grid: Grid,
        codec: Codec,
        filter: Option<Filter>,
    ) -> Result<Self> {
        let mut blocks = Self { items, layout, elements, grid, plan: Plan::default() };
        let samples = blocks.samples()?;
        blocks.plan = Plan::choose(codec, filter, elements, &samples)?;
        Ok(blocks)
    }

    /// The same in other blocks, where those were not asked for.
    pub(super) fn with_grid(self, grid: Grid) -> Self {
        Self { grid, ..self }
    }

    /// Whether larger blocks gain more than they cost.
    pub(super) fn is_dense(&self) -> bool {
        self.plan.is_dense
    }

    pub(super) fn first_method(&self) -> Method {
        self.plan.first()
    }

    /// The lengths of a block along the storage axes.
    pub(super) fn block(&self) -> &[usize] {
        self.grid.block()
    }

    /// Parts of blocks from all over the array.
    fn samples(&self) -> Result<Vec<Sample>> {
        let (blocks, itemsize) = (self.grid.len(), self.items.itemsize());
        let total = self.layout.len() * itemsize;
        let most = (total / SAMPLED / SAMPLES).clamp(LEAST_SAMPLE, MOST_SAMPLE);
        let count = blocks.min(SAMPLES as u64);
        let sample = |number: u64| {
            let place = u128::from(blocks) * u128::from(2 * number + 1) / u128::from(2 * count);
            let slices = self.grid.slices(u64::try_from(place).unwrap_or_default());
            let (part, mut shape) = self.layout.sliced(&slices)?.thinned(most / itemsize);
            let is_whole_row =
                self.elements.per_item != 1 || shape.last() == self.layout.shape().last();
            let mut items = zeroed(part.len() * itemsize)?;
            self.items.write(&part, &mut items, Stores::Cached, &mut ())?;
            if self.elements.per_item != 1 {
                shape.push(self.elements.per_item);
            }
            // Of large items a part will do.
            if items.len() > MOST_SAMPLE && itemsize > NEAR_ITEM {
                let width = self.elements.width;
                items.truncate(most / width * width);
                shape = vec![items.len() / width];
            }
            Ok(Sample { items, shape, is_whole_row })
        };
        (0..count).map(sample).collect()
    }

    /// Writes the items of a block to memory of their size, and gives their sum.
    fn gather(&self, number: u64, to: &mut [u8]) -> Result<u32> {
        let mut sum = Crc32c::default();
        let part = self.layout.sliced(&self.grid.slices(number))?;
        self.items.write(&part, to, Stores::Cached, &mut sum)?;
        Ok(sum.value())
    }

    /// Writes a block with its header to the front of `to`, which has room for it uncompressed, and gives the length and what the index
    /// says of it, but for its place.
    fn code(&self, number: u64, work: &mut Workplace, to: &mut [u8]) -> Result<(usize, Entry)> {
        let size = self.grid.size(number);
        let room = to.split_at_mut_checked(BLOCK_HEADER);
        let room = room.and_then(|(head, rest)| Some((head, rest.get_mut(..size)?)));
        let (head, space) = room.ok_or_else(|| misfit((BLOCK_HEADER + size) as u64, 0))?;
        let (items_sum, method, len) = self.fill(number, work, space)?;
        let stored_sum = match method {
            Method::STORED => items_sum,
            _ => crc32c(space.get(..len).unwrap_or_default()),
        };
        let stored = u32::try_from(len).map_err(|_| Error::overflow("a block"))?;
        let entry =
            Entry { offset: 0, stored, rows: self.grid.rows(number), stored_sum, items_sum };
        let header = BlockHeader { filter: method.filter, engine: method.engine, entry };
        head.copy_from_slice(&header.encode());
        Ok((BLOCK_HEADER + len, entry))
    }

    /// Fills the space of a block's stored bytes: the sum of its items, how they are coded, and how many bytes they take.
    fn fill(
        &self,
        number: u64,
        work: &mut Workplace,
        space: &mut [u8],
    ) -> Result<(u32, Method, usize)> {
        let size = space.len();
        if self.plan.methods.is_empty() || size > MAX_BLOCK {
            return Ok((self.gather(number, space)?, Method::STORED, size));
        }
        let items = fit(&mut work.items, size)?;
        let sum = self.gather(number, items)?;
        let shape = self.shape_of(number);
        let block = Block { elements: self.elements, shape: &shape, size };
        let mut best: Option<(Method, usize)> = None;
        for &method in &self.plan.methods {
            let Some((_, shortest)) = best else {
                let made = work.coder.encode(method, block, items, space)?;
                best = made.map(|len| (method, len));
                continue;
            };
            if !self.plan.is_thorough {
                break;
            }
            let other = fit(&mut work.other, size)?;
            let made = work.coder.encode(method, block, items, other)?;
            if let Some(len) = made.filter(|&len| len < shortest)
                && let (Some(to), Some(from)) = (space.get_mut(..len), other.get(..len))
            {
                to.copy_from_slice(from);
                best = Some((method, len));
            }
        }
        let Some((method, len)) = best else {
            space.copy_from_slice(items);
            return Ok((sum, Method::STORED, size));
        };
        Ok((sum, method, len))
    }

    /// The box of a block, with the elements of an item as its last axis where they are several.
    fn shape_of(&self, number: u64) -> Vec<usize> {
        boxed(&self.grid, self.elements, number)
    }
}

fn too_small(most: u64, found: usize) -> Error {
    Error::argument(format!(
        "the destination has {found} bytes, which are too few; {most} are always enough"
    ))
}

/// The box of a block as filters see it.
pub(crate) fn boxed(grid: &Grid, elements: Elements, number: u64) -> Vec<usize> {
    let mut shape = grid.lens(number);
    if elements.per_item != 1 {
        shape.push(elements.per_item);
    }
    shape
}

/// Turns an array into a coded frame.
#[derive(Debug)]
pub(super) struct Coded<'a> {
    blocks: Blocks<'a>,
    threads: Threads,
    header: Header,
    front: Option<Bytes>,
    /// What was made, and waits to be asked for.
    ready: VecDeque<Made>,
    entries: Vec<Entry>,
    next: u64,
    /// Where the next block begins in the frame.
    offset: u64,
    ended: bool,
    idle: Mutex<Vec<Workplace>>,
    /// Memory that blocks were made in, to be used again.
    spare: Mutex<Vec<Vec<u8>>>,
}

fn locked<T>(memory: &Mutex<T>) -> MutexGuard<'_, T> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A block with its header, at the front of memory that is used again.
#[derive(Debug)]
struct Made {
    space: Vec<u8>,
    len: usize,
}

impl Made {
    fn bytes(&self) -> &[u8] {
        self.space.get(..self.len).unwrap_or_default()
    }
}

impl<'a> Coded<'a> {
    pub(super) fn new(
        blocks: Blocks<'a>,
        threads: Threads,
        header: Header,
        front: Vec<u8>,
    ) -> Self {
        let offset = header.len;
        Self {
            blocks,
            threads,
            header,
            front: Some(front.into()),
            ready: VecDeque::new(),
            entries: Vec::new(),
            next: 0,
            offset,
            ended: false,
            idle: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    /// Of blocks alone, which begin at `offset`, for a frame that grows.
    #[cfg(feature = "std")]
    pub(super) fn of_blocks(
        blocks: Blocks<'a>,
        threads: Threads,
        header: Header,
        offset: u64,
    ) -> Self {
        let coded = Self::new(blocks, threads, header, Vec::new());
        Self { front: None, offset, ended: true, ..coded }
    }

    /// What an index says of the blocks so far.
    #[cfg(feature = "std")]
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes note of a block that follows those so far.
    fn add(&mut self, len: usize, entry: Entry) {
        self.entries.push(Entry { offset: self.offset, ..entry });
        self.offset += len as u64;
        self.next += 1;
    }

    /// Codes the next blocks on all threads.
    fn batch(&mut self) -> Result<()> {
        // Where a block takes long, Ctrl-C is to be heard behind each.
        let largest = self.blocks.grid.largest().max(1);
        let batch = if self.blocks.plan.is_slow() { 1 } else { BATCH / largest };
        let mut ready = std::mem::take(&mut self.ready);
        let done = self.code(batch.max(1) * self.threads.get(), &mut |made| {
            ready.push_back(made);
            Ok(None)
        });
        self.ready = ready;
        done
    }

    /// Codes so many of the next blocks on all threads, and tells `each` of them in order while others are still made. It gives
    /// memory back that it has no more use for.
    fn code(
        &mut self,
        count: usize,
        each: &mut dyn FnMut(Made) -> Result<Option<Vec<u8>>>,
    ) -> Result<()> {
        let Self { blocks, threads, entries, next, offset, idle, spare, .. } = self;
        let numbers: Vec<u64> = (*next..blocks.grid.len()).take(count).collect();
        let room = BLOCK_HEADER + blocks.grid.largest();
        let work = |number: u64| {
            let mut work = locked(idle).pop().unwrap_or_default();
            let mut space = locked(spare).pop().unwrap_or_default();
            let (len, entry) = blocks.code(number, &mut work, fit(&mut space, room)?)?;
            locked(idle).push(work);
            Ok((number, Made { space, len }, entry))
        };
        // Those that wait for one in front of them.
        let mut early = BTreeMap::new();
        threads.run(numbers, &work, &mut |(number, made, entry)| {
            early.insert(number, (made, entry));
            while let Some((made, entry)) = early.remove(next) {
                entries.push(Entry { offset: *offset, ..entry });
                *offset += made.len as u64;
                *next += 1;
                if let Some(space) = each(made)? {
                    locked(spare).push(space);
                }
            }
            Ok(())
        })
    }

    /// What waits to be asked for: a block, or several where they are small.
    fn take_ready(&mut self) -> Option<Bytes> {
        let first = self.ready.pop_front()?;
        let mut joint = first.bytes().to_vec();
        self.spare().push(first.space);
        while let Some(next) = self.ready.pop_front_if(|next| joint.len() + next.len <= SMALL) {
            joint.extend_from_slice(next.bytes());
            self.spare().push(next.space);
        }
        Some(joint.into())
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        locked(&self.spare)
    }

    fn index(&mut self) -> Vec<u8> {
        self.ended = true;
        let footer = Footer::whole(&self.header, &self.blocks.grid, self.offset);
        encode_index(&footer, &self.entries)
    }

    /// Writes all blocks to memory one by one, and gives how many bytes they take.
    fn write_blocks(
        &mut self,
        out: &mut [u8],
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<usize> {
        let (mut work, mut written) = (Workplace::default(), 0);
        while self.next < self.blocks.grid.len() {
            let space = out.get_mut(written..).unwrap_or_default();
            let (len, entry) = self.blocks.code(self.next, &mut work, space)?;
            written += len;
            self.add(len, entry);
            each(self.offset)?;
        }
        Ok(written)
    }
}

impl<'a> Encode<'a> for Coded<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        if let Some(front) = self.front.take() {
            return Ok(Some(Piece::Owned(front)));
        }
        if self.ready.is_empty() && self.next < self.blocks.grid.len() {
            self.batch()?;
        }
        if let Some(ready) = self.take_ready() {
            return Ok(Some(Piece::Owned(ready)));
        }
        if self.ended {
            return Ok(None);
        }
        Ok(Some(Piece::Owned(self.index().into())))
    }

    fn total(&self) -> Option<u64> {
        // Where nothing is compressed, the bytes are known.
        self.blocks.plan.methods.is_empty().then(|| self.most())
    }

    fn most(&self) -> u64 {
        let blocks = self.blocks.grid.len();
        let headers = blocks.saturating_mul(BLOCK_HEADER as u64);
        [self.header.nbytes(), headers, index_size(blocks)]
            .into_iter()
            .fold(self.header.len, u64::saturating_add)
    }

    fn write_into(
        &mut self,
        out: &mut [u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        let (most, found) = (self.most(), out.len());
        // What no cache holds is not to push other blocks out of it.
        let stores = if most >= LARGE { Stores::Streaming } else { Stores::Cached };
        let mut written = 0;
        let mut put = |bytes: &[u8], out: &mut [u8]| {
            let space = out.get_mut(written..).and_then(|out| out.get_mut(..bytes.len()));
            let space = space.ok_or_else(|| too_small(most, found))?;
            match stores {
                Stores::Cached => space.copy_from_slice(bytes),
                // The copy past the cache sums as well, which costs nothing there.
                Stores::Streaming => Crc32c::default().copy(bytes, space, stores),
            }
            written += bytes.len();
            Ok::<usize, Error>(written)
        };
        self.threads = how.threads;
        if self.threads == Threads::ONE && found as u64 >= most {
            // Straight to where they stay.
            let front = self.front.take().unwrap_or_default();
            let start = put(&front, out)?;
            let len = self.write_blocks(out.get_mut(start..).unwrap_or_default(), each)?;
            let index = self.index();
            let rest = out.get_mut(start + len..).and_then(|out| out.get_mut(..index.len()));
            rest.ok_or_else(|| too_small(most, found))?.copy_from_slice(&index);
            return Ok((start + len + index.len()) as u64);
        }
        let front = self.front.take().unwrap_or_default();
        put(&front, out)?;
        while let Some(made) = self.ready.pop_front() {
            each(put(made.bytes(), out)? as u64)?;
        }
        let ahead = (AHEAD / self.blocks.grid.largest().max(1)).max(1) * self.threads.get();
        while self.next < self.blocks.grid.len() {
            self.code(ahead, &mut |made| {
                each(put(made.bytes(), out)? as u64)?;
                Ok(Some(made.space))
            })?;
        }
        Ok(put(&self.index(), out)? as u64)
    }
}
