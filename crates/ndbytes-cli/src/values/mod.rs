//! The values of arrays: casts and statistics.

mod cast;
mod stats;
mod target;

pub(crate) use cast::cast;
pub(crate) use stats::{Stats, stats};

use crate::print;
use ndbytes::{ArrayRef, DType, Error, Layout, Result, gather};

/// What two arrays hold at an index, for a sentence that tells them apart.
pub(crate) fn values_at(
    (left, right): (&ArrayRef<'_>, &ArrayRef<'_>),
    index: &[usize],
) -> (String, String) {
    let text = |array: &ArrayRef<'_>, print: fn(&DType, &[u8]) -> String| {
        item_at(array, index).map_or_else(|_| String::from("?"), |item| print(array.dtype(), &item))
    };
    let short = (text(left, print::value), text(right, print::value));
    // 0.1 as f4 is not 0.1 as f8.
    if short.0 == short.1 {
        (text(left, print::exact_value), text(right, print::exact_value))
    } else {
        short
    }
}

/// The bytes of one item, as they are stored.
///
/// # Errors
/// Argument if there is no such item.
fn item_at(array: &ArrayRef<'_>, index: &[usize]) -> Result<Vec<u8>> {
    let layout = array.layout();
    if index.len() != layout.ndim() || index.iter().zip(layout.shape()).any(|(at, len)| at >= len) {
        return Err(Error::argument(format!("no item at {index:?} of shape {:?}", layout.shape())));
    }
    let mut offset = layout.offset();
    for (at, &stride) in index.iter().zip(layout.strides()) {
        // Inside the span that was proved, so neither step can overflow.
        offset = offset.wrapping_add_signed(at.cast_signed().wrapping_mul(stride));
    }
    let mut item = vec![0; array.itemsize()];
    gather(
        array.data(),
        &Layout::new(Vec::new(), Vec::new(), offset)?,
        array.itemsize(),
        &mut item,
    )?;
    Ok(item)
}
