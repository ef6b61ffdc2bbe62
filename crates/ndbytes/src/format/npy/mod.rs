//! NumPy's `.npy` format, and the checked form of it: the same bytes with a checksum tail behind them.
//!
//! Source: NumPy's `numpy/lib/format.py` for the format; this project's `spec/FORMAT.md` for the tail.

mod decode;
mod encode;
mod header;
mod metadata;
mod tail;

pub use decode::{BodyDecoder, Checks, DecodeOptions, Decoded, HeaderDecoder};
pub use encode::{EncodeOptions, Encoder};
pub use header::{Header, MAGIC, Version};
pub use metadata::Metadata;
pub use tail::{TAIL_MAGIC, Tail};
