//! The filters in plain loops: what every processor runs, and what the others are held against.

/// Byte `j` of all elements together, from the lowest on.
pub(super) fn shuffle(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        2 => split::<2>(from, to),
        4 => split::<4>(from, to),
        8 => split::<8>(from, to),
        _ => to.copy_from_slice(from),
    }
}

fn split<const W: usize>(from: &[u8], to: &mut [u8]) {
    let elements = from.as_chunks::<W>().0;
    for (j, plane) in to.chunks_exact_mut(elements.len().max(1)).enumerate() {
        for (element, byte) in elements.iter().zip(plane) {
            *byte = element[j];
        }
    }
}

pub(super) fn unshuffle(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        2 => join::<2>(from, to),
        4 => join::<4>(from, to),
        8 => join::<8>(from, to),
        _ => to.copy_from_slice(from),
    }
}

fn join<const W: usize>(from: &[u8], to: &mut [u8]) {
    let elements = to.as_chunks_mut::<W>().0;
    for (j, plane) in from.chunks_exact(elements.len().max(1)).enumerate() {
        for (element, byte) in elements.iter_mut().zip(plane) {
            element[j] = *byte;
        }
    }
}

/// Bits of a multiple of 8 elements.
pub(super) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    let eighth = from.len() / width / 8;
    for (i, eight) in from.chunks_exact(8 * width).enumerate() {
        for j in 0..width {
            let bits = transposed(std::array::from_fn(|k| eight[k * width + j]));
            for (b, byte) in bits.into_iter().enumerate() {
                to[(j * 8 + b) * eighth + i] = byte;
            }
        }
    }
}

pub(super) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    let eighth = from.len() / width / 8;
    for (i, eight) in to.chunks_exact_mut(8 * width).enumerate() {
        for j in 0..width {
            let bytes = transposed(std::array::from_fn(|b| from[(j * 8 + b) * eighth + i]));
            for (k, byte) in bytes.into_iter().enumerate() {
                eight[k * width + j] = byte;
            }
        }
    }
}

/// Bit `k` of byte `b` is bit `b` of byte `k`.
fn transposed(bytes: [u8; 8]) -> [u8; 8] {
    let mut bits = u64::from_le_bytes(bytes);
    for (shift, mask) in [(28, 0xF0F0_F0F0), (14, 0xCCCC_0000_CCCC), (7, 0xAA_00AA_00AA_00AA)] {
        let differ = (bits ^ (bits >> shift)) & mask;
        bits ^= differ ^ (differ << shift);
    }
    bits.to_le_bytes()
}

/// See [`super::to_decimal`].
pub(super) fn to_decimal(from: &[u8], to: &mut [u8], width: usize, ten: f64) -> Option<usize> {
    match width {
        4 => to_integers::<4>(from.as_chunks().0, to, ten),
        _ => to_integers::<8>(from.as_chunks().0, to, ten),
    }
}

fn to_integers<const N: usize>(from: &[[u8; N]], to: &mut [u8], ten: f64) -> Option<usize> {
    let least = least(bits_of(from, ten)?);
    if least > N {
        return None;
    }
    match least {
        1 => write::<N, 1>(from, to, |x| integer(x, ten)),
        2 => write::<N, 2>(from, to, |x| integer(x, ten)),
        4 => write::<N, 4>(from, to, |x| integer(x, ten)),
        _ => write::<N, 8>(from, to, |x| integer(x, ten)),
    }
    Some(least)
}

/// Bytes of an integer of so many bits.
pub(super) fn least(bits: u32) -> usize {
    match bits {
        0..=8 => 1,
        9..=16 => 2,
        17..=32 => 4,
        _ => 8,
    }
}

/// Bits of the longest of the integers that the floats are, sign and all; `None` if one is none.
pub(super) fn bits_of<const N: usize>(from: &[[u8; N]], ten: f64) -> Option<u32> {
    from.iter().try_fold(0, |bits: u32, &x| {
        let i = integer(double(x), ten);
        (decimal::<N>(i, ten) == x).then(|| bits.max(signed_bits(i)))
    })
}

/// Bits of an integer, sign and all.
pub(super) fn signed_bits(i: i64) -> u32 {
    65 - (i ^ (i >> 63)).leading_zeros()
}

/// The low `L` bytes of the integers.
#[inline(always)]
pub(super) fn write<const N: usize, const L: usize>(
    from: &[[u8; N]],
    to: &mut [u8],
    integer: impl Fn(f64) -> i64,
) {
    for (x, place) in from.iter().zip(to.as_chunks_mut::<L>().0) {
        place.copy_from_slice(&integer(double(*x)).to_le_bytes()[..L]);
    }
}

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "what does not fit is no decimal, and is found out"
)]
pub(super) fn integer(x: f64, ten: f64) -> i64 {
    (x * ten).round_ties_even() as i64
}

/// See [`super::from_decimal`].
#[inline(always)]
pub(super) fn from_decimal(from: &[u8], to: &mut [u8], least: usize, width: usize, ten: f64) {
    match width {
        4 => from_integers::<4>(from, to.as_chunks_mut().0, least, ten),
        _ => from_integers::<8>(from, to.as_chunks_mut().0, least, ten),
    }
}

#[inline(always)]
fn from_integers<const N: usize>(from: &[u8], to: &mut [[u8; N]], least: usize, ten: f64) {
    match least {
        1 => each(from, to, |i| decimal(i8::from_le_bytes(i).into(), ten)),
        2 => each(from, to, |i| decimal(i16::from_le_bytes(i).into(), ten)),
        4 => each(from, to, |i| decimal(i32::from_le_bytes(i).into(), ten)),
        _ => each(from, to, |i| decimal(i64::from_le_bytes(i), ten)),
    }
}

#[inline(always)]
fn each<const L: usize, const N: usize>(
    from: &[u8],
    to: &mut [[u8; N]],
    float: impl Fn([u8; L]) -> [u8; N],
) {
    for (i, x) in from.as_chunks().0.iter().zip(to) {
        *x = float(*i);
    }
}

/// The double that a float of `N` bytes, 4 or 8, is.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "the upper half is zero")]
fn double<const N: usize>(x: [u8; N]) -> f64 {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(&x);
    let bits = u64::from_le_bytes(bytes);
    match N {
        4 => f32::from_bits(bits as u32).into(),
        _ => f64::from_bits(bits),
    }
}

/// The float of `N` bytes, 4 or 8, that an integer is.
#[inline(always)]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the format says so"
)]
fn decimal<const N: usize>(i: i64, ten: f64) -> [u8; N] {
    let x = i as f64 / ten;
    let bits = match N {
        4 => (x as f32).to_bits().into(),
        _ => x.to_bits(),
    };
    std::array::from_fn(|index| bits.to_le_bytes()[index])
}
