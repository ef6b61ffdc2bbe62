//! Comparing a mapped file with its sums. The file itself is read, not the map: it may be cut meanwhile.

use super::contents::{Contents, How};
use super::{Map, TailState};
use crate::codec::{BLOCK, Crc32c};
use crate::error::{Error, Result};
use crate::format::{Checks, ChecksumState, DecodeOptions, Dest};
use crate::io::at::At;
use crate::io::{Watch, read_array};

impl Map {
    /// Compares header, data and tail of the file as it is now; `watch` counts the bytes read. A file without a tail
    /// is `Unchecked`, one that is being changed `Open`. Memory for 1 MiB of data is enough.
    ///
    /// # Errors
    /// As [`load`](crate::io::load), with the first damaged block, and whatever `watch` returns.
    pub fn verify(&self, watch: Watch<'_>) -> Result<ChecksumState> {
        let How::Described(options) = self.how_now() else { return Ok(ChecksumState::Unchecked) };
        let input_len = Some(self.file.metadata().map_err(|error| self.named(error.into()))?.len());
        let options = DecodeOptions { input_len, whole: true, ..options };
        let decoded = read_array(At::new(&self.file, 0), options, |_| Ok(Dest::Discard), watch);
        let state = decoded.map_err(|error| self.named(error))?.state;
        match state {
            ChecksumState::Unchecked if self.tail_state() != TailState::None => Err(self.no_tail()),
            _ => Ok(state),
        }
    }

    /// Compares one block of 1 MiB; see [`Map::blocks`].
    ///
    /// # Errors
    /// As [`Map::verify`]; [`Argument`](crate::ErrorKind::Argument) where there is no such block.
    pub fn verify_block(&self, index: u64) -> Result<ChecksumState> {
        self.block(index).map_err(|error| self.named(error))
    }

    fn block(&self, index: u64) -> Result<ChecksumState> {
        let blocks = self.blocks();
        let block = usize::try_from(index).ok().filter(|_| index < blocks);
        let block = block
            .ok_or_else(|| Error::argument(format!("block {index} of an array of {blocks}")))?;
        let Some((header, tail)) = self.contents.tail() else {
            return Ok(ChecksumState::Unchecked);
        };
        let data = &self.contents.data;
        let start = data.start + index * BLOCK as u64;
        let mut sum = Crc32c::default();
        Contents::pieces(&self.file, start..data.end.min(start + BLOCK as u64), |part| {
            sum.update(part);
            Ok(())
        })?;
        if !tail.tail.open && tail.tail.verify_block(header, block, sum.value()).is_ok() {
            return Ok(ChecksumState::Verified);
        }
        // Another writer may have opened the file, or sealed it anew, since its tail was read.
        let now = Contents::read(&self.file, &self.how_now())?;
        let Some((header, tail)) = now.tail() else { return Err(self.no_tail()) };
        if tail.tail.open {
            return Ok(ChecksumState::Open);
        }
        tail.tail.verify_block(header, block, sum.value())?;
        Ok(ChecksumState::Verified)
    }

    /// How many blocks of 1 MiB the data make; the last one may be short.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.contents.blocks()
    }

    /// How the file is to be read now, while a tail may be open.
    fn how_now(&self) -> How {
        let mut how = self.how.clone();
        if let How::Described(options) = &mut how
            && options.checks == Checks::Required
        {
            options.checks = Checks::Optional;
        }
        how
    }

    fn no_tail(&self) -> Error {
        let message = "the checksum tail has been cut off since the file was mapped";
        self.named(Error::truncated(message).at(self.contents.data.end))
    }
}
