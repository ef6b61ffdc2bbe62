//! Filters: reversible changes of a block's elements that make them compress better. `spec/FORMAT.md` says what each does.
//!
//! Elements are little-endian and of 1, 2, 4 or 8 bytes; a block fits the level-2 cache, and so does what is made of it.

mod portable;

/// Along which axes a neighbour is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Predict {
    /// Along none.
    Nothing,
    /// The last.
    Last,
    /// The last two.
    LastTwo,
    /// The last three.
    LastThree,
    /// The last but one alone.
    LastButOne,
}

impl Predict {
    /// Of each axis that it goes along, from the last on: the stride, and the length.
    fn axes(self, strides: [usize; 3], lens: [usize; 3]) -> impl Iterator<Item = (usize, usize)> {
        let range = match self {
            Self::Nothing => 0..0,
            Self::Last => 0..1,
            Self::LastTwo => 0..2,
            Self::LastThree => 0..3,
            Self::LastButOne => 1..2,
        };
        range.map(move |axis| (strides[axis], lens[axis]))
    }

    /// How many axes it needs.
    pub(crate) fn ndim(self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Last => 1,
            Self::LastTwo | Self::LastButOne => 2,
            Self::LastThree => 3,
        }
    }
}

/// How many decimal digits stand behind the point: at most 22, so that their power of ten is a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digits(u8);

impl Digits {
    /// Up to this many.
    pub(crate) const MAX: u8 = 22;

    /// `None` beyond [`Digits::MAX`].
    pub(crate) fn new(digits: u8) -> Option<Self> {
        (digits <= Self::MAX).then_some(Self(digits))
    }

    pub(crate) fn get(self) -> u8 {
        self.0
    }

    fn power(self) -> f64 {
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
            1e19, 1e20, 1e21, 1e22,
        ];
        POWERS[usize::from(self.0)]
    }
}

/// An unsigned integer whose bytes are an element's.
trait Unsigned: bytemuck::Pod {
    fn less(self, other: Self) -> Self;
    fn plus(self, other: Self) -> Self;
    /// 0, -1, 1, -2, 2, ... to 0, 1, 2, 3, 4, ...
    fn fold(self) -> Self;
    fn unfold(self) -> Self;
}

macro_rules! unsigned {
    ($($unsigned:ty, $signed:ty);*) => {$(
        impl Unsigned for $unsigned {
            #[inline(always)]
            fn less(self, other: Self) -> Self {
                Self::from_le(self).wrapping_sub(Self::from_le(other)).to_le()
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                Self::from_le(self).wrapping_add(Self::from_le(other)).to_le()
            }
            #[inline(always)]
            fn fold(self) -> Self {
                let x = Self::from_le(self);
                ((x << 1) ^ (x.cast_signed() >> (Self::BITS - 1)).cast_unsigned()).to_le()
            }
            #[inline(always)]
            fn unfold(self) -> Self {
                let x = Self::from_le(self);
                ((x >> 1) ^ (x & 1).wrapping_neg()).to_le()
            }
        }
    )*};
}
unsigned!(u8, i8; u16, i16; u32, i32; u64, i64);

/// Byte `j` of all elements of `width` bytes together, from the lowest on. Both are of one length, a multiple of the width.
pub(crate) fn shuffle(from: &[u8], to: &mut [u8], width: usize) {
    portable::shuffle(from, to, width);
}

/// The reverse of [`shuffle`].
pub(crate) fn unshuffle(from: &[u8], to: &mut [u8], width: usize) {
    portable::unshuffle(from, to, width);
}

/// Bit `b` of byte `j` of all elements together, both from the lowest on; of the elements behind the last multiple of 8, their bytes.
/// Both are of one length, a multiple of the width.
pub(crate) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    let whole = from.len() / width / 8 * 8;
    let (front, rest) = from.split_at(whole * width);
    let (bits, after) = to.split_at_mut(whole * width);
    after.copy_from_slice(rest);
    let mut planes = vec![0; front.len()];
    portable::shuffle(front, &mut planes, width);
    for (plane, bits) in planes.chunks(whole.max(1)).zip(bits.chunks_mut(whole.max(1))) {
        portable::split_bits(plane, bits);
    }
}

