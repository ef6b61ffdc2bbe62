//! Each filter on every set of instructions, against what the specification says, word by word.

use proptest::prelude::*;

use super::*;

const WIDTHS: [usize; 4] = [1, 2, 4, 8];
const KINDS: [Predict; 5] =
    [Predict::Nothing, Predict::Last, Predict::LastTwo, Predict::LastThree, Predict::LastButOne];
const CASES: u32 = if cfg!(miri) { 2 } else { 256 };

/// Runs on `len` bytes between others, which must stay as they are, at an odd address.
fn guarded(len: usize, run: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = vec![0xA5; len + 72];
    let shift = 8 - bytes.as_ptr().addr() % 8 + 1;
    run(&mut bytes[shift..][..len]);
    let outside = [&bytes[..shift], &bytes[shift + len..]].concat();
    assert!(outside.iter().all(|&byte| byte == 0xA5), "written outside");
    bytes[shift..][..len].to_vec()
}

/// Bytes that are all sorts: some elements alike, some not.
fn bytes(len: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed.to_be_bytes()[0]
    };
    let mask = next() | next();
    (0..len).map(|_| next() & mask).collect()
}

fn naive_shuffle(from: &[u8], width: usize) -> Vec<u8> {
    (0..width).flat_map(|j| from.chunks(width).map(move |element| element[j])).collect()
}

/// Bit by bit.
fn naive_shuffle_bits(from: &[u8], width: usize) -> Vec<u8> {
    let whole = from.len() / width / 8 * 8;
    let mut to = vec![0; whole * width];
    let mut place = 0;
    for (j, b) in (0..width).flat_map(|j| (0..8).map(move |b| (j, b))) {
        for element in from.chunks(width).take(whole) {
            to[place / 8] |= ((element[j] >> b) & 1) << (place % 8);
            place += 1;
        }
    }
    to.extend(&from[whole * width..]);
    to
}

/// An axis after the other, in integers that hold everything.
fn naive_predict(from: &[u8], width: usize, dims: [usize; 4], which: Predict) -> Vec<u8> {
    let modulus = 1i128 << (8 * width);
    let value =
        |element: &[u8]| element.iter().rev().fold(0, |i, &byte| i * 256 + i128::from(byte));
    let mut values: Vec<i128> = from.chunks(width).map(value).collect();
    let axes: &[usize] = match which {
        Predict::Nothing => &[],
        Predict::Last => &[3],
        Predict::LastTwo => &[3, 2],
        Predict::LastThree => &[3, 2, 1],
        Predict::LastButOne => &[2],
    };
    for &axis in axes {
        let stride: usize = dims[axis + 1..].iter().product();
        let old = values.clone();
        for (place, value) in values.iter_mut().enumerate() {
            if !(place / stride).is_multiple_of(dims[axis]) {
                *value = (*value - old[place - stride]).rem_euclid(modulus);
            }
        }
    }
    let fold = |e: i128| {
        let e = if e >= modulus / 2 { e - modulus } else { e };
        if e >= 0 { 2 * e } else { -2 * e - 1 }
    };
    values.iter().flat_map(|&e| fold(e).to_le_bytes()[..width].to_vec()).collect()
}

