//! Whole arrays: to bytes in an order, to another order, to another byte order, to a vector of numbers.

#[cfg(doc)]
use super::SwapPlan;
use super::{Copying, Items, gather, zeroed};
use crate::array::{Array, ArrayRef, Element, Layout, Order, cast};
use crate::buffer::BufferMut;
use crate::dtype::Endian;
use crate::error::{Error, Result};

/// Bytes gathered at a time where more is done with them: about a level-2 cache.
const BLOCK: usize = 1 << 20;

/// The bytes of the items in this order, as `numpy.ndarray.tobytes` gives them: bytes as stored, nothing swapped.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub fn to_bytes(array: &ArrayRef<'_>, order: Order) -> Result<Vec<u8>> {
    let mut bytes = zeroed(array.nbytes())?;
    copy_to(array, order, None, &mut bytes, Copying::default(), &mut |_| Ok(()))?;
    Ok(bytes)
}

/// Copies the items in this order, without gaps, to `out`, in another byte order if `endian` says so; `each` is told every
/// few mebibytes how many bytes have been copied, and can end it.
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument) if `out` has another size than the items, as [`SwapPlan::new`], and
/// whatever `each` returns.
pub fn copy_to(
    array: &ArrayRef<'_>,
    order: Order,
    endian: Option<Endian>,
    out: &mut [u8],
    how: Copying,
    each: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<()> {
    let items = Items::new(array, order, endian)?;
    items.copy_to(out, how, &|_| (), &mut |(), copied| each(copied))
}

/// Hands out the items in C order by way of scratch that stays in cache, so that fresh memory is touched once, by
/// the copy that fills it.
fn by_block(
    data: &[u8],
    layout: &Layout,
    itemsize: usize,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut scratch = BufferMut::new(BLOCK.max(itemsize) as u64)?;
    for block in layout.blocks(itemsize, BLOCK) {
        let out = scratch.space(0, block.len() * itemsize)?;
        gather(data, &block, itemsize, out)?;
        each(out)?;
    }
    Ok(())
}

/// The items in this order and byte order, in memory of their own.
fn copied(array: &ArrayRef<'_>, order: Order, endian: Option<Endian>) -> Result<Array> {
    let dtype = endian.map_or_else(|| array.dtype().clone(), |e| array.dtype().with_endian(e));
    let mut data = BufferMut::known(array.nbytes() as u64)?;
    copy_to(array, order, endian, data.all()?, Copying::default(), &mut |_| Ok(()))?;
    let fortran = array.layout().is_fortran(order, array.itemsize());
    let order = if fortran { Order::F } else { Order::C };
    let layout = Layout::contiguous(array.shape(), array.itemsize(), order)?;
    Array::new(dtype, layout, data.freeze()?)
}

impl ArrayRef<'_> {
    /// A contiguous copy with the items in this order.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn to_order(&self, order: Order) -> Result<Array> {
        copied(self, order, None)
    }

    /// A contiguous copy, its order as the array's own, with every number in this byte order.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn to_endian(&self, endian: Endian) -> Result<Array> {
        copied(self, Order::A, Some(endian))
    }
}

impl Array {
    /// The items in C order, as a vector.
    ///
    /// # Errors
    /// As [`Array::as_slice`], contiguity and alignment aside; [`Memory`](crate::ErrorKind::Memory).
    pub fn into_vec<T: Element>(self) -> Result<Vec<T>> {
        self.check_element::<T>()?;
        let mut values: Vec<T> = Vec::new();
        values
            .try_reserve_exact(self.layout().len())
            .map_err(|_| Error::memory(self.nbytes() as u64))?;
        by_block(self.data(), self.layout(), size_of::<T>(), |block| {
            values.extend_from_slice(cast(block)?);
            Ok(())
        })?;
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SwapPlan;
    use super::*;
    use crate::dtype::{DType, Scalar};

    #[test]
    fn typed_doors_check_dtype_byte_order_and_values() {
        let values = [1.5f64, -2.0, 3.25, 4.0];
        let array = ArrayRef::from_slice(&values, &[2, 2]).unwrap().to_order(Order::F).unwrap();
        assert!(array.view().is_fortran());
        assert_eq!(
            array.as_slice::<f64>().unwrap_err().message(),
            "the items are not C-contiguous; into_vec copies them"
        );
        assert_eq!(array.clone().into_vec::<f64>().unwrap(), values);
        let (ours, theirs, other) = match Endian::NATIVE {
            Endian::Little => ("<f8", ">f8", Endian::Big),
            Endian::Big => (">f8", "<f8", Endian::Little),
        };
        let swapped = array.view().to_endian(other).unwrap();
        assert_eq!(
            swapped.clone().into_vec::<f64>().unwrap_err().message(),
            format!(
                "expected items of {ours}, found {theirs}; convert the byte order or dtype first"
            )
        );
        assert_eq!(
            swapped.view().to_endian(Endian::NATIVE).unwrap().into_vec::<f64>().unwrap(),
            values
        );
        let layout = Layout::contiguous(&[2], 1, Order::C).unwrap();
        let bools = Array::new(DType::native(Scalar::Bool), layout, vec![1, 2].into()).unwrap();
        assert_eq!(
            bools.as_slice::<bool>().unwrap_err().message(),
            "a bool that is neither 0 nor 1"
        );
    }

    #[test]
    fn items_without_size_cost_nothing() {
        let layout = Layout::contiguous(&[1 << 62], 0, Order::C).unwrap();
        let array = Array::new(DType::void(0).unwrap(), layout, Vec::new().into()).unwrap();
        assert!(array.view().to_order(Order::F).unwrap().data().is_empty());
        assert!(to_bytes(&array.view(), Order::F).unwrap().is_empty());
        let empty = Layout::contiguous(&[0, 3], 8, Order::C).unwrap();
        let empty = Array::new(DType::native(Scalar::Float64), empty, Vec::new().into()).unwrap();
        assert!(empty.as_slice::<f64>().unwrap().is_empty());
    }

    #[test]
    fn an_item_taken_many_times_over_is_no_slice_of_its_own() {
        let values = [1u8, 2, 3];
        let array = ArrayRef::from_slice(&values, &[3]).unwrap();
        let all = array.sliced(&[crate::Slice { start: 0, len: usize::MAX, step: 0 }]);
        assert!(matches!(
            all.unwrap_err().kind(),
            crate::ErrorKind::Argument | crate::ErrorKind::Limit { .. }
        ));
    }

    #[test]
    fn records_swap_field_by_field() {
        let dtype: DType = "{a:<u2,b:|u1,c:<c8[2],d:{e:<U1}}".parse().unwrap();
        let bytes: Vec<u8> = (0..u8::try_from(dtype.itemsize()).unwrap()).collect();
        let layout = Layout::contiguous(&[1], dtype.itemsize(), Order::C).unwrap();
        let array = Array::new(dtype, layout, bytes.clone().into()).unwrap();
        let big = array.view().to_endian(Endian::Big).unwrap();
        assert_eq!(big.dtype().to_string(), "{a:>u2,b:|u1,c:>c8[2],d:{e:>U1}}");
        assert_eq!(
            big.data()[..],
            [1, 0, 2, 6, 5, 4, 3, 10, 9, 8, 7, 14, 13, 12, 11, 18, 17, 16, 15, 22, 21, 20, 19]
        );
        assert_eq!(big.view().to_endian(Endian::Little).unwrap().data()[..], bytes);
        assert!(SwapPlan::new(&"<f4".parse().unwrap(), &"<i4".parse().unwrap()).is_err());
    }
}
