//! Formats as machines without an outside: arrays in, pieces out; space to fill, arrays out.
//!
//! Nothing here reads, writes or knows the time. A short driver in `io` carries the pieces.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod npy;
pub mod raw;

mod body;
mod json;

use crate::error::Result;
use bytes::Bytes;

pub(crate) use body::Body;

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

/// A machine that turns an array into pieces of at most 1 MiB (or one item), in order.
pub trait Encode<'a> {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    fn next(&mut self) -> Result<Option<Piece<'a>>>;

    /// Bytes of all pieces together.
    fn total(&self) -> u64;
}

/// Where a decoder puts the bytes of the array.
#[derive(Debug)]
pub enum Dest<'d> {
    /// Into a buffer of its own.
    Owned,
    /// Into the caller's memory, of exactly the array's size.
    Into(&'d mut [u8]),
    /// Nowhere: they are only checked.
    Discard,
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
