//! A name for an array that is the same whatever it is stored in: the BLAKE3 of its canonical form.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod form;
#[cfg(test)]
mod tests;
mod tree;

use crate::array::{ArrayRef, Order, nbytes};
use crate::dtype::DType;
use crate::error::{Error, Result, quoted};
use crate::kernel::{GapPlan, Items, SHORT_RUNS, Stores, SwapPlan};
use crate::threads::Threads;
use form::{Form, lead};
use std::fmt;
use std::str::FromStr;
use tree::of_run;

/// Bytes made at a time, where they are not hashed where they lie: a part of a level-2 cache.
const STEP: usize = 1 << 17;
/// The same, at most, where much must be made at once for memory to be read once.
const LONGEST_STEP: usize = 1 << 24;

/// The name of an array: equal for equal arrays, in any container, order, byte order or codec.
///
/// ```
/// use ndbytes::{ArrayRef, Digest, digest};
/// let values = [1.0f32, 2.0, 3.0, 4.0];
/// let array = ArrayRef::from_slice(&values, &[2, 2])?;
/// let name = digest(&array)?;
/// assert_eq!(name.to_string().parse::<Digest>()?, name);
/// assert_ne!(digest(&array.transposed())?, name);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; Self::LEN]);

impl Digest {
    /// Bytes of a digest.
    pub const LEN: usize = 32;

    /// The bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl From<[u8; Self::LEN]> for Digest {
    fn from(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    /// 64 hexadecimal digits in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = Error;

    /// Reads 64 hexadecimal digits, of either case.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let found = quoted(text);
            Error::argument(format!(
                "a digest has {} hexadecimal digits, found {found}",
                2 * Self::LEN
            ))
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; Self::LEN];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(wrong());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit =
                |digit: &u8| char::from(*digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
            let (high, low) = digit(high).zip(digit(low)).ok_or_else(wrong)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

/// The digest of an array, whose layout and byte order do not show in it.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub fn digest(array: &ArrayRef<'_>) -> Result<Digest> {
    digest_with(array, Threads::ONE, &mut |_| Ok(()))
}

/// The same, by so many threads where the items lie in memory as they are hashed; `told` gets the bytes that were taken
/// in so far, and can end it.
///
/// # Errors
/// As [`digest`], and whatever `told` returns.
pub fn digest_with(
    array: &ArrayRef<'_>,
    threads: Threads,
    told: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Digest> {
    let Form { named, endian, .. } = Form::of(array.dtype())?;
    let items = Items::new(array, Order::C, endian)?.with_gaps_zeroed(&named);
    let lead = lead(&named, array.shape());
    if let Some(run) = items.run() {
        return of_run(lead.as_bytes(), run, threads, told);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(lead.as_bytes());
    let (mut space, mut done) = (Vec::new(), 0);
    for part in items.parts(items.grain(SHORT_RUNS).min(LONGEST_STEP)) {
        let size = items.size_of(&part);
        space
            .try_reserve_exact(size.saturating_sub(space.len()))
            .map_err(|_| Error::memory(size as u64))?;
        space.resize(size, 0);
        items.write(&part, &mut space, Stores::Cached, &mut ())?;
        hasher.update(&space);
        done += size as u64;
        told(done)?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Makes a digest of items as they come.
///
/// ```
/// use ndbytes::{ArrayRef, Digester, digest};
/// let values = [258u16, 3];
/// // The items in C order, in the dtype's own byte order, cut anywhere.
/// let mut digester = Digester::new(&">u2".parse()?, &[2])?;
/// digester.update(&[1, 2, 0])?;
/// digester.update(&[3])?;
/// assert_eq!(digester.finish()?, digest(&ArrayRef::from_slice(&values, &[2])?)?);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Digester {
    hasher: blake3::Hasher,
    swap: SwapPlan,
    gaps: GapPlan,
    /// Items that are still to be made canonical, and how many bytes of them at a time.
    held: Vec<u8>,
    step: usize,
    /// Bytes to come.
    left: u64,
}

impl Digester {
    /// For an array of this dtype and shape.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for an array that is too large to be one.
    pub fn new(dtype: &DType, shape: &[usize]) -> Result<Self> {
        let left = nbytes(shape, dtype.itemsize())? as u64;
        let Form { named, swap, .. } = Form::of(dtype)?;
        let itemsize = dtype.itemsize().max(1);
        let step = itemsize.max(STEP / itemsize * itemsize);
        let mut hasher = blake3::Hasher::new();
        hasher.update(lead(&named, shape).as_bytes());
        Ok(Self { hasher, swap, gaps: GapPlan::new(&named), held: Vec::new(), step, left })
    }

    /// Takes in the next bytes of the items in C order, in the dtype's own byte order.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for more bytes than the array has; [`Memory`](crate::ErrorKind::Memory).
    pub fn update(&mut self, mut bytes: &[u8]) -> Result<()> {
        let more = || Error::argument("more bytes than the array has");
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(more)?;
        if self.swap.is_empty() && self.gaps.is_empty() {
            self.hasher.update(bytes);
            return Ok(());
        }
        while !bytes.is_empty() {
            let room = self.step.saturating_sub(self.held.len());
            let (now, after) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.held.try_reserve(now.len()).map_err(|_| Error::memory(now.len() as u64))?;
            self.held.extend_from_slice(now);
            if self.held.len() == self.step {
                self.flush();
            }
            bytes = after;
        }
        Ok(())
    }

    /// The digest of all items.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) before all of them have come.
    pub fn finish(mut self) -> Result<Digest> {
        if self.left > 0 {
            return Err(Error::argument(format!("{} bytes of the array have not come", self.left)));
        }
        self.flush();
        Ok(Digest(*self.hasher.finalize().as_bytes()))
    }

    /// Takes in whole items that were held back.
    fn flush(&mut self) {
        self.swap.apply(&mut self.held);
        self.gaps.apply(&mut self.held);
        self.hasher.update(&self.held);
        self.held.clear();
    }
}
