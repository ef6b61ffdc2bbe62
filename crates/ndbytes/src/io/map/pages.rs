//! The pages of a file as slices: all of the unsafe of maps, and little else.
#![allow(unsafe_code, reason = "memmap2's maps of files")]

use super::Mode;
use crate::error::{Error, Result};
use memmap2::{Mmap, MmapMut, MmapOptions};
use std::fs::File;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A range of a file in memory.
#[derive(Debug)]
pub(super) enum Pages {
    /// For reading; arrays may share it.
    Read(Arc<Mmap>),
    /// For writing through to the file.
    Write(MmapMut),
    /// For writing to pages of one's own.
    Private(MmapMut),
}

impl Pages {
    /// Maps these bytes of the file, which must end inside it.
    pub(super) fn new(file: &File, range: Range<u64>, mode: Mode) -> Result<Self> {
        let overflow = || Error::overflow("the map's size");
        let len = range.end.checked_sub(range.start).ok_or_else(overflow)?;
        let len = usize::try_from(len).ok().filter(|&len| isize::try_from(len).is_ok());
        let mut options = MmapOptions::new();
        options.offset(range.start).len(len.ok_or_else(overflow)?);
        // SAFETY: what memmap2 leaves to its caller is that others may change the file while slices of it live.
        // - Its length: the range ended inside the file a moment ago, and every slice is given out only after the
        //   file was measured again. Touching a page behind the end of a file cut in between is SIGBUS: the system
        //   ends the process, which reads no memory of another.
        // - Its bytes: they are seen as `u8` alone, of which every value is valid. Nothing read through the map is
        //   trusted for the safety of memory: layouts are proved against the length of the map, which never changes,
        //   and headers and tails are read into memory of our own.
        // - Ours: this process changes bytes of a map only through `&mut Pages`, while no other slice of it lives,
        //   and a `Read` map never. Another map of the same file is as another process.
        // That the compiler may read such a byte once or twice, and so sees the old or the new value or each in turn,
        // is what the documentation of `Map` tells its user.
        let pages = unsafe {
            match mode {
                Mode::Read => options.map(file).map(|map| Self::Read(Arc::new(map))),
                Mode::ReadWrite => options.map_mut(file).map(Self::Write),
                Mode::CopyOnWrite => options.map_copy(file).map(Self::Private),
            }
        };
        Ok(pages?)
    }

    /// The same for writing, where it is.
    pub(super) fn writable(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Read(_) => None,
            Self::Write(map) | Self::Private(map) => Some(map),
        }
    }

    /// Puts what was written on the disk.
    pub(super) fn flush(&self) -> Result<()> {
        match self {
            Self::Write(map) if !map.is_empty() => Ok(map.flush()?),
            _ => Ok(()),
        }
    }

    /// Brings these bytes into memory, or says why it cannot be done, without the signal that touching them may be.
    #[cfg(target_os = "linux")]
    pub(super) fn populate(&self, range: Range<usize>) -> std::io::Result<()> {
        use memmap2::Advice::PopulateRead;
        let (start, len) = (range.start, range.len());
        match self {
            Self::Read(map) => map.advise_range(PopulateRead, start, len),
            Self::Write(map) | Self::Private(map) => map.advise_range(PopulateRead, start, len),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn populate(&self, _: Range<usize>) -> std::io::Result<()> {
        Ok(())
    }
}

impl Deref for Pages {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(map) => map,
            Self::Write(map) | Self::Private(map) => map,
        }
    }
}
