//! Arrays in one go: the same bytes, arrays and errors as in pieces, by any number of threads.

use ndbytes::io::{read_array, read_slice, unwatched};
use ndbytes::{
    ArrayRef, Copying, DType, DecodeOptions, Dest, Encode, Endian, Layout, Order, Result, Threads,
    frame, npy, raw,
};
use proptest::prelude::*;

const MIB: usize = 1 << 20;

fn pieces<'a>(encoder: impl Encode<'a>) -> Vec<u8> {
    joined(encoder, 2 * MIB)
}

/// The same in shorter pieces.
fn short_pieces<'a>(mut encoder: impl Encode<'a>, most: usize) -> Vec<u8> {
    encoder.set_step(most);
    joined(encoder, most)
}

fn joined<'a>(mut encoder: impl Encode<'a>, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = encoder.next().unwrap() {
        assert!(piece.len() <= most, "a piece of {} bytes", piece.len());
        bytes.extend_from_slice(&piece);
    }
    bytes
}

/// The same by a driver with memory of its own, in which there is room at times: where it has none `turns` are up.
fn filled<'a>(mut encoder: impl Encode<'a>, most: usize, turns: usize) -> Vec<u8> {
    encoder.set_step(most);
    let (mut bytes, mut space, mut made) = (Vec::new(), vec![0xAA; most], 0);
    for turn in 1.. {
        let n = if turn % turns == 0 { 0 } else { encoder.fill(&mut space).unwrap() };
        bytes.extend_from_slice(&space[..n]);
        made += n;
        if n == 0 {
            let Some(piece) = encoder.next().unwrap() else { break };
            bytes.extend_from_slice(&piece);
        }
    }
    assert!(bytes.len() < 256 || made > 0 || most < MIB, "no byte of {} was made", bytes.len());
    bytes
}

fn whole<'a>(mut encoder: impl Encode<'a>, threads: usize) -> Vec<u8> {
    let mut bytes = vec![0xAA; usize::try_from(encoder.most()).unwrap()];
    let how = Copying { threads: Threads::new(threads), touched: false };
    let (total, mut last) = (encoder.most(), 0);
    let each = &mut |n| {
        assert!(last <= n && n <= total);
        last = n;
        Ok(())
    };
    encoder.write_into(&mut bytes, how, each).unwrap();
    bytes
}

/// Bytes without a period that a block could hide behind.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(step).collect()
}

