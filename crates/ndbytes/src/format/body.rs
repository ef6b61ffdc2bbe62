//! The data of an array as pieces, or in one go: what every format with contiguous items writes.

use super::{Piece, misfit, put};
use crate::array::{ArrayRef, Blocks, Order};
use crate::codec::{BLOCK, BlockSums, PartSums};
use crate::dtype::{DType, Endian};
use crate::error::Result;
use crate::kernel::{Copying, Items, Look, SHORT_RUNS, Stores, zeroed};
use bytes::{Bytes, BytesMut};

/// The most that is gathered ahead of the pieces it is cut into.
const AHEAD: usize = 1 << 22;

/// Bytes of a piece that is made, at most: larger ones leave the cache before they are written, and the system is slower at smaller ones.
const PIECE: usize = 1 << 21;

/// The items in an order, in pieces of at most 2 MiB, or fewer bytes.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    items: Items<'a>,
    dtype: DType,
    fortran: bool,
    shared: bool,
    /// Bytes of a piece, at most.
    step: usize,
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    Begun,
    /// Already as wanted: the memory itself.
    Run(&'a [u8]),
    Made {
        parts: Blocks,
        /// Bytes of a part, at most.
        most: usize,
        /// What was made, to be written over once nobody holds it any more.
        made: Vec<Bytes>,
        /// What is left of the last part.
        rest: Bytes,
    },
}

impl<'a> Body<'a> {
    /// The items of `array` in `order`; with `endian`, in that byte order, otherwise as stored.
    pub(crate) fn new(array: &ArrayRef<'a>, order: Order, endian: Option<Endian>) -> Result<Self> {
        let itemsize = array.itemsize();
        let dtype = endian
            .map_or_else(|| array.dtype().clone(), |endian| array.dtype().with_endian(endian));
        let items = Items::new(array, order, endian)?;
        let layout = array.layout();
        // What is contiguous both ways is written as C, as `np.save` does.
        let fortran = layout.is_fortran(order, itemsize)
            && !(layout.is_c_contiguous(itemsize) && layout.is_f_contiguous(itemsize));
        Ok(Self {
            items,
            dtype,
            fortran,
            shared: array.is_shared(),
            step: PIECE,
            state: State::Begun,
        })
    }

    /// The same with zeros in the bytes of items that hold no value.
    pub(crate) fn with_gaps_zeroed(mut self) -> Self {
        self.items = self.items.with_gaps_zeroed(&self.dtype);
        self
    }

    /// Sets how many bytes a piece has, at most, before the first one is made.
    pub(crate) fn set_step(&mut self, most: usize) {
        self.step = most.clamp(1, PIECE);
    }

    /// The dtype of the pieces.
    pub(crate) fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Whether a header calls it Fortran order.
    pub(crate) fn is_fortran(&self) -> bool {
        self.fortran
    }

    pub(crate) fn total(&self) -> u64 {
        self.items.size() as u64
    }

    /// The next piece, of which `sums` has taken note then.
    pub(crate) fn next(&mut self, sums: Option<&mut BlockSums>) -> Result<Option<Piece<'a>>> {
        self.begin();
        let Self { items, step, state, .. } = self;
        match state {
            State::Begun => Ok(None),
            State::Run(run) => {
                let (piece, after) = run.split_at(run.len().min(BLOCK).min(*step));
                *run = after;
                if let Some(sums) = sums {
                    sums.update(piece);
                }
                Ok((!piece.is_empty()).then_some(Piece::Run(piece)))
            }
            State::Made { parts, made, rest, .. } => {
                if rest.is_empty() {
                    let Some(part) = parts.next() else { return Ok(None) };
                    let mut space = space(made, items.size_of(&part))?;
                    match sums {
                        Some(sums) => items.write(&part, &mut space, Stores::Cached, sums)?,
                        None => items.write(&part, &mut space, Stores::Cached, &mut ())?,
                    }
                    *rest = space.freeze();
                    made.push(rest.clone());
                }
                Ok(Some(Piece::Owned(rest.split_to(rest.len().min(*step)))))
            }
        }
    }

    /// Makes the next part in memory of the driver's own, of which `sums` has taken note then, and gives its bytes; 0 at the end, and
    /// where it does not fit.
    pub(crate) fn fill(&mut self, space: &mut [u8], sums: &mut BlockSums) -> Result<usize> {
        self.begin();
        match &mut self.state {
            State::Run(run) => {
                let (piece, after) = run.split_at(run.len().min(space.len()));
                *run = after;
                let space = space.get_mut(..piece.len()).unwrap_or_default();
                sums.copy(piece, space, Stores::Cached);
                Ok(piece.len())
            }
            State::Made { parts, most, rest, .. } if rest.is_empty() && *most <= space.len() => {
                let Some(part) = parts.next() else { return Ok(0) };
                let space = space.get_mut(..self.items.size_of(&part)).unwrap_or_default();
                self.items.write(&part, space, Stores::Cached, sums)?;
                Ok(space.len())
            }
            _ => Ok(0),
        }
    }

    fn begin(&mut self) {
        let Self { items, dtype, shared, step, state, .. } = self;
        if let State::Begun = state {
            // Memory that others may write is copied first: the sums are of the copy.
            *state = match items.run().filter(|_| !*shared) {
                Some(run) => State::Run(run),
                None => {
                    let size = items.grain(SHORT_RUNS).clamp(*step, AHEAD);
                    let (parts, most) = (items.parts(size), size.max(dtype.itemsize()));
                    let rest = Bytes::new();
                    State::Made { parts, most, made: Vec::new(), rest }
                }
            };
        }
    }

    /// Writes a header and all of the data to the front of memory, takes the sums of the data's blocks where they are wanted,
    /// and gives the memory that is left, for a tail; `each` is told the bytes so far.
    pub(crate) fn write_into<'o>(
        &self,
        header: &[u8],
        out: &'o mut [u8],
        how: Copying,
        sums: Option<&mut BlockSums>,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<&'o mut [u8]> {
        let (needed, found) = ((header.len() + self.items.size()) as u64, out.len());
        let data = put(out, header).and_then(|rest| rest.split_at_mut_checked(self.items.size()));
        let (data, rest) = data.ok_or_else(|| misfit(needed, found))?;
        let start = header.len() as u64;
        let Some(sums) = sums else {
            self.items.copy_to(data, how, &|_| (), &mut |(), copied| each(start + copied))?;
            return Ok(rest);
        };
        let mut parts = Vec::new();
        self.items.copy_to(data, how, &PartSums::from, &mut |found, copied| {
            parts.push(found);
            each(start + copied)
        })?;
        sums.join(parts);
        Ok(rest)
    }
}

/// Memory of `size` bytes: the last made that nobody else holds any more, or new.
fn space(made: &mut Vec<Bytes>, size: usize) -> Result<BytesMut> {
    let free = made.iter().rposition(Bytes::is_unique).map(|free| made.remove(free));
    let space = free.and_then(|free| free.try_into_mut().ok());
    if let Some(mut space) = space.filter(|space| space.capacity() >= size) {
        space.resize(size, 0);
        return Ok(space);
    }
    Ok(BytesMut::from(Bytes::from(zeroed(size)?)))
}
