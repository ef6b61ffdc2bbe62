//! Bytes to a compressed stream.

use super::{Container, Level, Step, name};
use crate::error::{Error, ErrorKind, Result};
use flate2::{Compress, Compression, FlushCompress, Status};

/// Compresses bytes that come in pieces into one stream; its caller moves them.
///
/// How the bytes are cut may show in the stream, though never in what is read from it.
#[derive(Debug)]
pub struct Deflater {
    engine: Compress,
    /// None around a bare stream.
    container: Option<Container>,
    end: bool,
}

/// Base-2 logarithm of the window: 32 KiB, the most there is.
const WINDOW: u8 = 15;

/// Where a gzip header says which system wrote it, and what it says: nobody's business.
const OS: (u64, u8) = (9, 255);

impl Deflater {
    /// A stream that has not begun. A gzip header has no name and the time 0.
    #[must_use]
    pub fn new(container: Container, level: Level) -> Self {
        let level = Compression::new(level.get());
        let engine = match container {
            Container::Zlib => Compress::new(level, true),
            Container::Gzip => Compress::new_gzip(level, WINDOW),
        };
        Self { engine, container: Some(container), end: false }
    }

    /// A bare deflate stream (RFC 1951) that has not begun: no header and no checksum, as in a member of a zip archive.
    #[must_use]
    pub fn bare(level: Level) -> Self {
        let engine = Compress::new(Compression::new(level.get()), false);
        Self { engine, container: None, end: false }
    }

    /// Takes bytes in; what it takes may come out in a later call.
    ///
    /// It has taken all it can when it takes nothing; with room in the output, that means all of the input.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for bytes behind the end of the stream.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        if self.end && !input.is_empty() {
            return Err(Error::argument(format!(
                "the {} stream is finished",
                name(self.container)
            )));
        }
        self.run(input, output, FlushCompress::None)
    }

    /// Lets out all that was taken, so that a reader of the other side has it. Call it until it leaves room in the
    /// output. It costs some bytes, and is not needed before [`Deflater::finish`].
    ///
    /// # Errors
    /// None so far; the signature leaves room.
    pub fn flush(&mut self, output: &mut [u8]) -> Result<Step> {
        self.run(&[], output, FlushCompress::Sync)
    }

    /// Ends the stream. Call it until [`Step::end`].
    ///
    /// # Errors
    /// None so far; the signature leaves room.
    pub fn finish(&mut self, output: &mut [u8]) -> Result<Step> {
        self.run(&[], output, FlushCompress::Finish)
    }

    fn run(&mut self, input: &[u8], output: &mut [u8], flush: FlushCompress) -> Result<Step> {
        if self.end {
            return Ok(Step { taken: 0, made: 0, end: true });
        }
        let (taken, made) = (self.engine.total_in(), self.engine.total_out());
        let status = self.engine.compress(input, output, flush).map_err(|error| {
            // The engine is never asked for what it cannot do, and no bytes are wrong to it.
            Error::new(ErrorKind::Memory, format!("{}: {error}", name(self.container)))
        })?;
        self.end = status == Status::StreamEnd;
        if self.container == Some(Container::Gzip)
            && let Some(at) = OS.0.checked_sub(made).and_then(|at| usize::try_from(at).ok())
            && self.engine.total_out() > OS.0
            && let Some(os) = output.get_mut(at)
        {
            *os = OS.1;
        }
        let moved = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        Ok(Step {
            taken: moved(self.engine.total_in(), taken),
            made: moved(self.engine.total_out(), made),
            end: self.end,
        })
    }
}
