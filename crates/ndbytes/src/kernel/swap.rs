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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dtype::Field;

    /// Number by number, as the dtype says: the oracle.
    fn naive(dtype: &DType, item: &mut [u8]) {
        match dtype {
            DType::Record(record) => record.fields().iter().for_each(|field| {
                naive(&field.dtype, &mut item[field.offset..][..field.dtype.itemsize()]);
            }),
            DType::Sub(sub) if sub.0.itemsize() > 0 => {
                item.chunks_exact_mut(sub.0.itemsize()).for_each(|item| naive(&sub.0, item));
            }
            DType::Scalar(scalar, _) => {
                item.chunks_exact_mut(scalar.unit()).for_each(<[u8]>::reverse)
            }
            DType::Text(..) => item.chunks_exact_mut(4).for_each(<[u8]>::reverse),
            DType::Time(..) => item.reverse(),
            _ => {}
        }
    }

    /// Numbers, text and other bytes, alone and in subarrays and records with gaps, of up to a few kilobytes.
    fn dtypes() -> impl Strategy<Value = DType> {
        let leaves = [
            "|u1", "<u2", "<i4", "<f8", "<f16", "<c8", "<c32", "|S3", "<U3", "<U0", "|V5", "<m8[s]",
        ];
        let leaf = prop::sample::select(leaves.to_vec()).prop_map(|leaf| leaf.parse().unwrap());
        leaf.prop_recursive(3, 12, 6, |inner: BoxedStrategy<DType>| {
            let fields = prop::collection::vec((inner.clone(), 0usize..20), 1..6);
            let record = fields.prop_map(|fields| {
                let (mut placed, mut offset) = (Vec::new(), 0);
                for (index, (dtype, gap)) in fields.into_iter().enumerate() {
                    offset += gap / 4;
                    let size = dtype.itemsize();
                    placed.push(Field::new(format!("f{index}"), dtype, offset));
                    offset += size;
                }
                DType::record(Record::new(placed, offset + 1).unwrap())
            });
            let sub = (inner, 0usize..40)
                .prop_map(|(item, len)| DType::subarray(item.clone(), &[len]).unwrap_or(item));
            prop_oneof![record, sub]
        })
    }

    /// Copies and changes `len` bytes of items on every set of instructions, from any alignment on.
    fn check(dtype: &DType, len: usize, shift: usize) {
        let plan = SwapPlan::new(dtype, &dtype.with_endian(Endian::Big)).unwrap();
        let source: Vec<u8> =
            (0..shift + len).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect();
        let items = &source[shift..];
        let mut expected = items.to_vec();
        if dtype.itemsize() > 0 {
            expected.chunks_exact_mut(dtype.itemsize()).for_each(|item| naive(dtype, item));
        }
        for isa in Isa::all() {
            let mut copied = vec![0xAA; len];
            plan.copy_by(isa, items, &mut copied);
            assert_eq!(copied, expected, "{dtype} copied by {isa:?}");
            let mut changed = source.clone();
            plan.apply_by(isa, &mut changed[shift..]);
            assert_eq!(changed[shift..], expected, "{dtype} in place by {isa:?}");
        }
    }

    /// Bytes of many items.
    const LONG: usize = if cfg!(miri) { 300 } else { 3000 };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 2000 }))]
        #[test]
        fn swaps_what_the_naive_loop_swaps(dtype in dtypes(), len in 0..LONG, shift in 0usize..20) {
            check(&dtype, len, shift);
        }
    }

    #[test]
    fn every_kind_of_plan_swaps_what_the_naive_loop_swaps() {
        let cases = [
            // Lanes that are all alike: a turn of the loop, a pair, one more, and less than one.
            ("<u2", 317),
            ("<f4", 319),
            ("<f8", 319),
            ("<f16", 335),
            // Lanes of many items, of one, and by way of more than one scratch.
            ("{a:<u2,b:|u1,c:<u4}/8", 300),
            ("{a:<u2,b:|u1,c:<c8[2],d:{e:<U1}}", 300),
            ("{a:<u2,b:|S180,c:|u1}", 4300),
            ("{a:<u2[70],b:|u1}", 300),
            // More than is cut into windows: all of it, or all but what an inner record has.
            ("{a:<u2[500],b:<f4[10],c:<f8,d:<f16,e:|u1}", 1200),
            ("{a:{b:<u2,c:|u1}[400],d:<u4}", 2500),
        ];
        for (spec, len) in cases {
            check(&spec.parse().unwrap(), len, 3);
        }
    }

    #[test]
    fn a_plan_is_as_large_as_the_dtype_is_to_spell() {
        let (rows, records) = if cfg!(miri) { (10, 30) } else { (1000, 300_000) };
        let spec = format!("{{a:<u2[{rows},{rows}],b:{{c:<u4,d:|u1}}[{records}]}}");
        let little: DType = spec.parse().unwrap();
        let plan = SwapPlan::new(&little, &little.with_endian(Endian::Big)).unwrap();
        assert_eq!(plan.steps.len(), 2);
        let mut item: Vec<u8> =
            (0..little.itemsize()).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let old = item.clone();
        plan.apply(&mut item);
        assert_eq!(item[..4], [old[1], old[0], old[3], old[2]]);
        let (b, was) = (&item[2 * rows * rows..], &old[2 * rows * rows..]);
        assert_eq!(b[..5], [was[3], was[2], was[1], was[0], was[4]]);
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
