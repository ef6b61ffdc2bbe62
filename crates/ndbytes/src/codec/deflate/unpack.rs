//! Bare streams and their blocks, to memory of exactly their size.

use super::Inflater;
use crate::error::{Error, Result};

/// Inflates one block of a stream that was compressed in blocks to memory of its exact size; `last` if it is the one
/// that ends the stream.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it holds less or more, ends the stream and is not the last, or does not
/// end it and is.
pub(crate) fn unpack_block(packed: &[u8], last: bool, out: &mut [u8]) -> Result<()> {
    if last {
        return unpack(packed, out);
    }
    unpack(&[packed, &END].concat(), out)
}

/// An empty block that ends a stream.
const END: [u8; 2] = [3, 0];

/// Inflates a whole bare stream to memory of its exact size.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed) if it holds less or more, or bytes are left behind it.
pub(crate) fn unpack(packed: &[u8], out: &mut [u8]) -> Result<()> {
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
                format!("{} bytes are behind its end", rest.len())
            }
            () if step.end => return Ok(()),
            () if step.taken == 0 && step.made == 0 => "it is cut".to_owned(),
            () => continue,
        };
        return Err(Error::malformed(format!("the deflate stream: {problem}")));
    }
}
