//! Where the items of an array lie: shape, signed strides and offset, and the one proof that they lie inside.

use crate::error::{Error, Result};
use crate::limits::MAX_NDIM;
use std::ops::Range;

/// The order in which items become bytes, as `numpy.ndarray.tobytes` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Last axis fastest.
    #[default]
    C,
    /// First axis fastest (Fortran).
    F,
    /// F if the array is Fortran-contiguous and not C-contiguous, else C.
    A,
    /// C, as `tobytes` does (NumPy's other functions mean something else by it).
    K,
}

impl std::str::FromStr for Order {
    type Err = Error;

    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for anything but one of the letters, in either case.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "C" | "c" => Ok(Self::C),
            "F" | "f" => Ok(Self::F),
            "A" | "a" => Ok(Self::A),
            "K" | "k" => Ok(Self::K),
            _ => Err(Error::argument(format!("order must be one of C, F, A or K, found {text:?}"))),
        }
    }
}

/// Shape, signed strides in bytes, and the offset in bytes of the item at index 0, 0, ….
///
/// Negative, zero and odd strides are all well; [`Layout::span`] proves that they stay inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<isize>,
    pub(crate) offset: usize,
}

/// A part of one axis: `start`, and then every `step`-th, `len` times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first index.
    pub start: usize,
    /// How many.
    pub len: usize,
    /// From one to the next; may be negative.
    pub step: isize,
}

impl Layout {
    /// A layout with strides of its own.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) unless there is one stride per axis and at most 64 axes.
    pub fn new(shape: Vec<usize>, strides: Vec<isize>, offset: usize) -> Result<Self> {
        check_ndim(shape.len())?;
        if shape.len() != strides.len() {
            return Err(Error::argument(format!(
                "{} strides for {} axes; each axis has one",
                strides.len(),
                shape.len()
            )));
        }
        Ok(Self { shape, strides, offset })
    }

    /// Items one behind the other, in C order, or in F order for [`Order::F`].
    ///
    /// # Errors
    /// As [`nbytes`], and [`Argument`](crate::ErrorKind::Argument) for more than 64 axes.
    pub fn contiguous(shape: &[usize], itemsize: usize, order: Order) -> Result<Self> {
        check_ndim(shape.len())?;
        nbytes(shape, itemsize)?;
        let mut strides = vec![0isize; shape.len()];
        let mut step = itemsize.cast_signed();
        let mut set = |axis: usize| {
            strides[axis] = step;
            // Cannot overflow: the product of the axes that are not 0 was counted above.
            step = step.saturating_mul(shape[axis].max(1).cast_signed());
        };
        if order == Order::F {
            (0..shape.len()).for_each(&mut set)
        } else {
            (0..shape.len()).rev().for_each(&mut set)
        }
        Ok(Self { shape: shape.to_vec(), strides, offset: 0 })
    }

    /// The items of a C-contiguous layout as one axis.
    pub(crate) fn flat(&self, itemsize: usize) -> Self {
        let (shape, strides) = (vec![self.len()], vec![itemsize.cast_signed()]);
        Self { shape, strides, offset: self.offset }
    }

    /// Whether items may share bytes: surely where this is false. The layout must have passed [`Layout::span`].
    #[must_use]
    pub fn may_overlap(&self, itemsize: usize) -> bool {
        let axes = self.shape.iter().zip(&self.strides).filter(|(len, _)| **len > 1);
        let mut axes: Vec<_> = axes.map(|(&len, stride)| (stride.unsigned_abs(), len)).collect();
        axes.sort_unstable();
        let mut reach = itemsize;
        axes.into_iter().any(|(stride, len)| {
            let overlaps = stride < reach;
            reach = reach.saturating_add(stride.saturating_mul(len - 1));
            overlaps
        })
    }

    /// The bytes that items of `itemsize` bytes occupy: **the bounds proof**.
    ///
    /// Every item of the array lies inside the range, so whoever holds data that covers it may read each
    /// item without another check. An array without items occupies nothing.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if a size overflows; [`Argument`](crate::ErrorKind::Argument) if an
    /// item would lie before the start of the data.
    pub fn span(&self, itemsize: usize) -> Result<Range<usize>> {
        nbytes(&self.shape, itemsize)?;
        if self.is_empty() {
            return Ok(0..0);
        }
        let (mut low, mut high) = (0isize, itemsize.cast_signed());
        for (&len, &stride) in self.shape.iter().zip(&self.strides) {
            let steps = (len - 1).cast_signed();
            let reach = steps
                .checked_mul(stride)
                .ok_or_else(|| Error::overflow("the reach of a stride"))?;
            let end = if reach < 0 { &mut low } else { &mut high };
            *end = end
                .checked_add(reach)
                .ok_or_else(|| Error::overflow("the reach of the strides"))?;
        }
        let start = self.offset.checked_add_signed(low).ok_or_else(|| {
            let before = low.unsigned_abs();
            Error::argument(format!(
                "strides reach {before} bytes below the offset {}",
                self.offset
            ))
        })?;
        let end = self
            .offset
            .checked_add_signed(high)
            .ok_or_else(|| Error::overflow("the reach of the strides"))?;
        Ok(start..end)
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Bytes from one item to the next along each axis.
    #[must_use]
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Bytes from the start of the data to the item at index 0, 0, ….
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Number of axes.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.shape.len()
    }

