//! All bytes of a machine into a file, as quickly as the page cache takes them: room is made first, writes are large, and what
//! must be made is made while what another thread has made is written.

#[cfg(not(target_os = "linux"))]
use super::at::write_at;
use super::file::{FileKind, kind};
use super::{Watch, write};
#[cfg(feature = "deflate")]
use crate::codec::Crc32;
use crate::error::Result;
use crate::format::{Encode, Piece};
use crate::threads::Threads;
use std::fs::File;
use std::io::{ErrorKind, IoSlice, Seek as _, SeekFrom, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// From this many bytes on making room first is quicker than to have the file grow.
pub(super) const ROOM: u64 = 1 << 20;
/// Bytes to write at a time, where they are there: with more, Ctrl-C would be heard late on a slow disk.
const WRITE: usize = 16 << 20;
/// Pieces up to this size wait for others to go with.
const SMALL: usize = 1 << 16;
/// From this many bytes on a thread that writes gains more than its start costs.
pub(super) const PARALLEL: u64 = 8 << 20;

/// Writes all pieces of a machine to a file that is empty; `watch` counts them. Where pieces are made for the
/// purpose, and are many, a second thread makes and writes half of them.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io), where the disk has no room for all of it before anything is written; and whatever
/// the machine or `watch` return.
pub fn write_file<'a>(
    encoder: &mut dyn Encode<'a>,
    file: &File,
    threads: Threads,
    watch: Watch<'_>,
) -> Result<()> {
    if kind(&file.metadata()?)? == FileKind::Stream {
        // Whoever reads it may be slow: Ctrl-C is heard after each piece.
        return write(encoder, file, watch);
    }
    // What is compressed has no size yet, and threads of its own.
    let total = encoder.total().unwrap_or(0);
    if total >= ROOM {
        make_room(file, 0, total)?;
    }
    let (mut batch, mut moved) = (Batch::new(file), 0);
    while let Some(piece) = encoder.next()? {
        let is_made = matches!(piece, Piece::Owned(_)) && piece.len() > SMALL;
        let beside = cfg!(unix) && threads.get() > 1;
        if is_made && beside && total.saturating_sub(moved) >= PARALLEL {
            batch.write()?;
            write_beside(file, Some(piece), encoder, &mut moved, &|_, _| (), watch)?;
            continue;
        }
        moved += piece.len() as u64;
        batch.push(piece);
        // What was made is written at once, so that its memory can be made use of again.
        if is_made || batch.size >= WRITE {
            batch.write()?;
            watch(moved)?;
        }
    }
    batch.write()?;
    watch(moved)
}

/// Writes all pieces of a machine into a file from `start` on, by this thread and another; gives how many bytes that were, and their
/// CRC-32.
///
/// # Errors
/// As [`write_file`].
#[cfg(feature = "deflate")]
pub(super) fn write_summed<'a>(
    encoder: &mut dyn Encode<'a>,
    file: &File,
    start: u64,
    watch: Watch<'_>,
) -> Result<(u64, u32)> {
    let sums = Mutex::new(Vec::new());
    let look = |piece: &[u8], place: u64| {
        let sum = Crc32::of(piece);
        sums.lock().unwrap_or_else(PoisonError::into_inner).push((place, piece.len() as u64, sum));
    };
    let mut end = start;
    write_beside(file, None, encoder, &mut end, &look, &mut |at| watch(at - start))?;
    let mut sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.sort_unstable();
    let join = |first, (_, len, next)| Crc32::joined(first, next, len);
    Ok((end - start, sums.into_iter().fold(Crc32::of(&[]), join)))
}

/// Writes end at multiples of so many bytes of the file, as many as a piece has: the system keeps what comes so in large pages, which a
/// map of it has sooner.
const ALIGN: u64 = 1 << 21;

