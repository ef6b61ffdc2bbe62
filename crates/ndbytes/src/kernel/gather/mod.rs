//! Moving the items of a layout to contiguous bytes and back.
//!
//! One driver for both ways: drop axes of length 1, merge axes that continue each other on both sides, take contiguous items
//! as one larger item, and then look at two axes: the one along which items share lines of the source, and the one with the
//! smallest steps in the destination. Where they are one, rows are copied; else the plane of both is transposed in tiles.
//! All other axes are loops around that.

#![allow(unsafe_code, reason = "items at strides are pointers, their bounds proved once here")]

mod plan;
mod runs;
mod shape;
#[cfg(test)]
mod tests;
mod tile;
mod walk;

use super::copy::Stores;
use super::isa::Isa;
use crate::array::{Layout, nbytes};
use crate::error::{Error, Result};
use plan::Plan;

/// Copies the items of `layout` over `data` to `out`, in C order, without gaps.
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument) if the layout leaves `data` or `out` has another size than the items.
pub fn gather(data: &[u8], layout: &Layout, itemsize: usize, out: &mut [u8]) -> Result<()> {
    gather_by(Isa::detect(), Stores::Cached, data, layout, itemsize, out)
}

/// The same past the cache where that pays.
///
/// # Errors
/// As [`gather`].
pub(super) fn gather_past_cache(
    data: &[u8],
    layout: &Layout,
    itemsize: usize,
    out: &mut [u8],
) -> Result<()> {
    gather_by(Isa::detect(), Stores::Streaming, data, layout, itemsize, out)
}

/// Copies `bytes`, which are items in C order without gaps, to the items of `layout` over `data`.
///
/// Bytes of `data` between the items stay. Of items that share bytes, the last one in C order remains.
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument) if the layout leaves `data` or `bytes` has another size than the items.
pub fn scatter(bytes: &[u8], data: &mut [u8], layout: &Layout, itemsize: usize) -> Result<()> {
    scatter_by(Isa::detect(), bytes, data, layout, itemsize)
}

fn gather_by(
    isa: Isa,
    stores: Stores,
    data: &[u8],
    layout: &Layout,
    itemsize: usize,
    out: &mut [u8],
) -> Result<()> {
    if check(layout, itemsize, data.len(), out.len())? {
        let plan = Plan::gather(layout, itemsize);
        let (src, dst) = (data.as_ptr(), out.as_mut_ptr());
        // SAFETY: every item of the layout lies in `data`, so whatever lies between two of them does too, before the
        // first one as well as behind it; the items without gaps fill `out`. `out` is borrowed alone.
        unsafe { walk::copy(isa, &plan, stores, src.add(plan.src), dst) }
    }
    Ok(())
}

fn scatter_by(
    isa: Isa,
    bytes: &[u8],
    data: &mut [u8],
    layout: &Layout,
    itemsize: usize,
) -> Result<()> {
    if check(layout, itemsize, data.len(), bytes.len())? {
        let plan = Plan::scatter(layout, itemsize);
        let (src, dst) = (bytes.as_ptr(), data.as_mut_ptr());
        // SAFETY: as above with the two sides exchanged. The plan may start at another corner of both.
        unsafe { walk::copy(isa, &plan, Stores::Cached, src.add(plan.src), dst.add(plan.dst)) }
    }
    Ok(())
}

/// Whether there are bytes to copy, after making sure that all items lie inside what there is of them.
fn check(layout: &Layout, itemsize: usize, data: usize, bytes: usize) -> Result<bool> {
    let span = layout.span(itemsize)?;
    let size = nbytes(layout.shape(), itemsize)?;
    if span.end > data || size != bytes {
        return Err(Error::argument(format!(
            "items end at byte {} of {data}, and fill {size} bytes of {bytes}",
            span.end
        )));
    }
    Ok(size > 0)
}
