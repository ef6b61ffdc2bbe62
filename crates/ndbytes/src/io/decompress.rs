//! Reading zlib and gzip streams.

use super::Watch;
use crate::codec::{self, Container, Inflater, trailing};
use crate::error::{Error, Result};
use crate::format::{self, Dest};
use std::io::{BufRead, BufReader, Read};

/// The bytes of a stream, of which at most `max` may come out; `watch` counts them.
///
/// # Errors
/// As [`zlib::decompress`](crate::zlib::decompress), and whatever `watch` returns.
pub fn decompress(
    container: Container,
    bytes: &[u8],
    max: u64,
    watch: Watch<'_>,
) -> Result<Vec<u8>> {
    codec::decompress(container, bytes, max, watch)
}

/// Puts the bytes of a stream at the front of memory of known size, [`Dest::Into`] or [`Dest::Fill`], and returns how
/// many they are; `watch` counts them.
///
/// # Errors
/// As [`decompress`], where the memory is the bound; [`Argument`](crate::ErrorKind::Argument) for another [`Dest`].
pub fn decompress_into(
    container: Container,
    bytes: &[u8],
    dest: Dest<'_>,
    watch: Watch<'_>,
) -> Result<usize> {
    format::decompress_into(container, bytes, dest, watch)
}

/// A reader of what another one has compressed.
///
/// It ends where the stream does, after its checksum held, and gives an error if the input goes on behind it
/// (see [`Decompressor::allow_trailing`]). An error is a [`std::io::Error`] around the library's: `Error::from` brings
/// that to light. It stays: whoever reads on gets it again. Buffers are small and of fixed size, so whoever bounds
/// what is read bounds the memory too.
#[derive(Debug)]
pub struct Decompressor<R> {
    reader: BufReader<R>,
    inflater: Inflater,
    container: Container,
    whole: bool,
    failed: Option<Error>,
}

/// Compressed bytes read at a time.
const BUFFER: usize = 1 << 15;

impl<R: Read> Decompressor<R> {
    /// A reader of the stream at the front of `reader`.
    pub fn new(reader: R, container: Container) -> Self {
        let reader = BufReader::with_capacity(BUFFER, reader);
        let inflater = Inflater::new(container);
        Self { reader, inflater, container, whole: true, failed: None }
    }

    /// Lets other bytes follow the stream: [`Decompressor::into_parts`] gives them. A gzip stream ends at the first
    /// byte behind a member that begins no other and is not zero.
    #[must_use]
    pub fn allow_trailing(mut self) -> Self {
        self.whole = false;
        self
    }

    /// What stands around the stream.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Compressed bytes that were taken so far.
    pub fn total_in(&self) -> u64 {
        self.inflater.total_in()
    }

    /// What was wrong with the stream, if something was.
    pub fn failure(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// The reader, and the bytes it gave that were not taken: behind the end, those that follow the stream.
    pub fn into_parts(self) -> (R, Vec<u8>) {
        let rest = self.reader.buffer().to_vec();
        (self.reader.into_inner(), rest)
    }

    /// One step of the stream; `None` where it needs more input.
    fn step(&mut self, input_ended: bool, space: &mut [u8]) -> Result<Option<usize>> {
        let step = self.inflater.step(self.reader.buffer(), space)?;
        self.reader.consume(step.taken);
        if step.made > 0 {
            return Ok(Some(step.made));
        }
        let more = !self.reader.buffer().is_empty();
        match step.end {
            true if !self.whole => Ok(Some(0)),
            true if more => Err(trailing(self.container(), self.total_in())),
            _ if more || !input_ended => Ok(None),
            _ => self.inflater.input_ended().map(|()| Some(0)),
        }
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        if space.is_empty() {
            return Ok(0);
        }
        let mut input_ended = false;
        loop {
            match self.step(input_ended, space) {
                Ok(Some(n)) => return Ok(n),
                Ok(None) => input_ended = self.reader.fill_buf()?.is_empty(),
                Err(error) => return Err(self.failed.insert(error).clone().into()),
            }
        }
    }
}
