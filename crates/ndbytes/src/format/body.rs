//! The data of an array as pieces: what every format with contiguous items writes.

use super::Piece;
use crate::array::{ArrayRef, Blocks, Order};
use crate::codec::BLOCK;
use crate::dtype::{DType, Endian};
use crate::error::{Error, Result};
use crate::kernel::{GapPlan, SwapPlan, gather};

/// The items in an order, in pieces of at most 1 MiB, or one item where that is larger.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    data: &'a [u8],
    dtype: DType,
    itemsize: usize,
    total: u64,
    fortran: bool,
    plan: SwapPlan,
    gaps: Option<GapPlan>,
    state: State<'a>,
}

#[derive(Debug)]
enum State<'a> {
    /// Already as wanted: the memory itself.
    Run(&'a [u8]),
    Gather(Blocks),
}

impl<'a> Body<'a> {
    /// The items of `array` in `order`; with `endian`, in that byte order, otherwise as stored.
    pub(crate) fn new(array: &ArrayRef<'a>, order: Order, endian: Option<Endian>) -> Result<Self> {
        let itemsize = array.itemsize();
        let dtype = endian
            .map_or_else(|| array.dtype().clone(), |endian| array.dtype().with_endian(endian));
        let plan = SwapPlan::new(array.dtype(), &dtype)?;
        let layout = array.layout();
        let fortran = layout.is_fortran(order, itemsize);
        let one_order = layout.is_c_contiguous(itemsize) && layout.is_f_contiguous(itemsize);
        let view = if fortran { array.transposed() } else { array.clone() };
        // Memory that others may write is copied first: the sums are of the copy.
        let as_it_is = plan.is_empty() && !array.is_shared();
        let state = match view.contiguous_bytes().filter(|_| as_it_is) {
            Some(bytes) => State::Run(bytes),
            None => State::Gather(view.layout().blocks(itemsize, BLOCK)),
        };
        let total = array.nbytes() as u64;
        let fortran = fortran && !one_order;
        Ok(Self { data: array.data(), dtype, itemsize, total, fortran, plan, gaps: None, state })
    }

    /// The same with zeros in the bytes of items that hold no value.
    pub(crate) fn with_gaps_zeroed(mut self, array: &ArrayRef<'a>) -> Self {
        let gaps = GapPlan::new(&self.dtype);
        if !gaps.is_empty() {
            if let State::Run(_) = self.state {
                let view = if self.fortran { array.transposed() } else { array.clone() };
                self.state = State::Gather(view.layout().blocks(self.itemsize, BLOCK));
            }
            self.gaps = Some(gaps);
        }
        self
    }

    /// The dtype of the pieces.
    pub(crate) fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Whether a header calls it Fortran order: what is contiguous both ways is written as C, as `np.save` does.
    pub(crate) fn is_fortran(&self) -> bool {
        self.fortran
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn next(&mut self) -> Result<Option<Piece<'a>>> {
        match &mut self.state {
            State::Run(rest) => {
                let (piece, after) = rest.split_at(rest.len().min(BLOCK));
                *rest = after;
                Ok((!piece.is_empty()).then_some(Piece::Run(piece)))
            }
            State::Gather(blocks) => {
                let Some(block) = blocks.next() else { return Ok(None) };
                let size = block.len() * self.itemsize;
                if size == 0 {
                    return Ok(None);
                }
                let mut out = Vec::new();
                out.try_reserve_exact(size).map_err(|_| Error::memory(size as u64))?;
                let run = block.offset()..block.offset().saturating_add(size);
                match self.data.get(run).filter(|_| block.is_c_contiguous(self.itemsize)) {
                    // Without zeros first.
                    Some(run) => out.extend_from_slice(run),
                    None => {
                        out.resize(size, 0);
                        gather(self.data, &block, self.itemsize, &mut out)?;
                    }
                }
                self.plan.apply(&mut out);
                if let Some(gaps) = &self.gaps {
                    gaps.apply(&mut out);
                }
                Ok(Some(Piece::Owned(out.into())))
            }
        }
    }
}
