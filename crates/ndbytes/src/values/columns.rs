//! The leaves of two dtypes, side by side: what is compared with what.

use crate::array::{ArrayRef, Layout};
use crate::dtype::{DType, Endian, Field, Record, Scalar, TimeUnit, Unit};
use crate::error::{Error, Result};
use crate::kernel::SwapPlan;

/// One leaf of both dtypes: the item itself, or a field of a record at any depth.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) left: Side,
    pub(super) right: Side,
    pub(super) kind: Kind,
}

/// Where a leaf stands in the items of one array.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) dtype: DType,
    /// Reverses stored bytes into little-endian ones.
    pub(super) plan: SwapPlan,
    offset: usize,
    /// Axes of subarrays, outermost first.
    axes: Vec<(usize, isize)>,
}

/// How two leaves are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By their values.
    Number,
    /// By their counts, each multiplied into a unit that both share.
    Time(i128, i128),
    /// Byte by byte, trailing NUL left out.
    Bytes,
    /// Code point by code point, trailing NUL left out.
    Text,
    /// Byte by byte: voids, and long doubles of the same size.
    Opaque,
}

/// The leaves that two dtypes share.
///
/// # Errors
/// Mismatch with both dtypes if a leaf of one cannot equal the leaf of the other.
pub(super) fn columns(left: &DType, right: &DType) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    let top = |dtype: &DType| Place { dtype: dtype.clone(), offset: 0, axes: Vec::new() };
    pair(top(left), top(right), &mut found)
        .map_err(|why| Error::mismatch(format!("{left} and {right} are not comparable: {why}")))?;
    Ok(found)
}

#[derive(Clone)]
struct Place {
    dtype: DType,
    offset: usize,
    axes: Vec<(usize, isize)>,
}

fn pair(left: Place, right: Place, found: &mut Vec<Column>) -> std::result::Result<(), String> {
    match (&left.dtype, &right.dtype) {
        (DType::Record(a), DType::Record(b)) => {
            let names = |record: &Record| -> Vec<String> {
                record.fields().iter().map(|field| field.name.clone()).collect()
            };
            if names(a) != names(b) {
                return Err(format!("their fields are {:?} and {:?}", names(a), names(b)));
            }
            for (a, b) in a.fields().iter().zip(b.fields()) {
                let inner = |place: &Place, field: &Field| Place {
                    dtype: field.dtype.clone(),
                    offset: place.offset + field.offset,
                    axes: place.axes.clone(),
                };
                pair(inner(&left, a), inner(&right, b), found)
                    .map_err(|why| format!("field '{}': {why}", a.name))?;
            }
            Ok(())
        }
        (DType::Sub(a), DType::Sub(b)) if a.1 == b.1 => {
            pair(subarray(&left, &a.0, &a.1), subarray(&right, &b.0, &b.1), found)
        }
        (a, b) => {
            let kind = kind(a, b)?;
            found.push(Column { left: side(left)?, right: side(right)?, kind });
            Ok(())
        }
    }
}

fn subarray(place: &Place, base: &DType, shape: &[usize]) -> Place {
    let mut axes = place.axes.clone();
    let mut step = base.itemsize() * shape.iter().product::<usize>();
    for &len in shape {
        step /= len.max(1);
        axes.push((len, step.cast_signed()));
    }
    Place { dtype: base.clone(), offset: place.offset, axes }
}

fn side(place: Place) -> std::result::Result<Side, String> {
    let plan = SwapPlan::new(&place.dtype, &place.dtype.with_endian(Endian::Little));
    let plan = plan.map_err(|error| error.message().to_owned())?;
    Ok(Side { dtype: place.dtype, plan, offset: place.offset, axes: place.axes })
}

