//! zlib and gzip streams (RFC 1950, 1952 around RFC 1951), and bare ones: bytes in, bytes out, whoever moves them.
//!
//! This is the only room that names the engine.

mod bits;
mod block;
mod choose;
mod codes;
mod deflater;
mod huffman;
mod inflater;
mod items;
mod pack;
mod pack_block;
mod parted;
mod pending;
mod runs;
mod unpack;
mod walk;
mod whole;

pub use deflater::Deflater;
pub use inflater::Inflater;
#[cfg(feature = "std")]
pub(crate) use pack::Packed;
pub(crate) use pack::Packer;
#[cfg(feature = "std")]
pub(crate) use pack::block_log;
pub(crate) use unpack::unpack_contained;
#[cfg(any(feature = "std", test))]
pub(crate) use unpack::{unpack, unpack_block};
#[cfg(feature = "std")]
pub(crate) use whole::trailing;
pub(crate) use whole::{Pull, compress, decompress, too_long};

use crate::codec::Crc32;
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;
use zlib_rs::adler32::adler32_combine;

/// What stands around the compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    /// RFC 1950: 2 bytes in front, Adler-32 behind. What Python's `zlib` writes and reads.
    Zlib,
    /// RFC 1952: 10 bytes in front, CRC-32 and length behind. What `gzip` and `gunzip` write and read.
    Gzip,
}

impl Container {
    /// What an input that begins with these two bytes is, if it is either.
    ///
    /// Neither can be the start of a `.npy` file or a frame. A zlib stream that asks for a dictionary is not taken
    /// for one: nobody writes arrays so.
    #[must_use]
    pub fn of(front: [u8; 2]) -> Option<Self> {
        let [first, second] = front;
        let (method, window, has_dictionary) = (first & 15, first >> 4, second & 0x20 != 0);
        match front {
            [0x1f, 0x8b] => Some(Self::Gzip),
            _ if method == 8
                && window <= 7
                && u16::from_be_bytes(front).is_multiple_of(31)
                && !has_dictionary =>
            {
                Some(Self::Zlib)
            }
            _ => None,
        }
    }

    /// The suffix of its files: `zz` or `gz`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zlib => "zz",
            Self::Gzip => "gz",
        }
    }

    /// What its checksum is called: `Adler-32` or `CRC-32`.
    #[must_use]
    pub fn sum_name(self) -> &'static str {
        match self {
            Self::Zlib => "Adler-32",
            Self::Gzip => "CRC-32",
        }
    }
}

impl Container {
    /// The sum that ends a stream of these bytes.
    fn sum(self, bytes: &[u8]) -> u32 {
        match self {
            Self::Zlib => libdeflater::adler32(bytes),
            Self::Gzip => Crc32::of(bytes),
        }
    }

    /// The sum of bytes whose sum is `first`, with `len` bytes behind them whose sum is `next`.
    fn joined(self, first: u32, next: u32, len: u64) -> u32 {
        match self {
            Self::Zlib => adler32_combine(first, next, len),
            Self::Gzip => Crc32::joined(first, next, len),
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name(Some(*self)))
    }
}

/// What errors call a stream in `container`, or in none.
fn name(container: Option<Container>) -> &'static str {
    match container {
        Some(Container::Zlib) => "zlib",
        Some(Container::Gzip) => "gzip",
        None => "deflate",
    }
}

/// How hard it is tried: from 0, which stores, to 9; 6 unless said otherwise.
///
/// ```
/// use ndbytes::Level;
/// assert_eq!("9".parse::<Level>()?, Level::new(9)?);
/// assert_eq!(Level::new(10).unwrap_err().message(), "the compression level is 10; 0 to 9 are allowed");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u32);

impl Level {
    /// A level from 0 to 9.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for any other.
    pub fn new(level: u32) -> Result<Self> {
        if level <= 9 { Ok(Self(level)) } else { Err(no_level(&level)) }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(6)
    }
}

impl FromStr for Level {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        text.parse().map_err(|_| no_level(&crate::error::quoted(text))).and_then(Self::new)
    }
}

fn no_level(found: &dyn fmt::Display) -> Error {
    Error::argument(format!("the compression level is {found}; 0 to 9 are allowed"))
}

/// How far one call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Bytes taken from the front of the input.
    pub taken: usize,
    /// Bytes put at the front of the output.
    pub made: usize,
    /// Whether the stream is complete: no call will take or make any more.
    pub end: bool,
}
