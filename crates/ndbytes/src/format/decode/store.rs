//! The data of an array on their way in: where they go, and their sums.

use crate::buffer::{Buffer, BufferMut};
use crate::codec::{BLOCK, BlockSums};
use crate::error::{Error, Result};
use crate::format::Dest;

/// The data so far.
#[derive(Debug)]
pub(super) struct Store<'d> {
    place: Place<'d>,
    /// Where there is no place of theirs, the bytes come here.
    scratch: Vec<u8>,
    size: usize,
    done: usize,
    /// Bytes touched ahead of the bytes seen.
    step: usize,
    sums: Option<BlockSums>,
}

enum Place<'d> {
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

impl<'d> Store<'d> {
    /// For so many bytes, touched at most `grow` ahead, and summed or not.
    pub(super) fn new(dest: Dest<'d>, size: u64, grow: usize, summed: bool) -> Result<Self> {
        let fits = usize::try_from(size).map_err(|_| Error::overflow("the array's size"))?;
        let place = match dest {
            Dest::Owned => Place::Owned(BufferMut::new(size)?),
            Dest::Into(memory) if memory.len() == fits => Place::Into(memory),
            Dest::Into(memory) => return Err(misfit(size, memory.len())),
            Dest::Fill(buffer) if buffer.capacity() == fits => Place::Fill(buffer),
            Dest::Fill(buffer) => return Err(misfit(size, buffer.capacity())),
            Dest::Sink(sink) => Place::Sink(sink),
            Dest::Discard => Place::Discard,
        };
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
        match self.place {
            Place::Owned(buffer) => buffer.freeze().map(Some),
            Place::Into(_) | Place::Fill(_) | Place::Sink(_) | Place::Discard => Ok(None),
        }
    }
}

fn misfit(size: u64, found: usize) -> Error {
    Error::argument(format!("the array has {size} bytes, the destination {found}"))
}
