//! Whether two numbers are equal or close, and how far they are apart.

use super::lanes::Lanes;

/// How far numbers may be apart: |a − b| ≤ atol + rtol · |b|. Both 0 by default, which means equal.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tolerance {
    /// The part of the second value.
    pub rtol: f64,
    /// The absolute part.
    pub atol: f64,
}

/// What is found of two values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    /// Whether they are equal or close.
    pub(super) close: bool,
    /// Their distance; NaN where there is none.
    pub(super) error: f64,
    /// Their distance as a part of the second one.
    pub(super) relative: f64,
}

impl Verdict {
    const EQUAL: Self = Self { close: true, error: 0.0, relative: 0.0 };
    /// Not equal, and not to be subtracted.
    pub(super) const OTHER: Self = Self { close: false, error: f64::NAN, relative: f64::NAN };

    /// On two numbers that are not equal, of which `b` is the second one's size.
    fn apart(error: f64, b: f64, tolerance: &Tolerance) -> Self {
        // An infinite bound would make everything equal infinity.
        let close = error.is_finite()
            && b.is_finite()
            && error <= tolerance.atol + tolerance.rtol * b.abs();
        let relative = if b.is_finite() { error / b.abs() } else { f64::NAN };
        Self { close, error, relative }
    }
}

/// Called with the position of a pair and the verdict on it.
pub(super) type Told<'t> = &'t mut dyn FnMut(usize, Verdict);

/// Judges numbers pair by pair.
pub(super) fn numbers(left: &Lanes, right: &Lanes, tolerance: &Tolerance, told: Told<'_>) {
    use Lanes::{Complex, Int, Real};
    match (left, right) {
        (Int(a), Int(b)) => each(a, b, told, |a, b| near_ints(a, b, tolerance)),
        (Int(a), Real(b)) => each(a, b, told, |a, b| near_mixed(a, b, b, tolerance)),
        (Real(a), Int(b)) => each(a, b, told, |a, b| near_mixed(b, a, b as f64, tolerance)),
        (Real(a), Real(b)) => each(a, b, told, |a, b| near(a, b, tolerance)),
        (Complex(a), Complex(b)) => each(a, b, told, |a, b| near_complex(a, b, tolerance)),
        (Complex(a), Real(b)) => {
            each(a, b, told, |a, b| near_complex(a, [b, 0.0], tolerance));
        }
        (Real(a), Complex(b)) => {
            each(a, b, told, |a, b| near_complex([a, 0.0], b, tolerance));
        }
        (Complex(a), Int(b)) => each(a, b, told, |[real, imaginary], b| {
            whole(near_mixed(b, real, b as f64, tolerance), imaginary, b as f64, tolerance)
        }),
        (Int(a), Complex(b)) => each(a, b, told, |a, [real, imaginary]| {
            let found = near_mixed(a, real, real, tolerance);
            whole(found, imaginary, real.hypot(imaginary), tolerance)
        }),
    }
}

/// Judges times pair by pair, each side multiplied by its factor.
pub(super) fn times(left: (&Lanes, i128), right: (&Lanes, i128), told: Told<'_>) {
    const NAT: i128 = i64::MIN as i128;
    let ((Lanes::Int(a), by_left), (Lanes::Int(b), by_right)) = (left, right) else { return };
    each(a, b, told, |a, b| match (a == NAT, b == NAT) {
        (true, true) => Verdict::EQUAL,
        (false, false) => {
            // Both below 2¹²⁶: the difference fits.
            let error = (a * by_left - b * by_right).unsigned_abs() as f64;
            let relative = if error == 0.0 { 0.0 } else { f64::NAN };
            Verdict { close: error == 0.0, error, relative }
        }
        _ => Verdict::OTHER,
    });
}

/// Calls `told` for each pair that is not the same.
fn each<A: Copy, B: Copy>(
    left: &[A],
    right: &[B],
    told: Told<'_>,
    judge: impl Fn(A, B) -> Verdict,
) {
    for (at, (a, b)) in left.iter().zip(right).enumerate() {
        let found = judge(*a, *b);
        if !found.close || found.error != 0.0 {
            told(at, found);
        }
    }
}

fn near(a: f64, b: f64, tolerance: &Tolerance) -> Verdict {
    if a == b || a.is_nan() && b.is_nan() {
        return Verdict::EQUAL;
    }
    Verdict::apart((a - b).abs(), b, tolerance)
}

fn near_ints(a: i128, b: i128, tolerance: &Tolerance) -> Verdict {
    if a == b {
        return Verdict::EQUAL;
    }
    let error = (a - b).unsigned_abs() as f64;
    Verdict::apart(error, b as f64, tolerance)
}

/// An integer and a float, compared exactly; `second` is the second array's value.
fn near_mixed(int: i128, float: f64, second: f64, tolerance: &Tolerance) -> Verdict {
    if same_int(int, float) {
        return Verdict::EQUAL;
    }
    // Exact below 2⁵³ or where both are near each other; beyond, the error is rounded, never 0.
    let error = (int as f64 - float).abs();
    let error = if error == 0.0 { 1.0 } else { error };
    Verdict::apart(error, second, tolerance)
}

fn near_complex(a: [f64; 2], b: [f64; 2], tolerance: &Tolerance) -> Verdict {
    let parts = [near(a[0], b[0], tolerance), near(a[1], b[1], tolerance)];
    let error = parts[0].error.hypot(parts[1].error);
    if error == 0.0 { Verdict::EQUAL } else { Verdict::apart(error, b[0].hypot(b[1]), tolerance) }
}

/// An integer against a complex number of which the real part was judged.
fn whole(real: Verdict, imaginary: f64, b: f64, tolerance: &Tolerance) -> Verdict {
    if imaginary == 0.0 {
        return real;
    }
    Verdict::apart(real.error.hypot(imaginary), b, tolerance)
}

/// Whether the float is exactly this integer. Neither is beyond 2⁶⁴, so the float fits too.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates, which no integer of 64 bits equals"
)]
#[must_use]
pub fn same_int(value: i128, float: f64) -> bool {
    const END: f64 = 9_223_372_036_854_775_808.0; // 2⁶³
    match i64::try_from(value) {
        // Several times as fast as the general case.
        Ok(value) => value as f64 == float && float < END && float as i64 == value,
        Err(_) => float.trunc() == float && float as i128 == value,
    }
}
