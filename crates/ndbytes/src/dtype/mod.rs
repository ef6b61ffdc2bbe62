//! What an item is: NumPy's dtypes without objects, and the extension floats of ml_dtypes.
//!
//! There is no object dtype at any depth, so no input can ask for a pointer.

mod alias;
mod literal;
mod numpy;
mod record;
mod scalar;
mod spec;
mod time;
mod typestr;

pub use record::{Field, Record};
pub use scalar::Scalar;
pub use spec::{Dim, Spec};
pub use time::{TimeKind, TimeUnit, Unit};

pub(crate) use literal::{Mode, Parser};
pub(crate) use numpy::tuple;

use crate::error::{Error, Result};
use crate::limits::MAX_DEPTH;
use std::sync::Arc;

/// The order of the bytes in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endian {
    /// Least significant byte first, `<`.
    Little,
    /// Most significant byte first, `>`.
    Big,
}

impl Endian {
    /// This machine's own.
    pub const NATIVE: Self = if cfg!(target_endian = "big") { Self::Big } else { Self::Little };

    const fn sign(self) -> char {
        match self {
            Self::Little => '<',
            Self::Big => '>',
        }
    }
}

/// The type of one item, byte order included.
///
/// Make one by the constructors: they check sizes and keep one spelling for one meaning (single bytes are always
/// [`Endian::Little`]), so that equal dtypes compare equal.
///
/// ```
/// use ndbytes::{DType, Limits};
/// let dtype = DType::from_descr("[('t', '<u8'), ('img', '<u2', (4,))]", &Limits::local())?;
/// assert_eq!(dtype.itemsize(), 16);
/// assert_eq!(dtype.to_string(), "{t:<u8,img:<u2[4]}");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// A number.
    Scalar(Scalar, Endian),
    /// `datetime64` or `timedelta64`: an `int64` with a unit.
    Time(TimeKind, TimeUnit, Endian),
    /// `S`: so many bytes, padded with NUL.
    Bytes(u32),
    /// `U`: so many code points of four bytes, padded with NUL.
    Text(u32, Endian),
    /// `V`: so many bytes without meaning.
    Void(u32),
    /// Named fields.
    Record(Arc<Record>),
    /// An item that is itself an array of this dtype and shape, in C order; only inside a record.
    Sub(Arc<(Self, Vec<usize>)>),
}

/// NumPy keeps an itemsize in a C `int`.
const MAX_ITEMSIZE: u64 = i32::MAX as u64;

fn check_itemsize(bytes: u64) -> Result<usize> {
    match usize::try_from(bytes) {
        Ok(size) if bytes <= MAX_ITEMSIZE => Ok(size),
        _ => Err(Error::limit("itemsize", bytes, MAX_ITEMSIZE)),
    }
}

/// Recursion over a dtype is bounded because no deeper one is ever made.
fn check_depth(depth: usize) -> Result<()> {
    if depth <= MAX_DEPTH {
        return Ok(());
    }
    Err(Error::limit("dtype depth", depth as u64, MAX_DEPTH as u64))
}

impl DType {
    /// A number of this byte order.
    #[must_use]
    pub fn scalar(scalar: Scalar, endian: Endian) -> Self {
        Self::Scalar(scalar, if scalar.unit() == 1 { Endian::Little } else { endian })
    }

    /// A number in this machine's byte order.
    #[must_use]
    pub fn native(scalar: Scalar) -> Self {
        Self::scalar(scalar, Endian::NATIVE)
    }

    /// A datetime64 or timedelta64.
    #[must_use]
    pub fn time(kind: TimeKind, unit: TimeUnit, endian: Endian) -> Self {
        Self::Time(kind, unit, endian)
    }

    /// `S` of `len` bytes.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) over 2³¹ − 1 bytes, here and in the other constructors.
    pub fn bytes(len: u32) -> Result<Self> {
        check_itemsize(u64::from(len))?;
        Ok(Self::Bytes(len))
    }

    /// `U` of `len` code points, four bytes each.
    ///
    /// # Errors
    /// As [`DType::bytes`].
    pub fn text(len: u32, endian: Endian) -> Result<Self> {
        check_itemsize(u64::from(len) * 4)?;
        Ok(Self::Text(len, endian))
    }

    /// `V` of `len` bytes.
    ///
    /// # Errors
    /// As [`DType::bytes`].
    pub fn void(len: u32) -> Result<Self> {
        check_itemsize(u64::from(len))?;
        Ok(Self::Void(len))
    }

    /// A structured dtype.
    #[must_use]
    pub fn record(record: Record) -> Self {
        Self::Record(Arc::new(record))
    }

