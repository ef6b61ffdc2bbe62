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
    let n = elements.len();
    for j in 0..W {
        for (element, byte) in elements.iter().zip(&mut to[j * n..][..n]) {
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
    let n = elements.len();
    for j in 0..W {
        for (element, byte) in elements.iter_mut().zip(&from[j * n..][..n]) {
            element[j] = *byte;
        }
    }
}

/// Eights of elements done at a time, for the compiler to make vectors of.
const TILE: usize = 32;

/// Bits of a multiple of 8 elements.
pub(super) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        1 => split_bits::<1>(from, to),
        2 => split_bits::<2>(from, to),
        4 => split_bits::<4>(from, to),
        _ => split_bits::<8>(from, to),
    }
}

fn split_bits<const W: usize>(from: &[u8], to: &mut [u8]) {
    let eights = from.as_chunks::<W>().0.as_chunks::<8>().0;
    let (tiles, rest) = eights.as_chunks::<TILE>();
    for (index, tile) in tiles.iter().enumerate() {
        split_tile(tile, to, eights.len(), index * TILE);
    }
    for (index, eight) in (tiles.len() * TILE..).zip(rest) {
        split_tile(std::array::from_ref(eight), to, eights.len(), index);
    }
}

/// To planes of `n` bytes, from byte `at` of each on.
#[inline(always)]
fn split_tile<const W: usize, const T: usize>(
    tile: &[[[u8; W]; 8]; T],
    to: &mut [u8],
    n: usize,
    at: usize,
) {
    for j in 0..W {
        let mut bits = [[0; T]; 8];
        for (i, eight) in tile.iter().enumerate() {
            for (row, element) in bits.iter_mut().zip(eight) {
                row[i] = element[j];
            }
        }
        transpose_bits(&mut bits);
        for (b, row) in bits.iter().enumerate() {
            to[(j * 8 + b) * n + at..][..T].copy_from_slice(row);
        }
    }
}

pub(super) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    match width {
        1 => join_bits::<1>(from, to),
        2 => join_bits::<2>(from, to),
        4 => join_bits::<4>(from, to),
        _ => join_bits::<8>(from, to),
    }
}

fn join_bits<const W: usize>(from: &[u8], to: &mut [u8]) {
    let eights = to.as_chunks_mut::<W>().0.as_chunks_mut::<8>().0;
    let n = eights.len();
    let (tiles, rest) = eights.as_chunks_mut::<TILE>();
    let done = tiles.len() * TILE;
    for (index, tile) in tiles.iter_mut().enumerate() {
        join_tile(from, tile, n, index * TILE);
    }
    for (index, eight) in (done..).zip(rest) {
        join_tile(from, std::array::from_mut(eight), n, index);
    }
}

#[inline(always)]
fn join_tile<const W: usize, const T: usize>(
    from: &[u8],
    tile: &mut [[[u8; W]; 8]; T],
    n: usize,
    at: usize,
) {
    for j in 0..W {
        let mut bits = [[0; T]; 8];
        for (b, row) in bits.iter_mut().enumerate() {
            row.copy_from_slice(&from[(j * 8 + b) * n + at..][..T]);
        }
        transpose_bits(&mut bits);
        for (i, eight) in tile.iter_mut().enumerate() {
            for (row, element) in bits.iter().zip(eight) {
                element[j] = row[i];
            }
        }
    }
}

/// Bit `k` of a byte in row `b` is bit `b` of that in row `k`.
#[inline(always)]
fn transpose_bits<const T: usize>(rows: &mut [[u8; T]; 8]) {
    for (by, mask) in [(4, 0x0F), (2, 0x33), (1, 0x55)] {
        for low in (0..8).filter(|row| row & by == 0) {
            let (lows, highs) = rows.split_at_mut(low + by);
            for (a, b) in lows[low].iter_mut().zip(&mut highs[0]) {
                let differ = ((*a >> by) ^ *b) & mask;
                *a ^= differ << by;
                *b ^= differ;
            }
        }
    }
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
    let mut bits = 0;
    for some in from.chunks(64) {
        let mut is_exact = true;
        for x in some {
            let i = integer(double(*x), ten);
            is_exact &= decimal::<N>(i, ten) == *x;
            bits |= i ^ (i >> 63);
        }
        if !is_exact {
            return None;
        }
    }
    Some(signed_bits(bits))
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

/// The integer next to a float as a decimal, or the one at the end of all.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "what does not fit is no decimal, and is found out"
)]
pub(super) fn integer(x: f64, ten: f64) -> i64 {
    let x = x * ten;
    if x.abs() < SHORT_END { short(x) } else { x.round_ties_even() as i64 }
}

/// 2 to the 51.
const SHORT_END: f64 = 2_251_799_813_685_248.0;
/// Bits of an integer that [`short`] can give.
pub(super) const SHORT: u32 = 52;

/// The integer next to a double, if it is a short one.
///
/// Doubles of a certain size lie as far apart as integers do: there their bits differ as they do themselves.
#[inline(always)]
pub(super) fn short(x: f64) -> i64 {
    const HIGH: f64 = 3.0 * SHORT_END;
    (x + HIGH).to_bits().wrapping_sub(HIGH.to_bits()).cast_signed()
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