/// The reverse of [`shuffle_bits`].
pub(crate) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    let whole = from.len() / width / 8 * 8;
    let (bits, rest) = from.split_at(whole * width);
    let (front, after) = to.split_at_mut(whole * width);
    after.copy_from_slice(rest);
    let mut planes = vec![0; bits.len()];
    for (plane, bits) in planes.chunks_mut(whole.max(1)).zip(bits.chunks(whole.max(1))) {
        portable::join_bits(bits, plane);
    }
    portable::unshuffle(&planes, front, width);
}

/// The folded differences of elements of `width` bytes in a box, whose four lengths make their number; both are of one length.
///
/// The memory may lie anywhere.
pub(crate) fn predict(from: &[u8], to: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    match width {
        1 => portable::predict(from, to, dims, which),
        2 => by_elements::<u16>(from, to, |from, to| portable::predict(from, to, dims, which)),
        4 => by_elements::<u32>(from, to, |from, to| portable::predict(from, to, dims, which)),
        _ => by_elements::<u64>(from, to, |from, to| portable::predict(from, to, dims, which)),
    }
}

/// The reverse of [`predict`], in place.
pub(crate) fn unpredict(data: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    let from = data.to_vec();
    match width {
        1 => portable::unpredict(data, dims, which),
        2 => by_elements::<u16>(&from, data, |_, data| portable::unpredict(data, dims, which)),
        4 => by_elements::<u32>(&from, data, |_, data| portable::unpredict(data, dims, which)),
        _ => by_elements::<u64>(&from, data, |_, data| portable::unpredict(data, dims, which)),
    }
}

fn by_elements<U: Unsigned>(from: &[u8], to: &mut [u8], work: impl FnOnce(&[U], &mut [U])) {
    let from: Vec<U> = bytemuck::pod_collect_to_vec(from);
    let mut made = from.clone();
    work(&from, &mut made);
    to.copy_from_slice(bytemuck::cast_slice(&made));
}

/// The integers, of the least width that holds them all, which floats of `width` bytes (4 or 8) are with so many digits; `None` if one
/// is no such number. They are the front of `to`, which is as long as `from`; given is their width.
pub(crate) fn to_decimal(from: &[u8], to: &mut [u8], width: usize, digits: Digits) -> Option<usize> {
    let mut integers = vec![0; from.len() / width];
    let exact = match width {
        4 => portable::to_decimal32(&bytemuck::pod_collect_to_vec(from), &mut integers, digits),
        _ => portable::to_decimal64(&bytemuck::pod_collect_to_vec(from), &mut integers, digits),
    };
    let bits = integers.iter().map(|&i| 65 - (i ^ (i >> 63)).leading_zeros()).max().unwrap_or(0);
    let least = bits.div_ceil(8).next_power_of_two() as usize;
    if !exact || least > width {
        return None;
    }
    for (i, element) in integers.iter().zip(to.chunks_exact_mut(least)) {
        element.copy_from_slice(&i.to_le_bytes()[..least]);
    }
    Some(least)
}

/// The floats of `width` bytes that integers of `least` bytes are with so many digits.
pub(crate) fn from_decimal(from: &[u8], to: &mut [u8], least: usize, width: usize, digits: Digits) {
    let ten = digits.power();
    for (integer, float) in from.chunks_exact(least).zip(to.chunks_exact_mut(width)) {
        let sign = if integer[least - 1] >= 0x80 { 0xFF } else { 0 };
        let mut bytes = [sign; 8];
        bytes[..least].copy_from_slice(integer);
        let i = i64::from_le_bytes(bytes);
        match width {
            4 => float.copy_from_slice(&portable::from_decimal32(i, ten).to_le_bytes()),
            _ => float.copy_from_slice(&portable::from_decimal64(i, ten).to_le_bytes()),
        }
    }
}
