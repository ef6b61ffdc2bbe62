//! Changing the byte order of items, in place or as they are copied, by a plan made once per dtype.

use super::isa::Isa;
use super::windows::Windows;
use crate::dtype::{DType, Endian, Record};
use crate::error::{Error, Result};

/// Which bytes of an item to reverse: the difference in byte order between two dtypes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwapPlan {
    itemsize: usize,
    steps: Vec<Step>,
    /// The steps of a small item as shuffles.
    windows: Option<Windows>,
}

/// Something to do from a byte of the item on. As large as the dtype's spelling, however many items a subarray has.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Numbers of `width` bytes, one behind the other, `size` bytes in all.
    Reverse { offset: usize, width: usize, size: usize },
    /// A subarray of records: the plan of one, for each in `size` bytes.
    Each { offset: usize, size: usize, plan: SwapPlan },
}

impl SwapPlan {
    /// The plan from one dtype to another that differs only in byte order.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) if they differ in anything else;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where fields share bytes, which no order can be right for.
    pub fn new(from: &DType, to: &DType) -> Result<Self> {
        if from.with_endian(Endian::Little) != to.with_endian(Endian::Little) {
            return Err(Error::mismatch(format!("{from} and {to} differ in more than byte order")));
        }
        if from != to && has_overlap(from) {
            return Err(Error::unsupported(format!(
                "{from} has fields that overlap: its byte order cannot be changed"
            )));
        }
        let mut plan = Self::between(from, to);
        plan.cut();
        Ok(plan)
    }

    fn between(from: &DType, to: &DType) -> Self {
        let mut plan = Self { itemsize: from.itemsize(), ..Self::default() };
        plan.add(from, to, 0);
        plan
    }

    /// Whether the two dtypes are the same, so that nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Reverses the bytes of whole items in place; bytes behind the last whole item stay.
    pub fn apply(&self, items: &mut [u8]) {
        self.apply_by(Isa::detect(), items);
    }

    /// Copies items and reverses their bytes on the way; bytes behind the last whole item are copied as they are.
    ///
    /// # Panics
    /// If the two differ in size.
    pub(crate) fn copy(&self, from: &[u8], to: &mut [u8]) {
        self.copy_by(Isa::detect(), from, to);
    }

    fn apply_by(&self, isa: Isa, items: &mut [u8]) {
        let whole = self.whole(items.len());
        let items = &mut items[..whole];
        let done = self.windows.as_ref().map_or(0, |windows| windows.apply(isa, items));
        self.step(&mut items[done..], &|plan, items| plan.apply_by(isa, items));
    }

    fn copy_by(&self, isa: Isa, from: &[u8], to: &mut [u8]) {
        let whole = self.whole(from.len());
        let windows = self.windows.as_ref();
        let done = windows.map_or(0, |windows| windows.copy(isa, &from[..whole], to));
        to[done..].copy_from_slice(&from[done..]);
        self.step(&mut to[done..whole], &|plan, items| plan.apply_by(isa, items));
    }

    /// How many of `len` bytes are whole items.
    fn whole(&self, len: usize) -> usize {
        len - len.checked_rem(self.itemsize).unwrap_or(len)
    }

    /// Goes through the steps for each of whole items; `each` does an inner plan's.
    fn step<T>(&self, items: &mut [T], each: &dyn Fn(&Self, &mut [T])) {
        if let Some(width) = self.width() {
            return reverse(items, width);
        }
        if items.is_empty() || self.is_empty() {
            return;
        }
        for item in items.chunks_exact_mut(self.itemsize) {
            for step in &self.steps {
                match step {
                    Step::Reverse { offset, width, size } => {
                        reverse(&mut item[*offset..offset + size], *width)
                    }
                    Step::Each { offset, size, plan } => {
                        each(plan, &mut item[*offset..offset + size])
                    }
                }
            }
        }
    }

    /// The width of the numbers that fill an item.
    fn width(&self) -> Option<usize> {
        match *self.steps {
            [Step::Reverse { width, size, .. }] if size == self.itemsize => Some(width),
            _ => None,
        }
    }

    /// Cuts the item into windows, or else those of inner plans.
    fn cut(&mut self) {
        let size = self.width().unwrap_or(self.itemsize);
        if size <= Windows::MAX && !self.is_empty() {
            let mut bytes: Vec<_> = (0..size).map(Some).collect();
            match self.width() {
                Some(_) => bytes.reverse(),
                None => self.rearrange(&mut bytes),
            }
            self.windows = Windows::new(&bytes);
        }
        if self.windows.is_none() {
            for step in &mut self.steps {
                if let Step::Each { plan, .. } = step {
                    plan.cut();
                }
            }
        }
    }

    fn rearrange<T>(&self, items: &mut [T]) {
        self.step(items, &Self::rearrange);
    }

    fn add(&mut self, from: &DType, to: &DType, offset: usize) {
        match (from, to) {
            _ if from == to => {}
            (DType::Record(from), DType::Record(to)) => self.add_record(from, to, offset),
            (DType::Sub(inner), DType::Sub(to)) => {
                let plan = Self::between(&inner.0, &to.0);
                let size = from.itemsize();
                self.steps.push(match plan.width() {
                    Some(width) => Step::Reverse { offset, width, size },
                    None => Step::Each { offset, size, plan },
                });
            }
            _ => {
                self.steps.push(Step::Reverse { offset, width: unit(from), size: from.itemsize() })
            }
        }
    }

    fn add_record(&mut self, from: &Record, to: &Record, offset: usize) {
        for (from, to) in from.fields().iter().zip(to.fields()) {
            self.add(&from.dtype, &to.dtype, offset + from.offset);
        }
    }
}

fn has_overlap(dtype: &DType) -> bool {
    match dtype {
        DType::Record(record) => {
            record.has_overlap() || record.fields().iter().any(|field| has_overlap(&field.dtype))
        }
        DType::Sub(sub) => has_overlap(&sub.0),
        _ => false,
    }
}

/// Bytes that a change of byte order reverses.
fn unit(dtype: &DType) -> usize {
    match dtype {
        DType::Scalar(scalar, _) => scalar.unit(),
        DType::Time(..) => 8,
        DType::Text(..) => 4,
        _ => 1,
    }
}

fn reverse<T>(bytes: &mut [T], width: usize) {
    match width {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|unit| unit.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|unit| unit.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|unit| unit.reverse()),
        16 => bytes.as_chunks_mut::<16>().0.iter_mut().for_each(|unit| unit.reverse()),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