    /// Number of items; exact once [`Layout::span`] has proved that they can be counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |n: usize, &len| n.saturating_mul(len))
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether the items lie one behind the other with the last axis fastest, by NumPy's rule:
    /// axes of length 1 may have any stride, arrays without items are contiguous.
    #[must_use]
    pub fn is_c_contiguous(&self, itemsize: usize) -> bool {
        let axes = self.shape.iter().zip(&self.strides).rev();
        self.is_empty() || follows(axes, itemsize)
    }

    /// Whether the items lie one behind the other with the first axis fastest, by NumPy's rule.
    #[must_use]
    pub fn is_f_contiguous(&self, itemsize: usize) -> bool {
        let axes = self.shape.iter().zip(&self.strides);
        self.is_empty() || follows(axes, itemsize)
    }

    /// Whether `order` means the first axis fastest for this layout.
    #[must_use]
    pub fn is_fortran(&self, order: Order, itemsize: usize) -> bool {
        match order {
            Order::C | Order::K => false,
            Order::F => true,
            Order::A => self.is_f_contiguous(itemsize) && !self.is_c_contiguous(itemsize),
        }
    }

    /// The axes in reverse: its C order is this layout's F order.
    #[must_use]
    pub fn transposed(mut self) -> Self {
        self.shape.reverse();
        self.strides.reverse();
        self
    }

    /// The part that the slices take, one for each axis.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if there are more or fewer slices than axes, or one leaves its axis.
    pub fn sliced(&self, slices: &[Slice]) -> Result<Self> {
        if slices.len() != self.ndim() {
            return Err(Error::argument(format!(
                "{} slices for {} axes",
                slices.len(),
                self.ndim()
            )));
        }
        let mut part = self.clone();
        for (axis, slice) in slices.iter().enumerate() {
            let len = self.shape[axis];
            if !slice.is_inside(len) {
                let Slice { start, len: count, step } = slice;
                return Err(Error::argument(format!(
                    "axis {axis}: {count} items from {start} by {step} leave an axis of length {len}"
                )));
            }
            part.shape[axis] = slice.len;
            let overflow = || Error::overflow("the reach of a slice");
            if slice.len > 0 {
                let skip = slice
                    .start
                    .cast_signed()
                    .checked_mul(self.strides[axis])
                    .ok_or_else(overflow)?;
                part.offset = part.offset.checked_add_signed(skip).ok_or_else(overflow)?;
            }
            part.strides[axis] = self.strides[axis].checked_mul(slice.step).ok_or_else(overflow)?;
        }
        Ok(part)
    }

    /// The same items without the axes that `axes` names.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) if one of them is not of length 1.
    pub fn squeezed(&self, axes: &[usize]) -> Result<Self> {
        let mut kept = Self { shape: Vec::new(), strides: Vec::new(), offset: self.offset };
        for (axis, (&len, &stride)) in self.shape.iter().zip(&self.strides).enumerate() {
            if !axes.contains(&axis) {
                kept.shape.push(len);
                kept.strides.push(stride);
            } else if len != 1 {
                return Err(Error::argument(format!(
                    "axis {axis} has length {len}, only 1 can be dropped"
                )));
            }
        }
        Ok(kept)
    }
}

impl Slice {
    /// Whether all of it lies in an axis of this length.
    pub(crate) fn is_inside(&self, len: usize) -> bool {
        let Some(steps) = self.len.checked_sub(1) else { return true };
        let last = isize::try_from(steps)
            .ok()
            .and_then(|steps| steps.checked_mul(self.step))
            .and_then(|reach| self.start.checked_add_signed(reach));
        self.start < len && last.is_some_and(|last| last < len)
    }
}

