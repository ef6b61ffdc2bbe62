//! Filters: reversible changes of a block's elements that make them compress better. `spec/FORMAT.md` says what each does.
//!
//! Elements are little-endian and of 1, 2, 4 or 8 bytes, at any address; a block fits the level-2 cache, and so does what is made of
//! it. The plain loops are in `portable` and `differences`, and in `avx2` what is faster.
#![allow(
    unsafe_code,
    reason = "functions built for a set of instructions are called where the processor has it"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod differences;
mod portable;

use super::isa::Isa;

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
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
            1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
        ];
        POWERS[usize::from(self.0)]
    }
}

/// Byte `j` of all elements of `width` bytes together, from the lowest on. Both are of one length, a multiple of the width.
pub(crate) fn shuffle(from: &[u8], to: &mut [u8], width: usize) {
    shuffle_by(Isa::detect(), from, to, width);
}

fn shuffle_by(isa: Isa, from: &[u8], to: &mut [u8], width: usize) {
    match isa {
        _ if width == 1 => to.copy_from_slice(from),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::shuffle(from, to, width) },
        _ => portable::shuffle(from, to, width),
    }
}

/// The reverse of [`shuffle`].
pub(crate) fn unshuffle(from: &[u8], to: &mut [u8], width: usize) {
    unshuffle_by(Isa::detect(), from, to, width);
}

fn unshuffle_by(isa: Isa, from: &[u8], to: &mut [u8], width: usize) {
    match isa {
        _ if width == 1 => to.copy_from_slice(from),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::unshuffle(from, to, width) },
        _ => portable::unshuffle(from, to, width),
    }
}

/// Whether the processor transposes bits by itself (GFNI).
fn has_matrices() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("gfni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Bit `b` of byte `j` of all elements together, both from the lowest on; of the elements behind the last multiple of 8, their bytes.
/// Both are of one length, a multiple of the width.
pub(crate) fn shuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    shuffle_bits_by(Isa::detect(), has_matrices(), from, to, width);
}

#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_variables, reason = "others have no such instruction")
)]
fn shuffle_bits_by(isa: Isa, matrices: bool, from: &[u8], to: &mut [u8], width: usize) {
    let whole = from.len() - from.len() % (8 * width);
    let (from, rest) = from.split_at(whole);
    let (to, after) = to.split_at_mut(whole);
    after.copy_from_slice(rest);
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has both.
        Isa::Avx2 if matrices => unsafe { avx2::matrices::shuffle_bits(from, to, width) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::shuffle_bits(from, to, width) },
        _ => portable::shuffle_bits(from, to, width),
    }
}

/// The reverse of [`shuffle_bits`].
pub(crate) fn unshuffle_bits(from: &[u8], to: &mut [u8], width: usize) {
    unshuffle_bits_by(Isa::detect(), has_matrices(), from, to, width);
}

#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(unused_variables, reason = "others have no such instruction")
)]
fn unshuffle_bits_by(isa: Isa, matrices: bool, from: &[u8], to: &mut [u8], width: usize) {
    let whole = from.len() - from.len() % (8 * width);
    let (from, rest) = from.split_at(whole);
    let (to, after) = to.split_at_mut(whole);
    after.copy_from_slice(rest);
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has both.
        Isa::Avx2 if matrices => unsafe { avx2::matrices::unshuffle_bits(from, to, width) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::unshuffle_bits(from, to, width) },
        _ => portable::unshuffle_bits(from, to, width),
    }
}

/// The folded differences of elements of `width` bytes in a box, whose four lengths make their number; both are of one length.
pub(crate) fn predict(from: &[u8], to: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    predict_by(Isa::detect(), from, to, width, dims, which);
}

fn predict_by(
    isa: Isa,
    from: &[u8],
    to: &mut [u8],
    width: usize,
    dims: [usize; 4],
    which: Predict,
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::predict(from, to, width, dims, which) },
        _ => differences::predict(from, to, width, dims, which),
    }
}

/// The reverse of [`predict`], in place.
pub(crate) fn unpredict(data: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    unpredict_by(Isa::detect(), data, width, dims, which);
}

fn unpredict_by(isa: Isa, data: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::unpredict(data, width, dims, which) },
        _ => differences::unpredict(data, width, dims, which),
    }
}

/// The integers, of the least width that holds them all, which floats of `width` bytes (4 or 8) are with so many digits; `None` if one
/// is no such number. They are the front of `to`, which is as long as `from`; given is their width.
pub(crate) fn to_decimal(
    from: &[u8],
    to: &mut [u8],
    width: usize,
    digits: Digits,
) -> Option<usize> {
    to_decimal_by(Isa::detect(), from, to, width, digits)
}

fn to_decimal_by(
    isa: Isa,
    from: &[u8],
    to: &mut [u8],
    width: usize,
    digits: Digits,
) -> Option<usize> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::to_decimal(from, to, width, digits.power()) },
        _ => portable::to_decimal(from, to, width, digits.power()),
    }
}

/// The floats of `width` bytes that integers of `least` bytes are with so many digits.
pub(crate) fn from_decimal(from: &[u8], to: &mut [u8], least: usize, width: usize, digits: Digits) {
    from_decimal_by(Isa::detect(), from, to, least, width, digits);
}

fn from_decimal_by(
    isa: Isa,
    from: &[u8],
    to: &mut [u8],
    least: usize,
    width: usize,
    digits: Digits,
) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::from_decimal(from, to, least, width, digits.power()) },
        _ => portable::from_decimal(from, to, least, width, digits.power()),
    }
}

#[cfg(test)]
mod tests;
