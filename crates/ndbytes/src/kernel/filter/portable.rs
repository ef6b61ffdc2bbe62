//! The filters in plain loops: what every processor runs, and what the others are held against.

use super::{Digits, Predict, Unsigned};

/// Byte `j` of all elements together, from the lowest on.
pub(super) fn shuffle(from: &[u8], to: &mut [u8], width: usize) {
    let n = from.len() / width;
    for (j, plane) in to.chunks_exact_mut(n.max(1)).enumerate() {
        for (element, byte) in from.chunks_exact(width).zip(plane) {
            *byte = element[j];
        }
    }
}

pub(super) fn unshuffle(from: &[u8], to: &mut [u8], width: usize) {
    let n = from.len() / width;
    for (j, plane) in from.chunks_exact(n.max(1)).enumerate() {
        for (element, byte) in to.chunks_exact_mut(width).zip(plane) {
            element[j] = *byte;
        }
    }
}

/// Of a byte plane, whose length is a multiple of 8, bit `b` of all bytes together, from the lowest on.
pub(super) fn split_bits(plane: &[u8], to: &mut [u8]) {
    let eighth = plane.len() / 8;
    for (i, eight) in plane.chunks_exact(8).enumerate() {
        for b in 0..8 {
            let bit = |(k, byte): (usize, &u8)| ((byte >> b) & 1) << k;
            to[b * eighth + i] = eight.iter().enumerate().map(bit).sum();
        }
    }
}

pub(super) fn join_bits(from: &[u8], plane: &mut [u8]) {
    let eighth = plane.len() / 8;
    for (i, eight) in plane.chunks_exact_mut(8).enumerate() {
        for (k, byte) in eight.iter_mut().enumerate() {
            *byte = (0..8).map(|b| ((from[b * eighth + i] >> k) & 1) << b).sum();
        }
    }
}

/// Differences, folded: see `spec/FORMAT.md`.
pub(super) fn predict<U: Unsigned>(from: &[U], to: &mut [U], dims: [usize; 4], which: Predict) {
    to.copy_from_slice(from);
    let [_, c, b, a] = dims;
    for (stride, len) in which.axes([1, a, a * b], [a, b, c]) {
        for i in (0..to.len()).rev().filter(|i| i / stride % len > 0) {
            to[i] = to[i].less(to[i - stride]);
        }
    }
    to.iter_mut().for_each(|x| *x = x.fold());
}

pub(super) fn unpredict<U: Unsigned>(data: &mut [U], dims: [usize; 4], which: Predict) {
    data.iter_mut().for_each(|x| *x = x.unfold());
    let [_, c, b, a] = dims;
    for (stride, len) in which.axes([1, a, a * b], [a, b, c]) {
        for i in (0..data.len()).filter(|i| i / stride % len > 0) {
            data[i] = data[i].plus(data[i - stride]);
        }
    }
}

/// The integers that the floats are with so many digits, and whether all of them are.
pub(super) fn to_decimal64(from: &[f64], to: &mut [i64], digits: Digits) -> bool {
    let ten = digits.power();
    from.iter().zip(to).all(|(&x, i)| {
        *i = integer(x * ten);
        from_decimal64(*i, ten).to_bits() == x.to_bits()
    })
}

pub(super) fn to_decimal32(from: &[f32], to: &mut [i64], digits: Digits) -> bool {
    let ten = digits.power();
    from.iter().zip(to).all(|(&x, i)| {
        *i = integer(f64::from(x) * ten);
        from_decimal32(*i, ten).to_bits() == x.to_bits()
    })
}

#[allow(clippy::cast_possible_truncation, reason = "what does not fit is no decimal, and is found out")]
fn integer(x: f64) -> i64 {
    x.round_ties_even() as i64
}

#[allow(clippy::cast_precision_loss, reason = "the format says so")]
pub(super) fn from_decimal64(i: i64, ten: f64) -> f64 {
    i as f64 / ten
}

#[allow(clippy::cast_possible_truncation, reason = "rounded to a float, as the format says")]
pub(super) fn from_decimal32(i: i64, ten: f64) -> f32 {
    from_decimal64(i, ten) as f32
}