/// Makes and writes `first` and all pieces that follow on this thread and another, each those that it has made itself: they
/// are in its cache, also for `look`, which is shown each, and its place, before. Where no other thread is to be had, this one does
/// all.
fn write_beside<'a>(
    file: &File,
    first: Option<Piece<'a>>,
    encoder: &mut dyn Encode<'a>,
    moved: &mut u64,
    look: &(dyn Fn(&[u8], u64) + Sync),
    watch: Watch<'_>,
) -> Result<()> {
    let source = Mutex::new(Source { encoder, first, place: *moved, ended: false });
    let source = || source.lock().unwrap_or_else(PoisonError::into_inner);
    let written = AtomicU64::new(*moved);
    let step = || -> Result<bool> {
        let (pieces, start) = source().take()?;
        let mut place = start;
        for piece in &pieces {
            look(piece, place);
            place += piece.len() as u64;
        }
        write_all_at(file, &pieces, start)?;
        written.fetch_add(place - start, Ordering::Relaxed);
        Ok(!pieces.is_empty())
    };
    // Whoever fails ends the other's work as well.
    let ended = |done: Result<()>| done.inspect_err(|_| source().ended = true);
    let done = thread::scope(|scope| {
        let other = thread::Builder::new().spawn_scoped(scope, || {
            ended((|| {
                while step()? {}
                Ok(())
            })())
        });
        let own = ended((|| {
            while step()? {
                watch(written.load(Ordering::Relaxed))?;
            }
            Ok(())
        })());
        let others = other.map_or(Ok(()), |other| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        own.and(others)
    });
    *moved = source().place;
    done?;
    (&*file).seek(SeekFrom::Start(*moved))?;
    Ok(())
}

/// Where pieces come from, and where in the file the next one goes.
struct Source<'e, 'a> {
    encoder: &'e mut dyn Encode<'a>,
    /// What is left of the last one.
    first: Option<Piece<'a>>,
    place: u64,
    ended: bool,
}

impl<'a> Source<'_, 'a> {
    /// The pieces up to a multiple of [`ALIGN`], and the place of the first; none at the end.
    fn take(&mut self) -> Result<(Vec<Piece<'a>>, u64)> {
        let (mut pieces, start) = (Vec::new(), self.place);
        while !self.ended {
            let piece = match self.first.take() {
                None => self.encoder.next()?,
                first => first,
            };
            let Some(piece) = piece else {
                self.ended = true;
                break;
            };
            let end = self.place + piece.len() as u64;
            let edge = end - end % ALIGN;
            if edge <= self.place {
                self.place = end;
                pieces.push(piece);
                continue;
            }
            let len = usize::try_from(edge - self.place).unwrap_or(usize::MAX);
            let (front, rest) = split(piece, len);
            (self.place, self.first) = (edge, Some(rest).filter(|rest| !rest.is_empty()));
            pieces.push(front);
            break;
        }
        Ok((pieces, start))
    }
}

/// A piece in two, of which the first has `len` bytes, or all.
fn split(piece: Piece<'_>, len: usize) -> (Piece<'_>, Piece<'_>) {
    let len = len.min(piece.len());
    match piece {
        Piece::Run(bytes) => {
            let (front, rest) = bytes.split_at(len);
            (Piece::Run(front), Piece::Run(rest))
        }
        Piece::Owned(mut bytes) => {
            let front = bytes.split_to(len);
            (Piece::Owned(front), Piece::Owned(bytes))
        }
    }
}

/// Pieces that are written together.
struct Batch<'f, 'a> {
    file: &'f File,
    pieces: Vec<Piece<'a>>,
    size: usize,
}

impl<'f, 'a> Batch<'f, 'a> {
    fn new(file: &'f File) -> Self {
        Self { file, pieces: Vec::new(), size: 0 }
    }

    fn push(&mut self, piece: Piece<'a>) {
        self.size += piece.len();
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
    }

    fn write(&mut self) -> Result<()> {
        let mut slices: Vec<_> = self.pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            match self.file.write_vectored(rest) {
                Ok(0) => return Err(std::io::Error::from(ErrorKind::WriteZero).into()),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.pieces.clear();
        self.size = 0;
        Ok(())
    }
}

/// Writes all of these pieces there, one behind the other.
#[cfg(target_os = "linux")]
fn write_all_at(file: &File, pieces: &[Piece<'_>], mut place: u64) -> Result<()> {
    let mut slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = slices.as_mut_slice();
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match rustix::io::pwritev(file, rest, place) {
            Ok(0) => return Err(std::io::Error::from(ErrorKind::WriteZero).into()),
            Ok(n) => {
                place += n as u64;
                IoSlice::advance_slices(&mut rest, n);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(std::io::Error::from(errno).into()),
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn write_all_at(file: &File, pieces: &[Piece<'_>], mut place: u64) -> Result<()> {
    for piece in pieces {
        write_at(file, piece, place)?;
        place += piece.len() as u64;
    }
    Ok(())
}

/// Takes room on the disk for so many bytes from `start` on, where the file system knows how to; the file is as long as before.
#[cfg(target_os = "linux")]
pub(super) fn make_room(file: &File, start: u64, len: u64) -> Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, start, len) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
            Err(std::io::Error::from(errno).into())
        }
        // Whatever else it is, it is for writing to find.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn make_room(_: &File, _: u64, _: u64) -> Result<()> {
    Ok(())
}