/// Encoders of every format and option over one array.
fn check(array: &ArrayRef<'_>, order: Order, endian: Option<Endian>, threads: usize) {
    for zero_gaps in [false, true] {
        let options =
            frame::EncodeOptions { endian, order: Some(order), zero_gaps, ..Default::default() };
        let encoder = || frame::Encoder::new(array, &options).unwrap();
        assert_eq!(whole(encoder(), threads), pieces(encoder()));
        assert_eq!(short_pieces(encoder(), MIB / 16), pieces(encoder()));
        for (most, turns) in [(1 << 22, 9), (MIB / 4, 3), (100, 5)] {
            assert!(filled(encoder(), most, turns) == pieces(encoder()));
        }
        for checksum in [false, true] {
            let options = npy::EncodeOptions {
                endian,
                order: Some(order),
                checksum,
                zero_gaps,
                ..Default::default()
            };
            let encoder = || npy::Encoder::new(array, &options).unwrap();
            assert_eq!(whole(encoder(), threads), pieces(encoder()));
            assert_eq!(short_pieces(encoder(), MIB / 16), pieces(encoder()));
        }
    }
    let encoder = || raw::Encoder::new(array, order, endian).unwrap();
    let items = pieces(encoder());
    assert_eq!(whole(encoder(), threads), items);
    let most = if items.len() < MIB { 7 } else { MIB / 2 };
    assert_eq!(short_pieces(encoder(), most), items);
    for touched in [false, true] {
        let (mut out, how) =
            (vec![0; items.len()], Copying { threads: Threads::new(threads), touched });
        ndbytes::copy_to(array, order, endian, &mut out, how, &mut unwatched).unwrap();
        assert!(out == items);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn small_arrays_of_any_layout(
        shape in prop::collection::vec(0usize..7, 0..4),
        spec in prop::sample::select(vec!["<f8", ">u2", "|u1", "<c16", "{a:<u2,b:|u1,c:>f8@8}/20", "|S5"]),
        (fortran, shared, order, endian) in (any::<bool>(), any::<bool>(),
            prop::sample::select(vec![Order::C, Order::F, Order::A]),
            prop::sample::select(vec![None, Some(Endian::Big), Some(Endian::Little)])),
        threads in 1usize..4,
    ) {
        let dtype: DType = spec.parse().unwrap();
        let order_of = if fortran { Order::F } else { Order::C };
        let layout = Layout::contiguous(&shape, dtype.itemsize(), order_of).unwrap();
        let bytes = noise(layout.len() * dtype.itemsize());
        let array = ArrayRef::new(dtype, layout, &bytes).unwrap();
        check(&if shared { array.shared() } else { array }, order, endian, threads);
    }
}

#[test]
fn large_arrays_of_telling_layouts() {
    let bytes = noise(20 * MIB);
    let axes: [(&str, Vec<usize>, Vec<isize>); 6] = [
        ("<f8", vec![5 * MIB / 2 - 3], vec![8]),
        ("|u1", vec![3, 2400, 2800], vec![1, 8400, 3]),
        ("<f4", vec![2000, 2500], vec![4, 8000]),
        ("<f4", vec![10, 500_000], vec![4, 40]),
        ("<f4", vec![500_000, 10], vec![-40, 4]),
        ("|V24", vec![800, 900], vec![24, 800 * 24]),
    ];
    for (spec, shape, strides) in axes {
        let low: isize =
            shape.iter().zip(&strides).map(|(&n, &s)| s.min(0) * (n - 1).cast_signed()).sum();
        let layout = Layout::new(shape, strides, low.unsigned_abs()).unwrap();
        let array = ArrayRef::new(spec.parse().unwrap(), layout, &bytes).unwrap().shared();
        for threads in [1, 3] {
            check(&array, Order::C, Some(Endian::Big), threads);
        }
    }
}

fn outcome(result: Result<ndbytes::Decoded>) -> std::result::Result<String, String> {
    match result {
        Ok(decoded) => Ok(format!("{:?} {:?}", decoded.header, decoded.state)),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn bytes_in_memory_read_as_from_a_reader_whole_cut_and_damaged() {
    let data = noise(20 * MIB + 13);
    let layout = Layout::contiguous(&[data.len()], 1, Order::C).unwrap();
    let array = ArrayRef::new("|u1".parse().unwrap(), layout, &data).unwrap();
    let mut inputs = Vec::new();
    for bytes in [
        pieces(frame::Encoder::new(&array, &frame::EncodeOptions::default()).unwrap()),
        pieces(npy::Encoder::new(&array, &npy::EncodeOptions::checked()).unwrap()),
        pieces(npy::Encoder::new(&array, &npy::EncodeOptions::bare()).unwrap()),
    ] {
        let cuts = [0, 5, 60, 300, 5 * MIB, 20 * MIB + 200, bytes.len() - 3];
        inputs.extend(cuts.map(|cut| bytes[..cut.min(bytes.len() - 1)].to_vec()));
        for flip in [70, 200, 7 * MIB + 5, bytes.len() - 2] {
            let mut damaged = bytes.clone();
            damaged[flip] ^= 4;
            inputs.push(damaged);
        }
        inputs.push([&bytes[..], b"!"].concat());
        inputs.push(bytes);
    }
    let how = Copying { threads: Threads::new(3), touched: false };
    let options = || DecodeOptions { whole: true, ..Default::default() };
    for input in &inputs {
        let mut into = vec![0; data.len()];
        let expected = outcome(read_array(
            &input[..],
            options(),
            |_| Ok(Dest::Into(&mut into)),
            &mut unwatched,
        ));
        let mut again = vec![0; data.len()];
        assert_eq!(
            outcome(read_slice(
                input,
                options(),
                |_| Ok(Dest::Into(&mut again)),
                how,
                &mut unwatched
            )),
            expected
        );
        if expected.is_ok() {
            assert!(again == into);
        }
        assert_eq!(
            outcome(read_slice(input, options(), |_| Ok(Dest::Discard), how, &mut unwatched)),
            expected
        );
        let mut sunk = Vec::new();
        let mut sink = |part: &[u8]| {
            sunk.extend_from_slice(part);
            Ok(())
        };
        assert_eq!(
            outcome(read_slice(
                input,
                options(),
                |_| Ok(Dest::Sink(&mut sink)),
                how,
                &mut unwatched
            )),
            expected
        );
        assert!(expected.is_err() || sunk == into);
    }
}
