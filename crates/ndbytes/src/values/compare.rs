//! Comparing two arrays item by item.

use super::columns::{Column, Kind, Side, columns};
use super::lanes::{BLOCK_ITEMS, Lanes};
use super::near::{Tolerance, Verdict, numbers, times};
use crate::array::{ArrayRef, Layout};
use crate::error::{Error, Result};
use crate::kernel::{GapPlan, gather};

/// What [`compare`] finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Items of each array.
    pub items: u64,
    /// Items that differ by more than the tolerance.
    pub differing: u64,
    /// The index of the first of them in C order, one number for each axis.
    pub first: Option<Vec<usize>>,
    /// The largest absolute error of all items, if it is not 0; where one value is NaN there is no error to tell.
    pub largest: Option<Largest>,
    /// The largest error of a number as a part of the second array's; infinite where that is 0.
    pub relative: Option<Largest>,
}

/// The largest error and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Largest {
    /// |a − b|; for times in the coarsest unit that both can be counted in.
    pub error: f64,
    /// The index of the item.
    pub index: Vec<usize>,
}

/// Compares the values of two arrays of one shape; dtype and byte order may differ.
///
/// Numbers of any dtypes are compared exactly, NaN equals NaN, −0 equals 0. Times of two units are compared as
/// times, NaT equals NaT. Text and bytes of two lengths are compared without their padding. Records are compared
/// field by field, whatever stands in the gaps. The tolerance holds for numbers alone. `told` gets the bytes
/// of each array that were compared so far, and can end it.
///
/// # Errors
/// [`Mismatch`](crate::ErrorKind::Mismatch) for another shape and for dtypes whose values are never equal;
/// whatever `told` returns.
pub fn compare(
    left: &ArrayRef<'_>,
    right: &ArrayRef<'_>,
    tolerance: &Tolerance,
    told: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Difference> {
    if left.shape() != right.shape() {
        let (left, right) = (left.shape(), right.shape());
        return Err(Error::mismatch(format!("shapes {left:?} and {right:?} differ")));
    }
    let mut columns: Vec<Comparer> =
        columns(left.dtype(), right.dtype())?.into_iter().map(Comparer::new).collect();
    let mut found = Found::default();
    let itemsize = left.itemsize().max(right.itemsize());
    if itemsize > 0 {
        // Cut by the same numbers, so that the blocks of both arrays hold the same items.
        let blocks = |array: &ArrayRef<'_>| {
            array.layout().blocks(itemsize, BLOCK_ITEMS.min(BYTES / itemsize).max(1) * itemsize)
        };
        for (a, b) in blocks(left).zip(blocks(right)) {
            found.differs.clear();
            found.differs.resize(a.len(), false);
            for column in &mut columns {
                column.compare((left, &a), (right, &b), tolerance, &mut found)?;
            }
            found.count(a.len());
            told((found.before * itemsize) as u64)?;
        }
    }
    Ok(found.report(left.layout()))
}

/// Items of many bytes make blocks of fewer items.
const BYTES: usize = 1 << 20;

/// What was found so far; positions count items in C order.
#[derive(Debug, Default)]
struct Found {
    before: usize,
    /// The items of the current block.
    differs: Vec<bool>,
    count: u64,
    first: Option<usize>,
    /// Error and position.
    largest: (f64, usize),
    relative: (f64, usize),
}

impl Found {
    /// Takes the verdict on one item of the current block.
    fn tell(&mut self, item: usize, found: Verdict) {
        let at = self.before + item;
        if found.error > self.largest.0 {
            self.largest = (found.error, at);
        }
        if found.relative > self.relative.0 {
            self.relative = (found.relative, at);
        }
        if !found.close
            && let Some(differs) = self.differs.get_mut(item)
        {
            *differs = true;
        }
    }

    fn count(&mut self, items: usize) {
        if let Some(at) = self.differs.iter().position(|differs| *differs) {
            self.first.get_or_insert(self.before + at);
            self.count += self.differs.iter().filter(|differs| **differs).count() as u64;
        }
        self.before += items;
    }

