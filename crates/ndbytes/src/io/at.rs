//! Reading and writing a file at places of one's own: its cursor is left alone.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};

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
        let offset = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.offset.checked_add_signed(by),
            SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.offset = offset.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
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
