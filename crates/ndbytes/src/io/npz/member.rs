//! Reading one member.

use super::archive::inside;
use super::unpacker::Unpacker;
use crate::error::{Error, Result};
use crate::format::npz::{Check, Entry};
use crate::io::read::read;
use std::io::{BufRead, BufReader, Error as IoError, ErrorKind as IoKind, Read, Take};
use std::ops::Range;

/// A reader of the bytes of one member.
///
/// It gives exactly as many as the directory says, and the last of them only if the CRC-32 of all holds. An error is a
/// [`std::io::Error`] around the library's, which `Error::from` brings to light: [`Checksum`](crate::ErrorKind::Checksum);
/// [`Malformed`](crate::ErrorKind::Malformed) for a damaged stream, or one of another length than is said;
/// [`Truncated`](crate::ErrorKind::Truncated) for a stream, or an archive, that ends inside it. It stays: whoever reads
/// on gets it again.
#[derive(Debug)]
pub struct Member<'a, R> {
    reader: BufReader<Take<&'a mut R>>,
    /// None for a stored one.
    unpacker: Option<Unpacker>,
    entry: &'a Entry,
    /// Where its bytes stand.
    range: Range<u64>,
    check: Check,
    failed: Option<Error>,
}

/// Compressed bytes read at a time.
const BUFFER: usize = 1 << 15;

impl<'a, R: Read> Member<'a, R> {
    /// A member whose bytes the reader gives next; one without bytes is checked here.
    pub(super) fn new(reader: &'a mut R, entry: &'a Entry, range: Range<u64>) -> Result<Self> {
        let reader = BufReader::with_capacity(BUFFER, reader.take(entry.packed));
        let unpacker = Unpacker::new(entry)?;
        let check = Check::new(entry);
        let mut member = Self { reader, unpacker, entry, range, check, failed: None };
        if member.check.left() == 0 {
            member.finish()?;
        }
        Ok(member)
    }

    /// What the directory says of it.
    pub fn entry(&self) -> &Entry {
        self.entry
    }

    /// What was wrong with it, if something was.
    pub fn failure(&self) -> Option<&Error> {
        self.failed.as_ref()
    }

    /// An error about its bytes, with its name.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.failed {
            // It has said whose bytes they are.
            Some(_) => error,
            None => inside(error, self.entry),
        }
    }

    /// Reads what is left, and forgets it: its sum is compared.
    ///
    /// # Errors
    /// As reading does.
    pub fn skip(&mut self) -> Result<()> {
        let most = usize::try_from(self.check.left()).unwrap_or(BUFFER).min(BUFFER);
        let mut space = vec![0; most];
        while read(self, &mut space)? > 0 {}
        Ok(())
    }

    /// The next bytes, for a space that is not too long and not empty.
    fn next(&mut self, space: &mut [u8]) -> Result<usize> {
        let n = match &self.unpacker {
            None => read(&mut self.reader, space)?,
            Some(_) => self.unpack(space)?,
        };
        if n == 0 {
            return Err(self.too_short());
        }
        self.check.update(space.get(..n).unwrap_or_default());
        if self.check.left() == 0 {
            self.finish()?;
        }
        Ok(n)
    }

    /// The next bytes out of the stream; 0 at its end.
    fn unpack(&mut self, space: &mut [u8]) -> Result<usize> {
        let Some(unpacker) = &mut self.unpacker else { return Ok(0) };
        let start = self.range.start;
        let wrong = |error: Error| error.shifted(start).context(self.entry.label());
        loop {
            let input = filled(&mut self.reader)?;
            let is_last = input.is_empty();
            let step = unpacker.step(input, space).map_err(wrong)?;
            self.reader.consume(step.taken);
            if step.made > 0 || step.end {
                return Ok(step.made);
            }
            if is_last {
                // The archive itself may end before the stream should.
                return match self.reader.get_ref().limit() {
                    0 => unpacker.input_ended().map(|()| 0).map_err(wrong),
                    _ => Err(self.too_short()),
                };
            }
        }
    }

    /// All bytes have come: no more may follow, and the sum must hold.
    fn finish(&mut self) -> Result<()> {
        let malformed = |what: &str, at: u64| {
            Err(Error::malformed(format!("{}: {what}", self.entry.label())).at(at))
        };
        if self.unpack(&mut [0])? > 0 {
            let what =
                format!("its {} holds more than its {} bytes", self.stream(), self.entry.size);
            return malformed(&what, self.range.start);
        }
        let taken = self.unpacker.as_ref().map_or(self.entry.packed, Unpacker::total_in);
        if taken != self.entry.packed {
            let at = self.range.start.saturating_add(taken);
            return malformed(&format!("bytes stand behind its {}", self.stream()), at);
        }
        self.check.finish(self.entry, &self.range)
    }

    /// What errors call its bytes.
    fn stream(&self) -> &'static str {
        self.unpacker.as_ref().map_or("data", Unpacker::name)
    }

    /// It ended with bytes missing.
    fn too_short(&self) -> Error {
        let (label, size) = (self.entry.label(), self.entry.size);
        let found = size - self.check.left();
        if self.reader.get_ref().limit() > 0 {
            let message = format!("{label} is cut: the archive ends after {found} bytes of it");
            return Error::truncated(message).at(self.range.start);
        }
        let message = format!("{label}: its {} holds {found} bytes, not {size}", self.stream());
        Error::malformed(message).at(self.range.start)
    }
}

/// The buffer, with something in it if there is something.
fn filled(reader: &mut BufReader<impl Read>) -> Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => return Ok(reader.buffer()),
            Err(error) if error.kind() == IoKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl<R: Read> Read for Member<'_, R> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        let most = usize::try_from(self.check.left()).unwrap_or(usize::MAX).min(space.len());
        match space.get_mut(..most).filter(|space| !space.is_empty()) {
            None => Ok(0),
            Some(space) => {
                self.next(space).map_err(|error| IoError::from(self.failed.insert(error).clone()))
            }
        }
    }
}