/// Bytes of an array of this shape, after checking that NumPy could hold it: lengths of 0 aside, the product
/// must fit a signed size.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) if it does not.
pub fn nbytes(shape: &[usize], itemsize: usize) -> Result<usize> {
    let full = shape
        .iter()
        .filter(|&&len| len != 0)
        .try_fold(itemsize.max(1), |n, &len| n.checked_mul(len));
    full.filter(|&n| isize::try_from(n).is_ok())
        .ok_or_else(|| Error::overflow("the array's size"))?;
    Ok(shape.iter().product::<usize>() * itemsize)
}

fn check_ndim(ndim: usize) -> Result<()> {
    if ndim <= MAX_NDIM {
        return Ok(());
    }
    Err(Error::argument(format!("{ndim} axes; at most {MAX_NDIM} are allowed")))
}

/// Whether each axis, from the fastest on, steps over all the faster ones.
fn follows<'a>(axes: impl Iterator<Item = (&'a usize, &'a isize)>, itemsize: usize) -> bool {
    let mut step = itemsize.cast_signed();
    for (&len, &stride) in axes {
        if len != 1 && stride != step {
            return false;
        }
        step = step.saturating_mul(len.cast_signed());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn span_refuses_what_overflows_or_reaches_below() {
        let layout = Layout::new(vec![1 << 32, 1 << 32], vec![1 << 35, 8], 0).unwrap();
        assert_eq!(
            layout.span(8).unwrap_err().message(),
            "the array's size overflows; at most 9223372036854775807 bytes are allowed"
        );
        let big = isize::MAX.unsigned_abs();
        assert!(Layout::contiguous(&[0, big, big], 1, Order::C).is_err());
        let below = Layout::new(vec![3], vec![-8], 15).unwrap();
        assert_eq!(
            below.span(8).unwrap_err().message(),
            "strides reach 16 bytes below the offset 15"
        );
        assert_eq!(Layout::new(vec![3], vec![-8], 16).unwrap().span(8).unwrap(), 0..24);
        assert_eq!(Layout::new(vec![5], vec![0], 3).unwrap().span(2).unwrap(), 3..5);
        assert!(Layout::new(vec![2, 2], vec![isize::MAX, isize::MAX], 0).unwrap().span(1).is_err());
    }

    #[test]
    fn slices_cannot_leave_their_axis() {
        let layout = Layout::contiguous(&[10], 4, Order::C).unwrap();
        let slice = |start, len, step| layout.sliced(&[Slice { start, len, step }]);
        assert_eq!(slice(9, 10, -1).unwrap().span(4).unwrap(), 0..40);
        assert_eq!(slice(10, 0, 1).unwrap().len(), 0);
        for (start, len, step) in
            [(0, 11, 1), (5, usize::MAX, 1), (9, 11, -1), (0, 3, 5), (10, 1, 1)]
        {
            assert!(slice(start, len, step).is_err(), "{start} {len} {step}");
        }
    }

    #[test]
    fn contiguity_is_numpys() {
        let c = Layout::contiguous(&[2, 1, 3], 4, Order::C).unwrap();
        assert!(c.is_c_contiguous(4) && !c.is_f_contiguous(4));
        assert!(c.transposed().is_f_contiguous(4));
        let scalar = Layout::contiguous(&[], 4, Order::C).unwrap();
        assert!(scalar.is_c_contiguous(4) && scalar.is_f_contiguous(4) && scalar.len() == 1);
        let odd = Layout::new(vec![1, 3], vec![999, 4], 0).unwrap();
        assert!(odd.is_c_contiguous(4) && odd.is_f_contiguous(4));
    }

    proptest! {
        /// The span is exactly the hull of all items, found one by one.
        #[test]
        fn span_is_the_hull_of_all_items(
            axes in prop::collection::vec((0usize..5, -40isize..40), 0..4), offset in 0usize..400, itemsize in 1usize..9,
        ) {
            let (shape, strides): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
            let layout = Layout::new(shape.clone(), strides.clone(), offset).unwrap();
            let mut positions = vec![offset.cast_signed()];
            for (&len, &stride) in shape.iter().zip(&strides) {
                let steps = 0..len.cast_signed();
                positions = positions.iter().flat_map(|p| steps.clone().map(move |i| p + i * stride)).collect();
            }
            let low = positions.iter().copied().min();
            let high = positions.iter().copied().max().map(|p| p + itemsize.cast_signed());
            match (low, high, layout.span(itemsize)) {
                (None, _, span) => prop_assert_eq!(span.unwrap(), 0..0),
                (Some(low), Some(high), Ok(span)) => {
                    prop_assert_eq!(span.start.cast_signed(), low);
                    prop_assert_eq!(span.end.cast_signed(), high);
                }
                (Some(low), _, span) => prop_assert!(low < 0 && span.is_err()),
            }
        }
    }
}
