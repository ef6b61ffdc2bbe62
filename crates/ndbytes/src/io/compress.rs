//! Writing zlib and gzip streams.

use super::{SaveOptions, Watch, replace};
use crate::codec::{Container, Level, Packer};
use crate::error::{Error, Result};
use crate::format::Encode;
use crate::threads::Threads;
use std::io::{Error as IoError, ErrorKind as IoKind, Write};
use std::path::Path;

/// Writes what the machine gives as one stream, by so many threads, and flushes. `watch` counts the bytes that go in.
///
/// # Errors
/// As [`write`](super::write()).
pub fn write_compressed<'a>(
    encoder: &mut dyn Encode<'a>,
    mut writer: impl Write,
    container: Container,
    level: Level,
    threads: Threads,
    watch: Watch<'_>,
) -> Result<()> {
    let mut packer = Packer::usual(Some(container), level, threads, encoder.total());
    let (mut sink, mut seen) = (|bytes: &[u8]| Ok(writer.write_all(bytes)?), 0);
    while let Some(piece) = encoder.next()? {
        packer.push(&piece, &mut sink)?;
        seen += piece.len() as u64;
        watch(seen)?;
    }
    packer.finish(&mut sink)?;
    Ok(writer.flush()?)
}

/// Saves what the machine gives at `path` as one stream; see [`replace`].
///
/// # Errors
/// As [`replace`] and [`write_compressed`].
pub fn save_compressed<'a>(
    path: impl AsRef<Path>,
    encoder: &mut dyn Encode<'a>,
    container: Container,
    level: Level,
    options: SaveOptions,
    watch: Watch<'_>,
) -> Result<()> {
    let threads = Threads::default();
    replace(path, options, |file| write_compressed(encoder, file, container, level, threads, watch))
}

/// A writer that compresses what is written to it into one stream, for the writer it stands on.
///
/// [`Compressor::finish`] ends the stream: one that is dropped before is cut, and readers say so. `flush` lets a
/// reader on the other side have all that was written so far, which costs some bytes each time. The stream is made of
/// blocks, each compressed on its own by one of some threads; how many those are does not show in it, nor how the bytes
/// are cut.
///
/// ```
/// use ndbytes::{Level, gzip};
/// use std::io::{Read as _, Write as _};
/// let mut writer = gzip::writer(Vec::new(), Level::default());
/// writer.write_all(b"as much as there is, in pieces")?;
/// let stream = writer.finish()?;
/// let mut back = String::new();
/// gzip::reader(&stream[..]).read_to_string(&mut back)?;
/// assert_eq!(back, "as much as there is, in pieces");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a stream that is not finished is cut"]
pub struct Compressor<W> {
    writer: W,
    packer: Packer,
    /// What the writer gets next, of which it has taken some.
    buffer: Vec<u8>,
    taken: usize,
}

/// Bytes that are taken at once: what they become waits for the writer.
const MOST: usize = 1 << 24;

impl<W: Write> Compressor<W> {
    /// A stream that has not begun; nothing is written yet.
    pub fn new(writer: W, container: Container, level: Level) -> Self {
        Self::over(writer, Packer::usual(Some(container), level, Threads::default(), None))
    }

    fn over(writer: W, packer: Packer) -> Self {
        Self { writer, packer, buffer: Vec::new(), taken: 0 }
    }

    /// The same by so many threads.
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.packer = self.packer.with_threads(threads);
        self
    }

    /// Ends the stream and gives the writer back. It does not flush it.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) from the writer: the stream is cut then.
    pub fn finish(mut self) -> Result<W> {
        self.drain_whole()?;
        self.packer.finish(&mut append(&mut self.buffer))?;
        self.drain_whole()?;
        Ok(self.writer)
    }

    /// The writer, which has not got all bytes yet.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// Gives what is in the buffer to the writer; what it does not take stays.
    fn drain(&mut self) -> std::io::Result<()> {
        while let Some(part) = self.buffer.get(self.taken..).filter(|part| !part.is_empty()) {
            match self.writer.write(part)? {
                0 => return Err(IoKind::WriteZero.into()),
                n => self.taken += n,
            }
        }
        self.buffer.clear();
        self.taken = 0;
        Ok(())
    }

    fn drain_whole(&mut self) -> std::io::Result<()> {
        loop {
            match self.drain() {
                Err(error) if error.kind() == IoKind::Interrupted => {}
                drained => return drained,
            }
        }
    }
}

/// What appends to a buffer.
fn append(buffer: &mut Vec<u8>) -> impl FnMut(&[u8]) -> Result<()> {
    |bytes| {
        buffer.try_reserve(bytes.len()).map_err(|_| Error::memory(bytes.len() as u64))?;
        buffer.extend_from_slice(bytes);
        Ok(())
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // First, so that after an error of the writer nothing was taken and nothing is lost.
        self.drain()?;
        let front = bytes.get(..MOST).unwrap_or(bytes);
        self.packer.push(front, &mut append(&mut self.buffer)).map_err(IoError::from)?;
        Ok(front.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.drain()?;
        self.packer.flush(&mut append(&mut self.buffer)).map_err(IoError::from)?;
        self.drain()?;
        self.writer.flush()
    }
}
