//! More or fewer rows: the file is written anew and replaced whole.
//!
//! In place it cannot be done so that a kill leaves the old or the new file: a `.npy` cannot hold both truths at
//! once, its header is longer or shorter than its data for a moment either way, and its tail stands where the new
//! rows go. One copy of the file is the price, so rows are best appended many at a time.

use super::contents::{Contents, Form, How, cut};
use super::{Map, Mode};
use crate::array::{ArrayRef, Order, nbytes};
use crate::codec::{BLOCK, BlockSums};
use crate::dtype::{Dim, Spec};
use crate::error::{Error, Result};
use crate::format::npy::{EncodeOptions, TAIL_FORMAT, parts};
use crate::format::raw::{self, Raw};
use crate::format::{Encode, Format, Header, Metadata, Piece, Tail};
use crate::io::at::At;
use crate::io::file::check_place;
use crate::io::{Watch, unwatched};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};

impl Map {
    /// Makes the first axis `len` long: rows are cut off at the end, or zeros added. The file is replaced by a copy,
    /// sealed where it is checked, and that is mapped; whoever else has the old one mapped keeps it.
    ///
    /// It is the old file or the new one at every moment. After an error, but one of waiting for the disk at the very
    /// end, it is the old one, and the map is as it was.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for an array without axes, a frame, items with gaps, and a map that
    /// is not [`Mode::ReadWrite`]; [`Limit`](crate::ErrorKind::Limit) if a size overflows;
    /// [`Truncated`](crate::ErrorKind::Truncated) if the file has been cut; [`Io`](crate::ErrorKind::Io), with
    /// `ESTALE` if another file has taken its place since it was mapped.
    pub fn resize(&mut self, len: usize) -> Result<()> {
        self.replace_with(|map| map.resized(len, &mut unwatched))
    }

    /// Adds rows behind the last one of the first axis, in any layout; otherwise as [`Map::resize`].
    ///
    /// # Errors
    /// As there, and [`Mismatch`](crate::ErrorKind::Mismatch) with both specs unless dtype (byte order too) and the
    /// other axes are the file's.
    pub fn append(&mut self, rows: &ArrayRef<'_>) -> Result<()> {
        self.replace_with(|map| map.appended(rows, &mut unwatched))
    }

    /// As [`Map::resize`], for whoever still looks at the old file: the map of the new one, and this one as it is;
    /// `None` if it has that length. `watch` counts the bytes written.
    ///
    /// # Errors
    /// As there, and whatever `watch` returns.
    pub fn resized(&self, len: usize, watch: Watch<'_>) -> Result<Option<Self>> {
        self.growable()?;
        self.rewritten(len, None, watch)
    }

    /// As [`Map::append`], in the way of [`Map::resized`].
    ///
    /// # Errors
    /// As there, and whatever `watch` returns.
    pub fn appended(&self, rows: &ArrayRef<'_>, watch: Watch<'_>) -> Result<Option<Self>> {
        let old = self.growable()?;
        let mut spec = Spec::exact(self.dtype().clone(), self.shape());
        if let Some(axis) = spec.shape.iter_mut().flatten().next() {
            *axis = Dim::Any;
        }
        spec.check(rows.dtype(), rows.shape()).map_err(|error| self.named(error))?;
        let more = rows.shape().first().copied().unwrap_or_default();
        let len = old.checked_add(more);
        let len = len.ok_or_else(|| self.named(Error::overflow("the array's size")))?;
        self.rewritten(len, Some(rows), watch)
    }

    fn replace_with(&mut self, new: impl FnOnce(&Self) -> Result<Option<Self>>) -> Result<()> {
        if let Some(new) = new(self)? {
            *self = new;
        }
        Ok(())
    }

    /// The length of the first axis, where it may be changed.
    fn growable(&self) -> Result<usize> {
        let is_frame = |header: &Header| header.format == Format::Frame;
        let why_not = match (&self.contents.form, self.shape().first()) {
            _ if self.mode != Mode::ReadWrite => {
                "only a map that writes to its file can change its length: open it with Mode::ReadWrite"
            }
            (_, None) => "an array without axes has no length to change",
            (Form::Raw(raw), _) if raw.gap > 0 => {
                "rows with gaps belong to other data too: their number is not changed"
            }
            (Form::Described { header, .. }, _) if is_frame(header) => {
                "a frame is written once: save a longer one, or map a .npy"
            }
            (_, Some(&len)) => return Ok(len),
        };
        Err(self.named(Error::argument(why_not)))
    }

    fn rewritten(
        &self,
        len: usize,
        rows: Option<&ArrayRef<'_>>,
        watch: Watch<'_>,
    ) -> Result<Option<Self>> {
        self.check_size(self.contents.end())?;
        check_place(&self.file, &self.path).map_err(|error| self.named(error))?;
        if self.shape().first() == Some(&len) {
            return Ok(None);
        }
        let new = self.with_length(len).map_err(|error| self.named(error))?;
        let how = new.how.clone();
        Self::replaced(&self.path, how, |file| self.write_new(file, new, rows, watch)).map(Some)
    }

