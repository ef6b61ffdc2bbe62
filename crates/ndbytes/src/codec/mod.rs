//! Blocks in, blocks out. So far only their checksums.

mod checksum;

pub use checksum::{BLOCK, BlockSums, Crc32c, crc32c};
