//! Arrays out of zlib and gzip streams without a header: the caller declares what they are.

use super::raw::Raw;
use crate::array::Array;
use crate::buffer::BufferMut;
use crate::codec::{BLOCK, Container, Pull, decompress, too_long, unpack_contained};
use crate::dtype::Dim;
use crate::error::{Error, Result};
use crate::format::Dest;
use crate::limits::Limits;

/// The array that the bytes of a stream are declared to be.
///
/// A declaration without an open axis bounds what may come out; one with such an axis leaves that to `limits`.
pub(crate) fn decompress_array(
    container: Container,
    bytes: &[u8],
    raw: &Raw,
    limits: &Limits,
) -> Result<Array> {
    let dims = raw.spec.shape.as_deref().unwrap_or(&[Dim::Any]);
    if dims.contains(&Dim::Any) {
        // With nothing behind the offset only the declaration itself can be wrong.
        raw.shape(raw.offset)?;
        return raw.array(decompress(container, bytes, limits.array, &mut |_| Ok(()))?.into());
    }
    let (_, size) = raw.whole()?;
    if size > limits.array {
        return Err(Error::limit("array", size, limits.array));
    }
    let mut data = BufferMut::new(size)?;
    let done = decompress_into(container, bytes, Dest::Fill(&mut data), &mut |_| Ok(()))?;
    // What does not fit needs no memory any more.
    raw.shape(done as u64)?;
    raw.array(data.freeze()?.into_bytes().slice(..done).into())
}

/// Puts the bytes of a stream at the front of [`Dest::Into`] or [`Dest::Fill`], and says how many there are; more than
/// fit are an error. `each` is told now and then how many have come, and can end it.
pub(crate) fn decompress_into(
    container: Container,
    bytes: &[u8],
    mut dest: Dest<'_>,
    each: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<usize> {
    let capacity = match &dest {
        Dest::Into(out) => out.len(),
        Dest::Fill(buffer) => buffer.capacity(),
        _ => return Err(Error::argument("a stream's bytes go into memory of known size")),
    };
    if capacity <= AT_ONCE && capacity / DENSEST <= bytes.len() {
        let space = match &mut dest {
            Dest::Fill(buffer) => buffer.all()?,
            Dest::Into(out) => out,
            _ => &mut [],
        };
        if let Some(done) = unpack_contained(container, bytes, space) {
            each(done as u64)?;
            return Ok(done);
        }
    }
    let mut pull = Pull::new(container, bytes);
    let mut done = 0;
    while done < capacity {
        let end = capacity.min(done.saturating_add(BLOCK));
        let space = match &mut dest {
            Dest::Fill(buffer) => buffer.space(done, end)?,
            Dest::Into(out) => out.get_mut(done..end).unwrap_or_default(),
            _ => &mut [],
        };
        match pull.read(space)? {
            0 => return Ok(done),
            n => done += n,
        }
        each(done as u64)?;
    }
    match pull.read(&mut [0])? {
        0 => Ok(done),
        _ => Err(too_long(container, capacity as u64)),
    }
}

/// Bytes that are decompressed at once at most: some tenths of a second, in which nobody can end it.
const AT_ONCE: usize = 1 << 27;
/// Bytes that one of a deflate stream can become at most: two bits for 258.
const DENSEST: usize = 1032;
