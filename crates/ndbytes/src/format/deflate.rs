//! Arrays out of zlib and gzip streams without a header: the caller declares what they are.

use super::raw::Raw;
use crate::array::Array;
use crate::buffer::BufferMut;
use crate::codec::{BLOCK, Container, Pull, decompress, too_long};
use crate::dtype::Dim;
use crate::error::{Error, Result};
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
        return raw.array(decompress(container, bytes, limits.array)?.into());
    }
    let (_, size) = raw.whole()?;
    if size > limits.array {
        return Err(Error::limit("array", size, limits.array));
    }
    let mut pull = Pull::new(container, bytes);
    let mut data = BufferMut::new(size)?;
    let (mut done, capacity) = (0, data.capacity());
    while done < capacity {
        let end = capacity.min(done.saturating_add(BLOCK));
        match pull.read(data.space(done, end)?)? {
            0 => break,
            n => done += n,
        }
    }
    if done == capacity && pull.read(&mut [0])? > 0 {
        return Err(too_long(container, size));
    }
    // What does not fit needs no memory any more.
    raw.shape(done as u64)?;
    raw.array(data.freeze()?.into_bytes().slice(..done).into())
}
