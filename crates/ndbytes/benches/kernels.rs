//! The kernels alone, in bytes per second, into memory that has been touched: `cargo bench -p ndbytes`.
//!
//! What a caller sees, beside its peers, is measured by `cargo xtask bench`.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::BytesCount;
use ndbytes::{
    ArrayRef, Buffer, BufferMut, Copying, DType, Endian, Layout, Limits, Order, SwapPlan, Threads,
    crc32c,
};

fn main() {
    divan::main();
}

const MIB: usize = 1 << 20;
/// In cache, and out of it.
const SIZES: [usize; 3] = [64 << 10, MIB, 64 * MIB];
const THREADS: [usize; 2] = [1, 2];

#[divan::bench(args = SIZES, consts = THREADS)]
fn copy<const N: usize>(bencher: Bencher<'_, '_>, nbytes: usize) {
    let data = noise(nbytes);
    let layout = Layout::contiguous(&[nbytes / 8], 8, Order::C).expect("it fits");
    to_bytes(bencher, "<f8", layout, &data, None, N);
}

#[divan::bench(args = SIZES)]
fn checksum(bencher: Bencher<'_, '_>, nbytes: usize) {
    let data = noise(nbytes);
    bencher.counter(BytesCount::new(nbytes)).bench_local(|| crc32c(black_box(&data)));
}

#[divan::bench(args = ["<f8", "<f4", "<i2"], consts = THREADS)]
fn swapped_copy<const N: usize>(bencher: Bencher<'_, '_>, dtype: &str) {
    let data = noise(64 * MIB);
    let itemsize = parsed(dtype).itemsize();
    let layout = Layout::contiguous(&[data.len() / itemsize], itemsize, Order::C).expect("it fits");
    to_bytes(bencher, dtype, layout, &data, Some(Endian::Big), N);
}

#[divan::bench(args = ["<f8", "<f4", "<i2"])]
fn swap_in_place(bencher: Bencher<'_, '_>, dtype: &str) {
    let from = parsed(dtype);
    let plan = SwapPlan::new(&from, &from.with_endian(Endian::Big)).expect("it swaps");
    let mut data = room(64 * MIB);
    let data = data.all().expect("there is memory");
    bencher.counter(BytesCount::new(data.len())).bench_local(|| plan.apply(black_box(&mut *data)));
}

/// Name, dtype, shape in memory, the axes in the order that is wanted, and every which item of them.
type View = (&'static str, &'static str, &'static [usize], &'static [usize], isize);
const VIEWS: [View; 11] = [
    ("u1 8192x8192 .T", "|u1", &[8192, 8192], &[1, 0], 1),
    ("u2 4096x8192 .T", "<u2", &[4096, 8192], &[1, 0], 1),
    ("f4 4096x4096 .T", "<f4", &[4096, 4096], &[1, 0], 1),
    ("f8 2048x4096 .T", "<f8", &[2048, 4096], &[1, 0], 1),
    ("c16 2048x2048 .T", "<c16", &[2048, 2048], &[1, 0], 1),
    ("f4 256x256x256 (2,0,1)", "<f4", &[256, 256, 256], &[2, 0, 1], 1),
    ("f4 256x256x256 (2,1,0)", "<f4", &[256, 256, 256], &[2, 1, 0], 1),
    ("u1 HWC to CHW", "|u1", &[4000, 5000, 3], &[2, 0, 1], 1),
    ("u1 CHW to HWC", "|u1", &[3, 4000, 5000], &[1, 2, 0], 1),
    ("f4 every other item", "<f4", &[4096, 8192], &[0, 1], 2),
    ("f4 reversed", "<f4", &[4096, 4096], &[0, 1], -1),
];

#[divan::bench(args = VIEWS.map(|view| view.0))]
fn gather(bencher: Bencher<'_, '_>, name: &str) {
    let (_, dtype, shape, axes, step) =
        VIEWS.into_iter().find(|view| view.0 == name).expect("it is one of them");
    let itemsize = parsed(dtype).itemsize();
    let data = noise(shape.iter().product::<usize>() * itemsize);
    to_bytes(bencher, dtype, seen(shape, itemsize, axes, step), &data, None, 1);
}

/// A contiguous array with its axes permuted, and every `step`-th item of its last one.
fn seen(shape: &[usize], itemsize: usize, axes: &[usize], step: isize) -> Layout {
    let whole = Layout::contiguous(shape, itemsize, Order::C).expect("it fits");
    let (mut lengths, mut strides, mut offset) =
        (shape.to_vec(), whole.strides().to_vec(), whole.offset());
    let last = shape.len() - 1;
    lengths[last] = lengths[last].div_ceil(step.unsigned_abs());
    if step < 0 {
        offset += (shape[last] - 1) * itemsize;
    }
    strides[last] *= step;
    let permuted = |of: &dyn Fn(usize) -> isize| axes.iter().map(|axis| of(*axis)).collect();
    let lengths = axes.iter().map(|axis| lengths[*axis]).collect();
    Layout::new(lengths, permuted(&|axis| strides[axis]), offset).expect("it lies within")
}

fn to_bytes(
    bencher: Bencher<'_, '_>,
    dtype: &str,
    layout: Layout,
    data: &[u8],
    endian: Option<Endian>,
    threads: usize,
) {
    let array = ArrayRef::new(parsed(dtype), layout, data).expect("it lies within");
    let mut out = room(array.nbytes());
    let out = out.all().expect("there is memory");
    out.fill(1);
    let how = Copying { threads: Threads::new(threads), touched: true };
    bencher.counter(BytesCount::new(out.len())).bench_local(|| {
        let out = black_box(&mut *out);
        ndbytes::copy_to(&array, Order::C, endian, out, how, &mut |_| Ok(())).expect("it fits");
    });
}

fn parsed(dtype: &str) -> DType {
    DType::from_descr(&format!("'{dtype}'"), &Limits::local()).expect("it is one")
}

fn noise(nbytes: usize) -> Buffer {
    let mut data = room(nbytes);
    for (at, byte) in (0_u64..).zip(data.all().expect("there is memory")) {
        *byte = (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0];
    }
    data.freeze().expect("it is full")
}

/// Memory in huge pages, as NumPy's arrays have it: without them every kernel waits for the page tables.
fn room(nbytes: usize) -> BufferMut {
    BufferMut::known(nbytes as u64).expect("there is memory")
}
