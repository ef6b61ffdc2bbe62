//! Coded frames: every dtype, layout, filter and codec comes back bit for bit, whoever reads it and however it is cut.

use crate::damage::Random;
use crate::frames::write;
use ndbytes::{
    Array, ArrayRef, Checks, Codec, Copying, DType, DecodeOptions, Decoded, Dest, Encode as _,
    Engine, ErrorKind, Filter, Layout, Metadata, Order, Slice, Threads, frame, io, to_bytes,
};
use std::io::Read;

/// One dtype of each kind and width that filters tell apart.
const DTYPES: [&str; 22] = [
    "|b1",
    "|i1",
    "|u1",
    "<i2",
    ">u2",
    "<i4",
    ">i4",
    "<u8",
    ">i8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
    "<c8",
    ">c16",
    "<f16",
    "<M8[ns]",
    "|S5",
    ">U2",
    "bfloat16",
    "{t:<u4,:|V1,x:>f4}",
];
const ENGINES: [Engine; 4] = [Engine::Lz4, Engine::Zstd, Engine::Deflate, Engine::Pco];

/// Items that compress, some of them decimal numbers: steps of few values.
pub(crate) fn array(dtype: &str, shape: &[usize], seed: u64) -> Array {
    let dtype: DType = dtype.parse().unwrap();
    let (mut random, size) = (Random(seed | 1), dtype.itemsize());
    let layout = Layout::contiguous(shape, size, Order::C).unwrap();
    let (big, spelled) = (dtype.to_string().starts_with('>'), dtype.to_string());
    let mut data = Vec::new();
    let mut level = 1000i64;
    while data.len() < layout.len() * size {
        level += (random.bits() % 7).cast_signed() - 3;
        let mut element = match spelled.trim_start_matches(['<', '>']) {
            "f4" | "c8" => (level as f32 / 10.0).to_le_bytes().to_vec(),
            "f8" | "c16" => (level as f64 / 100.0).to_le_bytes().to_vec(),
            _ => level.to_le_bytes()[..size.clamp(1, 8)].to_vec(),
        };
        if big {
            element.reverse();
        }
        data.extend(element);
    }
    data.truncate(layout.len() * size);
    Array::new(dtype, layout, data.into()).unwrap()
}

/// Views of an array whose items lie in other ways.
fn layouts(array: &Array) -> Vec<ArrayRef<'_>> {
    let view = array.view();
    let mut all = vec![view.clone(), view.transposed()];
    let every = |step: isize| {
        let slice = |&len: &usize| match step {
            -1 => Slice { start: len.saturating_sub(1), len, step },
            _ => Slice { start: 0, len: len.div_ceil(2), step },
        };
        view.sliced(&view.shape().iter().map(slice).collect::<Vec<_>>()).unwrap()
    };
    all.extend([every(-1), every(2)]);
    all
}

pub(crate) fn coded(array: &ArrayRef<'_>, options: &frame::EncodeOptions) -> Vec<u8> {
    let mut encoder = frame::Encoder::new(array, options).unwrap();
    let mut bytes = Vec::new();
    io::write(&mut encoder, &mut bytes, &mut io::unwatched).unwrap();
    bytes
}

fn read(reader: impl Read, len: Option<u64>) -> Decoded {
    let options = DecodeOptions {
        input_len: len,
        checks: Checks::Required,
        whole: true,
        ..Default::default()
    };
    io::read_array(reader, options, |_| Ok(Dest::Owned), &mut io::unwatched).unwrap()
}

/// A reader that gives a few bytes at a time.
struct Choppy<'b>(&'b [u8], usize);

impl Read for Choppy<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        let n = space.len().min(self.1);
        self.1 = self.1 % 97 + 1;
        self.0.read(&mut space[..n])
    }
}

fn same(array: &ArrayRef<'_>, decoded: &Decoded, what: &str) {
    let found = decoded.array.as_ref().unwrap();
    assert_eq!((found.dtype(), found.shape()), (array.dtype(), array.shape()), "{what}");
    let [found, wanted] = [&found.view(), array].map(|array| to_bytes(array, Order::C).unwrap());
    assert!(found == wanted, "{what}: other items");
}

/// Blocks that make at least three, with ragged edges, where there are items enough.
fn ragged(shape: &[usize]) -> Vec<usize> {
    shape.iter().map(|&len| (len / 2).clamp(1, len.max(1))).collect()
}