    /// An item that is an array of `base` items in C order; without axes it is `base` itself. Items without size
    /// make none, as in NumPy.
    ///
    /// # Errors
    /// As [`DType::bytes`], and for more than 16 levels; [`Argument`](crate::ErrorKind::Argument) for more than 64
    /// axes.
    pub fn subarray(base: Self, shape: &[usize]) -> Result<Self> {
        if shape.is_empty() {
            return Ok(base);
        }
        if shape.len() > crate::limits::MAX_NDIM {
            return Err(Error::argument(format!("{} axes; at most 64 are allowed", shape.len())));
        }
        if base.itemsize() == 0 {
            return Err(Error::argument(format!("a subarray of items without size: {base}")));
        }
        // Lengths of 0 aside, so that no order of multiplying overflows later.
        let mut lengths = shape.iter().filter(|&&len| len != 0);
        let size = lengths.try_fold(base.itemsize() as u64, |n, &len| n.checked_mul(len as u64));
        check_itemsize(size.unwrap_or(u64::MAX))?;
        check_depth(base.depth())?;
        Ok(Self::Sub(Arc::new((base, shape.to_vec()))))
    }

    /// Bytes of one item.
    #[must_use]
    pub fn itemsize(&self) -> usize {
        match self {
            Self::Scalar(scalar, _) => scalar.itemsize(),
            Self::Time(..) => 8,
            Self::Bytes(len) | Self::Void(len) => *len as usize,
            Self::Text(len, _) => *len as usize * 4,
            Self::Record(record) => record.itemsize(),
            Self::Sub(sub) => sub.0.itemsize() * sub.1.iter().product::<usize>(),
        }
    }

    /// Levels of brackets in its `descr`: records, and subarrays that are not the field itself.
    fn depth(&self) -> usize {
        match self {
            Self::Record(record) => record.depth(),
            Self::Sub(sub) => 1 + sub.0.depth(),
            _ => 0,
        }
    }

    /// The same dtype with every number in this byte order, fields included.
    #[must_use]
    pub fn with_endian(&self, endian: Endian) -> Self {
        match self {
            Self::Scalar(scalar, _) => Self::scalar(*scalar, endian),
            Self::Time(kind, unit, _) => Self::Time(*kind, *unit, endian),
            Self::Text(len, _) => Self::Text(*len, endian),
            Self::Bytes(_) | Self::Void(_) => self.clone(),
            Self::Record(record) => Self::record(record.map(&|dtype| dtype.with_endian(endian))),
            Self::Sub(sub) => Self::Sub(Arc::new((sub.0.with_endian(endian), sub.1.clone()))),
        }
    }

    /// The dtype that a `.npy` header can spell: extension floats as `V` of their size, the rest as it is.
    #[must_use]
    pub fn storage(&self) -> Self {
        match self {
            Self::Scalar(scalar, _) if scalar.is_extension() => {
                Self::Void(if scalar.itemsize() == 1 { 1 } else { 2 })
            }
            Self::Record(record) => Self::record(record.map(&Self::storage)),
            Self::Sub(sub) => Self::Sub(Arc::new((sub.0.storage(), sub.1.clone()))),
            _ => self.clone(),
        }
    }

    /// Whether some part of it is a float that NumPy's header cannot spell.
    #[must_use]
    pub fn has_extension(&self) -> bool {
        match self {
            Self::Scalar(scalar, _) => scalar.is_extension(),
            Self::Record(record) => record.fields().iter().any(|field| field.dtype.has_extension()),
            Self::Sub(sub) => sub.0.has_extension(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_normal_forms() {
        let f8 = DType::scalar(Scalar::Float64, Endian::Big);
        let sub = DType::subarray(f8.clone(), &[2, 3]).unwrap();
        assert_eq!(sub.itemsize(), 48);
        assert_eq!(DType::subarray(f8.clone(), &[]).unwrap(), f8);
        assert!(DType::subarray(f8, &[0, 1 << 20, 1 << 20]).is_err());
        let empty = DType::void(0).unwrap();
        assert_eq!(
            DType::subarray(empty, &[1 << 40, 1 << 40]).unwrap_err().message(),
            "a subarray of items without size: |V0"
        );
        assert_eq!(
            DType::scalar(Scalar::Int8, Endian::Big),
            DType::scalar(Scalar::Int8, Endian::Little)
        );
        assert!(matches!(DType::subarray(sub, &[1 << 30]), Err(e) if e.to_string()
            == "itemsize is 51539607552, at most 2147483647 are allowed"));
    }
}
