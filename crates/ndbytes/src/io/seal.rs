//! Putting a checksum tail on a `.npy` file, and taking it off.

use super::file::{PATIENCE, open};
use super::read::{read, read_array};
use super::replace::{SaveOptions, replace};
use super::{Input, Watch};
use crate::codec::{BLOCK, BlockSums};
use crate::error::{Error, Result};
use crate::format::{
    ChecksumState, DecodeOptions, Decoded, Dest, Format, Header, HeaderDecoder, Metadata,
    TAIL_MAGIC, Tail,
};
use std::io::{Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

/// Puts a checksum tail behind the `.npy` file at `path`, which is replaced whole. Its header and data stay byte
/// for byte. False if it has a tail already: that one is verified and left. A tail that was left open, of a `.npy`
/// or `.ndb` file, is made anew for the data as they are.
///
/// # Errors
/// As [`load`](super::load) and [`replace`]; a damaged file is not sealed, and neither is one whose data ends with a
/// checksum tail ([`Malformed`](crate::ErrorKind::Malformed)): its header has been changed to claim it.
pub fn seal(path: impl AsRef<Path>, options: SaveOptions, watch: Watch<'_>) -> Result<bool> {
    let path = path.as_ref();
    let mut file = Whole::open(path)?;
    let in_file = |error: Error| error.in_file(path);
    let metadata = if file.is_bare() {
        file.check_bare().map_err(in_file)?;
        Metadata::default()
    } else {
        let checked = file.verified(watch).map_err(in_file)?;
        match checked.state {
            ChecksumState::Verified => return Ok(false),
            // Sealing an open file vouches for the data as it is now.
            ChecksumState::Open | ChecksumState::Unchecked => checked.metadata,
        }
    };
    replace(path, options, |out| {
        let mut sums = BlockSums::default();
        file.copy(out, watch, |part| sums.update(part)).map_err(in_file)?;
        let header = &file.header;
        let tail = Tail::new(header.sum, header.nbytes(), sums.finish(), metadata);
        Ok(out.write_all(&tail.encode(header.format)?)?)
    })?;
    Ok(true)
}

/// Takes the checksum tail off the `.npy` file at `path` after verifying it. False if it has none.
///
/// # Errors
/// As [`load`](super::load) and [`replace`]; [`Argument`](crate::ErrorKind::Argument) where the tail holds the name of
/// the dtype, which would be lost, and for a `.ndb` file, which is never without.
pub fn unseal(path: impl AsRef<Path>, options: SaveOptions, watch: Watch<'_>) -> Result<bool> {
    let path = path.as_ref();
    let mut file = Whole::open(path)?;
    let in_file = |error: Error| error.in_file(path);
    if file.header.format == Format::Frame {
        let message = "a .ndb file always has its checksums; convert it to .npy to do without";
        return Err(in_file(Error::argument(message)));
    }
    let checked = file.verified(watch).map_err(in_file)?;
    if checked.state == ChecksumState::Unchecked {
        return Ok(false);
    }
    if let Some(dtype) = checked.metadata.dtype {
        let message =
            format!("the tail holds the name of the dtype {dtype}, which would be lost with it");
        return Err(in_file(Error::argument(message)));
    }
    replace(path, options, |out| file.copy(out, watch, |_| {}).map_err(in_file))?;
    Ok(true)
}

/// A file that stays the same one from the first look to the last byte copied.
struct Whole {
    input: Input,
    header: Header,
    /// The bytes of the header.
    bytes: Vec<u8>,
}

impl Whole {
    fn open(path: &Path) -> Result<Self> {
        let mut input = open(path, PATIENCE)?;
        let in_file = |error: Error| error.in_file(path);
        if input.len().is_none() {
            let message = "a stream cannot be replaced; only files get a checksum tail";
            return Err(in_file(Error::argument(message)));
        }
        let mut machine = HeaderDecoder::new(DecodeOptions::default());
        loop {
            let n = read(&mut input, machine.space()).map_err(in_file)?;
            if let Some(header) = machine.filled(n).map_err(in_file)? {
                return Ok(Self { input, header, bytes: machine.bytes().to_vec() });
            }
        }
    }

    fn is_bare(&self) -> bool {
        self.header.format != Format::Frame && self.input.len() == Some(self.header.data_end())
    }

    /// A flipped bit in a header can make data of what was a tail.
    fn check_bare(&mut self) -> Result<()> {
        const LOOK: u64 = 2 << 20;
        let look = self.header.nbytes().min(LOOK);
        let start = self.header.data_end() - look;
        self.input.seek(SeekFrom::Start(start))?;
        let mut end = Vec::new();
        (&mut self.input).take(look).read_to_end(&mut end)?;
        let Some(at) = end.windows(TAIL_MAGIC.len()).position(|window| window == TAIL_MAGIC) else {
            return Ok(());
        };
        Err(Error::malformed(
            "the data has a checksum tail in it: the header claims bytes that are not the array's; restore the file",
        )
        .at(start + at as u64))
    }

    fn verified(&mut self, watch: Watch<'_>) -> Result<Decoded> {
        self.input.seek(SeekFrom::Start(0))?;
        let options =
            DecodeOptions { input_len: self.input.len(), whole: true, ..Default::default() };
        read_array(&mut self.input, options, |_| Ok(Dest::Discard), watch)
    }

    /// Writes header and data; `each` sees the data.
    fn copy(
        &mut self,
        out: &mut impl Write,
        watch: Watch<'_>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.input.seek(SeekFrom::Start(self.header.len))?;
        out.write_all(&self.bytes)?;
        let size = self.header.nbytes();
        let mut scratch = vec![0; BLOCK];
        let mut done = 0u64;
        while done < size {
            let want = usize::try_from(size - done).unwrap_or(BLOCK).min(BLOCK);
            let n = read(&mut self.input, scratch.get_mut(..want).unwrap_or_default())?;
            if n == 0 {
                let message = format!("the data needs {size} bytes, the input has {done}");
                return Err(Error::truncated(message).at(self.header.len + done));
            }
            let part = scratch.get(..n).unwrap_or_default();
            each(part);
            out.write_all(part)?;
            done += n as u64;
            watch(done)?;
        }
        Ok(())
    }
}
