//! What values are cast to: each conversion tells whether the value survives it.

use ndbytes::Scalar;
use ndbytes::values::{Lanes, Minifloat, same_int};

/// Called with positions in a block.
pub(super) type Lost<'l> = &'l mut dyn FnMut(usize);

/// Writes lanes as little-endian items of `target`; `lost` gets the position of each value that does not survive.
pub(super) fn store(lanes: &Lanes, target: Scalar, out: &mut [u8], lost: Lost<'_>) {
    if let Some(float) = Minifloat::of(target) {
        return if target.itemsize() == 1 {
            store_as(lanes, out, lost, |to: Mini<1>| to.bytes(), float)
        } else {
            store_as(lanes, out, lost, |to: Mini<2>| to.bytes(), float)
        };
    }
    match target {
        Scalar::Bool => store_as(lanes, out, lost, |to: bool| [u8::from(to)], ()),
        Scalar::Int8 => store_as(lanes, out, lost, i8::to_le_bytes, ()),
        Scalar::Int16 => store_as(lanes, out, lost, i16::to_le_bytes, ()),
        Scalar::Int32 => store_as(lanes, out, lost, i32::to_le_bytes, ()),
        Scalar::Int64 => store_as(lanes, out, lost, i64::to_le_bytes, ()),
        Scalar::UInt8 => store_as(lanes, out, lost, u8::to_le_bytes, ()),
        Scalar::UInt16 => store_as(lanes, out, lost, u16::to_le_bytes, ()),
        Scalar::UInt32 => store_as(lanes, out, lost, u32::to_le_bytes, ()),
        Scalar::UInt64 => store_as(lanes, out, lost, u64::to_le_bytes, ()),
        Scalar::Float32 => store_as(lanes, out, lost, f32::to_le_bytes, ()),
        Scalar::Complex64 => store_as(lanes, out, lost, complex64, ()),
        Scalar::Complex128 => store_as(lanes, out, lost, complex128, ()),
        _ => store_as(lanes, out, lost, f64::to_le_bytes, ()),
    }
}

fn store_as<T: Target, const N: usize>(
    lanes: &Lanes,
    out: &mut [u8],
    lost: Lost<'_>,
    bytes: impl Fn(T) -> [u8; N],
    how: T::How,
) {
    let out = out.as_chunks_mut::<N>().0;
    match lanes {
        Lanes::Int(values) => fill(values, out, lost, |value| T::from_int(value, how), bytes),
        Lanes::Real(values) => fill(values, out, lost, |value| T::from_real(value, how), bytes),
        Lanes::Complex(values) => {
            fill(values, out, lost, |value| T::from_complex(value, how), bytes)
        }
    }
}

fn fill<V: Copy, T, const N: usize>(
    values: &[V],
    out: &mut [[u8; N]],
    lost: Lost<'_>,
    convert: impl Fn(V) -> (T, bool),
    bytes: impl Fn(T) -> [u8; N],
) {
    for (at, (value, item)) in values.iter().zip(out).enumerate() {
        let (result, exact) = convert(*value);
        *item = bytes(result);
        if !exact {
            lost(at);
        }
    }
}

