//! Arrays, names and attributes as an input describes them, and whether one was read as it was written.

use crate::input::{Input, Rng};
use crate::machine::Read;
use ndbytes::{
    Array, BLOCK, Buffer, DType, Encode, Format, Layout, Metadata, Order, Spec, to_bytes,
};

/// Specs that an input can choose by one byte.
const SPECS: [&str; 12] = [
    "|u1",
    "<f4",
    ">i8",
    "|b1",
    "|S3",
    "<U2",
    ">M8[25s]",
    "|V5",
    "bfloat16",
    "float8_e4m3fn",
    "{t:<u8,img:<u2[2]}",
    "{a:|u1,:|V3,x=b:{c:>bfloat16,'':|i1}}",
];

/// An array as the input describes it; `None` where that is none.
pub(crate) fn array(input: &mut Input<'_>) -> Option<Array> {
    let choice = usize::from(input.byte());
    let dtype: DType = match SPECS.get(choice % 16) {
        Some(spec) => spec.parse().expect("a spec of the table"),
        None => input.text().parse::<Spec>().ok()?.dtype,
    };
    let order = if choice & 16 == 0 { Order::C } else { Order::F };
    let ndim = choice >> 5 & 3;
    let shape: Vec<usize> = if choice >= 0xe0 && input.byte() == 2 {
        // Seldom, because it is slow: more than a block, so that blocks can be told apart.
        vec![1 + BLOCK.div_ceil(dtype.itemsize().clamp(1, BLOCK))]
    } else {
        (0..ndim).map(|_| usize::from(input.byte() % 7)).collect()
    };
    let size = ndbytes::nbytes(&shape, dtype.itemsize()).ok().filter(|&n| n <= BLOCK * 2)?;
    let given = input.below(300);
    let mut bytes = input.take(given.min(size)).to_vec();
    let mut rng = Rng::new(u64::from(input.byte()));
    while bytes.len() < size {
        bytes.extend(rng.next_u64().to_le_bytes());
    }
    bytes.truncate(size);
    let layout = Layout::contiguous(&shape, dtype.itemsize(), order).expect("it was counted");
    Some(Array::new(dtype, layout, Buffer::from(bytes)).expect("it fits its data"))
}

pub(crate) fn metadata(input: &mut Input<'_>) -> Metadata {
    let choice = input.byte();
    let name = (choice & 1 != 0).then(|| input.text());
    let attrs = match choice >> 1 & 3 {
        0 => None,
        1 => Some("{}".to_owned()),
        2 => Some("{\"unit\": \"K\", \"scale\": [1e-3, null]}".to_owned()),
        _ => Some(input.text()),
    };
    Metadata::new(name, attrs)
}

/// The bytes of all pieces.
pub(crate) fn pieces<'a>(encoder: &mut dyn Encode<'a>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(piece) = encoder.next().expect("everything is refused before the first byte") {
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(encoder.total(), Some(bytes.len() as u64));
    bytes
}

/// Asserts that the array that was read is the one that was written, in this order.
pub(crate) fn is_same(read: &Read, array: &Array, metadata: &Metadata, order: Order) {
    assert_eq!(&read.decoded.dtype, array.dtype());
    let spelled = match read.header.format {
        Format::Npy(_) => array.dtype().storage(),
        _ => array.dtype().clone(),
    };
    assert_eq!(read.header.dtype, spelled);
    assert_eq!(read.header.shape, array.shape());
    let back = read.array.as_ref().expect("an owned array");
    assert_eq!(read.data.as_deref(), Some(&back.data()[..]));
    // What is contiguous both ways is written as C.
    if array.shape().iter().filter(|&&len| len != 1).count() > 1 && array.nbytes() > 0 {
        let fortran = match order {
            Order::A => !array.layout().is_c_contiguous(array.dtype().itemsize()),
            order => order == Order::F,
        };
        assert_eq!(read.header.fortran_order, fortran);
    }
    let items = |array: &Array| to_bytes(&array.view(), Order::C).expect("memory");
    assert_eq!(items(back), items(array));
    assert_eq!(read.metadata.name, metadata.name);
    assert_eq!(read.metadata.attrs.as_deref(), metadata.attrs.as_deref().map(str::trim));
}
