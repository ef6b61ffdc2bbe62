//! Reading and writing a file at places of one's own: its cursor is left alone.

use std::fs::File;
use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that can be read at any place, by several threads at once.
pub trait ReadAt: Sync {
    /// Reads from `offset` on, as much as there is at once; 0 at the end.
    ///
    /// # Errors
    /// From the system.
    fn read_at(&self, space: &mut [u8], offset: u64) -> Result<usize>;
}

impl ReadAt for [u8] {
    fn read_at(&self, space: &mut [u8], offset: u64) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        rest.unwrap_or_default().read(space)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, space: &mut [u8], offset: u64) -> Result<usize> {
        (**self).read_at(space, offset)
    }
}

impl<T: ReadAt + Send + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, space: &mut [u8], offset: u64) -> Result<usize> {
        (**self).read_at(space, offset)
    }
}

/// A reader that several threads read at places of their own, in turns.
#[derive(Debug, Default)]
pub struct Locked<R>(Mutex<R>);

impl<R: Read + Seek + Send> Locked<R> {
    /// The reader, wherever it stands.
    pub fn new(reader: R) -> Self {
        Self(Mutex::new(reader))
    }
}

impl<R: Read + Seek + Send> ReadAt for Locked<R> {
    fn read_at(&self, space: &mut [u8], offset: u64) -> Result<usize> {
        let mut reader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reader.seek(SeekFrom::Start(offset))?;
        reader.read(space)
    }
}

/// A reader with its own place among the bytes of a source, of which there may be others.
#[derive(Debug, Clone)]
pub struct Place<S> {
    source: S,
    len: u64,
    offset: u64,
}

impl<S: ReadAt> Place<S> {
    /// At the first byte of `len`.
    pub fn new(source: S, len: u64) -> Self {
        Self { source, len, offset: 0 }
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }
}

impl<S: ReadAt> Read for Place<S> {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        let n = self.source.read_at(space, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

impl<S: ReadAt> Seek for Place<S> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.offset = sought(to, self.offset, || Ok(self.len))?;
        Ok(self.offset)
    }
}

/// Where this is, from a place among bytes of this length.
fn sought(to: SeekFrom, at: u64, len: impl FnOnce() -> Result<u64>) -> Result<u64> {
    let place = match to {
        SeekFrom::Start(offset) => Some(offset),
        SeekFrom::Current(by) => at.checked_add_signed(by),
        SeekFrom::End(by) => len()?.checked_add_signed(by),
    };
    place.ok_or_else(|| ErrorKind::InvalidInput.into())
}

impl ReadAt for super::Input {
    fn read_at(&self, space: &mut [u8], offset: u64) -> Result<usize> {
        self.at(offset).read(space)
    }
}

/// A file as a reader with its own place in it.
#[derive(Debug)]
pub(super) struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl<'f> At<'f> {
    pub(super) fn new(file: &'f File, offset: u64) -> Self {
        Self { file, offset }
    }

    #[cfg(feature = "map")]
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }
}

impl Read for At<'_> {
    fn read(&mut self, space: &mut [u8]) -> Result<usize> {
        let n = read_at(self.file, space, self.offset)?;
        self.offset += n as u64;
        Ok(n)
    }
}

impl Seek for At<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.offset = sought(to, self.offset, || Ok(self.file.metadata()?.len()))?;
        Ok(self.offset)
    }
}

#[cfg(unix)]
fn read_at(file: &File, space: &mut [u8], offset: u64) -> Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, space, offset)
}

#[cfg(not(unix))]
fn read_at(mut file: &File, space: &mut [u8], offset: u64) -> Result<usize> {
    file.seek(SeekFrom::Start(offset))?;
    file.read(space)
}

/// Writes all of it there.
#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
pub(super) fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    std::io::Write::write_all(&mut file, bytes)
}
