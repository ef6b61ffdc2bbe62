//! All bytes of a machine into a file, as quickly as the page cache takes them: room is made first, writes are large, and what
//! must be made is made while what another thread has made is written.

use super::at::write_at;
use super::file::{FileKind, kind};
use super::{Watch, write};
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
const PARALLEL: u64 = 8 << 20;

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
            write_beside(file, piece, encoder, &mut moved, watch)?;
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

/// Makes and writes `first` and all pieces that follow on this thread and another, each those that it has made itself: they
/// are in its cache. Where no other thread is to be had, this one does all.
fn write_beside<'a>(
    file: &File,
    first: Piece<'a>,
    encoder: &mut dyn Encode<'a>,
    moved: &mut u64,
    watch: Watch<'_>,
) -> Result<()> {
    let source = Mutex::new(Source { encoder, first: Some(first), place: *moved, ended: false });
    let source = || source.lock().unwrap_or_else(PoisonError::into_inner);
    let written = AtomicU64::new(*moved);
    let step = || -> Result<bool> {
        let Some((piece, place)) = source().next()? else { return Ok(false) };
        write_at(file, &piece, place)?;
        written.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Ok(true)
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
    first: Option<Piece<'a>>,
    place: u64,
    ended: bool,
}

impl<'a> Source<'_, 'a> {
    fn next(&mut self) -> Result<Option<(Piece<'a>, u64)>> {
        let piece = match self.first.take() {
            _ if self.ended => None,
            None => self.encoder.next()?,
            first => first,
        };
        let Some(piece) = piece else {
            self.ended = true;
            return Ok(None);
        };
        let place = self.place;
        self.place += piece.len() as u64;
        Ok(Some((piece, place)))
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
