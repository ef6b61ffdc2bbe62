//! Smallest, largest, mean and the number of NaN.

use crate::print;
use ndbytes::values::{Lanes, each_block};
use ndbytes::{ArrayRef, DType, Endian, Result, Scalar};
use std::cmp::Ordering;

/// What [`stats`] finds; `None` where the dtype has no such thing or no item counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stats {
    /// The smallest value, NaN and NaT aside, as NumPy prints the scalar.
    pub(crate) min: Option<String>,
    /// The largest value, likewise.
    pub(crate) max: Option<String>,
    /// The mean of the numbers that are not NaN; of complex ones the real part. None for times.
    pub(crate) mean: Option<f64>,
    /// The imaginary part of the mean of complex numbers.
    pub(crate) mean_imag: Option<f64>,
    /// How many items are NaN or NaT; `None` for dtypes that have neither.
    pub(crate) nan: Option<u64>,
}

/// The statistics of an array, as NumPy's `nanmin`, `nanmax` and `nanmean` define them.
///
/// Integers are summed exactly, floats of any size as `f64`. Complex numbers are ordered by their real, then
/// their imaginary part. Text, bytes, records and long doubles have no statistics.
///
/// # Errors
/// Argument if the layout leaves the data, which no valid array does.
pub(crate) fn stats(array: &ArrayRef<'_>) -> Result<Stats> {
    match array.dtype() {
        DType::Scalar(Scalar::LongDouble | Scalar::CLongDouble, _) => Ok(Stats::default()),
        DType::Scalar(scalar, _) => match scalar.kind() {
            'b' | 'i' | 'u' => integers(array, *scalar),
            'c' => complexes(array, *scalar),
            _ => reals(array, *scalar),
        },
        DType::Time(..) => times(array),
        _ => Ok(Stats::default()),
    }
}

/// Integers that count: the ends of their range, their sum and their number.
struct Range {
    min: i128,
    max: i128,
    sum: i128,
    count: u64,
}

fn integers(array: &ArrayRef<'_>, scalar: Scalar) -> Result<Stats> {
    let found = range_of(array, |_| true)?;
    let some = found.count > 0;
    Ok(Stats {
        min: some.then(|| print::integer(scalar, found.min)),
        max: some.then(|| print::integer(scalar, found.max)),
        mean: some.then(|| found.sum as f64 / found.count as f64),
        ..Stats::default()
    })
}

fn times(array: &ArrayRef<'_>) -> Result<Stats> {
    let found = range_of(array, |value| value != i128::from(i64::MIN))?;
    let dtype = array.dtype().with_endian(Endian::Little);
    let text = |value: i128| {
        let count = i64::try_from(value).unwrap_or(i64::MIN);
        print::item(&dtype, &count.to_le_bytes())
    };
    Ok(Stats {
        min: (found.count > 0).then(|| text(found.min)),
        max: (found.count > 0).then(|| text(found.max)),
        nan: Some(array.layout().len() as u64 - found.count),
        ..Stats::default()
    })
}

fn range_of(array: &ArrayRef<'_>, counts: impl Fn(i128) -> bool) -> Result<Range> {
    let mut found = Range { min: i128::MAX, max: i128::MIN, sum: 0, count: 0 };
    each_block(array, |_, lanes| {
        let Lanes::Int(values) = lanes else { return Ok(()) };
        for &value in values.iter().filter(|value| counts(**value)) {
            found.min = found.min.min(value);
            found.max = found.max.max(value);
            // As many as fit memory, 64 bits each: their sum fits.
            found.sum = found.sum.wrapping_add(value);
            found.count += 1;
        }
        Ok(())
    })?;
    Ok(found)
}

fn reals(array: &ArrayRef<'_>, scalar: Scalar) -> Result<Stats> {
    let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut sum, mut nan) = (0.0, 0usize);
    each_block(array, |_, lanes| {
        let Lanes::Real(values) = lanes else { return Ok(()) };
        for &value in values {
            nan += usize::from(value.is_nan());
            min = if value < min { value } else { min };
            max = if value > max { value } else { max };
        }
        sum += sum_of(values, |value| *value);
        Ok(())
    })?;
    let count = array.layout().len() - nan;
    let some = count > 0;
    Ok(Stats {
        min: some.then(|| print::real(scalar, min)),
        max: some.then(|| print::real(scalar, max)),
        mean: some.then(|| sum / count as f64),
        nan: Some(nan as u64),
        ..Stats::default()
    })
}

