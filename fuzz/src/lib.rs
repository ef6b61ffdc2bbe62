//! Fuzz targets as library functions: each takes any bytes and panics where a promise does not hold.
//!
//! libFuzzer drives them through the programs in `fuzz_targets/`; the ordinary tests replay their corpus. Inputs
//! may be anything, so a wrong input is never an error here: only a broken promise is.

#![allow(
    clippy::field_reassign_with_default,
    reason = "options that may grow cannot be written as a whole outside their crate"
)]

mod arrays;
mod coded;
mod coded_hostile;
mod coded_whole;
mod damage;
mod datagram;
mod descr;
mod frame_header;
mod frame_stream;
mod growing;
mod header;
mod input;
mod machine;
mod npz;
mod steps;
mod stream;
mod tail;
mod wire;
mod zlib;

pub use coded_hostile::{Seen, coded_block, coded_index, coded_stream, seen};
pub use coded_whole::{coded_filters, coded_mutated, undone};
pub use datagram::{arrivals, datagram};
pub use descr::descr;
pub use frame_header::{coded_header, frame_header};
pub use frame_stream::frame_stream;
pub use growing::growing;
pub use header::npy_header;
pub use input::Rng;
pub use npz::npz;
pub use stream::npy_stream;
pub use tail::checksum_tail;
pub use wire::wire;
pub use zlib::zlib_bound;