/// Every float by itself, and then the least of all widths.
fn naive_decimal(from: &[u8], width: usize, digits: u8) -> Option<(usize, Vec<u8>)> {
    let ten: f64 = format!("1e{digits}").parse().unwrap();
    let mut integers = Vec::new();
    for x in from.chunks(width) {
        let double = match width {
            4 => f64::from(f32::from_le_bytes(x.try_into().unwrap())),
            _ => f64::from_le_bytes(x.try_into().unwrap()),
        };
        #[allow(clippy::cast_possible_truncation)]
        let i = (double * ten).round_ties_even() as i64;
        if naive_float(i, width, ten) != x {
            return None;
        }
        integers.push(i);
    }
    let fits = |least: &usize| {
        let end = 1i128 << (8 * least - 1);
        integers.iter().all(|&i| (-end..end).contains(&i.into()))
    };
    let least = WIDTHS.into_iter().filter(|least| *least <= width).find(fits)?;
    Some((least, integers.iter().flat_map(|i| i.to_le_bytes()[..least].to_vec()).collect()))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn naive_float(i: i64, width: usize, ten: f64) -> Vec<u8> {
    match width {
        4 => ((i as f64 / ten) as f32).to_le_bytes().to_vec(),
        _ => (i as f64 / ten).to_le_bytes().to_vec(),
    }
}

fn check_shuffles(from: &[u8], width: usize) {
    let len = from.len();
    let (bytes, bits) = (naive_shuffle(from, width), naive_shuffle_bits(from, width));
    for isa in Isa::all() {
        let made = guarded(len, |to| shuffle_by(isa, from, to, width));
        assert_eq!(made, bytes, "bytes of {len} by {width}, {isa:?}");
        let back = guarded(len, |to| unshuffle_by(isa, &made, to, width));
        assert_eq!(back, from, "bytes of {len} by {width} back, {isa:?}");
        for matrices in [false, has_matrices()] {
            let by = || format!("bits of {len} by {width}, {isa:?}, matrices: {matrices}");
            let made = guarded(len, |to| shuffle_bits_by(isa, matrices, from, to, width));
            assert_eq!(made, bits, "{}", by());
            let back = guarded(len, |to| unshuffle_bits_by(isa, matrices, &made, to, width));
            assert_eq!(back, from, "back {}", by());
        }
    }
}

fn check_predict(from: &[u8], width: usize, dims: [usize; 4]) {
    for which in KINDS {
        let expected = naive_predict(from, width, dims, which);
        for isa in Isa::all() {
            let made = guarded(from.len(), |to| predict_by(isa, from, to, width, dims, which));
            assert_eq!(made, expected, "{dims:?} by {width}, {which:?}, {isa:?}");
            let back = guarded(from.len(), |to| {
                to.copy_from_slice(&made);
                unpredict_by(isa, to, width, dims, which);
            });
            assert_eq!(back, from, "{dims:?} by {width} back, {which:?}, {isa:?}");
            // Bytes that no writer made are undone all the same.
            let undone = guarded(from.len(), |to| {
                to.copy_from_slice(from);
                unpredict_by(isa, to, width, dims, which);
            });
            assert_eq!(
                naive_predict(&undone, width, dims, which),
                from,
                "{dims:?} by {width}, {which:?}, {isa:?}"
            );
        }
    }
}

/// What became of the floats.
fn check_decimal(from: &[u8], width: usize, digits: u8) -> Option<usize> {
    let expected = naive_decimal(from, width, digits);
    let digits = Digits::new(digits).unwrap();
    for isa in Isa::all() {
        let mut made = None;
        let to = guarded(from.len(), |to| made = to_decimal_by(isa, from, to, width, digits));
        let found = made.map(|least| (least, to[..from.len() / width * least].to_vec()));
        assert_eq!(found, expected, "floats of {width} with {digits:?}, {isa:?}");
        if let Some((least, integers)) = found {
            let back =
                guarded(from.len(), |to| from_decimal_by(isa, &integers, to, least, width, digits));
            assert_eq!(back, from, "floats of {width} with {digits:?} back, {isa:?}");
        }
    }
    expected.map(|(least, _)| least)
}

fn floats(integers: &[i64], width: usize, digits: u8) -> Vec<u8> {
    let ten: f64 = format!("1e{digits}").parse().unwrap();
    integers.iter().flat_map(|&i| naive_float(i, width, ten)).collect()
}

#[test]
fn shuffles_of_all_small_numbers_of_elements() {
    let numbers: Vec<usize> = match cfg!(miri) {
        true => vec![0, 1, 9, 33, 268],
        false => (0..600).chain([1024, 1031, 1300]).collect(),
    };
    for width in WIDTHS {
        for &n in &numbers {
            check_shuffles(&bytes(n * width, n as u64), width);
        }
    }
}

#[test]
fn boxes_of_all_small_lengths() {
    let (lens, rows): (&[usize], &[usize]) = match cfg!(miri) {
        true => (&[2], &[1, 3, 5, 37]),
        false => (&[1, 2, 3, 4, 5, 8, 17], &[1, 2, 3, 4, 5, 8, 17, 33, 67]),
    };
    for width in WIDTHS {
        for &a in rows {
            for dims in lens.iter().flat_map(|&b| lens.iter().map(move |&c| [c % 3 + 1, c, b, a])) {
                let len = dims.iter().product::<usize>() * width;
                if len < 20_000 {
                    check_predict(&bytes(len, len as u64), width, dims);
                }
            }
        }
        check_predict(&[], width, [1, 1, 1, 0]);
        check_predict(&[], width, [0, 1, 3, 2]);
        check_predict(&[], width, [1, 0, 0, 2]);
    }
}

#[test]
fn integers_of_every_width_in_every_place() {
    let ends = [
        i64::from(i8::MIN),
        i64::from(i16::MIN),
        i64::from(i32::MIN),
        -(1 << 51),
        -(1 << 52),
        -(1 << 53),
    ];
    let most = if cfg!(miri) { 0 } else { 3 };
    for (width, digits) in
        WIDTHS[2..].iter().flat_map(|&width| (0..=most).map(move |digits| (width, digits)))
    {
        for end in ends {
            for edge in [end - 1, end, end + 1, -end - 2, -end - 1, -end] {
                for &place in if cfg!(miri) { &[6, 20] } else { &[0, 1, 6, 18, 20][..] } {
                    let mut integers = [3; 21];
                    integers[place] = edge;
                    check_decimal(&floats(&integers, width, digits), width, digits);
                }
            }
        }
    }
    assert_eq!(check_decimal(&floats(&[127, -128], 8, 2), 8, 2), Some(1));
    assert_eq!(check_decimal(&floats(&[128], 8, 2), 8, 2), Some(2));
    assert_eq!(check_decimal(&floats(&[-32769; 5], 4, 1), 4, 1), Some(4));
    assert_eq!(check_decimal(&floats(&[1 << 31], 4, 0), 4, 0), None);
    assert_eq!(check_decimal(&floats(&[1 << 31], 8, 0), 8, 0), Some(8));
    assert_eq!(check_decimal(&[], 8, 5), Some(1));
}

#[test]
fn floats_that_are_no_decimals() {
    let odd = [
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        5e-324,
        -1e-310,
    ];
    let large = [
        2f64.powi(62),
        2f64.powi(63),
        -2f64.powi(63),
        -2f64.powi(64),
        2f64.powi(64),
        f64::MAX,
        f64::MIN,
        1e18,
        9e18,
    ];
    let near = [1.25f64, 0.01, -273.15, 1e6].iter().flat_map(|x| [x.next_up(), x.next_down(), *x]);
    for x in odd.into_iter().chain(large).chain(near) {
        let places = if cfg!(miri) { &[7] } else { &[0, 2, 7, 16][..] };
        for (digits, &place) in
            [0, 2, 22].into_iter().flat_map(|d| places.iter().map(move |place| (d, place)))
        {
            let mut doubles = [1.0f64; 17];
            doubles[place] = x;
            let from: Vec<u8> = doubles.iter().flat_map(|x| x.to_le_bytes()).collect();
            check_decimal(&from, 8, digits);
            #[allow(clippy::cast_possible_truncation)]
            let from: Vec<u8> = doubles.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect();
            check_decimal(&from, 4, digits);
        }
    }
    for x in odd {
        assert_eq!(check_decimal(&x.to_le_bytes().repeat(9), 8, 2), None);
    }
    assert_eq!(check_decimal(&1.25f64.next_up().to_le_bytes(), 8, 2), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shuffles_of_any_bytes(elements in 0usize..if cfg!(miri) { 300 } else { 3000 }, seed: u64, width in 0usize..4) {
        check_shuffles(&bytes(elements * WIDTHS[width], seed), WIDTHS[width]);
    }

    #[test]
    fn boxes_of_any_lengths(o in 1usize..4, c in 1usize..5, b in 1usize..7, a in 1usize..120, seed: u64, width in 0usize..4) {
        let [o, c, b, a] = if cfg!(miri) { [o.min(2), c.min(2), b.min(2), a.min(37)] } else { [o, c, b, a] };
        let width = WIDTHS[width];
        check_predict(&bytes(o * c * b * a * width, seed), width, [o, c, b, a]);
    }

    #[test]
    fn decimals_of_any_digits(
        integers in prop::collection::vec(any::<i64>(), 0..80), bits in 0u32..64, digits in 0u8..=22, wide: bool, miss in 0usize..400,
    ) {
        let width = if wide { 8 } else { 4 };
        let integers: Vec<i64> = integers.iter().map(|i| i >> bits).collect();
        let mut from = floats(&integers, width, digits);
        check_decimal(&from, width, digits);
        if let Some(byte) = from.get_mut(miss) {
            *byte ^= 1;
        }
        check_decimal(&from, width, digits);
    }

    #[test]
    fn integers_of_any_bytes(integers in prop::collection::vec(any::<u8>(), 0..300), digits in 0u8..=22) {
        for (least, width) in [(1, 4), (2, 4), (4, 4), (1, 8), (2, 8), (4, 8), (8, 8)] {
            let n = integers.len() / least;
            let ten: f64 = format!("1e{digits}").parse().unwrap();
            let value = |integer: &[u8]| {
                let mut bytes = [if integer[least - 1] < 128 { 0 } else { 255 }; 8];
                bytes[..least].copy_from_slice(integer);
                i64::from_le_bytes(bytes)
            };
            let integers = &integers[..n * least];
            let expected: Vec<u8> =
                integers.chunks(least).flat_map(|integer| naive_float(value(integer), width, ten)).collect();
            for isa in Isa::all() {
                let digits = Digits::new(digits).unwrap();
                let made = guarded(n * width, |to| from_decimal_by(isa, integers, to, least, width, digits));
                assert_eq!(made, expected, "{least} to {width} with {digits:?}, {isa:?}");
            }
        }
    }
}
