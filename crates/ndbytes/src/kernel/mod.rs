//! Moving items: gathering any layout into contiguous bytes, and changing byte order.
//!
//! Only the item size matters to move an item, so the loops are generic over 1, 2, 4, 8 and 16 bytes and
//! nothing else is. Vectors and strided pointers are unsafe code: it stands in few functions, whose callers prove bounds once.

mod convert;
mod copy;
pub(crate) mod filter;
mod fresh;
mod gaps;
mod gather;
#[cfg(feature = "deflate")]
mod inflate;
mod isa;
mod items;
#[cfg(feature = "lz4")]
pub(crate) mod lz4;
mod row;
mod swap;
mod windows;

pub use convert::{copy_to, to_bytes};
pub(crate) use copy::{Look, Stores, copy_by_steps, copy_folded};
pub use fresh::huge_pages;
pub(crate) use fresh::{fit, touch, zeroed};
pub use gaps::GapPlan;
pub use gather::{gather, scatter};
#[cfg(feature = "deflate")]
pub(crate) use inflate::inflate;
pub use items::Copying;
pub(crate) use items::{Items, SHORT_RUNS};
pub use swap::SwapPlan;
