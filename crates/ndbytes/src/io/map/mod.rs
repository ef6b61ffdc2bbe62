//! Files as memory: `.npy` (bare and checked), `.ndb` and raw, for reading, for writing, and for private changes.
//!
//! ```
//! use ndbytes::{ArrayRef, DecodeOptions, Order, npy::EncodeOptions};
//! use ndbytes::io::map::{Map, Mode, TailState};
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("a.npy");
//! let mut map = Map::create(&path, &"<f4".parse()?, &[2, 3], &EncodeOptions::checked())?;
//! map.bytes_mut()?[..4].copy_from_slice(&1.5f32.to_le_bytes());
//! assert_eq!(map.tail_state(), TailState::Open);
//! map.append(&ArrayRef::from_slice(&[7.0f32, 8.0, 9.0], &[1, 3])?)?;
//! map.close()?;
//!
//! let map = Map::open(&path, Mode::Read, DecodeOptions::default())?;
//! map.verify(&mut ndbytes::io::unwatched)?;
//! assert_eq!(map.array()?.as_slice::<f32>()?, [1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 8.0, 9.0]);
//! # Ok::<(), ndbytes::Error>(())
//! ```

mod contents;
mod create;
mod pages;
mod region;
mod resize;
mod verify;
mod write;

use self::contents::{Contents, Form, How, cut};
use self::pages::Pages;
pub use self::region::Region;
use super::file::open_regular;
use crate::array::{Array, ArrayRef, Layout};
use crate::buffer::Buffer;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::format::raw::Raw;
use crate::format::{Checks, DecodeOptions, Header, Metadata};
use bytes::Bytes;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What may be done with mapped bytes, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are only read: NumPy's `r`.
    Read,
    /// Changes go to the file: NumPy's `r+`.
    ReadWrite,
    /// Changes stay in memory, and are gone with the map: NumPy's `c`.
    CopyOnWrite,
}

impl std::str::FromStr for Mode {
    type Err = Error;

    /// Reads NumPy's names.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for any other, `w+` too: [`Map::create`] does that.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "r" | "readonly" => Ok(Self::Read),
            "r+" | "readwrite" => Ok(Self::ReadWrite),
            "c" | "copyonwrite" => Ok(Self::CopyOnWrite),
            _ => Err(Error::argument(format!("mode must be one of r, r+ or c, found {text:?}"))),
        }
    }
}

/// What stands behind the data of a mapped file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailState {
    /// No checksum tail.
    None,
    /// A tail that vouches for the data; [`Map::verify`] compares them.
    Sealed,
    /// A tail that says nothing: the data are being changed, or whoever changed them last did not finish.
    Open,
}

/// A file in memory.
///
/// # When others change the file
///
/// A map shows the file as it is, not as it was: what another process (or another map) writes in place appears in
/// slices that are already held, so a value that was read twice may be two values, and a `bool` may become neither.
/// Map what nobody else writes, or copy out what must hold still. Files that ndbytes saves or grows are replaced
/// whole: whoever has the old one mapped keeps it as it was.
///
/// A file that another process has cut is an error, [`Truncated`](crate::ErrorKind::Truncated), of the next access:
/// each one measures the file. But between that and the last use of the slice it may still be cut, and the system
/// then ends a process that touches what is gone (SIGBUS). [`Map::probe`] has the pages brought in first, which makes
/// that time short and not zero. Read foreign files with [`load`](super::load), which never has this end.
///
/// # When it is written
///
/// The first [`Map::bytes_mut`] marks the checksum tail of a file *open*, on the disk, before a byte of the data can
/// change; [`Map::flush`] and [`Map::close`] sum the data and seal it again. A map that is dropped without them
/// leaves it open: its changes are in the file, and nothing vouches for them until it is sealed by `flush` after
/// another change, or by [`seal`](super::seal()). There may be one writer at a time; nothing watches over that.
#[derive(Debug)]
pub struct Map {
    file: File,
    path: PathBuf,
    mode: Mode,
    how: How,
    contents: Contents,
    pages: Pages,
    /// Whether bytes were given out for writing through to the file since it was last flushed.
    changed: bool,
    /// Whether the tail is known to be open on the disk; one that was found open may not be there yet.
    marked: bool,
}

impl Map {
    /// Maps the `.npy` or `.ndb` file at `path`, after holding its size against its header, and reading its tail.
    /// The sums of its data are not compared; see [`Map::verify`].
    ///
    /// # Errors
    /// As [`load`](super::load), apart from damaged data; [`Io`](crate::ErrorKind::Io) also for what is no regular
    /// file (`EISDIR`, `ENODEV`), where one may not write (`EACCES`, `EROFS`), and where the file system has no maps;
    /// [`Argument`](crate::ErrorKind::Argument) for a tail that is ignored and would be made untrue.
    pub fn open(path: impl AsRef<Path>, mode: Mode, options: DecodeOptions) -> Result<Self> {
        if mode == Mode::ReadWrite && options.checks == Checks::Ignored {
            let message = "a tail that is ignored would be wrong after the first change; use Checks::Optional";
            return Err(Error::argument(message).in_file(path));
        }
        Self::open_as(path.as_ref(), mode, How::Described(options))
    }

