//! An array to a frame.

use super::encode_header;
use crate::array::{ArrayRef, Order};
use crate::codec::BlockSums;
use crate::dtype::Endian;
use crate::error::Result;
use crate::format::{Body, Encode, Format, Metadata, Piece, Tail, close};
use crate::kernel::Copying;
use bytes::Bytes;

/// How a frame is written.
#[derive(Debug, Clone, Default)]
pub struct EncodeOptions {
    /// The byte order of the numbers; by default as stored.
    pub endian: Option<Endian>,
    /// The order of the items; by default [`Order::A`].
    pub order: Option<Order>,
    /// Name and attributes; its `dtype` is the array's own, whatever stands here.
    pub metadata: Metadata,
    /// Whether bytes of items that hold no value are written as zeros: see [`GapPlan`](crate::GapPlan).
    pub zero_gaps: bool,
}

/// Turns an array into a frame: header, data, tail.
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
pub struct Encoder<'a> {
    header: Option<Bytes>,
    body: Body<'a>,
    sums: Option<BlockSums>,
    header_sum: u32,
    total: u64,
}

impl<'a> Encoder<'a> {
    /// Everything that can be refused is refused here, before the first byte.
    ///
    /// # Errors
    /// As [`encode_header`].
    pub fn new(array: &ArrayRef<'a>, options: &EncodeOptions) -> Result<Self> {
        let mut body = Body::new(array, options.order.unwrap_or(Order::A), options.endian)?;
        if options.zero_gaps {
            body = body.with_gaps_zeroed();
        }
        let (header, header_sum) =
            encode_header(body.dtype(), array.shape(), body.is_fortran(), &options.metadata)?;
        let total = header.len() as u64 + body.total() + Tail::size(Format::Frame, body.total(), 0);
        let header = Some(header.into());
        Ok(Self { header, body, sums: Some(BlockSums::default()), header_sum, total })
    }
}

impl<'a> Encode<'a> for Encoder<'a> {
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

    fn total(&self) -> u64 {
        self.total
    }

    fn write_into(
        &mut self,
        out: &mut [u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let (found, header) = (out.len(), self.header.take().unwrap_or_default());
        let rest = self.body.write_into(&header, out, how, self.sums.as_mut(), each)?;
        let tail = self.end()?;
        close(rest, &tail, self.total, found)
    }
}

impl Encoder<'_> {
    /// The tail behind data that were all summed.
    fn end(&mut self) -> Result<Vec<u8>> {
        let sums = self.sums.take().unwrap_or_default().finish();
        let tail = Tail::new(self.header_sum, self.body.total(), sums, Metadata::default());
        tail.encode(Format::Frame)
    }
}