    fn with_length(&self, len: usize) -> Result<New> {
        let mut shape = self.shape().to_vec();
        if let Some(axis) = shape.first_mut() {
            *axis = len;
        }
        nbytes(&shape, self.dtype().itemsize())?;
        match &self.contents.form {
            Form::Raw(raw) => {
                let spec = Spec::exact(raw.spec.dtype.clone(), &shape);
                let how = How::Raw(Raw { spec, ..raw.clone() });
                let runs =
                    Runs::new(self.shape(), len, self.dtype().itemsize(), raw.order == Order::F);
                Ok(New { how, header: None, tail: None, runs })
            }
            Form::Described { header, metadata, tail } => {
                let Header { fortran_order, format, .. } = **header;
                let version = match format {
                    Format::Npy(version) => Some(version),
                    Format::Frame => None,
                };
                let metadata = Metadata { dtype: None, ..metadata.clone() };
                let options = EncodeOptions {
                    version,
                    checksum: tail.is_some(),
                    metadata,
                    ..Default::default()
                };
                // A longer shape may need a header that the old version cannot hold.
                let newer = EncodeOptions { version: None, ..options.clone() };
                let (header, tail, _) = parts(self.dtype(), &shape, fortran_order, &options)
                    .or_else(|_| parts(self.dtype(), &shape, fortran_order, &newer))?;
                let runs = Runs::new(self.shape(), len, self.dtype().itemsize(), fortran_order);
                Ok(New { how: self.how.clone(), header: Some(header), tail, runs })
            }
        }
    }

    fn write_new(
        &self,
        file: &mut File,
        new: New,
        rows: Option<&ArrayRef<'_>>,
        watch: Watch<'_>,
    ) -> Result<()> {
        match &new.header {
            Some(header) => file.write_all(header)?,
            None => Contents::pieces(&self.file, 0..self.contents.data.start, |part| {
                Ok(file.write_all(part)?)
            })?,
        }
        let sums = new.tail.as_ref().map(|_| BlockSums::default());
        let summed = Summed { file, sums, written: 0, watch };
        let mut out = BufWriter::with_capacity(BLOCK, summed);
        let mut added: Box<dyn Read + '_> = match rows {
            Some(rows) => {
                let order = if new.runs.fortran { Order::F } else { Order::C };
                Box::new(Pieces {
                    encoder: raw::Encoder::new(rows, order, None)?,
                    piece: None,
                    done: 0,
                })
            }
            None => Box::new(std::io::repeat(0)),
        };
        let mut old =
            BufReader::with_capacity(BLOCK, At::new(&self.file, self.contents.data.start));
        for _ in 0..new.runs.count {
            let kept = std::io::copy(&mut (&mut old).take(new.runs.keep), &mut out)?;
            if kept < new.runs.keep {
                return Err(cut(old.get_ref().offset(), self.contents.data.end));
            }
            old.seek_relative(new.runs.skip.cast_signed())?;
            std::io::copy(&mut (&mut added).take(new.runs.add), &mut out)?;
        }
        let Summed { file, sums, .. } =
            out.into_inner().map_err(|error| Error::io(error.into_error()))?;
        if let (Some(mut tail), Some(sums)) = (new.tail, sums) {
            tail.sums = sums.finish();
            file.write_all(&tail.encode(TAIL_FORMAT)?)?;
        }
        Ok(())
    }
}

/// What a file of another length is made of.
struct New {
    how: How,
    /// None for a raw file: what stands before its data stays.
    header: Option<Vec<u8>>,
    tail: Option<Tail>,
    runs: Runs,
}

/// Data as `count` runs along the first axis: of each, bytes that stay, bytes passed over, and bytes added.
struct Runs {
    count: u64,
    keep: u64,
    skip: u64,
    add: u64,
    fortran: bool,
}

impl Runs {
    /// In C order the first axis is one run of all rows, in F order there is a run for each index of the others. The
    /// sizes of both arrays have been counted.
    fn new(shape: &[usize], len: usize, itemsize: usize, fortran: bool) -> Self {
        let (old, len) = (shape.first().map_or(0, |&old| old as u64), len as u64);
        let others: u64 = shape.iter().skip(1).map(|&axis| axis as u64).product();
        let (count, row) = if fortran { (others, 1) } else { (1, others) };
        let row = row * itemsize as u64;
        let keep = old.min(len);
        // Runs of nothing are as many as a header likes.
        let count = if row == 0 || old.max(len) == 0 { 0 } else { count };
        Self { count, keep: keep * row, skip: (old - keep) * row, add: (len - keep) * row, fortran }
    }
}

/// A file that sums the data on their way to it.
struct Summed<'f> {
    file: &'f mut File,
    sums: Option<BlockSums>,
    written: u64,
    watch: Watch<'f>,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.file.write(bytes)?;
        if let Some(sums) = &mut self.sums {
            sums.update(bytes.get(..n).unwrap_or_default());
        }
        self.written += n as u64;
        (self.watch)(self.written).map_err(std::io::Error::from)?;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What a machine gives, as a reader.
struct Pieces<'a> {
    encoder: raw::Encoder<'a>,
    piece: Option<Piece<'a>>,
    done: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.piece.as_deref().and_then(|piece| piece.get(self.done..));
        if rest.is_none_or(<[u8]>::is_empty) {
            // It fails for want of memory only.
            let next = self.encoder.next().map_err(|_| std::io::ErrorKind::OutOfMemory)?;
            (self.piece, self.done) = (next, 0);
        }
        let mut rest =
            self.piece.as_deref().and_then(|piece| piece.get(self.done..)).unwrap_or_default();
        let n = rest.read(space)?;
        self.done += n;
        Ok(n)
    }
}
