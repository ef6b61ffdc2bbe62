//! New files, mapped: they are made whole under a temporary name first, so that no file is ever cut that is mapped.

use super::contents::How;
use super::{Map, Mode};
use crate::array::Order;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::format::DecodeOptions;
use crate::format::npy::{EncodeOptions, TAIL_FORMAT, parts};
use crate::format::raw::Raw;
use crate::io::at::write_at;
use crate::io::file::refuse_stream;
use crate::io::{SaveOptions, replace};
use std::fs::File;
use std::path::Path;

impl Map {
    /// Makes a `.npy` file of zeros and maps it for writing: NumPy's `w+`. A file that is there is replaced, and
    /// whoever has it mapped keeps it. A checked file is *open* until it is flushed or closed.
    ///
    /// Its place on the disk is taken at once where the file system can do that, so that a full disk is an error here.
    ///
    /// # Errors
    /// As [`Encoder::new`](crate::npy::Encoder::new) and [`replace`]; [`Io`](ErrorKind::Io) also for a FIFO or socket.
    pub fn create(
        path: impl AsRef<Path>,
        dtype: &DType,
        shape: &[usize],
        options: &EncodeOptions,
    ) -> Result<Self> {
        let dtype =
            options.endian.map_or_else(|| dtype.clone(), |endian| dtype.with_endian(endian));
        let fortran = options.order == Some(Order::F);
        let (header, tail, total) = parts(&dtype, shape, fortran, options)?;
        Self::created(path.as_ref(), How::Described(DecodeOptions::default()), |file| {
            preallocate(file, total)?;
            write_at(file, &header, 0)?;
            if let Some(mut tail) = tail {
                tail.open = true;
                let tail = tail.encode(TAIL_FORMAT)?;
                write_at(file, &tail, total - tail.len() as u64)?;
            }
            Ok(())
        })
    }

    /// Makes a file of zeros without a header and maps it for writing; every axis must be known.
    ///
    /// # Errors
    /// As [`Raw::shape`]; [`Argument`](ErrorKind::Argument) for an axis of any length; as [`Map::create`].
    pub fn create_raw(path: impl AsRef<Path>, raw: &Raw) -> Result<Self> {
        let (_, total) = raw.whole()?;
        Self::created(path.as_ref(), How::Raw(raw.clone()), |file| preallocate(file, total))
    }

    fn created(path: &Path, how: How, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<Self> {
        // Even if nobody writes to it, a flush has a tail to seal.
        Ok(Self { changed: true, ..Self::replaced(path, how, fill)? })
    }

    /// Puts what `fill` writes at `path`, whole or not at all and durably, and maps it. Nothing can fail once the new
    /// file is there, but waiting for the disk.
    pub(super) fn replaced(
        path: &Path,
        how: How,
        fill: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Self> {
        let named = |error: Error| match error.path() {
            Some(_) => error,
            None => error.in_file(path),
        };
        refuse_stream(path).map_err(named)?;
        let mut map = None;
        replace(path, SaveOptions::durable(true), |file| {
            fill(file)?;
            map = Some(Self::over(file.try_clone()?, path, Mode::ReadWrite, how)?);
            Ok(())
        })
        .map_err(named)?;
        let map = map.ok_or_else(|| Error::new(ErrorKind::Io, "the new file was not filled"))?;
        // The lock of a temporary file came along with the handle.
        let _ = map.file.unlock();
        Ok(map)
    }
}

/// Makes the file so long, with zeros that have a place on the disk where the file system can promise that.
#[cfg(target_os = "linux")]
pub(super) fn preallocate(file: &File, len: u64) -> Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::{Errno, retry_on_intr};
    if len == 0 {
        return Ok(());
    }
    match retry_on_intr(|| fallocate(file, FallocateFlags::empty(), 0, len)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(file.set_len(len)?),
        answer => Ok(answer.map_err(std::io::Error::from)?),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn preallocate(file: &File, len: u64) -> Result<()> {
    Ok(file.set_len(len)?)
}
