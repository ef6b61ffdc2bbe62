//! Zeroing the bytes of items that hold no value: what lies between fields, and what pads a long double.
//!
//! NumPy leaves in them what the memory held before, so bytes that leave the process would tell it.

use super::isa::Isa;
use super::windows::Windows;
use crate::dtype::{DType, Endian, Field, Record, Scalar};
use std::ops::Range;

/// Which bytes of an item hold no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapPlan {
    itemsize: usize,
    steps: Vec<Step>,
    /// The steps of a small item as shuffles.
    windows: Option<Windows>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Zero(Range<usize>),
    /// Items one behind the other: the plan of one, for each.
    Each(Range<usize>, GapPlan),
}

impl GapPlan {
    /// The plan of a dtype. Where fields share bytes, the gaps inside these fields are left as they are.
    #[must_use]
    pub fn new(dtype: &DType) -> Self {
        let mut plan = Self::of(dtype);
        plan.cut();
        plan
    }

    fn of(dtype: &DType) -> Self {
        let mut plan = Self { itemsize: dtype.itemsize(), steps: Vec::new(), windows: None };
        match dtype {
            DType::Scalar(scalar, endian) => plan.add_padding(*scalar, *endian),
            DType::Record(record) => plan.add_record(record),
            DType::Sub(sub) => plan.add_items(0..dtype.itemsize(), &sub.0),
            _ => {}
        }
        plan
    }

    /// Whether every byte of an item holds a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Zeroes the gaps of whole items in place.
    pub fn apply(&self, items: &mut [u8]) {
        self.apply_by(Isa::detect(), items);
    }

    /// Copies whole items, with zeros in their gaps.
    ///
    /// # Panics
    /// If the two differ in size.
    pub(crate) fn copy(&self, from: &[u8], to: &mut [u8]) {
        self.copy_by(Isa::detect(), from, to);
    }

    fn apply_by(&self, isa: Isa, items: &mut [u8]) {
        let done = self.windows.as_ref().map_or(0, |windows| windows.apply(isa, items));
        self.step(&mut items[done..], 0, &|plan, items| plan.apply_by(isa, items));
    }

    fn copy_by(&self, isa: Isa, from: &[u8], to: &mut [u8]) {
        let done = self.windows.as_ref().map_or(0, |windows| windows.copy(isa, from, to));
        to[done..].copy_from_slice(&from[done..]);
        self.step(&mut to[done..], 0, &|plan, items| plan.apply_by(isa, items));
    }

    /// Goes through the steps for each whole item; `each` does an inner plan's.
    fn step<T: Copy>(&self, items: &mut [T], zero: T, each: &dyn Fn(&Self, &mut [T])) {
        if self.is_empty() || self.itemsize == 0 {
            return;
        }
        for item in items.chunks_exact_mut(self.itemsize) {
            for step in &self.steps {
                match step {
                    Step::Zero(range) => item[range.clone()].fill(zero),
                    Step::Each(range, plan) => each(plan, &mut item[range.clone()]),
                }
            }
        }
    }

    /// Cuts the item into windows, or else those of inner plans.
    fn cut(&mut self) {
        if self.itemsize <= Windows::MAX && !self.is_empty() {
            let mut bytes: Vec<_> = (0..self.itemsize).map(Some).collect();
            self.clear(&mut bytes);
            self.windows = Windows::new(&bytes);
        }
        if self.windows.is_none() {
            for step in &mut self.steps {
                if let Step::Each(_, plan) = step {
                    plan.cut();
                }
            }
        }
    }

    fn clear(&self, items: &mut [Option<usize>]) {
        self.step(items, None, &Self::clear);
    }

    fn add_record(&mut self, record: &Record) {
        let mut fields: Vec<&Field> = record.fields().iter().collect();
        fields.sort_by_key(|field| field.offset);
        let mut end = 0;
        for field in fields {
            if field.offset > end {
                self.steps.push(Step::Zero(end..field.offset));
            }
            let behind = field.offset + field.dtype.itemsize();
            if !record.has_overlap() {
                self.add_items(field.offset..behind, &field.dtype);
            }
            end = end.max(behind);
        }
        if end < record.itemsize() {
            self.steps.push(Step::Zero(end..record.itemsize()));
        }
    }

