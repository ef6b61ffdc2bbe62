//! Floats of 16 and 8 bits, all by one description: decoded exactly, encoded to the nearest, ties to even.

use crate::dtype::Scalar;

/// How the bits of a small float are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minifloat {
    exponent: u32,
    mantissa: u32,
    bias: i32,
    special: Special,
}

/// What the codes beyond the finite numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// The highest exponent means infinity and NaN.
    Ieee,
    /// No infinity; all bits set mean NaN (`fn`).
    Finite,
    /// No infinity and no negative zero, whose code means NaN (`fnuz`).
    Unsigned,
    /// No sign, no mantissa, no zero; all bits set mean NaN (`e8m0fnu`).
    Powers,
}

impl Minifloat {
    /// The description of `scalar`, if it is such a float.
    #[must_use]
    pub fn of(scalar: Scalar) -> Option<Self> {
        use Special::{Finite, Ieee, Powers, Unsigned};
        let (exponent, mantissa, bias, special) = match scalar {
            Scalar::Float16 => (5, 10, 15, Ieee),
            Scalar::BFloat16 => (8, 7, 127, Ieee),
            Scalar::Float8E3M4 => (3, 4, 3, Ieee),
            Scalar::Float8E4M3 => (4, 3, 7, Ieee),
            Scalar::Float8E5M2 => (5, 2, 15, Ieee),
            Scalar::Float8E4M3Fn => (4, 3, 7, Finite),
            Scalar::Float8E4M3B11Fnuz => (4, 3, 11, Unsigned),
            Scalar::Float8E4M3Fnuz => (4, 3, 8, Unsigned),
            Scalar::Float8E5M2Fnuz => (5, 2, 16, Unsigned),
            Scalar::Float8E8M0Fnu => (8, 0, 127, Powers),
            _ => return None,
        };
        Some(Self { exponent, mantissa, bias, special })
    }

    /// Whether it is one of ml_dtypes, which casts to it by way of `f32`.
    #[must_use]
    pub fn is_extension(self) -> bool {
        (self.exponent, self.mantissa) != (5, 10)
    }

    fn sign(self) -> u16 {
        if self.special == Special::Powers { 0 } else { 1 << (self.exponent + self.mantissa) }
    }

    fn infinity(self) -> u16 {
        ((1 << self.exponent) - 1) << self.mantissa
    }

    /// The highest code of a finite number.
    fn highest(self) -> u16 {
        let all = (1 << (self.exponent + self.mantissa)) - 1;
        match self.special {
            Special::Ieee => self.infinity() - 1,
            Special::Finite | Special::Powers => all - 1,
            Special::Unsigned => all,
        }
    }

    fn nan(self) -> u16 {
        match self.special {
            Special::Ieee => self.infinity() | (1 << (self.mantissa - 1)),
            Special::Finite | Special::Powers => self.highest() + 1,
            Special::Unsigned => self.sign(),
        }
    }

    /// The value of these bits; every one fits an `f64` exactly.
    #[must_use]
    pub fn decode(self, bits: u16) -> f64 {
        let code = bits & !self.sign();
        let negative = bits & self.sign() != 0;
        if self.special == Special::Unsigned && bits == self.nan() {
            return f64::NAN;
        }
        let magnitude = if code > self.highest() {
            let infinite = self.special == Special::Ieee && code == self.infinity();
            if infinite { f64::INFINITY } else { f64::NAN }
        } else if self.special == Special::Powers {
            power_of_two(i32::from(code) - self.bias)
        } else {
            let field = i32::from(code >> self.mantissa);
            let fraction = code & ((1 << self.mantissa) - 1);
            let digits = if field == 0 { fraction } else { fraction | (1 << self.mantissa) };
            f64::from(digits) * self.unit(field.max(1) - self.bias)
        };
        if negative { -magnitude } else { magnitude }
    }

