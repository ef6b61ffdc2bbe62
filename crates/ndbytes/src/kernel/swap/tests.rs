//! Plans of every kind, against a loop over the bytes of each number.

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
        DType::Scalar(scalar, _) => item.chunks_exact_mut(scalar.unit()).for_each(<[u8]>::reverse),
        DType::Text(..) => item.chunks_exact_mut(4).for_each(<[u8]>::reverse),
        DType::Time(..) => item.reverse(),
        _ => {}
    }
}

/// Numbers, text and other bytes, alone and in subarrays and records with gaps, of up to a few kilobytes.
fn dtypes() -> impl Strategy<Value = DType> {
    let leaves =
        ["|u1", "<u2", "<i4", "<f8", "<f16", "<c8", "<c32", "|S3", "<U3", "<U0", "|V5", "<m8[s]"];
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
