//! Coded frames of any array, codec, filter and blocks: they read back bit for bit, and no damage passes for them.

use crate::arrays::is_same;
use crate::coded::{HEADER, Taken};
use crate::damage::never_passes;
use crate::input::{Input, Rng};
use crate::machine::{Cuts, Fault, Read, Target, read_array};
use ndbytes::frame::{EncodeOptions, Encoder};
use ndbytes::{
    Array, Buffer, Checks, Codec, Copying, DType, DecodeOptions, Encode as _, Engine, Filter,
    Layout, Metadata, Order, Threads, io::unwatched,
};

/// One dtype of each kind and width that filters tell apart.
const DTYPES: [&str; 28] = [
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
    "<c16",
    "<f16",
    "<c32",
    "<M8[ns]",
    ">m8[s]",
    "|S5",
    ">U2",
    "bfloat16",
    "float8_e5m2",
    "|V0",
    "|V7",
    "{t:<u4,:|V1,x:>f4}",
];

/// Bytes of an array, at most.
const LARGEST: usize = 1 << 16;

pub(crate) fn dtype(input: &mut Input<'_>) -> Option<DType> {
    let spec = DTYPES.get(usize::from(input.byte() % 32))?;
    Some(spec.parse().expect("a spec of the table"))
}

/// Up to four axes; one alone may be long.
pub(crate) fn shape(input: &mut Input<'_>) -> Vec<usize> {
    match input.byte() % 6 {
        0 => vec![],
        1 => vec![input.below(1 << 13)],
        2 => vec![input.below(64), input.below(64)],
        3 => vec![input.below(5), input.below(1 << 11)],
        n => (0..n - 1).map(|_| input.below(12)).collect(),
    }
}

/// An array that compresses, if the input wants one.
pub(crate) fn array(input: &mut Input<'_>) -> Option<Array> {
    let dtype = dtype(input)?;
    let shape = shape(input);
    let choice = input.byte();
    let order = if choice & 1 == 0 { Order::C } else { Order::F };
    let size = ndbytes::nbytes(&shape, dtype.itemsize()).ok().filter(|&n| n <= LARGEST)?;
    let given = input.below(200);
    let given = input.take(given.min(size));
    let mut rng = Rng::new(u64::from(input.byte()));
    let mut bytes = given.to_vec();
    let mut level = 1000;
    while bytes.len() < size {
        match choice >> 1 & 3 {
            0 if !given.is_empty() => bytes.extend(given),
            0 | 1 => bytes.extend([0; 64]),
            2 => bytes.extend(step(&dtype, &mut level, choice, &mut rng)),
            _ => bytes.extend(rng.next_u64().to_le_bytes()),
        }
    }
    bytes.truncate(size);
    let layout = Layout::contiguous(&shape, dtype.itemsize(), order).expect("it was counted");
    Some(Array::new(dtype, layout, Buffer::from(bytes)).expect("it fits its data"))
}

/// The next of numbers in small steps; of floats decimal ones, with exceptions if so chosen.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "small numbers")]
fn step(dtype: &DType, level: &mut i64, choice: u8, rng: &mut Rng) -> Vec<u8> {
    *level += i64::from(rng.byte() % 7) - 3;
    let spelled = dtype.to_string();
    let digits = 10f64.powi(i32::from(choice >> 4 & 7));
    let mut float = *level as f64 / digits;
    if choice & 8 != 0 && rng.below(200) == 0 {
        float = [f64::NAN, f64::INFINITY, -0.0, 1e300][rng.below(4)];
    }
    let mut element = match spelled.trim_start_matches(['<', '>']) {
        "f4" | "c8" => (float as f32).to_le_bytes().to_vec(),
        "f8" | "c16" => float.to_le_bytes().to_vec(),
        _ => level.to_le_bytes()[..dtype.itemsize().clamp(1, 8)].to_vec(),
    };
    if spelled.starts_with('>') {
        element.reverse();
    }
    element
}

/// How a frame is written.
pub(crate) fn encoding(input: &mut Input<'_>, array: &Array) -> EncodeOptions {
    let mut options = EncodeOptions::default();
    let choice = input.byte();
    let engine = |number| Engine::of_number(number).expect("a codec of the table");
    let codec = match choice % 8 {
        0 => Codec::Auto,
        1 => Codec::Fast,
        2 => Codec::Small,
        number => {
            let engine = engine(number - 3);
            let levels = engine.levels().map(|(least, most, _)| [least, (least + most) / 2, most]);
            Codec::Engine(engine, levels.and_then(|all| all.get(usize::from(choice >> 6)).copied()))
        }
    };
    options.codec = codec;
    options.order = Some([Order::A, Order::C, Order::F, Order::A][usize::from(choice >> 3 & 3)]);
    options.filter = Filter::of_number(input.byte());
    if choice & 32 != 0 {
        let lens = array.shape().iter().map(|&len| 1 + input.below(len.max(1)));
        options.block = Some(lens.collect());
    }
    options
}