#[test]
fn every_dtype_layout_filter_and_codec_comes_back() {
    let filters: Vec<Filter> = (0..=u8::MAX).filter_map(Filter::of_number).collect();
    assert_eq!(filters.len(), 60);
    let (mut cases, mut blocks) = (0, 0);
    for (seed, dtype) in DTYPES.into_iter().enumerate() {
        for shape in [&[][..], &[0], &[37], &[6, 0], &[9, 7], &[5, 4, 3]] {
            let array = array(dtype, shape, seed as u64);
            let full = layouts(&array);
            for (number, view) in full.iter().enumerate() {
                // One- and no-dimensional ones have fewer ways to lie.
                if shape.len() < 2 && number == 1 {
                    continue;
                }
                for engine in ENGINES {
                    for filter in &filters {
                        let options = frame::EncodeOptions {
                            codec: Codec::Engine(engine, None),
                            filter: Some(*filter),
                            block: Some(ragged(view.shape())),
                            ..Default::default()
                        };
                        let bytes = coded(view, &options);
                        let what = format!("{dtype} {shape:?} {number} {engine} {filter}");
                        let decoded = match cases % 2 {
                            0 => read(&bytes[..], Some(bytes.len() as u64)),
                            _ => read(Choppy(&bytes, cases % 89 + 1), None),
                        };
                        same(view, &decoded, &what);
                        cases += 1;
                        blocks += usize::from(decoded.header.blocks() >= 3);
                    }
                }
            }
        }
    }
    assert!(
        cases >= 30_000 && blocks >= cases / 2,
        "{cases} cases, {blocks} of three blocks or more"
    );
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_threads_and_any_way_out() {
    for (dtype, shape) in [
        ("<f8", &[300, 411][..]),
        (">i2", &[150_000]),
        ("|u1", &[70, 80, 3]),
        ("<f4", &[40, 50, 60]),
    ] {
        let array = array(dtype, shape, 7);
        for codec in ["auto", "fast", "small", "lz4", "zstd", "deflate", "pco"] {
            let options = |threads| frame::EncodeOptions {
                codec: codec.parse().unwrap(),
                block: Some(ragged(&ragged(&ragged(shape)))),
                threads: Threads::new(threads),
                ..Default::default()
            };
            let first = coded(&array.view(), &options(1));
            for threads in [1, 2, 4] {
                assert!(
                    coded(&array.view(), &options(threads)) == first,
                    "{codec}: {threads} threads"
                );
                let mut encoder = frame::Encoder::new(&array.view(), &options(1)).unwrap();
                let mut space = vec![0xAA; usize::try_from(encoder.most()).unwrap()];
                let how = Copying { threads: Threads::new(threads), touched: true };
                let len = encoder.write_into(&mut space, how, &mut io::unwatched).unwrap();
                assert!(
                    space[..usize::try_from(len).unwrap()] == first,
                    "{codec}: {threads} threads, to memory"
                );
                let options =
                    DecodeOptions { checks: Checks::Required, whole: true, ..Default::default() };
                let decoded =
                    io::read_slice(&first, options, |_| Ok(Dest::Owned), how, &mut io::unwatched)
                        .unwrap();
                same(&array.view(), &decoded, codec);
            }
        }
    }
}

#[test]
fn a_function_gets_the_items_in_their_order() {
    let array = array("<i4", &[23, 17, 5], 3);
    let block = Some(vec![4, 5, 2]);
    let options = frame::EncodeOptions { codec: Codec::Auto, block, ..Default::default() };
    let bytes = coded(&array.view(), &options);
    let mut seen = Vec::new();
    let mut sink = |part: &[u8]| {
        seen.extend_from_slice(part);
        Ok(())
    };
    let options = DecodeOptions { checks: Checks::Required, ..Default::default() };
    io::read_array(&bytes[..], options, |_| Ok(Dest::Sink(&mut sink)), &mut io::unwatched).unwrap();
    assert_eq!(seen, array.data()[..]);
}

#[test]
fn what_is_not_compressed_is_hardly_longer() {
    for (size, seed) in [(1usize, 1), (100, 2), (511, 3), (513, 4), (5000, 5), (300_000, 6)] {
        let mut random = Random(seed);
        let data: Vec<u8> = std::iter::repeat_with(|| random.bits().to_le_bytes())
            .flatten()
            .take(size * 4)
            .collect();
        let layout = Layout::contiguous(&[size], 4, Order::C).unwrap();
        let array = Array::new("<u4".parse().unwrap(), layout, data.into()).unwrap();
        let plain = write(&array, &frame::EncodeOptions::default()).len();
        for codec in [Codec::Auto, Codec::Fast, Codec::Small] {
            let len = write(&array, &frame::EncodeOptions { codec, ..Default::default() }).len();
            assert!(len <= plain + plain / 100 + 256, "{codec}: {len} instead of {plain} bytes");
        }
    }
}

#[test]
fn decimal_numbers_may_have_exceptions() {
    for (dtype, width) in [("<f8", 8), (">f4", 4)] {
        let array = array(dtype, &[400], 9);
        let mut data = array.data().to_vec();
        for (place, float) in
            [(3, -0.0f32), (77, f32::NAN), (78, f32::INFINITY), (399, f32::NEG_INFINITY)]
        {
            let wide = f64::from(float);
            let bytes =
                if width == 8 { wide.to_le_bytes().to_vec() } else { float.to_be_bytes().to_vec() };
            data[place * width..(place + 1) * width].copy_from_slice(&bytes);
        }
        let array = Array::new(array.dtype().clone(), array.layout().clone(), data.into()).unwrap();
        let bytes = coded(
            &array.view(),
            &frame::EncodeOptions { codec: Codec::Auto, ..Default::default() },
        );
        let decoded = read(&bytes[..], None);
        assert!(decoded.header.coding.as_ref().unwrap().filter.to_string().contains("decimal"));
        assert!(bytes.len() < 400 * width / 2, "{} bytes", bytes.len());
        same(&array.view(), &decoded, dtype);
    }
}

#[test]
fn names_and_attributes_stand_in_the_header() {
    let array = array("<f4", &[30, 40], 1);
    let metadata = Metadata::new(Some("déjà".into()), Some("{\"unit\":\"V\"}".into()));
    let options = frame::EncodeOptions {
        codec: Codec::Auto,
        metadata: metadata.clone(),
        ..Default::default()
    };
    let decoded = read(&write(&array, &options)[..], None);
    assert_eq!(decoded.metadata, metadata);
}

#[test]
fn lengths_of_a_block_that_cannot_be_are_refused() {
    let array = array("<f4", &[30, 40], 1);
    for (block, message) in [
        (vec![3], "block: 1 lengths for 2 axes"),
        (vec![0, 4], "block: a length of 0 along an axis of 30"),
        (vec![3, 41], "block: a length of 41 along an axis of 40"),
    ] {
        let options =
            frame::EncodeOptions { codec: Codec::Auto, block: Some(block), ..Default::default() };
        let error = frame::Encoder::new(&array.view(), &options).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Argument, message));
    }
}

