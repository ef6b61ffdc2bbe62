use super::form::lead;
use super::tree::SUBTREE;
use super::*;
use crate::array::{Array, Layout};
use crate::dtype::Endian;
use crate::kernel::{Copying, copy_to};
use proptest::prelude::*;

fn array(spec: &str, shape: &[usize], order: Order, bytes: &[u8]) -> Array {
    let dtype: DType = spec.parse().unwrap();
    let layout = Layout::contiguous(shape, dtype.itemsize(), order).unwrap();
    Array::new(dtype, layout, bytes.to_vec().into()).unwrap()
}

fn of(spec: &str, shape: &[usize], bytes: &[u8]) -> Digest {
    digest(&array(spec, shape, Order::C, bytes).view()).unwrap()
}

fn bytes_of(array: &Array, order: Order, endian: Option<Endian>) -> Vec<u8> {
    let mut bytes = vec![0; array.nbytes()];
    let how = Copying::default();
    copy_to(&array.view(), order, endian, &mut bytes, how, &mut |_| Ok(())).unwrap();
    bytes
}

/// The BLAKE3 of the form that FORMAT.md writes out.
fn plain(lead: &str, items: &[u8]) -> Digest {
    Digest(*blake3::hash(&[lead.as_bytes(), items].concat()).as_bytes())
}

#[test]
fn the_canonical_form_is_that_of_the_specification() {
    for (spec, shape, bytes, lead, items) in [
        (">u2", &[2, 1][..], &[1, 2, 3, 4][..], "<u2\n[2,1]", &[2, 1, 4, 3][..]),
        ("|u1", &[], &[7], "|u1\n[]", &[7]),
        ("<f8", &[0, 3], &[], "<f8\n[0,3]", &[]),
        ("{a:|u1,:|V1,b:>u2}", &[1], &[1, 9, 2, 3], "{a:|u1,:|V1,b:<u2}\n[1]", &[1, 0, 3, 2]),
        ("{'é日\u{1f600}':|u1}", &[1], &[1], "{'\\xe9\\u65e5\\U0001f600':|u1}\n[1]", &[1]),
        (">bfloat16", &[1], &[1, 2], "bfloat16\n[1]", &[2, 1]),
        // Fields that share bytes: as they are.
        ("{a:>u2@0,b:|u1@1}/3", &[1], &[1, 2, 9], "{a:>u2@0,b:|u1@1}/3\n[1]", &[1, 2, 0]),
    ] {
        let wanted = plain(&format!("ndbytes digest 0\n{lead}\n"), items);
        assert_eq!(of(spec, shape, bytes), wanted, "{spec}");
    }
}

#[test]
fn everything_that_makes_an_array_counts() {
    let bytes = [0, 0, 0, 0, 0, 0, 0, 0x80];
    let all = [
        of("<f8", &[1], &bytes),
        of("<f8", &[1], &[0; 8]), // 0.0, which equals -0.0
        of("<i8", &[1], &bytes),
        of("<f8", &[], &bytes),
        of("<f8", &[1, 1], &bytes),
        of("{a:<f8}", &[1], &bytes),
        of("{b:<f8}", &[1], &bytes),
        of("{t=b:<f8}", &[1], &bytes),
        of("|V8", &[1], &bytes),
        of("|V2", &[1], &[1, 2]),
        of("bfloat16", &[1], &[1, 2]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one), "{at}");
    }
}

#[test]
fn digests_are_spelled_in_64_digits() {
    let name = of("|u1", &[], &[1]);
    let text = name.to_string();
    assert_eq!((text.len(), text.parse::<Digest>().unwrap()), (64, name));
    assert_eq!(text.to_uppercase().parse::<Digest>().unwrap(), name);
    for wrong in ["", &text[1..], &format!("{text}0"), &text.replace(&text[..1], "g")] {
        let error = wrong.parse::<Digest>().unwrap_err();
        assert!(error.message().starts_with("a digest has 64 hexadecimal digits"), "{error}");
    }
}

#[test]
fn a_digester_wants_just_the_bytes_of_its_array() {
    let mut digester = Digester::new(&">u2".parse().unwrap(), &[2]).unwrap();
    digester.update(&[1, 2, 3]).unwrap();
    assert_eq!(digester.update(&[1, 2]).unwrap_err().message(), "more bytes than the array has");
    let error = digester.finish().unwrap_err();
    assert_eq!(error.message(), "1 bytes of the array have not come");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]
    #[test]
    fn order_byte_order_strides_and_cuts_do_not_count(
        spec in prop::sample::select(vec![">u2", "<c16", "|S5", ">U2", "{a:|u1,:|V3,b:>f4[2],:|V1}", "<f16"]),
        shape in prop::collection::vec(0usize..7, 0..4),
        cut in 1usize..40,
        seed: u8,
    ) {
        let dtype: DType = spec.parse().unwrap();
        let count: usize = shape.iter().product();
        let bytes: Vec<u8> = (0..count * dtype.itemsize())
            .map(|i| u8::try_from(i % 251).unwrap().wrapping_mul(seed)).collect();
        let first = array(spec, &shape, Order::C, &bytes);
        let wanted = digest(&first.view()).unwrap();
        let other = dtype.with_endian(Endian::Little).to_string();
        let little = bytes_of(&first, Order::C, Some(Endian::Little));
        prop_assert_eq!(of(&other, &shape, &little), wanted);
        let fortran = bytes_of(&first, Order::F, None);
        prop_assert_eq!(digest(&array(spec, &shape, Order::F, &fortran).view()).unwrap(), wanted);
        let mut digester = Digester::new(&dtype, &shape).unwrap();
        bytes.chunks(cut).for_each(|part| digester.update(part).unwrap());
        prop_assert_eq!(digester.finish().unwrap(), wanted);
    }
}

#[test]
fn threads_do_not_count() {
    let most = if cfg!(miri) { 1 } else { 7 * SUBTREE + 5 };
    let bytes: Vec<u8> = (0..most).map(|i| u8::try_from(i % 249).unwrap()).collect();
    let lead = lead(&"|u1".parse().unwrap(), &[1]).len();
    for subtrees in 2..8 {
        for len in [subtrees * SUBTREE - lead, subtrees * SUBTREE, subtrees * SUBTREE - 999] {
            let Some(bytes) = bytes.get(..len) else { continue };
            let array = ArrayRef::from_slice(bytes, &[len]).unwrap();
            let mut seen = 0;
            let found = digest_with(&array, Threads::new(3), &mut |n| {
                seen = n;
                Ok(())
            });
            assert_eq!((found.unwrap(), seen), (digest(&array).unwrap(), len as u64));
        }
    }
}

#[test]
fn many_pieces_are_the_whole() {
    let count = if cfg!(miri) { 1000 } else { 300_000 };
    let bytes: Vec<u8> = (0..count * 6).map(|i| u8::try_from(i % 253).unwrap()).collect();
    for spec in [">u2", "<u2", "{a:|u1,:|V1}"] {
        let first = array(spec, &[count, 3], Order::C, &bytes);
        let fortran = bytes_of(&first, Order::F, None);
        let other = array(spec, &[count, 3], Order::F, &fortran);
        assert_eq!(digest(&first.view()).unwrap(), digest(&other.view()).unwrap(), "{spec}");
        let mut digester = Digester::new(first.dtype(), first.shape()).unwrap();
        digester.update(&bytes).unwrap();
        assert_eq!(digester.finish().unwrap(), digest(&first.view()).unwrap(), "{spec}");
    }
}
