//! The values of arrays: read into the widest type of their class, and compared.

mod columns;
mod compare;
mod lanes;
mod minifloat;
mod near;

pub use compare::{Difference, Largest, compare, identical, index_of};
pub use lanes::{BLOCK_ITEMS, Lanes, Reader, each_block, number};
pub use minifloat::Minifloat;
pub use near::{Tolerance, same_int};
