//! Conversions to and from the `ndarray` crate (feature `ndarray`).

use super::{Array, ArrayRef, Element, Layout};
use crate::error::{Error, Result};
use ndarray::{ArrayBase, ArrayViewD, Data, Dimension, ShapeBuilder as _};

impl<'a> ArrayRef<'a> {
    /// Sees an `ndarray` of any layout without copying it.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for more than 64 axes.
    pub fn from_ndarray<T, S, D>(array: &'a ArrayBase<S, D>) -> Result<Self>
    where
        T: Element,
        S: Data<Elem = T>,
        D: Dimension,
    {
        let size = size_of::<T>().cast_signed();
        let strides = array.strides().iter().map(|stride| stride * size).collect();
        let layout = Layout::new(array.shape().to_vec(), strides, 0)?;
        match array.as_slice_memory_order() {
            // `ndarray` may keep strides negative: then its first item is not the first in memory.
            Some(memory) => {
                let low: isize = layout
                    .strides()
                    .iter()
                    .zip(layout.shape())
                    .map(|(&stride, &len)| stride.min(0) * len.saturating_sub(1).cast_signed())
                    .sum();
                let layout = Layout::new(
                    layout.shape().to_vec(),
                    layout.strides().to_vec(),
                    low.unsigned_abs(),
                )?;
                Self::new(T::dtype(), layout, bytemuck::cast_slice(memory))
            }
            None => Err(Error::argument(
                "the ndarray's items have gaps between them; take as_standard_layout() first",
            )),
        }
    }
}

impl Array {
    /// Sees the array as an `ndarray` of dynamic dimension without copying it.
    ///
    /// # Errors
    /// As [`Array::as_slice`]; the items must be C- or F-contiguous.
    pub fn as_ndarray<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        let fortran = self.view().is_fortran();
        let shape = self.shape().to_vec().set_f(fortran);
        let values = if fortran {
            self.view().transposed().contiguous_bytes()
        } else {
            self.view().contiguous_bytes()
        };
        let Some(bytes) = values else {
            return Err(Error::mismatch(
                "the items are neither C- nor F-contiguous; into_vec copies them",
            ));
        };
        self.check_element::<T>()?;
        ArrayViewD::from_shape(shape, super::cast(bytes)?)
            .map_err(|error| Error::argument(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;
    use ndarray::{Array2, s};

    #[test]
    fn both_ways_without_a_copy() {
        let values = Array2::from_shape_fn((3, 4), |(i, j)| (10 * i + j) as f32);
        let c = ArrayRef::from_ndarray(&values).unwrap();
        assert_eq!(c.contiguous_bytes().unwrap().as_ptr(), values.as_ptr().cast());
        let back = values.t();
        let f = ArrayRef::from_ndarray(&back).unwrap();
        assert!(f.is_fortran());
        let mut flipped = values.clone();
        flipped.invert_axis(ndarray::Axis(0));
        let bytes = crate::to_bytes(&ArrayRef::from_ndarray(&flipped).unwrap(), Order::C).unwrap();
        let expected: Vec<u8> = flipped.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(bytes, expected);
        let array = Array::new(
            c.dtype().clone(),
            c.layout().clone(),
            bytemuck::cast_slice::<f32, u8>(values.as_slice().unwrap()).to_vec().into(),
        );
        if let Ok(array) = array {
            assert_eq!(array.as_ndarray::<f32>().unwrap(), values.view().into_dyn());
        }
        let gaps = values.slice(s![.., ..;2]);
        assert!(ArrayRef::from_ndarray(&gaps).is_err());
    }
}
