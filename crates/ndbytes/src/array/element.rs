//! Typed doors for Rust callers: slices of numbers in, slices of numbers out, never a reinterpretation.

use super::{Array, ArrayRef, Layout, Order};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, Result};
use bytemuck::checked::CheckedCastError;
use bytemuck::{CheckedBitPattern, NoUninit};
use bytes::Bytes;

/// A Rust type that is the item of an array.
///
/// Implemented for `bool`, the integers and floats of NumPy, with feature `half` its `f16` and `bf16`, and `[f32; 2]` and
/// `[f64; 2]` as complex numbers (real, imaginary).
pub trait Element: NoUninit + CheckedBitPattern {
    /// The dtype's number.
    const SCALAR: Scalar;

    /// The dtype, in this machine's byte order.
    #[must_use]
    fn dtype() -> DType {
        DType::native(Self::SCALAR)
    }
}

macro_rules! elements {
    ($($type:ty => $scalar:ident),+ $(,)?) => {
        $(impl Element for $type { const SCALAR: Scalar = Scalar::$scalar; })+
    };
}

elements! {
    bool => Bool, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, u8 => UInt8, u16 => UInt16,
    u32 => UInt32, u64 => UInt64, f32 => Float32, f64 => Float64, [f32; 2] => Complex64, [f64; 2] => Complex128,
}

#[cfg(feature = "half")]
elements! { half::f16 => Float16, half::bf16 => BFloat16 }

impl<'a> ArrayRef<'a> {
    /// Sees a slice as an array of this shape, in C order.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) with both numbers if the shape does not hold exactly the slice.
    pub fn from_slice<T: Element>(values: &'a [T], shape: &[usize]) -> Result<Self> {
        let layout = Layout::contiguous(shape, size_of::<T>(), Order::C)?;
        if layout.len() != values.len() {
            let held = layout.len();
            let found = values.len();
            return Err(Error::argument(format!(
                "shape {shape:?} holds {held} items, the slice has {found}"
            )));
        }
        Self::new(T::dtype(), layout, bytemuck::cast_slice(values))
    }
}

/// A vector as its bytes.
struct Items<T>(Vec<T>);

impl<T: NoUninit> AsRef<[u8]> for Items<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

impl Array {
    /// Takes a vector as an array of this shape, in C order, without a copy.
    ///
    /// ```
    /// use ndbytes::Array;
    /// let array = Array::from_vec(vec![1u16, 2, 3, 4, 5, 6], &[2, 3])?;
    /// assert_eq!(array.dtype().to_string(), if cfg!(target_endian = "little") { "<u2" } else { ">u2" });
    /// assert_eq!(array.shape(), [2, 3]);
    /// # Ok::<(), ndbytes::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ArrayRef::from_slice`].
    pub fn from_vec<T: Element + Send>(values: Vec<T>, shape: &[usize]) -> Result<Self> {
        let layout = ArrayRef::from_slice(&values, shape)?.layout().clone();
        Self::new(T::dtype(), layout, Bytes::from_owner(Items(values)).into())
    }

    /// The items as they lie in memory, without a copy.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) unless the dtype (byte order too) is `T`'s and the items are
    /// C-contiguous and aligned; [`Malformed`](crate::ErrorKind::Malformed) for a `bool` that is neither 0 nor 1.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        self.check_element::<T>()?;
        match self.view().contiguous_bytes() {
            Some(bytes) => cast(bytes),
            None => Err(Error::mismatch("the items are not C-contiguous; into_vec copies them")),
        }
    }

    /// That the dtype is `T`'s, byte order too.
    pub(crate) fn check_element<T: Element>(&self) -> Result<()> {
        let wanted = T::dtype();
        if *self.dtype() == wanted {
            return Ok(());
        }
        let found = self.dtype();
        Err(Error::mismatch(format!(
            "expected items of {wanted}, found {found}; convert the byte order or dtype first"
        )))
    }
}

/// Sees bytes as items, after checking alignment and, for `bool`, values.
pub(crate) fn cast<T: Element>(bytes: &[u8]) -> Result<&[T]> {
    if bytes.is_empty() {
        return Ok(&[]); // Which may lie anywhere.
    }
    bytemuck::checked::try_cast_slice(bytes).map_err(|error| match error {
        CheckedCastError::InvalidBitPattern => Error::malformed("a bool that is neither 0 nor 1"),
        CheckedCastError::PodCastError(_) => {
            Error::mismatch("the items are not aligned; into_vec copies them")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_vector_becomes_an_array_where_it_lies() {
        let values = vec![1.5f32, -2.0, 3.0, 0.0, 5.0, 6.0];
        let at = values.as_ptr();
        let array = Array::from_vec(values, &[2, 1, 3]).unwrap();
        assert_eq!((array.shape(), array.dtype()), (&[2, 1, 3][..], &f32::dtype()));
        let seen = array.as_slice::<f32>().unwrap();
        assert_eq!((seen.as_ptr(), seen), (at, &[1.5, -2.0, 3.0, 0.0, 5.0, 6.0][..]));
        assert_eq!(Array::from_vec(vec![true], &[]).unwrap().as_slice::<bool>().unwrap(), [true]);
        assert_eq!(Array::from_vec(Vec::<u8>::new(), &[0, 4]).unwrap().nbytes(), 0);
    }

    #[test]
    fn a_shape_that_does_not_fit_is_refused() {
        let error = Array::from_vec(vec![1u8, 2, 3], &[2, 2]).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Argument);
        assert!(
            error.to_string().contains("shape [2, 2] holds 4 items, the slice has 3"),
            "{error}"
        );
    }
}
