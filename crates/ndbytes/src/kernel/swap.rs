//! Changing the byte order of items in place, by a plan made once per dtype.

use crate::dtype::{DType, Endian, Record};
use crate::error::{Error, Result};

/// Which bytes of an item to reverse: the difference in byte order between two dtypes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwapPlan {
    itemsize: usize,
    steps: Vec<Step>,
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
        Ok(Self::between(from, to))
    }

    fn between(from: &DType, to: &DType) -> Self {
        let mut plan = Self { itemsize: from.itemsize(), steps: Vec::new() };
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
        if self.is_empty() || self.itemsize == 0 {
            return;
        }
        let whole = items.len() - items.len() % self.itemsize;
        let items = &mut items[..whole];
        match *self.steps {
            [Step::Reverse { width, size, .. }] if size == self.itemsize => reverse(items, width),
            _ => items.chunks_exact_mut(self.itemsize).for_each(|item| self.apply_to_one(item)),
        }
    }

    fn apply_to_one(&self, item: &mut [u8]) {
        for step in &self.steps {
            match step {
                Step::Reverse { offset, width, size } => {
                    reverse(&mut item[*offset..offset + size], *width)
                }
                Step::Each { offset, size, plan } => plan.apply(&mut item[*offset..offset + size]),
            }
        }
    }

    fn add(&mut self, from: &DType, to: &DType, offset: usize) {
        match (from, to) {
            _ if from == to => {}
            (DType::Record(from), DType::Record(to)) => self.add_record(from, to, offset),
            (DType::Sub(inner), DType::Sub(to)) => {
                let plan = Self::between(&inner.0, &to.0);
                let size = from.itemsize();
                self.steps.push(match *plan.steps {
                    [Step::Reverse { width, size: all, .. }] if all == plan.itemsize => {
                        Step::Reverse { offset, width, size }
                    }
                    _ => Step::Each { offset, size, plan },
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

fn reverse(bytes: &mut [u8], width: usize) {
    match width {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|unit| unit.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|unit| unit.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|unit| unit.reverse()),
        16 => bytes.as_chunks_mut::<16>().0.iter_mut().for_each(|unit| unit.reverse()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_as_large_as_the_dtype_is_to_spell() {
        let little: DType = "{a:<u2[1000,1000],b:{c:<u4,d:|u1}[300000]}".parse().unwrap();
        let plan = SwapPlan::new(&little, &little.with_endian(Endian::Big)).unwrap();
        assert_eq!(plan.steps.len(), 2);
        let mut item: Vec<u8> =
            (0..little.itemsize()).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let old = item.clone();
        plan.apply(&mut item);
        assert_eq!(item[..4], [old[1], old[0], old[3], old[2]]);
        assert_eq!(
            item[2_000_000..2_000_005],
            [old[2_000_003], old[2_000_002], old[2_000_001], old[2_000_000], old[2_000_004]]
        );
        plan.apply(&mut item);
        assert_eq!(item, old);
        assert!(SwapPlan::new(&little, &little).unwrap().is_empty());
        let union: DType = "{a:<u4@0,b:<u2@2}/4".parse().unwrap();
        assert_eq!(
            SwapPlan::new(&union, &union.with_endian(Endian::Big)).unwrap_err().message(),
            "{a:<u4@0,b:<u2@2}/4 has fields that overlap: its byte order cannot be changed"
        );
    }
}
