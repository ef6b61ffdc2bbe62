//! Streams and their blocks to memory of known size, by an engine that is quick and does not say what is wrong.

use super::Inflater;
use super::{Container, parted};
use crate::error::{Error, Result};
use crate::kernel::inflate;
use crate::threads::Threads;

/// Inflates one block of a stream that was compressed in blocks to memory of its exact size; `last` if it is the one
/// that ends the stream. One that is not is changed, so that it does.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it holds less or more, ends the stream and is not the last, or does not
/// end it and is.
pub(crate) fn unpack_block(packed: &mut Vec<u8>, last: bool, out: &mut [u8]) -> Result<()> {
    if !last {
        if !packed.ends_with(&FLUSH) {
            return Err(Error::malformed("the deflate stream: a block does not end at a byte"));
        }
        packed.extend(END);
    }
    unpack(packed, out)
}

/// What ends a block that is not the last: the length of an empty stored block, and its complement.
pub(super) const FLUSH: [u8; 4] = [0, 0, 255, 255];
/// An empty block that ends a stream.
const END: [u8; 2] = [3, 0];

/// Inflates a whole bare stream to memory of its exact size.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it holds less or more, or bytes are left behind it.
pub(crate) fn unpack(packed: &[u8], out: &mut [u8]) -> Result<()> {
    if inflate(packed, out) == Some((packed.len(), out.len())) {
        return Ok(());
    }
    // That engine does not say what is wrong.
    unpack_slowly(packed, out)
}

/// Inflates a zlib or gzip stream to the front of `out`: how many bytes that are. None where anything is unusual or wrong:
/// [`Pull`](super::Pull) reads it, or says what it is.
pub(crate) fn unpack_contained(
    container: Container,
    stream: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    /// RFC 1952: deflate without any of the fields that a header may have.
    const PLAIN: [u8; 4] = [0x1f, 0x8b, 8, 0];
    let (header, trailer) = match container {
        Container::Zlib => (2, 4),
        Container::Gzip => (PLAIN.len() + 6, 8),
    };
    let (front, packed) = stream.split_at_checked(header)?;
    let is_usual = match container {
        Container::Zlib => {
            let front = *front.first_chunk()?;
            // With the largest window.
            front[0] == 0x78 && Container::of(front) == Some(container)
        }
        Container::Gzip => front.starts_with(&PLAIN),
    };
    let (packed, sums) = packed.split_at_checked(packed.len().checked_sub(trailer)?)?;
    if !is_usual {
        return None;
    }
    let (made, sum) = match parted::unpack(container, packed, out, Threads::default()) {
        Some(sum) => (out.len(), sum),
        None => {
            let (taken, made) = inflate(packed, out)?;
            (made, container.sum(out.get(..made).filter(|_| taken == packed.len())?))
        }
    };
    let holds = match container {
        Container::Zlib => sum.to_be_bytes()[..] == *sums,
        Container::Gzip => {
            let size = u32::try_from(made % (1 << 32)).ok()?;
            [sum.to_le_bytes(), size.to_le_bytes()].concat() == sums
        }
    };
    holds.then_some(made)
}

fn unpack_slowly(packed: &[u8], out: &mut [u8]) -> Result<()> {
    let (mut inflater, mut rest, mut len, wanted) = (Inflater::bare(), packed, 0, out.len());
    // One byte more than is wanted, to see a stream that goes on.
    let mut more = [0];
    loop {
        let space = match out.get_mut(len..) {
            Some(space) if !space.is_empty() => space,
            _ => &mut more[..],
        };
        let step = inflater.step(rest, space)?;
        rest = rest.get(step.taken..).unwrap_or_default();
        len += step.made;
        let problem = match () {
            () if len > wanted => format!("it holds more than {wanted} bytes"),
            () if step.end && len < wanted => format!("it holds {len} bytes instead of {wanted}"),
            () if step.end && !rest.is_empty() => {
                format!("{} bytes stand behind its end", rest.len())
            }
            () if step.end => return Ok(()),
            () if step.taken == 0 && step.made == 0 => "it is cut".to_owned(),
            () => continue,
        };
        return Err(Error::malformed(format!("the deflate stream: {problem}")));
    }
}
