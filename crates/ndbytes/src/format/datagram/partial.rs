//! What has come of an array whose time is up.

use super::pending::Pending;
use crate::array::{Array, Layout, Order};
use crate::buffer::{Buffer, BufferMut};
use crate::codec::{BLOCK, crc32c};
use crate::dtype::{DType, Scalar};
use crate::error::Result;
use crate::format::message::move_front;
use crate::format::{
    Accept, Checks, ChecksumState, DecodeOptions, Decoded, Format, Header, HeaderDecoder, Received,
    Tail, holds,
};
use crate::limits::Limits;
use std::ops::Range;

/// The array of a message that is one frame in one piece, with zeros for each item that has not come whole, and a mask of those that have;
/// `None` for any other message, and where its header has not come.
///
/// # Errors
/// As [`Tail::decode`] where the tail has come, and [`Memory`](crate::ErrorKind::Memory).
pub(super) fn partial(mut pending: Pending, limits: &Limits) -> Result<Option<(Received, Array)>> {
    let runs = pending.runs();
    let total = pending.geometry.total;
    let Some(front) = runs.first().filter(|front| front.start == 0).cloned() else {
        return Ok(None);
    };
    let Some(header) = header(pending.bytes(front)?, limits)? else { return Ok(None) };
    let tail = header.data_end()..total;
    let is_alone = header.metadata.message.is_none_or(|message| message.count == 1);
    let size = Tail::size(Format::Frame, header.nbytes(), 0);
    if header.coding.is_some() || !is_alone || header.data_end().checked_add(size) != Some(total) {
        return Ok(None);
    }
    let data = header.len..header.data_end();
    let mut there: Vec<_> = runs.iter().map(|run| common(run, &data)).collect();
    there.retain(|run| run.start < run.end);
    if runs.iter().any(|run| run.start <= tail.start && run.end >= tail.end) {
        let tail = Tail::decode(pending.bytes(tail)?, &header, limits)?;
        tail.verify_header(&header)?;
        there = verified(&mut pending, &header, &tail, there)?;
    }
    let mask = mask(&mut pending, &header, &there)?;
    let bytes = pending.finish()?.into_bytes();
    let fits = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let items = Buffer::from(bytes.slice(fits(data.start)..fits(data.end)));
    let array = Some(Array::new(header.dtype.clone(), header.layout()?, items)?);
    let (message, metadata) = (header.metadata.message, header.metadata.clone());
    let decoded = Decoded { header, state: ChecksumState::Unchecked, metadata, array };
    Ok(Some((Received { message, arrays: vec![decoded] }, mask)))
}

/// The header that these bytes begin with; `None` if they end within it.
fn header(mut bytes: &[u8], limits: &Limits) -> Result<Option<Header>> {
    let options = DecodeOptions {
        limits: limits.clone(),
        accept: Accept::Frame,
        checks: Checks::Required,
        ..Default::default()
    };
    let mut machine = HeaderDecoder::new(options);
    loop {
        let n = move_front(&mut bytes, machine.space());
        if n == 0 {
            return Ok(None);
        }
        if let Some(header) = machine.filled(n)? {
            return Ok(Some(header));
        }
    }
}

fn common(one: &Range<u64>, two: &Range<u64>) -> Range<u64> {
    one.start.max(two.start)..one.end.min(two.end)
}

/// The runs without the blocks that are there whole and are not what the tail says; these are zeros then.
fn verified(
    pending: &mut Pending,
    header: &Header,
    tail: &Tail,
    runs: Vec<Range<u64>>,
) -> Result<Vec<Range<u64>>> {
    let block = BLOCK as u64;
    let mut good = Vec::with_capacity(runs.len());
    for run in runs {
        let mut start = run.start;
        let first = (run.start - header.len).div_ceil(block);
        let blocks =
            (first..).zip(tail.sums.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)));
        for (at, sum) in blocks {
            let from = header.len + at * block;
            let to = header.data_end().min(from + block);
            if to > run.end {
                break;
            }
            let bytes = pending.bytes(from..to)?;
            if !holds(crc32c(bytes), *sum) {
                bytes.fill(0);
                good.push(start..from);
                start = to;
            }
        }
        good.push(start..run.end);
    }
    good.retain(|run| run.start < run.end);
    Ok(good)
}

/// Which items are there whole; what has come of the others is made zero.
fn mask(pending: &mut Pending, header: &Header, runs: &[Range<u64>]) -> Result<Array> {
    let order = if header.fortran_order { Order::F } else { Order::C };
    let layout = Layout::contiguous(&header.shape, 1, order)?;
    let mut mask = BufferMut::new(layout.len() as u64)?;
    let size = header.dtype.itemsize() as u64;
    if size == 0 {
        mask.all()?.fill(1);
    }
    for run in runs.iter().filter(|_| size > 0) {
        let (start, end) = (run.start - header.len, run.end - header.len);
        let (first, last) = (start.div_ceil(size), end / size);
        let whole = first * size..last * size;
        if first < last {
            let fits = |at| usize::try_from(at).unwrap_or(usize::MAX);
            mask.space(fits(first), fits(last))?.fill(1);
            pending.bytes(run.start..header.len + whole.start)?.fill(0);
            pending.bytes(header.len + whole.end..run.end)?.fill(0);
        } else {
            pending.bytes(run.clone())?.fill(0);
        }
    }
    Array::new(DType::Scalar(Scalar::Bool, crate::dtype::Endian::Little), layout, mask.freeze()?)
}
