//! An array to a frame.

use super::coded::{Blocks, Coded};
use super::grid::Grid;
use super::header::{self, Coding};
use crate::array::{ArrayRef, Order};
use crate::codec::block::Elements;
use crate::codec::{BlockSums, Codec, Filter};
use crate::dtype::{DType, Endian};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Body, Encode, Format, Header, Metadata, Piece, Tail, close};
use crate::kernel::{Copying, Items};
use crate::threads::Threads;
use bytes::Bytes;

/// Bytes of a block, where nothing else is asked for: a slice decodes little that it does not need, and what is decoded fits the cache
/// of a core together with what it is made from. Wide items have twice as many, so that as many lie together.
const BLOCK: usize = 1 << 17;

/// From this many bytes on an array of several axes is read in parts. One of two axes has half of that: a row of it takes one block. One of
/// more has a quarter, cut along the fastest axis too, where a box of it would else decode whole lines. It costs one or two hundredths of the size.
const PARTED: u64 = 1 << 27;
/// Bytes of a line of such a block, and items at least.
const LINE: usize = 1 << 10;
const LINE_ITEMS: usize = 1 << 8;

/// Bytes of a block of what is nearly all the same: it is decoded as fast as a smaller one of other bytes.
const DENSE_BLOCK: usize = 1 << 19;

/// An array that has fewer bytes is not compressed by [`Codec::Auto`]: header and index would be most of it.
const LEAST: usize = 1 << 9;

/// How a frame is written.
#[derive(Debug, Clone)]
pub struct EncodeOptions {
    /// The byte order of the numbers; by default as stored.
    pub endian: Option<Endian>,
    /// The order of the items; by default [`Order::A`].
    pub order: Option<Order>,
    /// Name and attributes; its `dtype` is the array's own, whatever stands here.
    pub metadata: Metadata,
    /// Whether bytes of items that hold no value are written as zeros: see [`GapPlan`](crate::GapPlan).
    pub zero_gaps: bool,
    /// How the data are compressed; by default not at all.
    pub codec: Codec,
    /// The filter in front of the codec, where one is to be had: a block that it does not suit is stored. Chosen by default.
    pub filter: Option<Filter>,
    /// The lengths of a block along each axis, where the data are compressed; chosen by default.
    pub block: Option<Vec<usize>>,
    /// How many threads may compress; one by default.
    pub threads: Threads,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            endian: None,
            order: None,
            metadata: Metadata::default(),
            zero_gaps: false,
            codec: Codec::None,
            filter: None,
            block: None,
            threads: Threads::ONE,
        }
    }
}

/// Turns an array into a frame: header, data, tail; or header, blocks and index.
///
/// ```
/// use ndbytes::{ArrayRef, Encode as _, frame};
/// let array = ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?;
/// let mut encoder = frame::Encoder::new(&array, &frame::EncodeOptions::default())?;
/// let header = encoder.next()?.unwrap();
/// assert_eq!(&header[..5], b"\x89NDBF");
/// assert!(header.len() % 64 == 0);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder<'a>(Form<'a>);

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "small arrays are not compressed: they take no allocation more"
)]
enum Form<'a> {
    Plain(Plain<'a>),
    Coded(Box<Coded<'a>>),
}

impl<'a> Encoder<'a> {
    /// Everything that can be refused is refused here, before the first byte; and of what is to be compressed samples are tried.
    ///
    /// # Errors
    /// As [`encode_header`](super::encode_header()); [`Argument`](ErrorKind::Argument) for lengths of a block that cannot be.
    pub fn new(array: &ArrayRef<'a>, options: &EncodeOptions) -> Result<Self> {
        let mut body = Body::new(array, options.order.unwrap_or(Order::A), options.endian)?;
        if options.zero_gaps {
            body = body.with_gaps_zeroed();
        }
        let is_tiny =
            options.codec == Codec::Auto && options.block.is_none() && body.total() < LEAST as u64;
        if options.codec == Codec::None || is_tiny {
            return Plain::new(array, body, &options.metadata)
                .map(|plain| Self(Form::Plain(plain)));
        }
        coded(array, &body, options).map(|coded| Self(Form::Coded(Box::new(coded))))
    }

    fn form(&mut self) -> &mut dyn Encode<'a> {
        match &mut self.0 {
            Form::Plain(plain) => plain,
            Form::Coded(coded) => &mut **coded,
        }
    }
}

impl<'a> Encode<'a> for Encoder<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        self.form().next()
    }

    fn fill(&mut self, space: &mut [u8]) -> Result<usize> {
        self.form().fill(space)
    }

    fn set_step(&mut self, most: usize) {
        self.form().set_step(most);
    }

    fn total(&self) -> Option<u64> {
        match &self.0 {
            Form::Plain(plain) => plain.total(),
            Form::Coded(coded) => coded.total(),
        }
    }

    fn most(&self) -> u64 {
        match &self.0 {
            Form::Plain(plain) => plain.most(),
            Form::Coded(coded) => coded.most(),
        }
    }

    fn write_into(
        &mut self,
        out: &mut [u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        self.form().write_into(out, how, each)
    }
}

