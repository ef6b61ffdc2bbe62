//! The digest of what is read, in little memory where its items come in C order.

use super::Watch;
use crate::digest::{Digest, Digester, digest_with};
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::{Decoded, Dest, Header};
use crate::threads::Threads;
use std::sync::{Mutex, PoisonError};

/// Says where the data go, once there is a header.
pub type Choose<'c, 'd> = &'c mut dyn FnMut(&Header) -> Result<Dest<'d>>;

/// The digest of the array that `read` reads, and all else that was read: no digest of what is damaged, for it is `read`
/// that finds that. Its items are held in memory only where they are in Fortran order, or what they are is said behind
/// them.
///
/// ```
/// use ndbytes::{ArrayRef, DecodeOptions, Threads, digest, io};
/// let array = ArrayRef::from_slice(&[1u8, 2, 3], &[3])?;
/// let file = ndbytes::to_vec(&array)?;
/// let options = DecodeOptions::default();
/// let (found, _) = io::digest_read(
///     |choose, watch| io::read_whole(&*file, options, choose, watch),
///     Threads::ONE,
///     &mut io::unwatched,
/// )?;
/// assert_eq!(found, digest(&array)?);
/// # Ok::<(), ndbytes::Error>(())
/// ```
///
/// # Errors
/// Those of `read`, and as [`digest_with`].
pub fn digest_read(
    read: impl for<'d> FnOnce(Choose<'_, 'd>, Watch<'_>) -> Result<Decoded>,
    threads: Threads,
    watch: Watch<'_>,
) -> Result<(Digest, Decoded)> {
    // The sink must be there before the header that says what it takes.
    let digester: Mutex<Option<Digester>> = Mutex::new(None);
    let held = || digester.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sink = |bytes: &[u8]| held().as_mut().map_or(Ok(()), |digester| digester.update(bytes));
    let mut dest = Some(Dest::Sink(&mut sink));
    let mut choose = |header: &Header| {
        if !comes_in_order(header)? {
            return Ok(Dest::Owned);
        }
        *held() = Some(Digester::new(&header.dtype, &header.shape)?);
        dest.take().ok_or_else(|| Error::argument("an array has one header"))
    };
    let mut moved = 0;
    let decoded = read(&mut choose, &mut |bytes| {
        moved = bytes;
        watch(bytes)
    })?;
    let digest = match (held().take(), &decoded.array) {
        (Some(digester), _) => digester.finish()?,
        (None, Some(array)) => digest_with(&array.view(), threads, &mut |_| watch(moved))?,
        (None, None) => return Err(Error::argument("the array went elsewhere")),
    };
    Ok((digest, decoded))
}

/// Whether the items come in C order, and the header's dtype is the true one.
fn comes_in_order(header: &Header) -> Result<bool> {
    let in_order = header.layout()?.is_c_contiguous(header.dtype.itemsize());
    Ok(in_order && (header.format.is_frame() || !may_be_renamed(&header.dtype)))
}

/// Whether a tail may say that some of it is a float that a `.npy` header cannot spell.
fn may_be_renamed(dtype: &DType) -> bool {
    match dtype {
        DType::Void(len) => matches!(len, 1 | 2),
        DType::Record(record) => record.fields().iter().any(|field| may_be_renamed(&field.dtype)),
        DType::Sub(sub) => may_be_renamed(&sub.0),
        _ => false,
    }
}
