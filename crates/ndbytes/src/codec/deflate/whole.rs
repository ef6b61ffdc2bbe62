//! Whole streams in memory.

use super::{Container, Inflater, Level, Packer};
use crate::error::{Error, ErrorKind, Result};
use crate::threads::Threads;

/// The stream that `bytes` make.
pub(crate) fn compress(container: Container, bytes: &[u8], level: Level) -> Result<Vec<u8>> {
    let mut packer =
        Packer::usual(Some(container), level, Threads::default(), Some(bytes.len() as u64));
    let mut out = Vec::new();
    let mut sink = |bytes: &[u8]| {
        out.try_reserve(bytes.len()).map_err(|_| Error::memory(bytes.len() as u64))?;
        out.extend_from_slice(bytes);
        Ok(())
    };
    packer.push(bytes, &mut sink)?;
    packer.finish(&mut sink)?;
    Ok(out)
}

/// The bytes of a stream, if they are at most `max`; one more is made to see that they are not. `each` is told now and
/// then how many have come, and can end it.
pub(crate) fn decompress(
    container: Container,
    bytes: &[u8],
    max: u64,
    each: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut pull = Pull::new(container, bytes);
    let most = usize::try_from(max).unwrap_or(usize::MAX).saturating_add(1);
    let mut out = Vec::new();
    loop {
        let len = out.len();
        if len == most {
            return Err(too_long(container, max));
        }
        let n = pull.read(grow(&mut out, most - len)?)?;
        out.truncate(len + n);
        if n == 0 {
            return Ok(out);
        }
        each(out.len() as u64)?;
    }
}

/// More space at the end of `out`: as much again as is there, but neither little nor much, nor over `most`.
fn grow(out: &mut Vec<u8>, most: usize) -> Result<&mut [u8]> {
    const LEAST: usize = 1 << 12;
    const MUCH: usize = 1 << 20;
    let len = out.len();
    let more = len.clamp(LEAST, MUCH).min(most);
    // Vec doubles, but never beyond what the caller allows.
    if out.capacity() - len < more {
        let twice = len.clamp(more, most);
        out.try_reserve_exact(twice).map_err(|_| Error::memory((len + more) as u64))?;
    }
    out.resize(len + more, 0);
    Ok(out.get_mut(len..).unwrap_or_default())
}

/// The stream holds more than `max` bytes.
pub(crate) fn too_long(container: Container, max: u64) -> Error {
    let kind = ErrorKind::Limit { name: "decompressed", asked: max.saturating_add(1), max };
    Error::new(kind, format!("the {container} stream holds more than the {max} bytes allowed"))
}

/// Bytes behind a stream that should have been the last.
pub(crate) fn trailing(container: Container, end: u64) -> Error {
    Error::malformed(format!("bytes behind the end of the {container} stream")).at(end)
}

/// The bytes of a stream that is all of an input, drawn piece by piece.
#[derive(Debug)]
pub(crate) struct Pull<'b> {
    inflater: Inflater,
    container: Container,
    rest: &'b [u8],
}

impl<'b> Pull<'b> {
    pub(crate) fn new(container: Container, bytes: &'b [u8]) -> Self {
        Self { inflater: Inflater::new(container), container, rest: bytes }
    }

    /// Fills some of `space`, which is not empty; 0 where the stream and the input end.
    ///
    /// # Errors
    /// As [`Inflater::step`] and [`Inflater::input_ended`], and Malformed for bytes behind the stream.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        loop {
            let step = self.inflater.step(self.rest, space)?;
            self.rest = self.rest.get(step.taken..).unwrap_or_default();
            if step.made > 0 {
                return Ok(step.made);
            }
            if self.rest.is_empty() {
                return self.inflater.input_ended().map(|()| 0);
            }
            if step.end {
                return Err(trailing(self.container, self.inflater.total_in()));
            }
        }
    }
}
