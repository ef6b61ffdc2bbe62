//! Writing to any `Write`.

use super::{Watch, unwatched};
use crate::array::ArrayRef;
use crate::error::{Error, Result};
use crate::format::Encode;
use crate::format::npy::{EncodeOptions, Encoder};
use crate::kernel::{Copying, zeroed};
use std::io::Write;

/// The array as checked `.npy` bytes, which NumPy reads too.
///
/// # Errors
/// As [`Encoder::new`]; [`Memory`](crate::ErrorKind::Memory).
pub fn to_vec(array: &ArrayRef<'_>) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(array, &EncodeOptions::checked())?;
    let size = usize::try_from(encoder.most()).map_err(|_| Error::overflow("the file's size"))?;
    let mut bytes = zeroed(size)?;
    encoder.write_into(&mut bytes, Copying::default(), &mut unwatched)?;
    Ok(bytes)
}

/// Writes the array as checked `.npy`, which NumPy reads too.
///
/// # Errors
/// As [`Encoder::new`]; [`Io`](crate::ErrorKind::Io) from the writer.
pub fn to_writer(array: &ArrayRef<'_>, writer: impl Write) -> Result<()> {
    write(&mut Encoder::new(array, &EncodeOptions::checked())?, writer, &mut unwatched)
}

/// Writes all pieces of a machine, and flushes.
///
/// # Errors
/// [`Io`](crate::ErrorKind::Io) from the writer, and whatever the machine or `watch` return.
pub fn write<'a>(
    encoder: &mut dyn Encode<'a>,
    mut writer: impl Write,
    watch: Watch<'_>,
) -> Result<()> {
    pieces(encoder, &mut writer, watch)?;
    Ok(writer.flush()?)
}

/// Writes all pieces of a machine, and leaves flushing to the caller: a compressor's flush costs bytes.
///
/// # Errors
/// As [`write()`].
pub fn pieces<'a>(
    encoder: &mut dyn Encode<'a>,
    writer: &mut impl Write,
    watch: Watch<'_>,
) -> Result<()> {
    let mut written = 0;
    while let Some(piece) = encoder.next()? {
        writer.write_all(&piece)?;
        written += piece.len() as u64;
        watch(written)?;
    }
    Ok(())
}
