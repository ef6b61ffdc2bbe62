//! An array to `.npy` bytes, bare or checked.

use super::{Version, encode_header};
use crate::array::{ArrayRef, Order, nbytes};
use crate::codec::{BlockSums, crc32c};
use crate::dtype::{DType, Endian};
use crate::error::{Error, Result};
use crate::format::{Body, Encode, Format, Metadata, Piece, Tail, close};
use crate::kernel::Copying;
use crate::limits::Limits;
use bytes::Bytes;

/// How a `.npy` file is written.
#[derive(Debug, Clone, Default)]
pub struct EncodeOptions {
    /// The version; by default the oldest that can hold the header, as `np.save`.
    pub version: Option<Version>,
    /// The byte order of the numbers; by default as stored.
    pub endian: Option<Endian>,
    /// The order of the items; by default [`Order::A`], as `np.save`.
    pub order: Option<Order>,
    /// Whether a checksum tail is written. Extension floats always have one: it holds their name.
    pub checksum: bool,
    /// What the tail says beside its sums; its `dtype` is the array's own, whatever stands here.
    pub metadata: Metadata,
    /// Whether bytes of items that hold no value are written as zeros: see [`GapPlan`](crate::GapPlan).
    pub zero_gaps: bool,
}

impl EncodeOptions {
    /// Exactly what `np.save` writes.
    #[must_use]
    pub fn bare() -> Self {
        Self::default()
    }

    /// The same with a checksum tail.
    #[must_use]
    pub fn checked() -> Self {
        Self { checksum: true, ..Self::default() }
    }
}

/// The tail is the same behind every version.
pub(crate) const TAIL_FORMAT: Format = Format::Npy(Version::V1);

/// Turns an array into a `.npy` file: header, data, and the tail where one is wanted.
#[derive(Debug)]
pub struct Encoder<'a> {
    header: Bytes,
    body: Body<'a>,
    stage: Stage,
    tail: Option<Tail>,
    sums: BlockSums,
    total: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Header,
    Data,
    Done,
}

impl<'a> Encoder<'a> {
    /// Everything that can be refused is refused here, before the first byte.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a dtype without `descr`, a version that cannot hold the header,
    /// attributes that are no JSON object, or metadata without the tail to hold it;
    /// [`Limit`](crate::ErrorKind::Limit) for a checked file with a header over 1 MiB, or metadata over it.
    pub fn new(array: &ArrayRef<'a>, options: &EncodeOptions) -> Result<Self> {
        let order = options.order.unwrap_or(Order::A);
        let mut body = Body::new(array, order, options.endian)?;
        if options.zero_gaps {
            body = body.with_gaps_zeroed();
        }
        let (header, tail, total) = parts(body.dtype(), array.shape(), body.is_fortran(), options)?;
        let (header, sums) = (header.into(), BlockSums::default());
        Ok(Self { header, body, stage: Stage::Header, tail, sums, total })
    }
}

impl Encoder<'_> {
    /// The tail behind data that were all summed, where one is wanted.
    fn end(&mut self) -> Result<Option<Vec<u8>>> {
        self.stage = Stage::Done;
        let Some(mut tail) = self.tail.take() else { return Ok(None) };
        tail.sums = std::mem::take(&mut self.sums).finish();
        tail.encode(TAIL_FORMAT).map(Some)
    }
}

/// What stands before and behind the data of such an array: the header, and the tail, still without sums, where one
/// is wanted; and the bytes of the whole file.
pub(crate) fn parts(
    dtype: &DType,
    shape: &[usize],
    fortran: bool,
    options: &EncodeOptions,
) -> Result<(Vec<u8>, Option<Tail>, u64)> {
    let header = encode_header(dtype, shape, fortran, options.version)?;
    let size = nbytes(shape, dtype.itemsize())? as u64;
    let tail = if options.checksum || dtype.has_extension() {
        let max = Limits::local().header;
        if header.len() > max {
            // Whoever reads checked files refuses it.
            return Err(Error::limit("npy header", header.len() as u64, max as u64));
        }
        let mut metadata = options.metadata.clone();
        metadata.dtype = dtype.has_extension().then(|| dtype.clone());
        Some(Tail::new(crc32c(&header), size, Vec::new(), metadata))
    } else if options.metadata.is_empty() {
        None
    } else {
        return Err(Error::argument(
            "a name and attributes stand in the checksum tail: write one, or leave them out",
        ));
    };
    let tail_size = match &tail {
        Some(tail) => Tail::size(TAIL_FORMAT, size, tail.metadata.to_json()?.len()),
        None => 0,
    };
    let total = header.len() as u64 + size + tail_size;
    Ok((header, tail, total))
}

impl<'a> Encode<'a> for Encoder<'a> {
    fn next(&mut self) -> Result<Option<Piece<'a>>> {
        if self.stage == Stage::Header {
            self.stage = Stage::Data;
            return Ok(Some(Piece::Owned(self.header.clone())));
        }
        if self.stage == Stage::Data {
            let sums = self.tail.is_some().then_some(&mut self.sums);
            if let Some(piece) = self.body.next(sums)? {
                return Ok(Some(piece));
            }
            return Ok(self.end()?.map(|tail| Piece::Owned(tail.into())));
        }
        Ok(None)
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
        let (found, sums) = (out.len(), self.tail.is_some().then_some(&mut self.sums));
        let rest = self.body.write_into(&self.header, out, how, sums, each)?;
        let tail = self.end()?.unwrap_or_default();
        close(rest, &tail, self.total, found)
    }
}
