//! NumPy's `.npy` format, and the checked form of it: the same bytes with a checksum tail behind them.
//!
//! Source: NumPy's `numpy/lib/format.py` for the format; this project's `spec/FORMAT.md` for the tail.

mod encode;
mod header;

pub use encode::{EncodeOptions, Encoder};
#[cfg(all(feature = "std", feature = "map"))]
pub(crate) use encode::{TAIL_FORMAT, parts};
pub use header::{MAGIC, Version, encode_header};
pub(super) use header::{parse, wrong_magic};