    /// The nearest number's bits; beyond the largest one infinity, or NaN where there is no infinity.
    #[must_use]
    pub fn encode(self, value: f64) -> u16 {
        if value.is_nan() {
            return self.nan();
        }
        if self.special == Special::Powers {
            return self.encode_power(value);
        }
        let sign = if value.is_sign_negative() { self.sign() } else { 0 };
        let lowest = 1 - self.bias;
        let exponent = floor_log2(value).max(lowest);
        // Beyond this every code is too high; below, digits and code are small.
        let code = if exponent > self.bias + 1 {
            u16::MAX
        } else {
            let digits = (value.abs() / self.unit(exponent)).round_ties_even();
            u16::try_from((exponent - lowest) * (1 << self.mantissa) + to_i32(digits))
                .unwrap_or(u16::MAX)
        };
        match self.special {
            _ if code > self.highest() => self.overflow(sign),
            Special::Unsigned if code == 0 => 0,
            _ => sign | code,
        }
    }

    fn overflow(self, sign: u16) -> u16 {
        if self.special == Special::Ieee { sign | self.infinity() } else { self.nan() }
    }

    /// Half way between two powers the larger one is taken, as ml_dtypes does.
    fn encode_power(self, value: f64) -> u16 {
        let exponent = floor_log2(value);
        if value <= 0.0 || value.is_infinite() || exponent < -self.bias - 1 {
            return if value > 0.0 && value.is_finite() { 0 } else { self.nan() };
        }
        let up = i32::from(value / power_of_two(exponent) >= 1.5);
        let code = u16::try_from((exponent + up + self.bias).max(0)).unwrap_or(u16::MAX);
        code.min(self.nan())
    }

    /// What the last bit of the mantissa counts at this exponent.
    fn unit(self, exponent: i32) -> f64 {
        power_of_two(exponent - self.mantissa.cast_signed())
    }
}

/// 2 to a power between −1022 and 1023.
fn power_of_two(power: i32) -> f64 {
    let field = (power + 1023).clamp(1, 2046).unsigned_abs();
    f64::from_bits(u64::from(field) << 52)
}

/// The exponent of the highest bit; −1023 for zeros and subnormals, 1024 for infinity.
fn floor_log2(value: f64) -> i32 {
    i32::try_from((value.to_bits() >> 52) & 0x7ff).unwrap_or(0) - 1023
}

#[expect(clippy::cast_possible_truncation, reason = "at most one bit more than the mantissa has")]
fn to_i32(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every code of every format comes back; between two neighbours the nearest is taken.
    #[test]
    fn encode_inverts_decode() {
        for scalar in Scalar::all() {
            let Some(float) = Minifloat::of(scalar) else { continue };
            let codes = u16::MAX >> (16 - 8 * scalar.itemsize());
            for bits in 0..=codes {
                let value = float.decode(bits);
                let back = float.encode(value);
                assert!(
                    back == bits || value.is_nan() && float.decode(back).is_nan(),
                    "{scalar:?} {bits:#x}"
                );
                let next = float.decode((bits + u16::from(bits < codes)) & codes);
                if next > value && next.is_finite() && value > 0.0 {
                    let third = value + (next - value) / 3.0;
                    assert_eq!(float.encode(third), bits, "{scalar:?} {bits:#x}");
                }
            }
        }
    }

    #[test]
    fn known_values() {
        let half = Minifloat::of(Scalar::Float16).unwrap();
        assert_eq!(half.encode(65519.999), 0x7bff);
        assert_eq!(half.encode(65520.0), 0x7c00);
        assert_eq!(half.encode(-1e300), 0xfc00);
        // The tie goes to the even neighbour, the smallest excess over it upwards.
        assert_eq!(half.encode(1.0 + 0.5f64.powi(11)), 0x3c00);
        assert_eq!(half.encode(1.0 + 0.5f64.powi(11) + 0.5f64.powi(50)), 0x3c01);
        assert_eq!(half.encode(5e-324), 0);
        let e4m3fn = Minifloat::of(Scalar::Float8E4M3Fn).unwrap();
        assert_eq!((e4m3fn.encode(464.0), e4m3fn.encode(465.0)), (0x7e, 0x7f));
        let powers = Minifloat::of(Scalar::Float8E8M0Fnu).unwrap();
        assert_eq!((powers.encode(3.0), powers.encode(0.7), powers.encode(0.0)), (129, 126, 255));
    }
}