fn kind(left: &DType, right: &DType) -> std::result::Result<Kind, String> {
    match (left, right) {
        (DType::Scalar(a, _), DType::Scalar(b, _)) => match (is_long(*a), is_long(*b)) {
            (false, false) => Ok(Kind::Number),
            _ if a == b => Ok(Kind::Opaque),
            _ => Err(String::from(
                "long doubles are compared only byte by byte, with their own kind",
            )),
        },
        (DType::Time(a, left, _), DType::Time(b, right, _)) if a == b => {
            let (left, right) = factors(*left, *right)
                .ok_or_else(|| String::from("their units have no common one in reach"))?;
            Ok(Kind::Time(left, right))
        }
        (DType::Bytes(..), DType::Bytes(..)) => Ok(Kind::Bytes),
        (DType::Text(..), DType::Text(..)) => Ok(Kind::Text),
        (DType::Void(a), DType::Void(b)) if a == b => Ok(Kind::Opaque),
        _ => Err(format!("{left} is never equal to {right}")),
    }
}

fn is_long(scalar: Scalar) -> bool {
    matches!(scalar, Scalar::LongDouble | Scalar::CLongDouble)
}

/// By what each count is to be multiplied so that both mean the same unit.
///
/// At most 2⁶³, so that a product of 64 bits more fits an `i128`.
fn factors(left: TimeUnit, right: TimeUnit) -> Option<(i128, i128)> {
    if left == right {
        return Some((1, 1));
    }
    let (TimeUnit::Of { count: a, unit: unit_a }, TimeUnit::Of { count: b, unit: unit_b }) =
        (left, right)
    else {
        return None;
    };
    let calendar = |unit: Unit| matches!(unit, Unit::Year | Unit::Month);
    if calendar(unit_a) != calendar(unit_b) {
        return None;
    }
    let a = u128::from(a) * unit_a.smallest();
    let b = u128::from(b) * unit_b.smallest();
    let (mut low, mut high) = (a, b);
    while low != 0 {
        (low, high) = (high % low, low);
    }
    let fits = |factor: u128| i64::try_from(factor).ok().map(i128::from);
    Some((fits(a / high)?, fits(b / high)?))
}

impl Side {
    /// How many leaves one item holds.
    pub(super) fn per_item(&self) -> usize {
        self.axes.iter().map(|axis| axis.0).product()
    }

    /// The leaves of a block of items of `array`.
    ///
    /// # Errors
    /// Argument if block and subarrays together have more than 64 axes.
    pub(super) fn layout(&self, array: &ArrayRef<'_>, block: &Layout) -> Result<Layout> {
        debug_assert!(self.offset <= array.itemsize());
        let mut shape = block.shape().to_vec();
        let mut strides = block.strides().to_vec();
        for &(len, stride) in &self.axes {
            shape.push(len);
            strides.push(stride);
        }
        Layout::new(shape, strides, block.offset() + self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_meet_in_their_common_one() {
        let unit = |text: &str| TimeUnit::parse(text).unwrap();
        assert_eq!(factors(unit("s"), unit("ms")), Some((1000, 1)));
        assert_eq!(factors(unit("6s"), unit("4s")), Some((3, 2)));
        assert_eq!(factors(unit("Y"), unit("7M")), Some((12, 7)));
        assert_eq!(factors(unit("W"), unit("D")), Some((7, 1)));
        assert_eq!(factors(unit("Y"), unit("D")), None);
        assert_eq!(factors(unit("W"), unit("as")), None);
    }

    #[test]
    fn leaves_are_found_at_any_depth() {
        let left: DType = "{t:<u8,s:{q:>f4[2,3]}[5]}".parse().unwrap();
        let right: DType = "{t:<i4,:|V4,s:{q:<f8[2,3]}[5]}".parse().unwrap();
        let found = columns(&left, &right).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].right.per_item(), 30);
        assert_eq!(found[1].right.axes, [(5, 48), (2, 24), (3, 8)]);
        let other: DType = "{t:<i4,s:S3}".parse().unwrap();
        let error = columns(&left, &other).unwrap_err();
        assert!(error.message().contains("field 's': "), "{error}");
    }
}
