//! All bytes of a machine into a file, as quickly as the page cache takes them: room is made first, writes are large, and what
//! must be made is made while what was made before is written.

use super::file::{FileKind, kind};
use super::{Watch, write};
use crate::error::Result;
use crate::format::{Encode, Piece};
use crate::threads::Threads;
use std::fs::File;
use std::io::{ErrorKind, IoSlice, Write as _};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// From this many bytes on making room first is quicker than to have the file grow.
const ROOM: u64 = 1 << 20;
/// Bytes to write at a time, where they are there: with more, Ctrl-C would be heard late on a slow disk.
const WRITE: usize = 16 << 20;
/// Pieces up to this size wait for others to go with.
const SMALL: usize = 1 << 16;
/// From this many bytes on a thread that writes gains more than its start costs.
const PARALLEL: u64 = 8 << 20;
/// Pieces that are made while as many are written.
const AHEAD: usize = 4;

/// Writes all pieces of a machine to a file that is empty; `watch` counts them. Where pieces are made for the
/// purpose, and are many, a second thread writes them.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io), where the disk has no room for all of it before anything is written; and whatever
/// the machine or `watch` return.
pub fn write_file<'a>(
    encoder: &mut dyn Encode<'a>,
    file: &File,
    mut threads: Threads,
    watch: Watch<'_>,
) -> Result<()> {
    if kind(&file.metadata()?)? == FileKind::Stream {
        // Whoever reads it may be slow: Ctrl-C is heard after each piece.
        return write(encoder, file, watch);
    }
    let total = encoder.total();
    if total >= ROOM {
        make_room(file, total)?;
    }
    let (mut batch, mut moved) = (Batch::new(file), 0);
    while let Some(piece) = encoder.next()? {
        let is_made = matches!(piece, Piece::Owned(_)) && piece.len() > SMALL;
        let mut piece = Some(piece);
        if is_made && threads.get() > 1 && total.saturating_sub(moved) >= PARALLEL {
            batch.write()?;
            write_beside(file, &mut piece, encoder, &mut moved, watch)?;
            threads = Threads::ONE;
        }
        let Some(piece) = piece else { continue };
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

/// Makes the pieces that follow `first` on this thread, and writes them all on another; where none is to be had, `first` stays.
fn write_beside<'a>(
    file: &File,
    first: &mut Option<Piece<'a>>,
    encoder: &mut dyn Encode<'a>,
    moved: &mut u64,
    watch: Watch<'_>,
) -> Result<()> {
    thread::scope(|scope| {
        let (sender, pieces) = sync_channel(AHEAD);
        let writer = thread::Builder::new().spawn_scoped(scope, move || write_all(file, &pieces));
        let Ok(writer) = writer else { return Ok(()) };
        let made = (|| {
            let mut next = first.take();
            while let Some(piece) = next {
                *moved += piece.len() as u64;
                if sender.send(piece).is_err() {
                    break; // The writer has failed, and says why.
                }
                watch(*moved)?;
                next = encoder.next()?;
            }
            Ok(())
        })();
        drop(sender);
        let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(made)
    })
}

/// Writes what comes, so many pieces at a time: the system is slower at small writes.
fn write_all(file: &File, pieces: &Receiver<Piece<'_>>) -> Result<()> {
    let mut batch = Batch::new(file);
    while let Ok(piece) = pieces.recv() {
        batch.push(piece);
        pieces.iter().take(AHEAD - 1).for_each(|piece| batch.push(piece));
        batch.write()?;
    }
    Ok(())
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

/// Takes room on the disk for so many bytes, where the file system knows how to; the file is as long as before.
#[cfg(target_os = "linux")]
fn make_room(file: &File, len: u64) -> Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, len) {
        Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
            Err(std::io::Error::from(errno).into())
        }
        // Whatever else it is, it is for writing to find.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn make_room(_: &File, _: u64) -> Result<()> {
    Ok(())
}
