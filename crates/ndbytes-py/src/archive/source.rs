//! What an archive stands on.

use crate::array::Bytes;
use crate::bundle::is_archive;
use crate::file::{Place as Given, PyFile};
use crate::work::signals;
use ndbytes::Result;
use ndbytes::io::{self, PATIENCE, Place, ReadAt, Turns, Watch};
use std::fs::File;
use std::io::{Read, Result as IoResult, Seek, SeekFrom};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes that any number of threads read at places of their own.
#[derive(Clone)]
pub(crate) enum Source {
    File(Arc<io::Input>),
    /// A file object of Python's, which is read in turns.
    Object(Arc<Turns<PyFile>>),
    /// The file under a descriptor of somebody else's.
    Lent(Arc<File>),
    Bytes(Arc<Bytes>),
}

impl ReadAt for Source {
    fn read_at(&self, space: &mut [u8], offset: u64) -> IoResult<usize> {
        match self {
            Self::File(file) => file.read_at(space, offset),
            Self::Lent(file) => FileExt::read_at(&**file, space, offset),
            Self::Bytes(bytes) => (***bytes).read_at(space, offset),
            Self::Object(file) => {
                let mut file = file.write(&mut signals())?;
                file.seek(SeekFrom::Start(offset))?;
                file.read(space)
            }
        }
    }
}

impl Source {
    /// A reader of what stands at a place: all of a file that has a length.
    ///
    /// # Errors
    /// Those of opening it, and of going to its end.
    pub(crate) fn open(place: &Given, watch: Watch<'_>) -> Result<Place<Self>> {
        match place {
            Given::Path(path) => {
                let file = io::open_watched(path, PATIENCE, watch)?;
                let len = file.len().unwrap_or_default();
                Ok(Place::new(Self::File(Arc::new(file)), len))
            }
            Given::File(file) => {
                let mut file = file.again();
                let len = file.seek(SeekFrom::End(0))?;
                Ok(Place::new(Self::Object(Arc::new(Turns::new(file))), len))
            }
        }
    }

    /// The same, if it is an archive; what cannot go back is none.
    ///
    /// # Errors
    /// Those of opening and reading it.
    pub(crate) fn of_archive(place: &Given, watch: Watch<'_>) -> Result<Option<Place<Self>>> {
        let is_archive = match place {
            Given::File(file) => is_archive(&mut file.again())?,
            // A FIFO can be opened once only.
            Given::Path(path) if !path.is_file() => false,
            Given::Path(_) => {
                let mut reader = Self::open(place, watch)?;
                return Ok(is_archive(&mut reader)?.then_some(reader));
            }
        };
        if is_archive { Self::open(place, watch).map(Some) } else { Ok(None) }
    }

    /// A reader of a file.
    ///
    /// # Errors
    /// Those of measuring it.
    pub(crate) fn of_file(file: File) -> IoResult<Place<Self>> {
        let len = file.metadata()?.len();
        Ok(Place::new(Self::Lent(Arc::new(file)), len))
    }

    /// The file, once more, if it is one that was opened here.
    pub(crate) fn file(&self) -> Option<IoResult<File>> {
        match self {
            Self::File(file) => Some(file.as_fd().try_clone_to_owned().map(File::from)),
            _ => None,
        }
    }

    /// A reader of bytes.
    pub(crate) fn of_bytes(bytes: Bytes) -> Place<Self> {
        let len = bytes.len() as u64;
        Place::new(Self::Bytes(Arc::new(bytes)), len)
    }
}
