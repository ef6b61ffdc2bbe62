//! Writing archives.

use crate::codec::{Crc32, Level};
use crate::error::{Error, Result, quoted};
use crate::format::Encode;
use crate::format::npz::{Entry, Method, end};
use crate::io::write::pieces;
use crate::io::{Compressor, Watch};
use std::collections::HashSet;
use std::io::{Result as IoResult, Seek, SeekFrom, Write};

/// How the members of an archive are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Style {
    /// The data of stored arrays starts at multiples of 64 bytes, so that they can be mapped.
    #[default]
    Aligned,
    /// Byte for byte what `np.savez` writes on Unix; for deflated members up to what the engines differ in.
    NumPy,
}

/// How an archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteOptions {
    /// How its members are laid out.
    pub style: Style,
    /// How they are stored.
    pub method: Method,
    /// How hard deflate tries.
    pub level: Level,
}

/// Writes an archive, member by member.
///
/// [`Writer::finish`] writes the directory: an archive that is dropped before has none, and is read by nobody. The same
/// arrays give the same bytes: all dates are 1980-01-01.
#[derive(Debug)]
#[must_use = "an archive that is not finished has no directory"]
pub struct Writer<W> {
    target: W,
    /// Goes back to a local header; none where the target cannot.
    seek: Option<fn(&mut W, SeekFrom) -> IoResult<u64>>,
    options: WriteOptions,
    entries: Vec<Entry>,
    names: HashSet<String>,
    /// Where the next member begins.
    at: u64,
    /// Whether what was begun was not ended.
    broken: bool,
}

impl<W: Write + Seek> Writer<W> {
    /// An archive from the target's position on, of which it holds the absolute one, as Python's do. A target that
    /// does not know its position, as a pipe, is written to as by [`Writer::streamed`].
    pub fn new(mut target: W, options: WriteOptions) -> Self {
        match target.stream_position() {
            Ok(at) => Self { at, seek: Some(W::seek), ..Self::streamed(target, options) },
            Err(_) => Self::streamed(target, options),
        }
    }
}

impl<W: Write> Writer<W> {
    /// An archive that is written from front to back: sums and sizes stand behind the data, too.
    pub fn streamed(target: W, options: WriteOptions) -> Self {
        let (entries, names) = (Vec::new(), HashSet::new());
        Self { target, seek: None, options, entries, names, at: 0, broken: false }
    }

    /// Writes one member. `watch` counts its bytes, as they are before compression.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a name that is there already, is empty, has a NUL or more than
    /// 65,535 bytes; after an error of an earlier member; [`Io`](crate::ErrorKind::Io) from the target, and whatever
    /// the machine or `watch` return.
    pub fn add<'a>(
        &mut self,
        name: &str,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        self.check()?;
        let mut entry = Entry::new(name, self.options.method, self.at, self.seek.is_none())?;
        if self.names.contains(name) {
            let message = format!("the archive has a member {} already", quoted(name));
            return Err(Error::argument(message));
        }
        self.broken = true;
        let header = entry.local(self.is_aligned());
        self.put(&header)?;
        self.data(&mut entry, encoder, watch)?;
        match self.seek {
            Some(seek) => self.patch(seek, &entry)?,
            None => self.put(&entry.descriptor())?,
        }
        self.broken = false;
        self.names.insert(name.to_owned());
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the directory, flushes, and gives the target back.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) after an error of a member; [`Io`](crate::ErrorKind::Io) from the target.
    pub fn finish(mut self) -> Result<W> {
        self.check()?;
        let start = self.at;
        let mut records = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            records.extend(entry.central());
            if records.len() >= BUFFER {
                self.put(&records)?;
                records.clear();
            }
        }
        self.put(&records)?;
        let count = self.names.len() as u64;
        self.put(&end(count, self.at - start, start))?;
        self.target.flush()?;
        Ok(self.target)
    }

    /// Where the target stands.
    pub fn position(&self) -> u64 {
        self.at
    }

    fn is_aligned(&self) -> bool {
        self.options.style == Style::Aligned && self.options.method == Method::Stored
    }

    fn check(&self) -> Result<()> {
        match self.broken {
            true => Err(Error::argument("the archive has an unfinished member: begin a new one")),
            false => Ok(()),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.target.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Writes the data of a member, and notes what it was.
    fn data<'a>(
        &mut self,
        entry: &mut Entry,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let start = self.at;
        let counted = Counted { target: &mut self.target, at: &mut self.at };
        let summed = match self.options.method {
            Method::Stored => {
                let mut summed = Summed::over(counted);
                pieces(encoder, &mut summed, watch)?;
                summed.sum()
            }
            Method::Deflated => {
                let mut summed = Summed::over(Compressor::bare(counted, self.options.level));
                pieces(encoder, &mut summed, watch)?;
                let sum = summed.sum();
                summed.inner.finish()?;
                sum
            }
        };
        (entry.crc, entry.size) = summed;
        entry.packed = self.at - start;
        Ok(())
    }

    /// Writes the local header again, now that all is known.
    fn patch(&mut self, seek: fn(&mut W, SeekFrom) -> IoResult<u64>, entry: &Entry) -> Result<()> {
        let header = entry.local(self.is_aligned());
        seek(&mut self.target, SeekFrom::Start(entry.start))?;
        self.target.write_all(&header)?;
        seek(&mut self.target, SeekFrom::Start(self.at))?;
        Ok(())
    }
}

/// Bytes of the directory that are written at a time.
const BUFFER: usize = 1 << 16;

/// Moves the position with what it writes.
struct Counted<'w, W> {
    target: &'w mut W,
    at: &'w mut u64,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let n = self.target.write(bytes)?;
        *self.at += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.target.flush()
    }
}

/// Sums what goes through it.
struct Summed<W> {
    inner: W,
    crc: Crc32,
    size: u64,
}

impl<W> Summed<W> {
    fn over(inner: W) -> Self {
        Self { inner, crc: Crc32::default(), size: 0 }
    }

    fn sum(&self) -> (u32, u64) {
        (self.crc.value(), self.size)
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        let n = self.inner.write(bytes)?;
        self.crc.update(bytes.get(..n).unwrap_or_default());
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.inner.flush()
    }
}