/// The bytes of a frame, which any number of threads and every way out make the same; `None` where it is refused.
pub(crate) fn written(array: &Array, options: &EncodeOptions) -> Option<Vec<u8>> {
    let view = array.view();
    let made = |threads: usize| {
        let mut options = options.clone();
        options.threads = Threads::new(threads);
        let mut encoder = Encoder::new(&view, &options).ok()?;
        let (total, most) = (encoder.total(), encoder.most());
        let mut bytes = Vec::new();
        while let Some(piece) = encoder.next().expect("memory") {
            bytes.extend_from_slice(&piece);
        }
        let len = bytes.len() as u64;
        assert!(total.is_none_or(|total| total == len) && len <= most, "{len}: {total:?}, {most}");
        Some(bytes)
    };
    let bytes = made(1)?;
    assert!(made(2).as_ref() == Some(&bytes), "two threads make other bytes");
    let mut encoder = Encoder::new(&view, options).ok()?;
    let mut space = vec![0xa5; usize::try_from(encoder.most()).expect("a small array")];
    let how = Copying { threads: Threads::ONE, touched: true };
    let len = encoder.write_into(&mut space, how, &mut unwatched).expect("it is large enough");
    assert_eq!(space.get(..usize::try_from(len).expect("small")), Some(&bytes[..]));
    Some(bytes)
}

pub(crate) fn read(bytes: &[u8], whole: bool, every: usize) -> Result<Read, Fault> {
    let mut options = DecodeOptions::default();
    options.checks = Checks::Required;
    options.whole = whole;
    let cuts = &mut if every == 0 { Cuts::Whole } else { Cuts::Every(every) };
    read_array(bytes, &options, Target::Owned, cuts)
}

/// A coded frame of an array as the input wants it, and its options.
pub(crate) fn frame_of(array: &Array, input: &mut Input<'_>) -> Option<(Vec<u8>, EncodeOptions)> {
    let options = encoding(input, array);
    let bytes = written(array, &options)?;
    Some((bytes, options))
}

/// What a method makes of an array in one block, and which one it was: the bytes may be stored as they are.
pub(crate) fn stored_by(
    array: &Array,
    (filter, engine): (Filter, Engine),
    order: Order,
) -> Option<([u8; 2], Vec<u8>)> {
    let mut options = EncodeOptions::default();
    options.codec = Codec::Engine(engine, None);
    (options.filter, options.order) = (Some(filter), Some(order));
    options.block = Some(array.shape().iter().map(|&len| len.max(1)).collect());
    let mut bytes = Vec::new();
    let view = array.view();
    let mut encoder = Encoder::new(&view, &options).ok()?;
    while let Some(piece) = encoder.next().expect("memory") {
        bytes.extend_from_slice(&piece);
    }
    let block = &bytes[Taken::apart(&bytes)?.blocks.first()?.clone()];
    Some(([block[4], block[5]], block[HEADER..].to_vec()))
}

/// Writes an array, reads it, and reads it after each damage the input describes: the array, how it is written, whether
/// blocks change places, then damage.
pub fn coded_mutated(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(array) = array(&mut input) else { return };
    let Some((bytes, options)) = frame_of(&array, &mut input) else { return };
    let original = original(&bytes, &array, &options);
    let choice = input.byte();
    if let (true, Some(frame)) = (choice & 1 == 1, Taken::apart(&bytes)) {
        if frame.blocks.len() > 1 {
            let n = frame.blocks.len();
            let [one, two] = [(); 2].map(|()| frame.blocks[input.below(n)].clone());
            moved(&bytes, [one, two], choice >> 1);
        }
        return;
    }
    never_passes(input, &bytes, &original, |copy, whole| read(copy, whole, usize::from(choice)));
}

/// Reads back what was written.
fn original(bytes: &[u8], array: &Array, options: &EncodeOptions) -> Read {
    let original = read(bytes, true, 0).expect("what was written reads back");
    is_same(&original, array, &Metadata::default(), options.order.expect("it was chosen"));
    assert_eq!(original.consumed, bytes.len());
    if original.header.coding.is_some() {
        crate::coded::verified(&original, bytes);
    }
    original
}

/// One block in the place of another, both changed for each other, one left out or twice there.
fn moved(bytes: &[u8], [one, two]: [std::ops::Range<usize>; 2], how: u8) {
    let (first, second) = if one.start <= two.start { (one, two) } else { (two, one) };
    let [left, right] = [&bytes[first.clone()], &bytes[second.clone()]];
    let [front, back] = [&bytes[..first.start], &bytes[second.end..]];
    let between = bytes.get(first.end..second.start).unwrap_or_default();
    let copy = match how % 4 {
        0 => [front, right, between, left, back].concat(),
        1 => [front, right, between, right, back].concat(),
        2 => [front, between, right, back].concat(),
        _ => [front, left, left, between, right, back].concat(),
    };
    if first == second || copy == bytes {
        return;
    }
    let answer = read(&copy, true, 0);
    let Err(fault) = answer else { unreachable!("moved blocks passed for the array: {answer:?}") };
    fault.says_where(copy.len());
}

/// Writes any elements with the filter and codec that the input wants, and reads them back.
pub fn coded_filters(data: &[u8]) {
    undone(data);
}

/// The same, and the filter and codec of the first block: where the codec is not 0, both were undone.
pub fn undone(data: &[u8]) -> Option<[u8; 2]> {
    let mut input = Input::new(data);
    let filter = Filter::of_number(input.byte());
    let array = array(&mut input)?;
    let mut options = encoding(&mut input, &array);
    options.filter = filter;
    let bytes = written(&array, &options)?;
    original(&bytes, &array, &options);
    let block = Taken::apart(&bytes)?.blocks.first()?.clone();
    Some([bytes[block.start + 4], bytes[block.start + 5]])
}
