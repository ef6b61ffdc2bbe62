//! Blocks in, blocks out: checksums, and compression.

pub(crate) mod block;
mod checksum;
mod choose;
#[cfg(feature = "deflate")]
mod deflate;
mod engine;
#[cfg(feature = "datagram")]
mod parity;
#[cfg(all(feature = "zstd", feature = "deflate", feature = "std"))]
mod zstd_stream;

pub use block::Filter;
#[cfg(feature = "deflate")]
pub(crate) use checksum::Crc32;
pub(crate) use checksum::PartSums;
pub use checksum::{BLOCK, BlockSums, Crc32c, crc32c};
pub use choose::Codec;
pub(crate) use choose::{Plan, Sample};
#[cfg(feature = "deflate")]
pub use deflate::{Container, Deflater, Inflater, Level, Step};
#[cfg(all(feature = "deflate", feature = "std"))]
pub(crate) use deflate::{Packed, Packer, block_log, trailing, unpack, unpack_block};
#[cfg(feature = "deflate")]
pub(crate) use deflate::{Pull, compress, decompress, too_long, unpack_contained};
pub use engine::Engine;
#[cfg(feature = "datagram")]
pub(crate) use parity::{GroupSize, ParityEncoder, ParityMender};
#[cfg(all(feature = "zstd", feature = "deflate", feature = "std"))]
pub(crate) use zstd_stream::{ZstdPacker, ZstdUnpacker};
