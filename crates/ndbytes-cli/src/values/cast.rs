//! Casts to another dtype, with every loss counted.

use super::target::store;
use super::values_at;
use ndbytes::values::{BLOCK_ITEMS, Reader, index_of, number};
use ndbytes::{
    Array, ArrayRef, BufferMut, DType, Endian, Error, Layout, Order, Result, SwapPlan, gather,
};

/// A contiguous copy with every value as `to`, its order (C or F) the array's own.
///
/// A value that would not come back equal counts as lost: 3.7 or NaN as an integer, 300 as `u1`, 2⁵³ + 1 as `f8`,
/// a float that rounds, an imaginary part that is not 0. With `lossy` such values become what NumPy's `astype`
/// makes of them: floats round to the nearest, integers wrap, anything but 0 is true. Where `astype` is undefined,
/// floats beyond an integer dtype take its nearest bound and NaN becomes 0.
///
/// # Errors
/// Mismatch if something would be lost without `lossy`; Unsupported for dtypes that are no numbers and differ in
/// more than byte order, and for long doubles; Memory.
pub(crate) fn cast(array: &ArrayRef<'_>, to: &DType, lossy: bool) -> Result<Array> {
    if array.dtype().with_endian(Endian::Little) == to.with_endian(Endian::Little) {
        return swapped(array, to);
    }
    if matches!((array.dtype(), to), (DType::Time(..), _) | (_, DType::Time(..))) {
        return Err(Error::unsupported(format!("no cast from {} to {to}", array.dtype())));
    }
    let no_cast = |error: Error| error.context(format!("no cast from {} to {to}", array.dtype()));
    let target = number(to).map_err(no_cast)?;
    let mut reader = Reader::new(array.dtype()).map_err(no_cast)?;
    let plan = SwapPlan::new(&to.with_endian(Endian::Little), to)?;
    let mut loss = Loss::default();
    let cast = convert(array, to, |block, out| {
        let lanes = reader.read(array.data(), block)?;
        store(lanes, target, out, &mut |at| loss.add(at));
        loss.seen += block.len();
        plan.apply(out);
        Ok(())
    })?;
    if loss.count == 0 || lossy {
        return Ok(cast);
    }
    Err(loss.error(array, &cast))
}

/// Another byte order, in every field.
fn swapped(array: &ArrayRef<'_>, to: &DType) -> Result<Array> {
    let plan = SwapPlan::new(array.dtype(), to)?;
    convert(array, to, |block, out| {
        gather(array.data(), block, array.itemsize(), out)?;
        plan.apply(out);
        Ok(())
    })
}

/// Fills a new array of dtype `to` block by block.
fn convert(
    array: &ArrayRef<'_>,
    to: &DType,
    mut fill: impl FnMut(&Layout, &mut [u8]) -> Result<()>,
) -> Result<Array> {
    let order = if array.is_fortran() { Order::F } else { Order::C };
    let layout = Layout::contiguous(array.shape(), to.itemsize(), order)?;
    let mut data = BufferMut::new((layout.len() * to.itemsize()) as u64)?;
    let mut rest = data.all()?;
    if rest.is_empty() {
        return Array::new(to.clone(), layout, data.freeze()?);
    }
    for block in walked(array).blocks(array.itemsize(), BLOCK_ITEMS * array.itemsize()) {
        let (out, after) = rest.split_at_mut(block.len() * to.itemsize());
        fill(&block, out)?;
        rest = after;
    }
    Array::new(to.clone(), layout, data.freeze()?)
}

/// The layout whose C order is the order that the copy gets.
fn walked(array: &ArrayRef<'_>) -> Layout {
    let layout = array.layout().clone();
    if array.is_fortran() { layout.transposed() } else { layout }
}

/// How many values do not come back, and the first of them in the order of the copy.
#[derive(Debug, Default)]
struct Loss {
    seen: usize,
    count: usize,
    first: Option<usize>,
}

impl Loss {
    fn add(&mut self, at: usize) {
        self.first.get_or_insert(self.seen + at);
        self.count += 1;
    }

