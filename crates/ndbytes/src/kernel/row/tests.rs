//! Every row kernel, on every set of instructions, against loops over indices.

use proptest::prelude::*;

use super::*;

/// Bytes that differ from those a few items on.
fn bytes(len: usize) -> Vec<u8> {
    let period: [u8; 251] = std::array::from_fn(|i| u8::try_from(i * 7 % 251).unwrap());
    let mut bytes = period.repeat(len / period.len() + 1);
    bytes.truncate(len);
    bytes.shrink_to_fit();
    bytes
}

/// Items of `N` bytes at a stride, in `span` bytes, the first of them at byte `first`.
#[derive(Debug, Clone, Copy)]
struct Row {
    stride: isize,
    first: usize,
    span: usize,
}

impl Row {
    fn new<const N: usize>(stride: isize, len: usize) -> Self {
        let reach = stride.unsigned_abs() * len.saturating_sub(1);
        let first = if stride < 0 { reach } else { 0 };
        Self { stride, first, span: if len == 0 { 0 } else { reach + N } }
    }

    fn at(&self, i: usize) -> usize {
        self.first.wrapping_add_signed(self.stride * i.cast_signed())
    }
}

/// Bytes around a destination, which stay as they are.
const MARGIN: usize = 40;

/// What `write` leaves of `inside` with margins on both sides, the first at any alignment.
fn framed(inside: &[u8], shift: usize, write: impl FnOnce(*mut u8)) -> Vec<u8> {
    let lead = MARGIN + shift;
    let mut all = vec![0xA5; lead + inside.len() + MARGIN];
    all[lead..][..inside.len()].copy_from_slice(inside);
    write(all[lead..].as_mut_ptr());
    let (front, back) = (&all[..lead], &all[lead + inside.len()..]);
    assert!([front, back] == [&vec![0xA5; lead][..], &[0xA5; MARGIN]], "written outside");
    all[lead..][..inside.len()].to_vec()
}

/// A length that fills two vectors of any item where every step takes long.
fn watched<const N: usize>(len: usize) -> usize {
    if cfg!(miri) { len.min(72 / N) } else { len }
}

fn check_gather<const N: usize>(isa: Isa, stride: isize, len: usize, shift: usize) {
    let len = watched::<N>(len);
    let row = Row::new::<N>(stride, len);
    // The memory ends where the items do, so that a tool that watches memory sees a byte too many.
    let source = bytes(shift + row.span);
    let from = &source[shift..];
    let mut expected = Vec::new();
    (0..len).for_each(|i| expected.extend_from_slice(&from[row.at(i)..][..N]));
    let found = framed(&vec![0; len * N], shift / 2, |dst| {
        // SAFETY: `span` bytes hold the items, and `framed` gives `len * N` of its own.
        unsafe { gather_row::<N>(isa, from.as_ptr().wrapping_add(row.first), stride, dst, len) }
    });
    assert_eq!(found, expected, "gather {N} {isa:?} {row:?}");
}

fn check_scatter<const N: usize>(isa: Isa, stride: isize, len: usize, shift: usize) {
    let len = watched::<N>(len);
    let row = Row::new::<N>(stride, len);
    let source = bytes(shift + len * N);
    let from = &source[shift..];
    let mut expected = vec![0x5A; row.span];
    for (i, item) in from.chunks_exact(N).enumerate() {
        expected[row.at(i)..][..N].copy_from_slice(item);
    }
    let found = framed(&vec![0x5A; row.span], shift / 2, |dst| {
        // SAFETY: the source has `len * N` bytes, and `framed` gives `span` of its own, which hold the places.
        unsafe {
            scatter_row::<N>(isa, from.as_ptr(), dst.wrapping_add(row.first), stride, len);
        }
    });
    assert_eq!(found, expected, "scatter {N} {isa:?} {row:?}");
}

