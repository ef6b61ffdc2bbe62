//! Bytes of a file in memory, whatever they mean: what NumPy's `memmap` stands on.

use super::Mode;
use super::create::preallocate;
use super::pages::Pages;
use crate::error::{Error, Result};
use crate::io::at::write_at;
use crate::io::{SaveOptions, replace};
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// A range of a file in memory. Nothing is read of it, so nothing in it can be wrong; what [`Map`](super::Map) says of
/// files that others change holds here too, and there is no check before each access.
#[derive(Debug)]
pub struct Region {
    pages: Pages,
}

impl Region {
    /// Maps these bytes of a file.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated) if the file ends before them; [`Io`](crate::ErrorKind::Io) where one
    /// may not write, and for what cannot be mapped; [`Limit`](crate::ErrorKind::Limit) if they do not fit this machine.
    pub fn new(file: &File, range: Range<u64>, mode: Mode) -> Result<Self> {
        let found = file.metadata()?.len();
        if found < range.end {
            let message =
                format!("the file ends at byte {found}, the map would end at {}", range.end);
            return Err(Error::truncated(message).at(found));
        }
        Ok(Self { pages: Pages::new(file, range, mode)? })
    }

    /// Makes a file that begins with `head`, and has `len` zeros behind it; whoever has the old one mapped keeps it. Its
    /// place on the disk is taken at once where the file system can do that.
    ///
    /// # Errors
    /// As [`replace`]; [`Limit`](crate::ErrorKind::Limit) if a size overflows.
    pub fn create(path: impl AsRef<Path>, head: &[u8], len: u64) -> Result<()> {
        let total =
            len.checked_add(head.len() as u64).ok_or_else(|| Error::overflow("the file's size"))?;
        replace(path, SaveOptions::default(), |file| {
            preallocate(file, total)?;
            Ok(write_at(file, head, 0)?)
        })
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.pages
    }

    /// The bytes, for writing.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for [`Mode::Read`].
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.pages.writable().ok_or_else(|| Error::argument("mapped for reading"))
    }

    /// Puts what was changed on the disk, where changes go there.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io).
    pub fn flush(&self) -> Result<()> {
        self.pages.flush()
    }
}
