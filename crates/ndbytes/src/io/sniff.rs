//! Inputs that may be compressed as a whole: `x.npy`, `x.npy.zz`, `x.npy.gz`, told apart by their first bytes.

use super::read::{read, read_array};
use super::{Decompressor, Watch};
use crate::codec::Container;
use crate::error::{Error, Result};
use crate::format::{DecodeOptions, Decoded, Dest, Header};
use std::io::Read;

/// Reads a `.npy` array or a frame as [`read_array`] does, out of a zlib or gzip stream where the input is one; the
/// input must end behind it.
///
/// The checksum of a stream covers a bare `.npy` in it, which is [`Verified`](crate::ChecksumState::Verified) then.
///
/// # Errors
/// As [`read_array`]. Where the stream is damaged, the error is about its bytes; where what is in it is, it says so,
/// and its offset counts decompressed bytes.
pub fn read_whole<'d>(
    reader: impl Read,
    options: DecodeOptions,
    choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
    watch: Watch<'_>,
) -> Result<Decoded> {
    sniff(reader)?.read_whole(options, choose, watch)
}

/// Looks at the first two bytes of `reader`, and decompresses what follows if they begin a zlib or gzip stream.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) from the reader.
pub fn sniff<R: Read>(mut reader: R) -> Result<Sniffed<R>> {
    let mut front = [0; 2];
    let mut filled = 0;
    while let Some(space) = front.get_mut(filled..).filter(|space| !space.is_empty()) {
        match read(&mut reader, space)? {
            0 => break,
            n => filled += n,
        }
    }
    let container = if filled == front.len() { Container::of(front) } else { None };
    let replayed = Replayed { front, start: 0, end: filled, reader };
    Ok(Sniffed(match container {
        None => Inner::Plain(replayed),
        Some(container) => Inner::Compressed(Box::new(Decompressor::new(replayed, container))),
    }))
}

/// A reader of the bytes of an input, decompressed if it was compressed.
#[derive(Debug)]
pub struct Sniffed<R>(Inner<R>);

#[derive(Debug)]
enum Inner<R> {
    Plain(Replayed<R>),
    Compressed(Box<Decompressor<Replayed<R>>>),
}

impl<R: Read> Sniffed<R> {
    /// What the input is compressed with.
    pub fn container(&self) -> Option<Container> {
        match &self.0 {
            Inner::Plain(_) => None,
            Inner::Compressed(reader) => Some(reader.container()),
        }
    }

    /// Reads the array in it as [`read_whole`] does.
    ///
    /// # Errors
    /// As there.
    pub fn read_whole<'d>(
        &mut self,
        mut options: DecodeOptions,
        choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
        watch: Watch<'_>,
    ) -> Result<Decoded> {
        options.whole = true;
        if self.container().is_some() {
            options.input_len = None;
            options.sealed = true;
        }
        read_array(&mut *self, options, choose, watch).map_err(|error| self.explain(error))
    }

    /// The error of a machine that was fed from here, which says so if it is about decompressed bytes.
    #[must_use]
    pub fn explain(&self, error: Error) -> Error {
        match &self.0 {
            Inner::Compressed(reader) if error.offset().is_some() && reader.failure().is_none() => {
                error.context(format_args!("inside the {} stream", reader.container()))
            }
            _ => error,
        }
    }
}

impl<R: Read> Read for Sniffed<R> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(reader) => reader.read(space),
            Inner::Compressed(reader) => reader.read(space),
        }
    }
}

/// A reader with the bytes in front that were already taken from it.
#[derive(Debug)]
struct Replayed<R> {
    front: [u8; 2],
    start: usize,
    end: usize,
    reader: R,
}

impl<R: Read> Read for Replayed<R> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let Some(mut front) = self.front.get(self.start..self.end).filter(|f| !f.is_empty()) else {
            return self.reader.read(space);
        };
        let n = front.read(space)?;
        self.start += n;
        Ok(n)
    }
}
