//! Rows to the blocks of a step, by which a frame grows.

use super::coded::{Blocks, Coded};
use super::encode::{EncodeOptions, block_size};
use super::grid::{Grid, MAX_BLOCK};
use super::header::{self, Coding};
use super::mark::{Grown, MARK, encode_mark};
use super::record::Entry;
use crate::array::ArrayRef;
use crate::codec::block::Elements;
use crate::codec::{Engine, Filter};
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Encode as _, Format, Header, Piece};
use crate::kernel::Items;
use crate::limits::MAX_NDIM;

/// A length for the axis that grows, where blocks are chosen: more than any block has.
const TALL: usize = MAX_BLOCK;

/// The header of a frame without rows yet, of these lengths behind the first axis, and its bytes with the mark.
///
/// # Errors
/// As [`encode_header`](super::encode_header()); [`Argument`](ErrorKind::Argument) for lengths of a block that cannot be, and for what cannot
/// grow: rows without items, items without bytes.
pub(crate) fn begin(
    dtype: &DType,
    row: &[usize],
    options: &EncodeOptions,
) -> Result<(Header, Vec<u8>)> {
    let itemsize = dtype.itemsize();
    if itemsize == 0 || row.contains(&0) {
        let why = "rows that are appended have at least one item, and items at least one byte";
        return Err(Error::argument(why));
    }
    if row.len() >= MAX_NDIM {
        let ndim = row.len() + 1;
        return Err(Error::argument(format!("{ndim} axes; at most {MAX_NDIM} are allowed")));
    }
    let shape: Vec<usize> = std::iter::once(0).chain(row.iter().copied()).collect();
    let tall: Vec<usize> = std::iter::once(TALL).chain(row.iter().copied()).collect();
    let block = match &options.block {
        Some(block) => block.clone(),
        None => {
            let size = block_size(options.codec, Elements::of(dtype));
            Grid::of_size(tall, itemsize, size, usize::MAX).block().to_vec()
        }
    };
    Grid::growing(shape.clone(), block.clone(), itemsize, 0)
        .map_err(|error| Error::new(ErrorKind::Argument, error.message()))?;
    let grown = Some(Grown::default());
    let coding = Coding { filter: Filter::NONE, engine: Engine::Stored, block, grown };
    let (mut front, sum) = header::encode(dtype, &shape, false, &options.metadata, Some(&coding))?;
    let len = (front.len() + MARK) as u64;
    let grown = Grown { end: len, ..Grown::default() };
    let header = Header {
        format: Format::Frame,
        dtype: dtype.clone(),
        shape,
        fortran_order: false,
        metadata: options.metadata.clone(),
        coding: Some(Coding { grown: Some(grown), ..coding }),
        len,
        sum,
    };
    front.extend(encode_mark(&header, grown));
    Ok((header, front))
}

/// Turns rows into blocks.
#[derive(Debug)]
pub(crate) struct Rows<'a>(Coded<'a>);

impl<'a> Rows<'a> {
    /// The rows are of the header's dtype and lengths; their blocks begin at `offset`.
    ///
    /// # Errors
    /// [`Memory`](ErrorKind::Memory); [`Malformed`](ErrorKind::Malformed) for other lengths.
    pub(crate) fn new(
        rows: &ArrayRef<'a>,
        header: &Header,
        options: &EncodeOptions,
        offset: u64,
    ) -> Result<Self> {
        let dtype = &header.dtype;
        let elements = Elements::of(dtype);
        let block = header.coding.as_ref().map(|coding| &coding.block[..]).unwrap_or_default();
        let fit = |(&block, &len): (&usize, &usize)| block.min(len).max(1);
        let block = block.iter().zip(rows.shape()).map(fit).collect();
        let grid = Grid::new(rows.shape().to_vec(), block, dtype.itemsize())?;
        let mut items = Items::of_parts(rows, None)?;
        if options.zero_gaps {
            items = items.with_gaps_zeroed(dtype);
        }
        let layout = rows.layout().clone();
        let blocks = Blocks::new(items, layout, elements, grid, options.codec, options.filter)?;
        Ok(Self(Coded::of_blocks(blocks, options.threads, header.clone(), offset)))
    }

    /// The next blocks, with their headers; none at the end.
    ///
    /// # Errors
    /// [`Memory`](ErrorKind::Memory).
    pub(crate) fn next(&mut self) -> Result<Option<Piece<'a>>> {
        self.0.next()
    }

    /// What an index says of the blocks so far.
    pub(crate) fn entries(&self) -> &[Entry] {
        self.0.entries()
    }
}
