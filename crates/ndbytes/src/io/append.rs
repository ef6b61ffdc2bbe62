//! Rows appended to a file: a frame that grows, which a kill leaves as it was or as it is to be.

use super::at::{At, write_at};
use super::file::{busy, check_place, open_regular, refuse_stream};
use super::parts::{Chain, chain};
use super::read::{fill_header, read};
use super::replace::{SaveOptions, replace};
use super::{Input, Watch};
use crate::array::{ArrayRef, Layout, Order, Slice};
use crate::dtype::{DType, Dim, Spec};
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::{
    Bound, EncodeOptions, Ended, Entry, Footer, Rows, begin, encode_end, encode_index, encode_mark,
};
use crate::format::{DecodeOptions, Header, HeaderDecoder};
use crate::kernel::{Items, Stores};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// Bytes of rows to wait for before they are compressed: with fewer, choosing how takes longer than doing it.
const CHUNK: usize = 4 << 20;

/// A file to whose array rows are appended, and which nobody else may append to meanwhile.
///
/// Rows are part of the file once [`Appender::flush`] has returned; what was appended since is gone with the appender. Whoever reads the
/// file sees it as it was when they opened it.
///
/// ```
/// use ndbytes::{ArrayRef, Codec, DecodeOptions, Dest, frame, io};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("log.ndb");
/// let options = frame::EncodeOptions { codec: Codec::Auto, ..Default::default() };
/// let mut log = io::Appender::create(&path, &"<f4".parse()?, &[2], &options)?;
/// log.append(&ArrayRef::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?, &mut io::unwatched)?;
/// log.flush(&mut io::unwatched)?;
/// drop(log);
///
/// let mut log = io::Appender::open(&path, DecodeOptions::default(), &options)?;
/// log.append(&ArrayRef::from_slice(&[5.0f32, 6.0], &[1, 2])?, &mut io::unwatched)?;
/// log.flush(&mut io::unwatched)?;
/// let array = io::load(&path, DecodeOptions::default(), Dest::Owned, &mut io::unwatched)?.array.unwrap();
/// assert_eq!(array.as_slice::<f32>()?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Appender {
    file: File,
    path: PathBuf,
    options: EncodeOptions,
    /// What the file says, up to the last flush.
    header: Header,
    /// Of the blocks that were written, and the rows in them.
    entries: Vec<Entry>,
    rows: usize,
    /// Where the indexes end that are followed.
    indexes: Vec<Ended>,
    /// Where the next block goes.
    at: u64,
    /// Rows that wait for more, in C order.
    waiting: Vec<u8>,
    /// Whether a write has failed: what stands behind the frame then is not known.
    failed: bool,
    /// The process that has opened it. One that was forked off has the same lock, and knows nothing of what the other appends.
    owner: u32,
}

