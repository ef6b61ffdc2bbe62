//! Changing the byte order of items in place, by a plan made once per dtype.

use crate::dtype::{DType, Endian, Record};
use crate::error::{Error, Result};

/// Which bytes of an item to reverse: the difference in byte order between two dtypes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapPlan {
    itemsize: usize,
    steps: Vec<Step>,
}

/// `count` numbers of `width` bytes, one behind the other from `offset` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    offset: usize,
    width: usize,
    count: usize,
}

impl SwapPlan {
    /// The plan from one dtype to another that differs only in byte order.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) if they differ in anything else.
    pub fn new(from: &DType, to: &DType) -> Result<Self> {
        let mut plan = Self { itemsize: from.itemsize(), steps: Vec::new() };
        if from.with_endian(Endian::Little) != to.with_endian(Endian::Little) {
            return Err(Error::mismatch(format!("{from} and {to} differ in more than byte order")));
        }
        plan.add(from, to, 0);
        Ok(plan)
    }

    /// Whether the two dtypes are the same, so that nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Reverses the bytes of whole items in place; bytes behind the last whole item stay.
    pub fn apply(&self, items: &mut [u8]) {
        if let [Step { offset: 0, width, count }] = *self.steps
            && width * count == self.itemsize
        {
            return reverse(items, width);
        }
        if self.is_empty() || self.itemsize == 0 {
            return;
        }
        for item in items.chunks_exact_mut(self.itemsize) {
            for step in &self.steps {
                reverse(&mut item[step.offset..step.offset + step.width * step.count], step.width);
            }
        }
    }

    fn add(&mut self, from: &DType, to: &DType, offset: usize) {
        match (from, to) {
            (DType::Record(from), DType::Record(to)) => self.add_record(from, to, offset),
            (DType::Sub(from), DType::Sub(to)) => {
                let mut at = offset;
                for _ in 0..from.1.iter().product::<usize>() {
                    self.add(&from.0, &to.0, at);
                    at += from.0.itemsize();
                }
            }
            _ if from != to => self.push(offset, unit(from), from.itemsize()),
            _ => {}
        }
    }

    fn add_record(&mut self, from: &Record, to: &Record, offset: usize) {
        for (from, to) in from.fields().iter().zip(to.fields()) {
            self.add(&from.dtype, &to.dtype, offset + from.offset);
        }
    }

    /// Numbers that follow on from the last step become part of it.
    fn push(&mut self, offset: usize, width: usize, size: usize) {
        let count = size / width;
        match self.steps.last_mut() {
            Some(step)
                if step.width == width && step.offset + step.width * step.count == offset =>
            {
                step.count += count
            }
            _ => self.steps.push(Step { offset, width, count }),
        }
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