/// A number that values are cast to; each conversion tells whether the value survives it.
trait Target: Sized {
    /// What is known only at run time.
    type How: Copy;
    fn from_int(value: i128, how: Self::How) -> (Self, bool);
    fn from_real(value: f64, how: Self::How) -> (Self, bool);
    fn from_complex([real, imaginary]: [f64; 2], how: Self::How) -> (Self, bool) {
        let (result, exact) = Self::from_real(real, how);
        (result, exact && imaginary == 0.0)
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Target for $type {
            type How = ();

            #[expect(clippy::cast_possible_truncation, reason = "wraps, as astype does; the loss is told")]
            fn from_int(value: i128, (): ()) -> (Self, bool) {
                let result = value as $type;
                (result, i128::from(result) == value)
            }

            #[expect(clippy::cast_possible_truncation, reason = "saturates, NaN is 0; the loss is told")]
            fn from_real(value: f64, (): ()) -> (Self, bool) {
                let result = value as $type;
                // Compared as integers: as floats 2⁶³ and the largest i64 are the same.
                (result, value.trunc() == value && value as i128 == i128::from(result))
            }
        }
    )+};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Target for bool {
    type How = ();

    fn from_int(value: i128, (): ()) -> (Self, bool) {
        (value != 0, value == 0 || value == 1)
    }

    fn from_real(value: f64, (): ()) -> (Self, bool) {
        (value != 0.0, value == 0.0 || value == 1.0)
    }

    fn from_complex([real, imaginary]: [f64; 2], (): ()) -> (Self, bool) {
        let (result, exact) = Self::from_real(real, ());
        (result || imaginary != 0.0, exact && imaginary == 0.0)
    }
}

impl Target for f64 {
    type How = ();

    fn from_int(value: i128, (): ()) -> (Self, bool) {
        let result = i64::try_from(value).map_or(value as Self, |value| value as Self);
        (result, same_int(value, result))
    }

    fn from_real(value: f64, (): ()) -> (Self, bool) {
        (value, true)
    }
}

impl Target for f32 {
    type How = ();

    fn from_int(value: i128, (): ()) -> (Self, bool) {
        let result = i64::try_from(value).map_or(value as Self, |value| value as Self);
        (result, same_int(value, result.into()))
    }

    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest; the loss is told")]
    fn from_real(value: f64, (): ()) -> (Self, bool) {
        let result = value as Self;
        (result, same(value, result.into()))
    }
}

/// A small float in its `N` bytes.
struct Mini<const N: usize>(u16);

impl Mini<1> {
    fn bytes(self) -> [u8; 1] {
        let [low, _] = self.0.to_le_bytes();
        [low]
    }
}

impl Mini<2> {
    fn bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }
}

impl<const N: usize> Target for Mini<N> {
    type How = Minifloat;

    fn from_int(value: i128, how: Minifloat) -> (Self, bool) {
        let (real, exact) = f64::from_int(value, ());
        let (result, survives) = Self::from_real(real, how);
        (result, exact && survives)
    }

    fn from_real(value: f64, how: Minifloat) -> (Self, bool) {
        let bits =
            how.encode(if how.is_extension() { f32::from_real(value, ()).0.into() } else { value });
        (Self(bits), same(value, how.decode(bits)))
    }
}

/// Complex numbers: two parts that are cast each for itself.
impl<T: Target<How = ()>> Target for [T; 2] {
    type How = ();

    fn from_int(value: i128, (): ()) -> (Self, bool) {
        let (real, exact) = T::from_int(value, ());
        ([real, T::from_int(0, ()).0], exact)
    }

    fn from_real(value: f64, (): ()) -> (Self, bool) {
        let (real, exact) = T::from_real(value, ());
        ([real, T::from_int(0, ()).0], exact)
    }

    fn from_complex([real, imaginary]: [f64; 2], (): ()) -> (Self, bool) {
        let (real, exact) = T::from_real(real, ());
        let (imaginary, exact_too) = T::from_real(imaginary, ());
        ([real, imaginary], exact && exact_too)
    }
}

fn complex64([real, imaginary]: [f32; 2]) -> [u8; 8] {
    let [real, imaginary] = [real, imaginary].map(|part| u64::from(part.to_bits()));
    (real | imaginary << 32).to_le_bytes()
}

fn complex128([real, imaginary]: [f64; 2]) -> [u8; 16] {
    let [real, imaginary] = [real, imaginary].map(|part| u128::from(part.to_bits()));
    (real | imaginary << 64).to_le_bytes()
}

fn same(value: f64, result: f64) -> bool {
    value == result || value.is_nan() && result.is_nan()
}