    fn add_items(&mut self, range: Range<usize>, dtype: &DType) {
        let plan = Self::of(dtype);
        if !plan.is_empty() {
            self.steps.push(Step::Each(range, plan));
        }
    }

    fn add_padding(&mut self, scalar: Scalar, endian: Endian) {
        // Of x87's 16 bytes 10 are its value; elsewhere a long double of 16 bytes uses them all.
        const VALUE: usize = 10;
        if !cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
            return;
        }
        if matches!(scalar, Scalar::LongDouble | Scalar::CLongDouble) {
            let unit = scalar.unit();
            for start in (0..scalar.itemsize()).step_by(unit) {
                self.steps.push(Step::Zero(match endian {
                    Endian::Little => start + VALUE..start + unit,
                    Endian::Big => start..start + unit - VALUE,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The bytes of one item that the plan leaves.
    fn kept(spec: &str) -> String {
        let dtype: DType = spec.parse().unwrap();
        let mut item = vec![1; dtype.itemsize()];
        GapPlan::new(&dtype).apply(&mut item);
        item.iter().map(|byte| if *byte == 1 { 'x' } else { '.' }).collect()
    }

    /// So many items, on every set of instructions, against one after the other.
    fn check(spec: &str, count: usize) {
        let dtype: DType = spec.parse().unwrap();
        let kept = kept(spec);
        let items: Vec<u8> =
            (0..count * kept.len()).map(|i| u8::try_from(i % 255 + 1).unwrap()).collect();
        let values = items.iter().zip(kept.bytes().cycle());
        let expected: Vec<u8> =
            values.map(|(&byte, kept)| if kept == b'x' { byte } else { 0 }).collect();
        let plan = GapPlan::new(&dtype);
        for isa in Isa::all() {
            let (mut changed, mut copied) = (items.clone(), vec![0xAA; items.len()]);
            plan.apply_by(isa, &mut changed);
            plan.copy_by(isa, &items, &mut copied);
            assert_eq!(changed, expected, "{spec} in place by {isa:?}");
            assert_eq!(copied, expected, "{spec} copied by {isa:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 500 }))]
        #[test]
        fn many_items_keep_what_one_keeps(
            fields in prop::collection::vec((0usize..30, 1usize..200), 1..5),
            inner in 0usize..4,
            count in 0usize..if cfg!(miri) { 3 } else { 200 },
        ) {
            let (mut spelled, mut offset) = (Vec::new(), 0);
            for (index, (gap, len)) in fields.into_iter().enumerate() {
                offset += gap;
                let field = if inner == index { (format!("{{a:|u1,b:|u1@2}}/4[{len}]"), 4 * len) } else { (format!("|S{len}"), len) };
                spelled.push(format!("f{index}:{}@{offset}", field.0));
                offset += field.1;
            }
            let spec = format!("{{{}}}/{}", spelled.join(","), offset + 1);
            check(&spec, count);
        }
    }

    #[test]
    fn every_kind_of_plan_keeps_what_one_item_keeps() {
        // Lanes that are all alike, of many items, and of one; more than is cut into windows, but for what an inner record has.
        check("{a:|u1,b:<u4@4}/8", 21);
        check("{a:|u1,b:<u4@4}/10", 13);
        check("{a:|S70,b:|u1@75}/90", 4);
        check("{a:{b:|u1,c:|u1@2}/4[300],d:|u1@1210}/1220", 2);
    }

    #[test]
    fn gaps_are_what_no_field_covers() {
        assert_eq!(kept("<f8"), "xxxxxxxx");
        assert_eq!(kept("{a:|u1,b:<u4@4}/10"), "x...xxxx..");
        assert_eq!(kept("{b:<u4@4,a:|u1@0}/8"), "x...xxxx");
        assert_eq!(kept("{a:{b:|u1,c:|u1@2}/4[2]@1}/10"), ".x.x.x.x..");
        assert_eq!(kept("{}/3"), "...");
        // A union: a byte that one of its fields covers is kept.
        assert_eq!(kept("{a:<u4@0,b:{c:|u1}/4@2}/8"), "xxxxxx..");
    }

    #[test]
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn a_long_double_is_ten_bytes() {
        assert_eq!(kept("<f16"), "xxxxxxxxxx......");
        assert_eq!(kept(">f16"), "......xxxxxxxxxx");
        assert_eq!(kept("<c32"), "xxxxxxxxxx......xxxxxxxxxx......");
    }
}