fn complexes(array: &ArrayRef<'_>, scalar: Scalar) -> Result<Stats> {
    let mut range: Option<([f64; 2], [f64; 2])> = None;
    let (mut sum, mut nan) = ([0.0, 0.0], 0usize);
    each_block(array, |_, lanes| {
        let Lanes::Complex(values) = lanes else { return Ok(()) };
        for &value in values {
            if value[0].is_nan() || value[1].is_nan() {
                nan += 1;
                continue;
            }
            let (min, max) = range.unwrap_or((value, value));
            range = Some((
                if value.partial_cmp(&min) == Some(Ordering::Less) { value } else { min },
                if value.partial_cmp(&max) == Some(Ordering::Greater) { value } else { max },
            ));
        }
        let whole = |value: &[f64; 2]| !value[0].is_nan() && !value[1].is_nan();
        sum[0] += sum_of(values, |value| if whole(value) { value[0] } else { 0.0 });
        sum[1] += sum_of(values, |value| if whole(value) { value[1] } else { 0.0 });
        Ok(())
    })?;
    let count = array.layout().len() - nan;
    Ok(Stats {
        min: range.map(|(min, _)| print::complex(scalar, min)),
        max: range.map(|(_, max)| print::complex(scalar, max)),
        mean: (count > 0).then(|| sum[0] / count as f64),
        mean_imag: (count > 0).then(|| sum[1] / count as f64),
        nan: Some(nan as u64),
    })
}

/// The sum of what is not NaN, by halves, so that rounding errors do not pile up.
fn sum_of<V>(values: &[V], part: impl Fn(&V) -> f64 + Copy) -> f64 {
    if values.len() > 128 {
        let (low, high) = values.split_at(values.len() / 2);
        return sum_of(low, part) + sum_of(high, part);
    }
    let number = |value: f64| if value.is_nan() { 0.0 } else { value };
    values.iter().map(|value| number(part(value))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndbytes::{Layout, Order};

    fn of<T: ndbytes::Element>(values: &[T]) -> Stats {
        stats(&ArrayRef::from_slice(values, &[values.len()]).unwrap()).unwrap()
    }

    #[test]
    fn integers_are_exact() {
        let found = of(&[u64::MAX, 0, u64::MAX]);
        assert_eq!(found.max.as_deref(), Some("18446744073709551615"));
        assert_eq!((found.min.as_deref(), found.nan), (Some("0"), None));
        assert_eq!(found.mean, Some((u64::MAX as f64) * 2.0 / 3.0));
        assert_eq!(of(&[true, false]).max.as_deref(), Some("True"));
    }

    #[test]
    fn nan_is_counted_and_left_out() {
        let found = of(&[f32::NAN, 0.1, -1.5, f32::NAN]);
        assert_eq!((found.min.as_deref(), found.max.as_deref()), (Some("-1.5"), Some("0.1")));
        assert_eq!((found.mean, found.nan), (Some((f64::from(0.1f32) - 1.5) / 2.0), Some(2)));
        assert_eq!(of(&[f64::NAN]), Stats { nan: Some(1), ..Stats::default() });
        assert_eq!(of::<f64>(&[]), Stats { nan: Some(0), ..Stats::default() });
        let found = of(&[[1.0f64, 5.0], [1.0, -2.0], [0.5, f64::NAN]]);
        assert_eq!((found.min.as_deref(), found.max.as_deref()), (Some("(1-2j)"), Some("(1+5j)")));
        assert_eq!((found.mean, found.mean_imag, found.nan), (Some(1.0), Some(1.5), Some(1)));
    }

    #[test]
    fn times_leave_nat_out_and_text_has_none() {
        let mut data = Vec::new();
        [5i64, i64::MIN, -1].iter().for_each(|value| data.extend_from_slice(&value.to_be_bytes()));
        let layout = Layout::contiguous(&[3], 8, Order::C).unwrap();
        let found =
            stats(&ArrayRef::new(">M8[D]".parse().unwrap(), layout.clone(), &data).unwrap())
                .unwrap();
        assert_eq!(
            (found.min.as_deref(), found.max.as_deref()),
            (Some("1969-12-31"), Some("1970-01-06"))
        );
        assert_eq!((found.mean, found.nan), (None, Some(1)));
        let text = ArrayRef::new("S8".parse().unwrap(), layout, &data).unwrap();
        assert_eq!(stats(&text).unwrap(), Stats::default());
    }
}
