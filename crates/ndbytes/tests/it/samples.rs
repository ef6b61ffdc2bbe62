//! Arrays of all kinds; the tests of `ndbytes-net` send the same ones.

use ndbytes::{Array, Layout, Order, Spec};

/// One dtype of each class.
pub(crate) const SPECS: [&str; 16] = [
    "|b1[3]",
    "|u1[]",
    ">i2[2,3]",
    "<u8[4]",
    "<f2[2,0,3]",
    ">f8[2,2]",
    "<c8[3]",
    "<f16[2]",
    "|S3[4]",
    ">U2[3]",
    "|V5[2]",
    "<M8[25s][3]",
    ">m8[ns][2]",
    "bfloat16[2,3]",
    "{t:<u8,:|V2,img:<u2[2],x='b c':{d:|S3@4}/9}[3]",
    "{a:<i4@4,b:<i2@4}/12[2]",
];

/// An array of this spec, filled with bytes that differ from each other.
pub(crate) fn array(spec: &str) -> Array {
    let spec: Spec = spec.parse().unwrap();
    let shape: Vec<usize> = spec
        .shape
        .unwrap()
        .iter()
        .map(|dim| if let ndbytes::Dim::Exact(len) = dim { *len } else { panic!("an exact shape") })
        .collect();
    let layout = Layout::contiguous(&shape, spec.dtype.itemsize(), Order::C).unwrap();
    let size = layout.len() * spec.dtype.itemsize();
    let data: Vec<u8> =
        (0..size).map(|i| u8::try_from((i * 31 + i / 256) % 256).unwrap()).collect();
    Array::new(spec.dtype, layout, data.into()).unwrap()
}
