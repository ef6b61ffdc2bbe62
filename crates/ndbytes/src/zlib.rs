//! zlib streams (RFC 1950): one stream that Python's `zlib.decompress` reads, and bounded reading of theirs.
//!
//! ```
//! use ndbytes::{zlib, raw::Raw, Level, Limits};
//! let stream = zlib::compress(&[1, 0, 2, 0, 3, 0], Level::default())?;
//! assert_eq!(zlib::decompress(&stream, 6)?, [1, 0, 2, 0, 3, 0]);
//!
//! // What an array needs is known before anything is decompressed, and no more than that comes out.
//! let raw = Raw::new("<u2[3]".parse()?);
//! let array = zlib::decompress_array(&stream, &raw, &Limits::untrusted())?;
//! assert_eq!(array.as_slice::<u16>()?, [1, 2, 3]);
//! let error = zlib::decompress(&stream, 5).unwrap_err();
//! assert_eq!(error.message(), "the zlib stream holds more than the 5 bytes allowed");
//! # Ok::<(), ndbytes::Error>(())
//! ```
//!
//! Streams with any window are read, streams that need a dictionary are not.

use crate::array::Array;
use crate::codec::{self, Container, Level};
use crate::error::Result;
use crate::format::{self, raw::Raw};
#[cfg(feature = "std")]
use crate::io::{Compressor, Decompressor};
use crate::limits::Limits;
#[cfg(feature = "std")]
use std::io::{Read, Write};

const THIS: Container = Container::Zlib;

/// The zlib stream of `bytes`.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub fn compress(bytes: &[u8], level: Level) -> Result<Vec<u8>> {
    codec::compress(THIS, bytes, level)
}

/// The bytes of a zlib stream, of which at most `max` may come out: it stops at one more. Memory grows with what comes.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) beyond `max`; [`Truncated`](crate::ErrorKind::Truncated);
/// [`Malformed`](crate::ErrorKind::Malformed), also for bytes behind the stream;
/// [`Checksum`](crate::ErrorKind::Checksum); [`Unsupported`](crate::ErrorKind::Unsupported) for a
/// stream that needs a dictionary; [`Memory`](crate::ErrorKind::Memory).
pub fn decompress(bytes: &[u8], max: u64) -> Result<Vec<u8>> {
    codec::decompress(THIS, bytes, max, &mut |_| Ok(()))
}

/// The array that the bytes of a stream are declared to be; no more than its size comes out, or than `limits.array`
/// where an axis may be of any length.
///
/// # Errors
/// As [`decompress`] and [`Raw::array`]; [`Limit`](crate::ErrorKind::Limit), before anything is decompressed, for an
/// array larger than `limits.array`.
pub fn decompress_array(bytes: &[u8], raw: &Raw, limits: &Limits) -> Result<Array> {
    format::decompress_array(THIS, bytes, raw, limits)
}

/// A writer that compresses into `writer`. [`Compressor::finish`] ends the stream.
#[cfg(feature = "std")]
pub fn writer<W: Write>(writer: W, level: Level) -> Compressor<W> {
    Compressor::new(writer, THIS, level)
}

/// A reader of what `reader` has compressed.
#[cfg(feature = "std")]
pub fn reader<R: Read>(reader: R) -> Decompressor<R> {
    Decompressor::new(reader, THIS)
}