impl Appender {
    /// Makes a file without rows in place of an old one: of arrays of this dtype, with these lengths behind the first axis.
    ///
    /// Codec, filter and threads of the options are for the rows to come; their order is C, and their byte order the dtype's.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for rows without items, items without bytes, and lengths of a block that cannot be;
    /// [`Limit`](ErrorKind::Limit) for a header over 1 MiB; [`Io`](ErrorKind::Io).
    pub fn create(
        path: impl AsRef<Path>,
        dtype: &DType,
        row: &[usize],
        options: &EncodeOptions,
    ) -> Result<Self> {
        let path = path.as_ref();
        let named = |error: Error| error.in_file(path);
        let (header, front) = begin(dtype, row, options).map_err(named)?;
        refuse_stream(path).map_err(named)?;
        let mut made = None;
        replace(path, SaveOptions::durable(true), |file| {
            write_at(file, &front, 0)?;
            // The lock of the temporary file comes along.
            made = Some(file.try_clone()?);
            Ok(())
        })?;
        let file = made.ok_or_else(|| Error::new(ErrorKind::Io, "the new file was not filled"))?;
        let (path, options, at) = (path.to_path_buf(), options.clone(), header.len);
        let (entries, indexes, waiting) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            file,
            path,
            options,
            header,
            entries,
            rows: 0,
            indexes,
            at,
            waiting,
            failed: false,
            owner: std::process::id(),
        })
    }

    /// Opens a file that [`Appender::create`] has made.
    ///
    /// # Errors
    /// As [`Parts::open`](super::Parts::open); [`Argument`](ErrorKind::Argument) for a file to which no rows can be appended;
    /// [`Io`](ErrorKind::Io), `EBUSY` if another appends to it.
    pub fn open(
        path: impl AsRef<Path>,
        options: DecodeOptions,
        how: &EncodeOptions,
    ) -> Result<Self> {
        let path = path.as_ref();
        Self::open_at(path, options, how).map_err(|error| match error.path() {
            Some(_) => error,
            None => error.in_file(path),
        })
    }

    fn open_at(path: &Path, mut options: DecodeOptions, how: &EncodeOptions) -> Result<Self> {
        let file = open_regular(path, true)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(busy().context("another appends to it"));
        }
        let len = file.metadata()?.len();
        (options.input_len, options.whole) = (Some(len), true);
        let mut machine = HeaderDecoder::new(options);
        let mut front = At::new(&file, 0);
        let header = fill_header(&mut |space| read(&mut front, space), &mut machine)?;
        let Some(grown) = header.grown() else {
            return Err(Error::argument(
                "the array was written at once: rows are appended to one that was begun for it",
            ));
        };
        let mut fetch = |space: &mut [u8], offset| read(&mut At::new(&file, offset), space);
        let Chain { entries, indexes, .. } = chain(&mut fetch, len, &header)?;
        let rows = header.shape.first().copied().unwrap_or_default();
        let (path, options, at) = (path.to_path_buf(), how.clone(), grown.end);
        let (waiting, failed, owner) = (Vec::new(), false, std::process::id());
        Ok(Self { file, path, options, header, entries, rows, indexes, at, waiting, failed, owner })
    }

    /// What the file says, up to the last flush.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many rows there are, with those that were not flushed.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows + self.waiting.len() / self.row_size()
    }

    /// Whether there is nothing to flush.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.header.shape.first() == Some(&self.rows())
    }

    fn row_size(&self) -> usize {
        let row: usize = self.header.shape.iter().skip(1).product();
        row * self.header.dtype.itemsize()
    }

    /// Bytes of rows that wait at most: of whole blocks.
    fn chunk_rows(&self) -> usize {
        let coding = self.header.coding.as_ref();
        let block = coding.and_then(|coding| coding.block.first()).copied().unwrap_or(1);
        block * CHUNK.div_ceil(block.saturating_mul(self.row_size())).max(1)
    }

    /// Adds rows behind the last one, in any layout. Some of them wait in memory for [`Appender::flush`]. `watch` is told the bytes of the file so far.
    ///
    /// # Errors
    /// [`Mismatch`](ErrorKind::Mismatch) with both specs unless dtype (byte order too) and the other axes are the file's;
    /// [`Limit`](ErrorKind::Limit) for a size that overflows; [`Memory`](ErrorKind::Memory), [`Io`](ErrorKind::Io), and
    /// whatever `watch` returns: the file is what it was at the last flush then, and the appender of no more use.
    pub fn append(&mut self, rows: &ArrayRef<'_>, watch: Watch<'_>) -> Result<()> {
        self.check(rows)?;
        self.guarded(|appender| appender.add(rows, watch))
    }

    /// Makes all rows so far part of the file, on the disk.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io), `ESTALE` if another file has taken the place of this one; [`Truncated`](ErrorKind::Truncated) if another has
    /// cut it; and as [`Appender::append`].
    pub fn flush(&mut self, watch: Watch<'_>) -> Result<()> {
        if self.is_flushed() && !self.failed {
            return Ok(());
        }
        self.guarded(|appender| {
            appender.code_waiting(watch)?;
            appender.commit()
        })
    }

    /// The file, for reading what was flushed.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn input(&self) -> Result<Input> {
        Input::of(self.file.try_clone()?).map_err(|error| error.in_file(&self.path))
    }

    /// Whether an error has made it useless, or a fork: then only the process that has opened it appends.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed || !self.is_owner()
    }

    fn is_owner(&self) -> bool {
        self.owner == std::process::id()
    }

    fn guarded(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if !self.is_owner() {
            let why =
                "another process has opened it, of which this one is a fork; only that one appends";
            return Err(Error::argument(why).in_file(&self.path));
        }
        if self.failed {
            let why = "an earlier write has failed; the file has all rows that were flushed before: open it again";
            return Err(Error::argument(why).in_file(&self.path));
        }
        self.failed = true;
        work(self).map_err(|error| match error.path() {
            Some(_) => error,
            None => error.in_file(&self.path),
        })?;
        self.failed = false;
        Ok(())
    }

    fn check(&self, rows: &ArrayRef<'_>) -> Result<()> {
        let mut spec = Spec::exact(self.header.dtype.clone(), &self.header.shape);
        if let Some(axis) = spec.shape.iter_mut().flatten().next() {
            *axis = Dim::Any;
        }
        let more = rows.shape().first().copied().unwrap_or_default();
        let size = self.rows().checked_add(more).and_then(|all| all.checked_mul(self.row_size()));
        let fits = size.is_some_and(|size| isize::try_from(size).is_ok());
        spec.check(rows.dtype(), rows.shape())
            .and_then(|()| if fits { Ok(()) } else { Err(Error::overflow("the array's size")) })
            .map_err(|error| error.in_file(&self.path))
    }

    fn add(&mut self, rows: &ArrayRef<'_>, watch: Watch<'_>) -> Result<()> {
        let (len, size, chunk) =
            (rows.shape().first().copied().unwrap_or_default(), self.row_size(), self.chunk_rows());
        let mut start = 0;
        while start < len {
            let (left, wait) = (len - start, self.waiting.len() / size);
            // Whole chunks are made of the rows where they are.
            let take = if wait == 0 && left >= chunk {
                left / chunk * chunk
            } else {
                left.min(chunk - wait)
            };
            let part = part(rows, start, take)?;
            if wait == 0 && take >= chunk {
                self.code(&part, watch)?;
            } else {
                self.keep(&part)?;
            }
            if self.waiting.len() >= chunk * size {
                self.code_waiting(watch)?;
            }
            start += take;
        }
        Ok(())
    }

    /// Copies rows to those that wait.
    fn keep(&mut self, rows: &ArrayRef<'_>) -> Result<()> {
        let (start, more) = (self.waiting.len(), rows.layout().len() * rows.itemsize());
        self.waiting.try_reserve(more).map_err(|_| Error::memory((start + more) as u64))?;
        self.waiting.resize(start + more, 0);
        let to = self.waiting.get_mut(start..).unwrap_or_default();
        let mut items = Items::of_parts(rows, None)?;
        if self.options.zero_gaps {
            items = items.with_gaps_zeroed(rows.dtype());
        }
        items.write(rows.layout(), to, Stores::Cached, &mut ())
    }

    fn code_waiting(&mut self, watch: Watch<'_>) -> Result<()> {
        let rows = self.waiting.len() / self.row_size();
        if rows == 0 {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut shape = self.header.shape.clone();
        shape.iter_mut().take(1).for_each(|axis| *axis = rows);
        let dtype = self.header.dtype.clone();
        let layout = Layout::contiguous(&shape, dtype.itemsize(), Order::C)?;
        self.code(&ArrayRef::new(dtype, layout, &waiting)?, watch)?;
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }

    /// Writes the blocks of these rows.
    fn code(&mut self, rows: &ArrayRef<'_>, watch: Watch<'_>) -> Result<()> {
        self.check_there()?;
        let mut blocks = Rows::new(rows, &self.header, &self.options, self.at)?;
        while let Some(piece) = blocks.next()? {
            write_at(&self.file, &piece, self.at)?;
            self.at += piece.len() as u64;
            watch(self.at)?;
        }
        self.entries.extend_from_slice(blocks.entries());
        self.rows += rows.shape().first().copied().unwrap_or_default();
        Ok(())
    }

    /// That all is there that was written: behind a file that another has cut there would be a hole.
    fn check_there(&self) -> Result<()> {
        let (len, at) = (self.file.metadata()?.len(), self.at);
        if len >= at {
            return Ok(());
        }
        let message = format!("another has cut the file to {len} bytes, {at} were written");
        Err(Error::truncated(message).at(len))
    }

    /// Writes end record and index behind the blocks, and then the mark.
    fn commit(&mut self) -> Result<()> {
        check_place(&self.file, &self.path)?;
        self.check_there()?;
        let blocks = self.entries.len() as u64;
        self.indexes.truncate(self.kept());
        let back = self.indexes.last().copied().unwrap_or_default();
        let first = back.blocks;
        let start = self.at + encode_end(0).len() as u64;
        let named = self.entries.get(usize::try_from(first).unwrap_or(usize::MAX)..);
        let mut header = self.header.clone();
        header.shape.iter_mut().take(1).for_each(|axis| *axis = self.rows);
        let footer = Footer {
            header_sum: header.sum,
            blocks,
            rows: self.rows as u64,
            bound: Bound::Sum(back.sum),
            start,
            back: back.end,
        };
        let mut tail = encode_end(blocks - first).to_vec();
        let index = encode_index(&footer, named.unwrap_or_default());
        let ended = Ended::of(&index, &footer);
        tail.extend(index);
        write_at(&self.file, &tail, self.at)?;
        self.file.sync_data()?;
        let grown = ended.grown();
        if let Some(coding) = &mut header.coding {
            coding.grown = Some(grown);
        }
        let mark = encode_mark(&header, grown);
        write_at(&self.file, &mark, header.len - mark.len() as u64)?;
        self.file.sync_data()?;
        (self.at, self.header) = (ended.end, header);
        self.indexes.push(ended);
        Ok(())
    }

    /// How many of the indexes are still followed once another one is written. It names the blocks of those that have no more than it has so
    /// far, the latest first: so few are left to follow, and no block is named often.
    fn kept(&self) -> usize {
        let blocks = self.entries.len() as u64;
        let of = |kept: usize| kept.checked_sub(1).and_then(|at| self.indexes.get(at)).copied();
        let before = |kept: usize| of(kept).map_or(0, |index| index.blocks);
        let mut kept = self.indexes.len();
        while kept > 0 && before(kept) - before(kept - 1) <= blocks - before(kept) {
            kept -= 1;
        }
        kept
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        // Readers of it may still have the file open. A fork would take the lock from the process that it came from.
        if self.is_owner() {
            let _ = self.file.unlock();
        }
    }
}

/// These rows of them.
fn part<'a>(rows: &ArrayRef<'a>, start: usize, len: usize) -> Result<ArrayRef<'a>> {
    let whole = |&len: &usize| Slice { start: 0, len, step: 1 };
    let mut slices: Vec<Slice> = rows.shape().iter().map(whole).collect();
    slices.iter_mut().take(1).for_each(|slice| *slice = Slice { start, len, step: 1 });
    rows.sliced(&slices)
}