    /// Maps a file without a header, after holding its size against what it is declared to be.
    ///
    /// # Errors
    /// As [`Raw::shape`]; [`Io`](crate::ErrorKind::Io) as [`Map::open`].
    pub fn open_raw(path: impl AsRef<Path>, mode: Mode, raw: &Raw) -> Result<Self> {
        Self::open_as(path.as_ref(), mode, How::Raw(raw.clone()))
    }

    fn open_as(path: &Path, mode: Mode, how: How) -> Result<Self> {
        open_regular(path, mode == Mode::ReadWrite)
            .and_then(|file| Self::over(file, path, mode, how))
            .map_err(|error| error.in_file(path))
    }

    fn over(file: File, path: &Path, mode: Mode, how: How) -> Result<Self> {
        let contents = Contents::read(&file, &how)?;
        let pages = Pages::new(&file, contents.data.clone(), mode)?;
        let map = Self {
            file,
            path: path.into(),
            mode,
            how,
            contents,
            pages,
            changed: false,
            marked: false,
        };
        map.whole_view()?;
        Ok(map)
    }

    /// The type of the items.
    #[must_use]
    pub fn dtype(&self) -> &DType {
        &self.contents.dtype
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.contents.layout.shape()
    }

    /// Where the items lie in [`Map::bytes`].
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.contents.layout
    }

    /// What was asked for when it was opened; a map that was created is [`Mode::ReadWrite`].
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The file as it was named when it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file's header says; `None` for a raw file.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        match &self.contents.form {
            Form::Raw(_) => None,
            Form::Described { header, .. } => Some(header),
        }
    }

    /// Name and attributes, where the file has them.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        match &self.contents.form {
            Form::Raw(_) => None,
            Form::Described { metadata, .. } => Some(metadata),
        }
    }

    /// Whether the file has a checksum tail, and whether that vouches for the data.
    #[must_use]
    pub fn tail_state(&self) -> TailState {
        match self.contents.tail() {
            None => TailState::None,
            Some((_, tail)) if tail.tail.open => TailState::Open,
            Some(_) => TailState::Sealed,
        }
    }

    /// The data: all bytes of the items, and the gaps between them.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated) if the file has been cut; [`Io`](crate::ErrorKind::Io).
    pub fn bytes(&self) -> Result<&[u8]> {
        self.check_size(self.contents.data.end)?;
        Ok(&self.pages)
    }

    /// The items.
    ///
    /// # Errors
    /// As [`Map::bytes`].
    pub fn view(&self) -> Result<ArrayRef<'_>> {
        self.check_size(self.contents.data.end)?;
        self.whole_view()
    }

    fn whole_view(&self) -> Result<ArrayRef<'_>> {
        ArrayRef::new(self.contents.dtype.clone(), self.contents.layout.clone(), &self.pages)
    }

    /// An array that shares the map and outlives it, without a copy.
    ///
    /// # Errors
    /// As [`Map::bytes`]; [`Argument`](crate::ErrorKind::Argument) unless it was opened with [`Mode::Read`].
    pub fn array(&self) -> Result<Array> {
        self.check_size(self.contents.data.end)?;
        let Pages::Read(map) = &self.pages else {
            let message =
                "an array's bytes do not change, and this map may be written to: use its view";
            return Err(self.named(Error::argument(message)));
        };
        let data = Buffer::from(Bytes::from_owner(Shared(Arc::clone(map))));
        Array::new(self.contents.dtype.clone(), self.contents.layout.clone(), data)
    }

    /// Brings these bytes of the data into memory where the system can do that (Linux from 5.14 on), after the check
    /// that every access makes: what is gone from the file, or cannot be read, is an error here and not a signal.
    ///
    /// # Errors
    /// As [`Map::bytes`]; [`Argument`](crate::ErrorKind::Argument) for a range that is not inside the data.
    pub fn probe(&self, range: Range<usize>) -> Result<()> {
        self.check_size(self.contents.data.end)?;
        let len = self.pages.len();
        if range.start > range.end || range.end > len {
            let Range { start, end } = range;
            let message = format!("bytes {start} to {end} are not inside the {len} of the data");
            return Err(self.named(Error::argument(message)));
        }
        if range.is_empty() {
            return Ok(());
        }
        let at = self.contents.data.start + range.start as u64;
        match self.pages.populate(range) {
            Ok(()) => Ok(()),
            // A kernel that does not know how.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
            // EFAULT: they are behind the end of the file, or were for a moment, or the disk fails.
            Err(error) => {
                self.check_size(self.contents.data.end)?;
                let error = Error::io(error).of_kind(ErrorKind::Truncated);
                Err(self.named(error.context("the file was cut under its map").at(at)))
            }
        }
    }

    /// That the file still has so many bytes.
    fn check_size(&self, needed: u64) -> Result<()> {
        let found = self.file.metadata().map_err(|error| self.named(error.into()))?.len();
        if found < needed { Err(self.named(cut(found, needed))) } else { Ok(()) }
    }

    fn named(&self, error: Error) -> Error {
        if error.path().is_some() { error } else { error.in_file(&self.path) }
    }
}

/// What an array holds on to.
struct Shared(Arc<memmap2::Mmap>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
