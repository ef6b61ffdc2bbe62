//! The frame: an array that says what it is before its data, and vouches for both behind them.
//!
//! It is what a `.ndb` file is and what a wire carries. Its layout is specified in `spec/FORMAT.md`; the numbers here
//! are that document's.

mod coded;
mod encode;
mod grid;
mod header;
mod index;
mod record;

pub(super) use coded::boxed;
pub use encode::{EncodeOptions, Encoder};
pub(crate) use grid::Grid;
pub(super) use header::parse;
pub use header::{Coding, MAGIC, encode_header, is_coded};
pub use index::INDEX_MAGIC;
#[cfg(feature = "std")]
pub(crate) use index::{Index, PAGE, ending_size};
pub(crate) use index::{check_len, index_size, parse_index};
pub(crate) use record::{BLOCK_HEADER, BlockHeader, Entry, Expected};
