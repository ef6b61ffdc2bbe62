//! The data of an array on their way in: where they go, and their sums.

use crate::buffer::{Buffer, BufferMut, FRONT, HUGE, HUGE_FROM};
use crate::codec::{BLOCK, BlockSums, PartSums};
use crate::error::{Error, Result};
use crate::format::{Dest, misfit};
use crate::kernel::{Copying, Items, touch};

/// Up to so many bytes are copied and summed without asking who could help.
const SMALL: usize = 1 << 16;

/// The data so far.
#[derive(Debug)]
pub(super) struct Store<'d> {
    pub(super) place: Place<'d>,
    /// Where there is no place of theirs, the bytes come here.
    scratch: Vec<u8>,
    pub(super) size: usize,
    pub(super) done: usize,
    /// Bytes touched ahead of the bytes seen.
    step: usize,
    pub(super) sums: Option<BlockSums>,
}

pub(super) enum Place<'d> {
    Owned(BufferMut),
    Into(&'d mut [u8]),
    Fill(&'d mut BufferMut),
    Sink(&'d mut (dyn FnMut(&[u8]) -> Result<()> + Send)),
    Discard,
}

impl std::fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owned(_) => "Owned",
            Self::Into(_) => "Into",
            Self::Fill(_) => "Fill",
            Self::Sink(_) => "Sink",
            Self::Discard => "Discard",
        })
    }
}

impl<'d> Place<'d> {
    /// The place for an array of so many bytes, and their number.
    pub(super) fn new(dest: Dest<'d>, size: u64) -> Result<(Self, usize)> {
        let fits = usize::try_from(size).map_err(|_| Error::overflow("the array's size"))?;
        let place = match dest {
            Dest::Owned => Self::Owned(BufferMut::new(size)?),
            Dest::Into(memory) if memory.len() == fits => Self::Into(memory),
            Dest::Into(memory) => return Err(misfit(size, memory.len())),
            Dest::Fill(buffer) if buffer.capacity() == fits => Self::Fill(buffer),
            Dest::Fill(buffer) => return Err(misfit(size, buffer.capacity())),
            Dest::Sink(sink) => Self::Sink(sink),
            Dest::Discard => Self::Discard,
        };
        Ok((place, fits))
    }

    /// The bytes, where they are the machine's own.
    pub(super) fn finish(self) -> Result<Option<Buffer>> {
        match self {
            Self::Owned(buffer) => buffer.freeze().map(Some),
            Self::Into(_) | Self::Fill(_) | Self::Sink(_) | Self::Discard => Ok(None),
        }
    }
}

impl<'d> Store<'d> {
    /// For so many bytes, touched at most `grow` ahead, and summed or not.
    pub(super) fn new(dest: Dest<'d>, size: u64, grow: usize, summed: bool) -> Result<Self> {
        let (place, fits) = Place::new(dest, size)?;
        let step = BLOCK.min(grow.max(1));
        let sums = summed.then(BlockSums::default);
        Ok(Self { place, scratch: Vec::new(), size: fits, done: 0, step, sums })
    }

    /// Bytes that have come.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    pub(super) fn is_full(&self) -> bool {
        self.done == self.size
    }

    pub(super) fn space(&mut self) -> Result<&mut [u8]> {
        let end = self.size.min(self.done.saturating_add(self.step));
        // Not the front: a promise and ten bytes must not commit so much.
        let page = self.size.min(end.saturating_sub(FRONT).next_multiple_of(HUGE) + FRONT);
        let fresh = self.size >= HUGE_FROM && self.done >= FRONT && self.step == BLOCK;
        match &mut self.place {
            Place::Owned(buffer) if fresh => touch(buffer.space(self.done, page)?, 1),
            Place::Fill(buffer) if fresh => touch(buffer.space(self.done, page)?, 1),
            _ => {}
        }
        match &mut self.place {
            Place::Owned(buffer) => buffer.space(self.done, end),
            Place::Fill(buffer) => buffer.space(self.done, end),
            Place::Into(memory) => Ok(memory.get_mut(self.done..end).unwrap_or_default()),
            Place::Sink(_) | Place::Discard => {
                self.scratch.resize(self.step.min(self.size), 0);
                Ok(self.scratch.get_mut(..end - self.done).unwrap_or_default())
            }
        }
    }

    /// The first `n` bytes of the space have come.
    pub(super) fn filled(&mut self, n: usize) -> Result<()> {
        let end = self.size.min(self.done.saturating_add(n.min(self.step)));
        let bytes = match &mut self.place {
            Place::Owned(buffer) => buffer.space(self.done, end)?,
            Place::Fill(buffer) => buffer.space(self.done, end)?,
            Place::Into(memory) => memory.get(self.done..end).unwrap_or_default(),
            Place::Sink(_) | Place::Discard => {
                self.scratch.get(..end - self.done).unwrap_or_default()
            }
        };
        if let Some(sums) = &mut self.sums {
            sums.update(bytes);
        }
        if let Place::Sink(sink) = &mut self.place {
            sink(self.scratch.get(..end - self.done).unwrap_or_default())?;
        }
        self.done = end;
        Ok(())
    }

    /// Takes as much as is data of bytes that are in memory already, and gives their number: they are copied once, if they
    /// go anywhere, and the copy is summed.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<usize> {
        let end = self.size.min(self.done.saturating_add(input.len()));
        let input = input.get(..end - self.done).unwrap_or_default();
        let start = self.done;
        let space = match &mut self.place {
            Place::Owned(buffer) => buffer.space(start, end)?,
            Place::Fill(buffer) => buffer.space(start, end)?,
            Place::Into(memory) => memory.get_mut(start..end).unwrap_or_default(),
            Place::Sink(sink) => {
                let mut seen = 0;
                for part in input.chunks(BLOCK) {
                    sink(part)?;
                    seen += part.len() as u64;
                    self.sums.iter_mut().for_each(|sums| sums.update(part));
                    each(seen)?;
                }
                self.done = end;
                return Ok(input.len());
            }
            Place::Discard => {
                if let Some(sums) = &mut self.sums {
                    sums.update_with(start, input, how.threads, each)?;
                }
                self.done = end;
                return Ok(input.len());
            }
        };
        if input.len() == space.len() && input.len() <= SMALL {
            space.copy_from_slice(input);
            self.sums.iter_mut().for_each(|sums| sums.update(space));
            self.done = end;
            return each(input.len() as u64).map(|()| input.len());
        }
        let items = Items::of_bytes(input);
        match &mut self.sums {
            None => items.copy_to(space, how, &|_| (), &mut |(), copied| each(copied))?,
            Some(sums) => {
                let mut parts = Vec::new();
                let sum = |at: usize| PartSums::from(start + at);
                items.copy_to(space, how, &sum, &mut |found, copied| {
                    parts.push(found);
                    each(copied)
                })?;
                sums.join(parts);
            }
        }
        self.done = end;
        Ok(input.len())
    }

    /// Passes over the data: nothing comes, and nothing is summed.
    pub(super) fn skip(&mut self) {
        (self.done, self.sums) = (self.size, None);
    }

    /// The sum of each block, unless they were not summed.
    pub(super) fn take_sums(&mut self) -> Option<Vec<u32>> {
        self.sums.take().map(BlockSums::finish)
    }

    /// The bytes, where they are the machine's own.
    pub(super) fn finish(self) -> Result<Option<Buffer>> {
        self.place.finish()
    }
}