    #[cold]
    fn error(&self, array: &ArrayRef<'_>, cast: &Array) -> Error {
        let mut shape = array.shape().to_vec();
        if array.is_fortran() {
            shape.reverse();
        }
        let mut index = index_of(self.first.unwrap_or(0), &shape);
        if array.is_fortran() {
            index.reverse();
        }
        let (before, after) = values_at((array, &cast.view()), &index);
        let (count, total) = (self.count, array.layout().len());
        let verb = if count == 1 { "changes" } else { "change" };
        Error::mismatch(format!(
            "{} to {} loses: the item at {index:?} is {before} and would become {after}; \
             {count} of {total} items {verb} (--lossy allows it)",
            array.dtype(),
            cast.dtype(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndbytes::Scalar;

    fn cast_vec<T: ndbytes::Element, U: ndbytes::Element>(
        values: &[T],
        lossy: bool,
    ) -> Result<Vec<U>> {
        let array = ArrayRef::from_slice(values, &[values.len()])?;
        cast(&array, &U::dtype(), lossy)?.into_vec::<U>()
    }

    #[test]
    fn what_survives_is_cast() {
        assert_eq!(cast_vec::<_, u8>(&[0.0, -0.0, 255.0], false).unwrap(), [0, 0, 255]);
        assert_eq!(cast_vec::<_, f32>(&[i64::from(1 << 24)], false).unwrap(), [16_777_216.0]);
        assert_eq!(cast_vec::<_, i8>(&[true, false], false).unwrap(), [1, 0]);
        assert_eq!(cast_vec::<_, f64>(&[[1.5f32, 0.0]], false).unwrap(), [1.5]);
        let floats = cast_vec::<_, f32>(&[f64::NAN, f64::NEG_INFINITY], false).unwrap();
        assert!(floats[0].is_nan() && floats[1] == f32::NEG_INFINITY);
    }

    #[test]
    fn each_loss_is_refused() {
        let refused = |result: Result<Vec<u8>>| assert!(result.is_err());
        for value in [3.7, -1.0, 256.0, f64::NAN, f64::INFINITY, 1e300] {
            refused(cast_vec::<f64, u8>(&[value], false));
        }
        refused(cast_vec::<i32, u8>(&[300], false));
        refused(cast_vec::<[f64; 2], u8>(&[[1.0, 0.5]], false));
        refused(cast_vec::<[f64; 2], u8>(&[[1.0, f64::NAN]], false));
        assert!(cast_vec::<i64, f64>(&[(1 << 53) + 1], false).is_err());
        assert!(cast_vec::<u64, f64>(&[u64::MAX], false).is_err());
        assert!(cast_vec::<f64, i64>(&[9_223_372_036_854_775_808.0], false).is_err());
        assert!(cast_vec::<f64, f32>(&[0.1], false).is_err());
        assert!(cast_vec::<f64, f32>(&[1e300], false).is_err());
        assert!(cast_vec::<f64, bool>(&[0.5], false).is_err());
    }

    #[test]
    fn lossy_casts_wrap_round_and_saturate() {
        assert_eq!(cast_vec::<_, u8>(&[300i32, -1], true).unwrap(), [44, 255]);
        assert_eq!(
            cast_vec::<_, i8>(&[1e9, -1e9, f64::NAN, -3.9], true).unwrap(),
            [127, -128, 0, -3]
        );
        assert_eq!(cast_vec::<_, f32>(&[0.1f64], true).unwrap(), [0.1f32]);
        assert_eq!(cast_vec::<_, bool>(&[[0.0f32, 2.0]], true).unwrap(), [true]);
    }

    #[test]
    fn a_loss_in_the_last_digits_is_seen() {
        let array = ArrayRef::from_slice(&[0.25, 0.23f64], &[2]).unwrap();
        let error =
            cast(&array, &DType::scalar(Scalar::Float32, Endian::Little), false).unwrap_err();
        assert_eq!(
            error.message(),
            "<f8 to <f4 loses: the item at [1] is 0.23 and would become 0.23000000417232513; 1 of 2 items changes (--lossy allows it)"
        );
    }

    #[test]
    fn the_first_loss_is_named() {
        let values: Vec<f64> = vec![1.0, 2.0, 3.0, 4.0, 5.5, 6.5];
        let array = ArrayRef::from_slice(&values, &[2, 3]).unwrap();
        let to = DType::scalar(Scalar::Int16, Endian::Little);
        assert_eq!(
            cast(&array, &to, false).unwrap_err().message(),
            "<f8 to <i2 loses: the item at [1, 1] is 5.5 and would become 5; 2 of 6 items change (--lossy allows it)"
        );
        let error = cast(&array.transposed(), &to, false).unwrap_err();
        assert!(error.message().contains("the item at [1, 1] is 5.5"), "{error}");
        let long = DType::native(Scalar::LongDouble);
        assert_eq!(cast(&array, &long, true).unwrap_err().kind(), &ndbytes::ErrorKind::Unsupported);
    }

    #[test]
    fn order_and_byte_order() {
        let array = ArrayRef::from_slice(&[1i16, 2, 3, 4, 5, 6], &[2, 3]).unwrap();
        let big =
            cast(&array.transposed(), &DType::scalar(Scalar::Int32, Endian::Big), false).unwrap();
        assert_eq!((big.shape(), big.layout().strides()), (&[3, 2][..], &[4, 12][..]));
        assert_eq!(big.data()[..8], [0, 0, 0, 1, 0, 0, 0, 2]);
        let record: DType = "{a:<u2,b:>f4}".parse().unwrap();
        let layout = Layout::contiguous(&[1], 6, Order::C).unwrap();
        let array = ArrayRef::new(record, layout, &[1, 2, 3, 4, 5, 6]).unwrap();
        let mixed: DType = "{a:>u2,b:>f4}".parse().unwrap();
        assert_eq!(cast(&array, &mixed, false).unwrap().data()[..], [2, 1, 3, 4, 5, 6]);
    }
}
