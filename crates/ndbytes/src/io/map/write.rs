//! Changes through a map: the tail is marked open before them and sealed behind them.

use super::contents::{Contents, FileTail, Form};
use super::{Map, Mode};
use crate::codec::BlockSums;
use crate::error::{Error, Result};
use crate::format::Tail;
use crate::io::at::write_at;
use crate::io::{Watch, unwatched};

impl Map {
    /// The data, for writing. With [`Mode::ReadWrite`] a tail is marked open first, and that is on the disk before
    /// this returns. A disk that is full when a hole of the file is written to ends the process (SIGBUS); files
    /// that [`Map::create`] made have none where the file system can promise that.
    ///
    /// # Errors
    /// As [`Map::bytes`]; [`Argument`](crate::ErrorKind::Argument) for [`Mode::Read`].
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        match self.mode {
            Mode::Read => {
                let message =
                    "mapped for reading; open it with Mode::ReadWrite or Mode::CopyOnWrite";
                return Err(self.named(Error::argument(message)));
            }
            Mode::CopyOnWrite => self.check_size(self.contents.data.end)?,
            Mode::ReadWrite => {
                self.check_size(self.contents.end())?;
                if !self.marked {
                    self.mark(true)?;
                }
                self.changed = true;
            }
        }
        Ok(self.pages.writable().unwrap_or_default())
    }

    /// Puts what was changed through this map on the disk, and seals the tail for the data as they are now; nothing
    /// where nothing was changed, or where changes are private. Summing reads all of the data.
    ///
    /// At no moment does the file hold a tail that is neither the old one, nor open, nor the new one.
    ///
    /// # Errors
    /// As [`Map::bytes`]; after an error the tail is still open.
    pub fn flush(&mut self) -> Result<()> {
        self.flush_watched(&mut unwatched)
    }

    /// The same; `watch` counts the bytes summed, and can end it.
    ///
    /// # Errors
    /// As there, and whatever `watch` returns.
    pub fn flush_watched(&mut self, watch: Watch<'_>) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.check_size(self.contents.end())?;
        self.pages.flush().map_err(|error| self.named(error))?;
        self.seal(watch)?;
        self.changed = false;
        Ok(())
    }

    /// As [`Map::flush`], and lets go of the file.
    ///
    /// # Errors
    /// As there.
    pub fn close(mut self) -> Result<()> {
        self.flush()
    }

    fn seal(&mut self, watch: Watch<'_>) -> Result<()> {
        if self.contents.tail().is_none() {
            return Ok(());
        }
        let (mut sums, mut seen) = (BlockSums::default(), 0);
        Contents::pieces(&self.file, self.contents.data.clone(), |part| {
            sums.update(part);
            seen += part.len() as u64;
            watch(seen)
        })
        .map_err(|error| self.named(error))?;
        self.write_sums(sums.finish()).map_err(|error| self.named(error))?;
        self.mark(false)
    }

    /// Writes the sums into the open tail, and waits for the disk.
    fn write_sums(&mut self, sums: Vec<u32>) -> Result<()> {
        let Form::Described { tail: Some(found), .. } = &mut self.contents.form else {
            return Ok(());
        };
        let FileTail { tail, bytes } = &mut **found;
        tail.sums = sums;
        let part = tail.encode_sums();
        let start = bytes.len().saturating_sub(part.len());
        if let Some(place) = bytes.get_mut(start..) {
            place.copy_from_slice(&part);
        }
        write_at(&self.file, &part, self.contents.data.end + start as u64)?;
        Ok(self.file.sync_data()?)
    }

    /// Marks the tail open or sealed, and waits for the disk.
    fn mark(&mut self, open: bool) -> Result<()> {
        let Form::Described { header, tail: Some(tail), .. } = &mut self.contents.form else {
            return Ok(());
        };
        self.marked = false; // Whatever an error leaves there.
        let range = Tail::mark(&mut tail.bytes, header.format, open).unwrap_or_default();
        let at = self.contents.data.end + range.start as u64;
        let marked = write_at(&self.file, tail.bytes.get(range).unwrap_or_default(), at)
            .and_then(|()| self.file.sync_data());
        match marked {
            Ok(()) => (tail.tail.open, self.marked) = (open, open),
            Err(error) => return Err(self.named(error.into())),
        }
        Ok(())
    }
}