    fn report(self, layout: &Layout) -> Difference {
        let largest = |(error, at): (f64, usize)| {
            (error > 0.0).then(|| Largest { error, index: index_of(at, layout.shape()) })
        };
        Difference {
            items: layout.len() as u64,
            differing: self.count,
            first: self.first.map(|at| index_of(at, layout.shape())),
            largest: largest(self.largest),
            relative: largest(self.relative),
        }
    }
}

/// Compares one leaf, block by block.
struct Comparer {
    column: Column,
    bytes: [Vec<u8>; 2],
    /// What pads a long double is no part of it.
    gaps: [GapPlan; 2],
    lanes: Option<[Lanes; 2]>,
}

impl Comparer {
    fn new(column: Column) -> Self {
        let lanes = |side: &Side| Lanes::of(&side.dtype).ok();
        let both = lanes(&column.left).zip(lanes(&column.right));
        Self {
            lanes: both.map(|(left, right)| [left, right]),
            gaps: [GapPlan::new(&column.left.dtype), GapPlan::new(&column.right.dtype)],
            column,
            bytes: [Vec::new(), Vec::new()],
        }
    }

    fn compare(
        &mut self,
        left: (&ArrayRef<'_>, &Layout),
        right: (&ArrayRef<'_>, &Layout),
        tolerance: &Tolerance,
        found: &mut Found,
    ) -> Result<()> {
        let Self { column, bytes: [a, b], gaps, lanes } = self;
        read(&column.left, left, a)?;
        read(&column.right, right, b)?;
        gaps[0].apply(a);
        gaps[1].apply(b);
        let alike = column.left.dtype == column.right.dtype;
        // Equal bytes of one dtype are equal values: most need no other look.
        if alike && a == b {
            return Ok(());
        }
        column.left.plan.apply(a);
        column.right.plan.apply(b);
        let per_item = column.left.per_item().max(1);
        let size = |side: &Side| side.dtype.itemsize();
        let (wide_a, wide_b) = (size(&column.left), size(&column.right));
        let Some([x, y]) = lanes else {
            strings((pieces(a, wide_a), pieces(b, wide_b)), column.kind, |at| {
                found.tell(at / per_item, Verdict::OTHER);
            });
            return Ok(());
        };
        // One item may hold any number of leaves.
        let parts = a.chunks(BLOCK_ITEMS * wide_a).zip(b.chunks(BLOCK_ITEMS * wide_b));
        for (part, (a, b)) in parts.enumerate() {
            x.read(&column.left.dtype, a);
            y.read(&column.right.dtype, b);
            let told = &mut |at, verdict| {
                found.tell((part * BLOCK_ITEMS + at) / per_item, verdict);
            };
            match column.kind {
                Kind::Time(by_left, by_right) => times((x, by_left), (y, by_right), told),
                _ => numbers(x, y, tolerance, told),
            }
        }
        Ok(())
    }
}

/// Whether two arrays have the same dtype and shape, and the same bytes where an item holds a value: 0 is not −0 then,
/// and a NaN is only what has the same bits. `told` is as for [`compare`].
///
/// # Errors
/// Whatever `told` returns.
pub fn identical(
    left: &ArrayRef<'_>,
    right: &ArrayRef<'_>,
    told: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<bool> {
    if left.dtype() != right.dtype() || left.shape() != right.shape() {
        return Ok(false);
    }
    let (gaps, itemsize) = (GapPlan::new(left.dtype()), left.itemsize());
    let (mut a, mut b, mut done) = (Vec::new(), Vec::new(), 0);
    let blocks = |array: &ArrayRef<'_>| array.layout().blocks(itemsize, BYTES);
    for (x, y) in blocks(left).zip(blocks(right)) {
        for (array, block, bytes) in [(left, &x, &mut a), (right, &y, &mut b)] {
            bytes.resize(block.len() * itemsize, 0);
            gather(array.data(), block, itemsize, bytes)?;
            gaps.apply(bytes);
        }
        if a != b {
            return Ok(false);
        }
        done += a.len() as u64;
        told(done)?;
    }
    Ok(true)
}

/// The index of the item at this position in C order.
#[must_use]
pub fn index_of(mut position: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (at, &len) in index.iter_mut().zip(shape).rev() {
        *at = position % len.max(1);
        position /= len.max(1);
    }
    index
}

fn read(side: &Side, (array, block): (&ArrayRef<'_>, &Layout), bytes: &mut Vec<u8>) -> Result<()> {
    let layout = side.layout(array, block)?;
    bytes.resize(layout.len() * side.dtype.itemsize(), 0);
    gather(array.data(), &layout, side.dtype.itemsize(), bytes)
}

fn pieces(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    // Items of no bytes are all alike: none need be walked.
    bytes.chunks_exact(size.max(1))
}

fn strings<'b>(
    (mut left, mut right): (impl Iterator<Item = &'b [u8]>, impl Iterator<Item = &'b [u8]>),
    kind: Kind,
    mut differs: impl FnMut(usize),
) {
    // One side may have items of no bytes, and then no pieces at all.
    for at in 0.. {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            return;
        }
        let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
        // Trailing NUL bytes of little-endian code points: what is left is compared padded to the longer one.
        let same = match kind {
            Kind::Opaque => a == b,
            _ => unpadded(a) == unpadded(b),
        };
        if !same {
            differs(at);
        }
    }
}

fn unpadded(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Array, DType, Element, ErrorKind, Order};

    fn array(spec: &str, bytes: &[u8]) -> Array {
        let dtype: DType = spec.parse().unwrap();
        let len = bytes.len() / dtype.itemsize();
        let layout = Layout::contiguous(&[len], dtype.itemsize(), Order::C).unwrap();
        Array::new(dtype, layout, bytes.to_vec().into()).unwrap()
    }

    fn found<A: Element, B: Element>(a: &[A], b: &[B], rtol: f64, atol: f64) -> Difference {
        let (a, b) = (
            ArrayRef::from_slice(a, &[a.len()]).unwrap(),
            ArrayRef::from_slice(b, &[b.len()]).unwrap(),
        );
        compare(&a, &b, &Tolerance { rtol, atol }, &mut |_| Ok(())).unwrap()
    }

    #[test]
    fn numbers_compare_across_dtypes() {
        assert_eq!(found(&[1i32, -2], &[1.0f64, -2.0], 0.0, 0.0).differing, 0);
        assert_eq!(found(&[i64::MAX], &[9_223_372_036_854_775_808.0f64], 0.0, 0.0).differing, 1);
        assert_eq!(found(&[u64::MAX, 1], &[-1i64, 1], 0.0, 0.0).differing, 1);
        assert_eq!(found(&[f64::NAN, -0.0], &[f32::NAN, 0.0], 0.0, 0.0).differing, 0);
        assert_eq!(found(&[[1.0f32, 0.0], [2.0, 1.0]], &[1u8, 2], 0.0, 0.0).differing, 1);
        assert_eq!(found(&[true, false], &[1.0f32, 0.5], 0.0, 0.0).differing, 1);
        let all =
            found(&[1.0f64, 2.0, f64::NAN, 4.0], &[1.0f64, 2.5, 3.0, f64::INFINITY], 0.0, 0.0);
        assert_eq!(all.differing, 3);
        assert_eq!(all.first, Some(vec![1]));
        assert_eq!(all.largest, Some(Largest { error: f64::INFINITY, index: vec![3] }));
        assert_eq!(all.relative, Some(Largest { error: 0.2, index: vec![1] }));
        let zero = found(&[1.0f64, 3.0], &[0.0f64, 2.0], 0.0, 0.0);
        assert_eq!(zero.relative, Some(Largest { error: f64::INFINITY, index: vec![0] }));
    }

    #[test]
    fn tolerance_is_numpys() {
        assert_eq!(found(&[1.0f64, 100.0], &[1.1f64, 101.0], 0.0, 0.2).differing, 1);
        assert_eq!(found(&[1.0f64, 100.0], &[1.1f64, 101.0], 0.1, 0.0).differing, 0);
        assert_eq!(found(&[1.0f64], &[f64::INFINITY], 1.0, 1.0).differing, 1);
        assert_eq!(found(&[7i64], &[9i64], 0.0, 2.0).differing, 0);
        assert_eq!(found(&[[3.0f64, 4.0]], &[[0.0f64, 0.0]], 0.0, 5.0).differing, 0);
    }

    #[test]
    fn text_padding_and_gaps_do_not_count() {
        let equal = |a: &Array, b: &Array| {
            compare(&a.view(), &b.view(), &Tolerance::default(), &mut |_| Ok(())).unwrap().differing
                == 0
        };
        assert!(equal(&array("S2", b"abc\0"), &array("S3", b"ab\0c\0\0")));
        assert!(!equal(&array("S2", b"abcd"), &array("S3", b"ab\0c\0\0")));
        assert!(equal(&array("<U1", b"a\0\0\0"), &array(">U2", b"\0\0\0a\0\0\0\0")));
        assert!(equal(
            &array("{a:|u1,:|V1,b:<u2}", &[1, 9, 2, 0]),
            &array("{a:|i1,b:>u2}", &[1, 0, 2])
        ));
        assert!(!equal(
            &array("{a:|u1,b:|u1[2]}", &[1, 2, 3]),
            &array("{a:|u1,b:|u1[2]}", &[1, 2, 4])
        ));
        assert!(equal(
            &array("<M8[s]", &5000i64.to_le_bytes()),
            &array(">M8[ms]", &5_000_000i64.to_be_bytes())
        ));
        assert!(!equal(
            &array("<m8[s]", &i64::MIN.to_le_bytes()),
            &array("<m8[s]", &0i64.to_le_bytes())
        ));
    }

    #[test]
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn what_pads_a_long_double_does_not_count() {
        let item = |value: u8, padding: u8| {
            let mut bytes = [padding; 16];
            bytes[..10].fill(value);
            bytes
        };
        let big = |value, padding| {
            let mut bytes = item(value, padding);
            bytes.reverse();
            array(">f16", &bytes)
        };
        let differ = |a: &Array, b: &Array| {
            let tolerance = Tolerance::default();
            compare(&a.view(), &b.view(), &tolerance, &mut |_| Ok(())).unwrap().differing
        };
        let one = array("<f16", &item(1, 0));
        assert_eq!(differ(&one, &array("<f16", &item(1, 9))), 0);
        assert_eq!(differ(&one, &big(1, 9)), 0);
        assert_eq!(differ(&one, &big(2, 0)), 1);
    }

    #[test]
    fn identical_arrays_have_the_same_bits() {
        let same = |a: &Array, b: &Array| identical(&a.view(), &b.view(), &mut |_| Ok(())).unwrap();
        let number = |value: f64| array("<f8", &value.to_le_bytes());
        assert!(same(&number(f64::NAN), &number(f64::NAN)));
        assert!(!same(&number(f64::NAN), &number(-f64::NAN)));
        assert!(!same(&number(0.0), &number(-0.0)));
        assert!(!same(&array("<u2", &[0, 0]), &array("<i2", &[0, 0])));
        assert!(!same(&array("<u2", &[0, 0]), &array("<u2", &[0, 0, 0, 0])));
        let gaps = "{a:|u1,b:|u1@2}/4";
        assert!(same(&array(gaps, &[1, 2, 3, 4]), &array(gaps, &[1, 0, 3, 9])));
        assert!(!same(&array(gaps, &[1, 2, 3, 4]), &array(gaps, &[1, 2, 4, 4])));
    }

    #[test]
    fn what_cannot_be_equal_is_an_error() {
        let error = |a: &Array, b: &Array| {
            compare(&a.view(), &b.view(), &Tolerance::default(), &mut |_| Ok(())).unwrap_err()
        };
        let (text, number) = (array("S8", b"abcdefgh"), array("<f8", &[0; 8]));
        assert_eq!(error(&text, &number).kind(), &ErrorKind::Mismatch);
        let shape = error(&array("<f8", &[0; 16]), &number);
        assert_eq!(shape.message(), "shapes [2] and [1] differ");
    }
}