/// The machine of a coded frame.
fn coded<'a>(array: &ArrayRef<'a>, body: &Body<'a>, options: &EncodeOptions) -> Result<Coded<'a>> {
    let (dtype, itemsize) = (body.dtype(), array.itemsize());
    let elements = Elements::of(dtype);
    let layout = match body.is_fortran() {
        true => array.layout().clone().transposed(),
        false => array.layout().clone(),
    };
    let shape = layout.shape().to_vec();
    let storage = |mut lens: Vec<usize>| {
        if body.is_fortran() {
            lens.reverse();
        }
        lens
    };
    let grid = match &options.block {
        Some(block) => Grid::new(shape.clone(), storage(block.clone()), itemsize)
            .map_err(|error| Error::new(ErrorKind::Argument, error.message()))?,
        None => {
            let size = block_size(options.codec, elements);
            let is_parted = body.total() >= PARTED && options.codec != Codec::Small;
            let axes = shape.iter().filter(|&&len| len > 1).count();
            let (size, line) = match axes {
                2 if is_parted => (size / 2, usize::MAX),
                3.. if is_parted => (size / 4, (LINE / itemsize.max(1)).max(LINE_ITEMS)),
                _ => (size, usize::MAX),
            };
            Grid::of_size(shape.clone(), itemsize, size, line)
        }
    };
    let mut items = Items::of_parts(array, options.endian)?;
    if options.zero_gaps {
        items = items.with_gaps_zeroed(dtype);
    }
    let mut blocks = Blocks::new(items, layout, elements, grid, options.codec, options.filter)?;
    if options.block.is_none() && blocks.is_dense() {
        blocks = blocks.with_grid(Grid::of_size(shape, itemsize, DENSE_BLOCK, usize::MAX));
    }
    let first = blocks.first_method();
    let block = storage(blocks.block().to_vec());
    let coding = Coding { filter: first.filter, engine: first.engine, block, grown: None };
    let metadata = &options.metadata;
    let (front, sum) =
        header::encode(dtype, array.shape(), body.is_fortran(), metadata, Some(&coding))?;
    let header = Header {
        format: Format::Frame,
        dtype: dtype.clone(),
        shape: array.shape().to_vec(),
        fortran_order: body.is_fortran(),
        metadata: metadata.clone(),
        coding: Some(coding),
        len: front.len() as u64,
        sum,
    };
    Ok(Coded::new(blocks, options.threads, header, front))
}

pub(super) fn block_size(codec: Codec, elements: Elements) -> usize {
    match codec {
        // Where size is all that counts, the more a codec sees the better.
        Codec::Small => BLOCK * 2 * elements.width.max(2),
        _ if elements.width == 8 => BLOCK * 2,
        _ => BLOCK,
    }
}

/// A frame whose data lie in one piece.
#[derive(Debug)]
struct Plain<'a> {
    header: Option<Bytes>,
    body: Body<'a>,
    sums: Option<BlockSums>,
    header_sum: u32,
    total: u64,
}

impl<'a> Plain<'a> {
    fn new(array: &ArrayRef<'a>, body: Body<'a>, metadata: &Metadata) -> Result<Self> {
        let dtype: &DType = body.dtype();
        let (header, header_sum) =
            header::encode(dtype, array.shape(), body.is_fortran(), metadata, None)?;
        let total = header.len() as u64 + body.total() + Tail::size(Format::Frame, body.total(), 0);
        let header = Some(header.into());
        Ok(Self { header, body, sums: Some(BlockSums::default()), header_sum, total })
    }
}

impl<'a> Encode<'a> for Plain<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        if let Some(header) = self.header.take() {
            return Ok(Some(Piece::Owned(header)));
        }
        let Some(sums) = &mut self.sums else { return Ok(None) };
        if let Some(piece) = self.body.next(Some(sums))? {
            return Ok(Some(piece));
        }
        Ok(Some(Piece::Owned(self.end()?.into())))
    }

    fn fill(&mut self, space: &mut [u8]) -> Result<usize> {
        match &mut self.sums {
            Some(sums) if self.header.is_none() => self.body.fill(space, sums),
            _ => Ok(0),
        }
    }

    fn set_step(&mut self, most: usize) {
        self.body.set_step(most);
    }

    fn total(&self) -> Option<u64> {
        Some(self.total)
    }

    fn write_into(
        &mut self,
        out: &mut [u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        let (found, header) = (out.len(), self.header.take().unwrap_or_default());
        let rest = self.body.write_into(&header, out, how, self.sums.as_mut(), each)?;
        let tail = self.end()?;
        close(rest, &tail, self.total, found)
    }
}

impl Plain<'_> {
    /// The tail behind data that were all summed.
    fn end(&mut self) -> Result<Vec<u8>> {
        let sums = self.sums.take().unwrap_or_default().finish();
        let tail = Tail::new(self.header_sum, self.body.total(), sums, Metadata::default());
        tail.encode(Format::Frame)
    }
}
