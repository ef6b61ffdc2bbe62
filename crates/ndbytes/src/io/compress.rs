//! Writing zlib and gzip streams.

use super::{SaveOptions, Watch, replace, write::pieces};
use crate::codec::{Container, Deflater, Level, Step};
use crate::error::Result;
use crate::format::Encode;
use std::io::{Error as IoError, ErrorKind as IoKind, Write};
use std::path::Path;

/// Writes what the machine gives as one stream, and flushes. `watch` counts the bytes that go in.
///
/// # Errors
/// As [`write`](super::write()).
pub fn write_compressed<'a>(
    encoder: &mut dyn Encode<'a>,
    writer: impl Write,
    container: Container,
    level: Level,
    watch: Watch<'_>,
) -> Result<()> {
    let mut compressor = Compressor::new(writer, container, level);
    pieces(encoder, &mut compressor, watch)?;
    Ok(compressor.finish()?.flush()?)
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
    replace(path, options, |file| write_compressed(encoder, file, container, level, watch))
}

/// A writer that compresses what is written to it into one stream, for the writer it stands on.
///
/// [`Compressor::finish`] ends the stream: one that is dropped before is cut, and readers say so. `flush` lets a
/// reader on the other side have all that was written so far, which costs some bytes each time.
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
    deflater: Deflater,
    buffer: Box<[u8]>,
    /// The part of the buffer that the writer has not taken yet.
    start: usize,
    end: usize,
}

/// Bytes that wait for the writer at most.
const BUFFER: usize = 1 << 15;

impl<W: Write> Compressor<W> {
    /// A stream that has not begun; nothing is written yet.
    pub fn new(writer: W, container: Container, level: Level) -> Self {
        let deflater = Deflater::new(container, level);
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { writer, deflater, buffer, start: 0, end: 0 }
    }

    /// Ends the stream and gives the writer back. It does not flush it.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) from the writer: the stream is cut then.
    pub fn finish(mut self) -> Result<W> {
        loop {
            match self.drain() {
                Err(error) if error.kind() == IoKind::Interrupted => continue,
                drained => drained?,
            }
            let step = self.deflater.finish(&mut self.buffer)?;
            self.end = step.made;
            if step.end && step.made == 0 {
                return Ok(self.writer);
            }
        }
    }

    /// The writer, which has not got all bytes yet.
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// Gives what is in the buffer to the writer; what it does not take stays.
    fn drain(&mut self) -> std::io::Result<()> {
        while let Some(part) = self.buffer.get(self.start..self.end).filter(|p| !p.is_empty()) {
            match self.writer.write(part)? {
                0 => return Err(IoKind::WriteZero.into()),
                n => self.start += n,
            }
        }
        (self.start, self.end) = (0, 0);
        Ok(())
    }

    fn run(
        &mut self,
        run: impl FnOnce(&mut Deflater, &mut [u8]) -> Result<Step>,
    ) -> std::io::Result<Step> {
        let step = run(&mut self.deflater, &mut self.buffer).map_err(IoError::from)?;
        self.end = step.made;
        Ok(step)
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        loop {
            // First, so that after an error of the writer nothing was taken and nothing is lost.
            self.drain()?;
            let step = self.run(|deflater, buffer| deflater.step(bytes, buffer))?;
            if step.taken > 0 || bytes.is_empty() {
                return Ok(step.taken);
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        loop {
            self.drain()?;
            let step = self.run(Deflater::flush)?;
            if step.made < BUFFER {
                self.drain()?;
                return self.writer.flush();
            }
        }
    }
}