fn check_groups<const N: usize, const C: usize>(isa: Isa, len: usize, shift: usize) {
    let len = watched::<N>(len);
    let source = bytes(shift + len * C * N);
    let groups = &source[shift..];
    let mut rows: [Vec<u8>; C] = std::array::from_fn(|_| Vec::new());
    for (at, item) in groups.chunks_exact(N).enumerate() {
        rows[at % C].extend_from_slice(item);
    }
    let gap = shift % 5;
    let split = framed(&vec![0xA5; C * (len * N + gap)], shift / 2, |dst| {
        let dst = std::array::from_fn(|c| dst.wrapping_add(c * (len * N + gap)));
        // SAFETY: the source has all groups, and `framed` gives each row `len * N` bytes.
        unsafe { deinterleave::<N, C>(isa, groups.as_ptr(), len, dst) }
    });
    let spaced = rows.iter().map(|row| [&row[..], &vec![0xA5; gap]].concat());
    let spaced = spaced.collect::<Vec<_>>().concat();
    assert_eq!(split, spaced, "deinterleave {N} {C} {isa:?} {len}");
    let joined = framed(&vec![0; groups.len()], shift / 2, |dst| {
        // SAFETY: every row has `len` items, and `framed` gives room for all groups.
        unsafe { interleave::<N, C>(isa, std::array::from_fn(|c| rows[c].as_ptr()), len, dst) }
    });
    assert_eq!(joined, groups, "interleave {N} {C} {isa:?} {len}");
}

/// Runs a check for every item size and set of instructions.
macro_rules! for_each_size {
    ($check:ident ::<N $(, $channels:literal)?>($($arg:expr),*)) => {
        for isa in Isa::all() {
            $check::<1 $(, $channels)?>(isa, $($arg),*);
            $check::<2 $(, $channels)?>(isa, $($arg),*);
            $check::<4 $(, $channels)?>(isa, $($arg),*);
            $check::<8 $(, $channels)?>(isa, $($arg),*);
            $check::<16 $(, $channels)?>(isa, $($arg),*);
        }
    };
}

fn check_row(stride: isize, len: usize, shift: usize) {
    for_each_size!(check_gather::<N>(stride, len, shift));
    for_each_size!(check_scatter::<N>(stride, len, shift));
}

/// A stride of so many items, whatever their size.
fn check_step<const N: usize>(isa: Isa, step: isize, len: usize) {
    check_gather::<N>(isa, step * N.cast_signed(), len, 1);
    check_scatter::<N>(isa, step * N.cast_signed(), len, 1);
}

fn check_all_groups(len: usize, shift: usize) {
    for_each_size!(check_groups::<N, 2>(len, shift));
    for_each_size!(check_groups::<N, 3>(len, shift));
    for_each_size!(check_groups::<N, 4>(len, shift));
}

const LENGTHS: &[usize] =
    if cfg!(miri) { &[0, 1, 33] } else { &[0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 65, 100] };
const SIZES: &[isize] = &[1, 2, 4, 8, 16];
/// Items of a long row.
const LONG: usize = if cfg!(miri) { 72 } else { 200 };

#[test]
fn strides_of_whole_items_at_the_edges_of_vectors() {
    let steps: &[isize] =
        if cfg!(miri) { &[-1, 0, 1, 2, 3, 4] } else { &[-4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 8] };
    for &step in steps {
        for &len in LENGTHS {
            // Under Miri a stride is not also tried with items of other sizes.
            if cfg!(miri) {
                for_each_size!(check_step::<N>(step, len));
            } else {
                SIZES.iter().for_each(|size| check_row(step * size, len, 1));
            }
        }
    }
}

#[test]
fn groups_at_the_edges_of_vectors() {
    for &len in LENGTHS {
        check_all_groups(len, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 1000 }))]

    #[test]
    fn any_row(stride in -300isize..300, len in 0..LONG, shift in 0usize..40) {
        check_row(stride, len, shift);
    }

    #[test]
    fn any_near_row(stride in -40isize..40, len in 0..LONG, shift in 0usize..40) {
        check_row(stride, len, shift);
    }

    #[test]
    fn any_groups(len in 0..LONG, shift in 0usize..40) {
        check_all_groups(len, shift);
    }
}
