//! The data of an array on their way in: where they go, and their sums.

use crate::buffer::{Buffer, BufferMut};
use crate::codec::{BLOCK, BlockSums};
use crate::error::{Error, Result};
use crate::format::Dest;

/// The place of the data.
#[derive(Debug)]
pub(super) struct Store<'d> {
    place: Place<'d>,
    size: usize,
    done: usize,
    /// Bytes touched ahead of the bytes seen.
    step: usize,
    sums: Option<BlockSums>,
}

#[derive(Debug)]
enum Place<'d> {
    Owned(BufferMut),
    Into(&'d mut [u8]),
    Discard(Vec<u8>),
}

impl<'d> Store<'d> {
    /// For so many bytes, touched at most `grow` ahead, and summed or not.
    pub(super) fn new(dest: Dest<'d>, size: u64, grow: usize, summed: bool) -> Result<Self> {
        let fits = usize::try_from(size).map_err(|_| Error::overflow("the array's size"))?;
        let place = match dest {
            Dest::Owned => Place::Owned(BufferMut::new(size)?),
            Dest::Into(memory) if memory.len() == fits => Place::Into(memory),
            Dest::Into(memory) => {
                let found = memory.len();
                let message = format!("the array has {size} bytes, the destination {found}");
                return Err(Error::argument(message));
            }
            Dest::Discard => Place::Discard(Vec::new()),
        };
        let step = BLOCK.min(grow.max(1));
        Ok(Self { place, size: fits, done: 0, step, sums: summed.then(BlockSums::default) })
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
            Place::Into(memory) => Ok(memory.get_mut(self.done..end).unwrap_or_default()),
            Place::Discard(scratch) => {
                scratch.resize(self.step.min(self.size), 0);
                Ok(scratch.get_mut(..end - self.done).unwrap_or_default())
            }
        }
    }

    /// The first `n` bytes of the space have come.
    pub(super) fn filled(&mut self, n: usize) -> Result<()> {
        let end = self.size.min(self.done.saturating_add(n.min(self.step)));
        if let Some(sums) = &mut self.sums {
            sums.update(match &mut self.place {
                Place::Owned(buffer) => buffer.space(self.done, end)?,
                Place::Into(memory) => memory.get(self.done..end).unwrap_or_default(),
                Place::Discard(scratch) => scratch.get(..end - self.done).unwrap_or_default(),
            });
        }
        self.done = end;
        Ok(())
    }

    /// The sum of each block.
    pub(super) fn take_sums(&mut self) -> Vec<u32> {
        self.sums.take().unwrap_or_default().finish()
    }

    /// The bytes, where they are the machine's own.
    pub(super) fn finish(self) -> Result<Option<Buffer>> {
        match self.place {
            Place::Owned(buffer) => buffer.freeze().map(Some),
            Place::Into(_) | Place::Discard(_) => Ok(None),
        }
    }
}
