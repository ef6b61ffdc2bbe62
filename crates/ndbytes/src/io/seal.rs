//! Putting a checksum tail on a `.npy` file, and taking it off.

use super::file::{PATIENCE, SaveOptions, load, open, replace};
use super::read::read;
use super::{Input, Watch};
use crate::codec::{BLOCK, BlockSums};
use crate::error::{Error, Result};
use crate::format::npy::{DecodeOptions, Decoded, Header, HeaderDecoder, Metadata, Tail};
use crate::format::{ChecksumState, Dest};
use std::io::Write;
use std::path::Path;

/// Puts a checksum tail behind the `.npy` file at `path`, which is replaced whole. Its header and data stay byte
/// for byte. False if it has a tail already: that one is verified and left.
///
/// # Errors
/// As [`load`] and [`replace`]; a damaged file is not sealed.
pub fn seal(path: impl AsRef<Path>, options: SaveOptions, watch: Watch<'_>) -> Result<bool> {
    let path = path.as_ref();
    let (mut input, header, bytes) = header(path)?;
    let metadata = if input.len() == Some(header.len + header.nbytes()) {
        Metadata::default()
    } else {
        let checked = verified(path, watch)?;
        match checked.state {
            ChecksumState::Verified => return Ok(false),
            // Sealing an open file vouches for the data as it is now.
            ChecksumState::Open | ChecksumState::Unchecked => checked.metadata,
        }
    };
    replace(path, options, |file| {
        file.write_all(&bytes)?;
        let mut sums = BlockSums::default();
        copy(&mut input, file, &header, &mut sums, watch).map_err(|error| error.in_file(path))?;
        file.write_all(&Tail::new(&bytes, header.nbytes(), sums.finish(), metadata).encode()?)?;
        Ok(())
    })?;
    Ok(true)
}

/// Takes the checksum tail off the `.npy` file at `path` after verifying it. False if it has none.
///
/// # Errors
/// As [`load`] and [`replace`]; [`Argument`](crate::ErrorKind::Argument) where the tail holds the name of the dtype,
/// which would be lost.
pub fn unseal(path: impl AsRef<Path>, options: SaveOptions, watch: Watch<'_>) -> Result<bool> {
    let path = path.as_ref();
    let checked = verified(path, watch)?;
    if checked.state == ChecksumState::Unchecked {
        return Ok(false);
    }
    if let Some(dtype) = checked.metadata.dtype {
        let message =
            format!("the tail holds the name of the dtype {dtype}, which would be lost with it");
        return Err(Error::argument(message).in_file(path));
    }
    let (mut input, header, bytes) = header(path)?;
    replace(path, options, |file| {
        file.write_all(&bytes)?;
        copy(&mut input, file, &header, &mut BlockSums::default(), watch)
            .map_err(|error| error.in_file(path))
    })?;
    Ok(true)
}

fn verified(path: &Path, watch: Watch<'_>) -> Result<Decoded> {
    load(path, DecodeOptions::default(), Dest::Discard, watch)
}

/// The file behind its header, the header, and the header's bytes.
fn header(path: &Path) -> Result<(Input, Header, Vec<u8>)> {
    let mut input = open(path, PATIENCE)?;
    let in_file = |error: Error| error.in_file(path);
    if input.len().is_none() {
        return Err(in_file(Error::argument(
            "a stream cannot be replaced; only files get a checksum tail",
        )));
    }
    let mut machine = HeaderDecoder::new(DecodeOptions::default());
    loop {
        let n = read(&mut input, machine.space())?;
        if let Some(header) = machine.filled(n).map_err(in_file)? {
            return Ok((input, header, machine.bytes().to_vec()));
        }
    }
}

fn copy(
    input: &mut Input,
    out: &mut impl Write,
    header: &Header,
    sums: &mut BlockSums,
    watch: Watch<'_>,
) -> Result<()> {
    let size = header.nbytes();
    let mut scratch = vec![0; BLOCK];
    let mut done = 0u64;
    while done < size {
        let want = usize::try_from(size - done).unwrap_or(BLOCK).min(BLOCK);
        let n = read(input, scratch.get_mut(..want).unwrap_or_default())?;
        if n == 0 {
            let message = format!("the data needs {size} bytes, the input has {done}");
            return Err(Error::truncated(message).at(header.len + done));
        }
        let part = scratch.get(..n).unwrap_or_default();
        sums.update(part);
        out.write_all(part)?;
        done += n as u64;
        watch(done)?;
    }
    Ok(())
}