#[test]
fn codecs_have_names_and_levels() {
    for (name, level, message) in [
        (
            "gzip",
            None,
            "there is no codec \"gzip\"; there are none, auto, fast, small, lz4, zstd, deflate and pco",
        ),
        ("auto", Some(3), "codec auto has no levels"),
        ("lz4", Some(3), "codec lz4 has no levels"),
        ("zstd", Some(20), "codec zstd has levels 1 to 19, found 20"),
    ] {
        assert_eq!(Codec::named(name, level).unwrap_err().message(), message);
    }
    assert_eq!("small".parse::<Codec>().unwrap(), Codec::Small);
    for number in 0..=u8::MAX {
        if let Some(filter) = Filter::of_number(number) {
            assert_eq!(filter.number(), number);
            assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
        }
    }
    for wrong in ["", "delta+", "bits+delta", "planes+planes", "delta+delta2", "shuffle"] {
        assert!(wrong.parse::<Filter>().is_err(), "{wrong}");
    }
}

#[test]
fn many_axes_large_items_and_blocks_without_number() {
    let mut axes = vec![1; 63];
    axes.push(1000);
    for dtype in ["<c8", "|S3", ">U2", "{t:<u4,x:>f4}", "<f4"] {
        let array = array(dtype, &axes, 2);
        for codec in ["auto", "fast", "small"] {
            let options =
                frame::EncodeOptions { codec: codec.parse().unwrap(), ..Default::default() };
            same(&array.view(), &read(&coded(&array.view(), &options)[..], None), dtype);
        }
    }
    // Items are tried in part, and stored as they are where they are larger than a block may be.
    for (size, count) in [(300_000, 3), ((1 << 24) + 1, 1)] {
        let array = array(&format!("|V{size}"), &[count], 3);
        let options = frame::EncodeOptions { codec: Codec::Auto, ..Default::default() };
        let bytes = coded(&array.view(), &options);
        assert_eq!(bytes.len() < size * count / 2, size < 1 << 24, "{size}: {} bytes", bytes.len());
        same(&array.view(), &read(&bytes[..], None), "large items");
    }
    // 2^62 blocks of one item each: only the first ones are made.
    let layout = Layout::new(vec![1 << 31, 1 << 31], vec![0, 0], 0).unwrap();
    let array = ArrayRef::new("|u1".parse().unwrap(), layout, &[7]).unwrap();
    let options =
        frame::EncodeOptions { codec: Codec::Auto, block: Some(vec![1, 1]), ..Default::default() };
    assert!(frame::Encoder::new(&array, &options).is_ok());
}

#[test]
fn little_is_recovered_of_a_lie_and_soon() {
    for (shape, block) in
        [("1099511627776", "1"), ("16777216,256", "16777216,1"), ("1048576,1048576", "1,1")]
    {
        let json = format!(
            "{{\"dtype\":\"|u1\",\"shape\":[{shape}],\"order\":\"C\",\"block\":[{block}]}}"
        );
        let size: u64 = shape.split(',').map(|len| len.parse::<u64>().unwrap()).product();
        let mut header = frame::MAGIC.to_vec();
        header.extend([0, 1, 0, 2]);
        let len = (24 + json.len() + 4).next_multiple_of(64);
        header.extend(u32::try_from(len).unwrap().to_le_bytes());
        header.extend(size.to_le_bytes());
        header.extend(json.as_bytes());
        header.resize(len - 4, b' ');
        header.extend(ndbytes::crc32c(&header).to_le_bytes());
        let found = io::recover(&header[..], DecodeOptions::default(), &mut io::unwatched).unwrap();
        assert!(found.damaged.iter().all(|range| range.end <= size), "{shape}");
        assert_eq!(
            found.damaged.iter().map(|range| range.end - range.start).sum::<u64>(),
            size,
            "{shape}"
        );
        assert!(found.damaged.len() < 70_000);
    }
}
