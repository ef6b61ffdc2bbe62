//! The frame: an array that says what it is before its data, and vouches for both behind them.
//!
//! It is what a `.ndb` file is and what a wire carries. Its layout is specified in `spec/FORMAT.md`; the numbers here
//! are that document's.

mod encode;
mod header;

pub use encode::{EncodeOptions, Encoder};
pub(super) use header::parse;
pub use header::{MAGIC, encode_header};
