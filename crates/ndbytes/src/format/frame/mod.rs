//! The frame: an array that says what it is before its data, and vouches for both behind them.
//!
//! It is what a `.ndb` file is and what a wire carries. Its layout is specified in `spec/FORMAT.md`; the numbers here
//! are that document's.

mod bands;
mod coded;
mod encode;
mod grid;
mod header;
mod index;
mod mark;
mod record;
#[cfg(feature = "std")]
mod step;

pub(super) use coded::boxed;
pub use encode::{EncodeOptions, Encoder};
#[cfg(feature = "std")]
pub(crate) use grid::Cuts;
pub(crate) use grid::Grid;
pub(super) use header::parse;
pub use header::{Coding, MAGIC, encode_header, is_coded};
pub use index::INDEX_MAGIC;
#[cfg(feature = "std")]
pub(crate) use index::encode_index;
pub(crate) use index::{
    Bound, Ended, FOOTER, Footer, check_len, ends_early, index_size, parse_index,
};
#[cfg(feature = "std")]
pub(crate) use index::{Index, PAGE, ending_size};
pub use mark::Grown;
pub(crate) use mark::parse_end;
#[cfg(feature = "std")]
pub(crate) use mark::{encode_end, encode_mark};
pub(crate) use record::{BLOCK_HEADER, BlockHeader, Entry, Expected};
#[cfg(feature = "std")]
pub(crate) use step::{Rows, begin};
