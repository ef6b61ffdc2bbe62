//! Formats as machines without an outside: arrays in, pieces out; space to fill, arrays out.
//!
//! Nothing here reads, writes or knows the time. A short driver in `io` carries the pieces.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

#[cfg(feature = "datagram")]
pub mod datagram;
pub mod frame;
pub mod npy;
pub mod raw;

mod body;
mod decode;
#[cfg(feature = "deflate")]
mod deflate;
mod gather;
mod header;
mod json;
#[cfg(feature = "std")]
mod lent;
mod message;
mod metadata;
#[cfg(all(feature = "deflate", feature = "std"))]
pub(crate) mod npz;
#[cfg(feature = "std")]
mod plan;
#[cfg(feature = "std")]
mod receipt;
mod tail;

use crate::buffer::BufferMut;
use crate::error::{Error, Result};
use crate::kernel::Copying;
use bytes::Bytes;

pub(crate) use body::Body;
pub use decode::{Accept, BodyDecoder, Checks, DecodeOptions, Decoded, HeaderDecoder};
#[cfg(feature = "std")]
pub(crate) use decode::{Decoder, Shares};
#[cfg(feature = "deflate")]
pub(crate) use deflate::decompress_array;
#[cfg(all(feature = "deflate", feature = "std"))]
pub(crate) use deflate::decompress_into;
#[cfg(any(feature = "std", feature = "datagram"))]
pub(crate) use gather::Gathering;
pub use gather::{MessageDecoder, Progress};
pub use header::{Format, Header};
#[cfg(feature = "std")]
pub use lent::{FRONT as LENT_FRONT, Lent, MAGIC as LENT_MAGIC};
pub use message::{Message, Received};
pub use metadata::Metadata;
#[cfg(feature = "std")]
pub use plan::Selection;
#[cfg(feature = "std")]
pub(crate) use plan::{Band, Plan, Touched};
#[cfg(all(feature = "deflate", feature = "std"))]
pub(crate) use plan::{ByteRun, ByteRuns};
#[cfg(feature = "std")]
pub use receipt::{Receipt, ReceiptFront};
pub use tail::{TAIL_MAGIC, Tail};

/// The media type of one array with its checksums, as a `Content-Type` says it: a checked `.npy` or a frame, in any of its forms.
pub const MEDIA_TYPE: &str = "application/vnd.ndbytes";

/// Bytes on their way out.
#[derive(Debug, Clone)]
pub enum Piece<'a> {
    /// Bytes of the array itself.
    Run(&'a [u8]),
    /// Bytes made for the purpose: a header, gathered items, a tail.
    Owned(Bytes),
}

impl std::ops::Deref for Piece<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Run(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

/// A machine that turns an array into pieces of at most 2 MiB, in order.
pub trait Encode<'a>: Send {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    fn next(&mut self) -> Result<Option<Piece<'a>>>;

    /// Makes the next bytes in memory that the driver has for them, and gives how many; 0 where the next piece is one that is
    /// there already, or has no room: [`Encode::next`] gives it.
    ///
    /// # Errors
    /// As [`Encode::next`].
    fn fill(&mut self, space: &mut [u8]) -> Result<usize> {
        let _ = space;
        Ok(0)
    }

    /// Makes the pieces shorter, of at most so many bytes, where they are made as they are asked for; to be called before the first.
    fn set_step(&mut self, most: usize) {
        let _ = most;
    }

    /// Bytes of all pieces together, where that is known before they are made: not of what is compressed.
    fn total(&self) -> Option<u64>;

    /// Bytes of all pieces together, at most.
    fn most(&self) -> u64 {
        self.total().unwrap_or(u64::MAX)
    }

    /// Writes all pieces, none of which was taken yet, to the front of memory, and gives how many bytes they are; `each` is told the
    /// bytes so far. Memory of [`Encode::most`] bytes is always enough.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for memory of another size than [`Encode::total`] where that is known, else for too
    /// little; those of [`Encode::next`], and whatever `each` returns.
    fn write_into(
        &mut self,
        out: &mut [u8],
        how: Copying,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        let _ = how;
        let (most, found) = (self.most(), out.len());
        let mut rest = out;
        while let Some(piece) = self.next()? {
            rest = put(rest, &piece).ok_or_else(|| misfit(most, found))?;
            each((found - rest.len()) as u64)?;
        }
        let written = (found - rest.len()) as u64;
        match self.total() {
            Some(total) => close(rest, &[], total, found),
            None => Ok(written),
        }
    }
}

/// Fills the rest of memory of `total` bytes, with a tail or nothing, and gives that number.
fn close(rest: &mut [u8], tail: &[u8], total: u64, found: usize) -> Result<u64> {
    match put(rest, tail) {
        Some([]) => Ok(total),
        _ => Err(misfit(total, found)),
    }
}

/// Writes to the front of memory, and gives the rest of it; `None` if it is too small.
fn put<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    let (front, rest) = out.split_at_mut_checked(bytes.len())?;
    front.copy_from_slice(bytes);
    Some(rest)
}

fn misfit(size: u64, found: usize) -> Error {
    Error::argument(format!("the array has {size} bytes, the destination {found}"))
}

/// Where a decoder puts the bytes of the array.
pub enum Dest<'d> {
    /// Into a buffer of its own.
    Owned,
    /// Into the caller's memory, of exactly the array's size.
    Into(&'d mut [u8]),
    /// Into a buffer of the caller's that was made for exactly the array's size, and is touched as bytes come.
    Fill(&'d mut BufferMut),
    /// To a function that takes them piece by piece, in order, before anything vouches for them.
    Sink(&'d mut (dyn FnMut(&[u8]) -> Result<()> + Send)),
    /// Nowhere: they are only checked.
    Discard,
}

impl std::fmt::Debug for Dest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Owned => "Owned",
            Self::Into(_) => "Into",
            Self::Fill(_) => "Fill",
            Self::Sink(_) => "Sink",
            Self::Discard => "Discard",
        })
    }
}

/// What a decoder says after taking bytes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It wants more: ask for space again.
    More,
    /// It has all it wants.
    Done,
}

/// Whether the bytes of an array were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumState {
    /// Every sum held.
    Verified,
    /// There is no checksum.
    Unchecked,
    /// There is one, but whoever wrote the data last did not finish: it says nothing.
    Open,
}

/// How many bytes a machine's buffer grows at most at a time: a length is a claim, not bytes.
const STEP: usize = 1 << 16;

/// Whether a sum is the one that was written. The tests' positive control builds with `--cfg ndbytes_unchecked`.
fn holds(found: u32, written: u32) -> bool {
    cfg!(ndbytes_unchecked) || found == written
}

/// Little-endian fields, read from the front.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    #[cfg(all(feature = "deflate", feature = "std"))]
    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
