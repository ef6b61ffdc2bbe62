//! Floats as NumPy prints them: the shortest digits that identify the value, scientific where that reads better.

use ndbytes::Scalar;
use ndbytes::values::Minifloat;

/// Digits after the point that an array shows at most.
const PRECISION: usize = 8;

/// What a float is besides its value: how many digits identify it and where its notation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Half,
    Single,
    Double,
}

impl Kind {
    /// The kind of a float, or of the parts of a complex number.
    pub(super) fn of(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Float16 => Self::Half,
            Scalar::Float32 | Scalar::Complex64 => Self::Single,
            _ => Self::Double,
        }
    }

    /// From here on an array is printed in scientific notation.
    fn large(self) -> f64 {
        match self {
            Self::Half => 1e3,
            Self::Single => 1e6,
            Self::Double => 1e8,
        }
    }

    /// The same for a scalar.
    fn large_scalar(self) -> f64 {
        if self == Self::Double { 1e16 } else { self.large() }
    }

    /// The nearest value of this kind.
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest")]
    fn round(self, value: f64) -> f64 {
        match self {
            Self::Half => match Minifloat::of(Scalar::Float16) {
                Some(half) => half.decode(half.encode(value)),
                None => value,
            },
            Self::Single => f64::from(value as f32),
            Self::Double => value,
        }
    }

    /// Below this an array is printed in scientific notation.
    fn small(self) -> f64 {
        self.round(1e-4)
    }
}

/// `d.ddd × 10^exponent`, all digits but the first as the fraction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Digits {
    whole: String,
    fraction: String,
    exponent: i32,
}

impl Digits {
    /// The value, not negative and finite, to so many digits after the first.
    fn exact(value: f64, fraction: usize) -> Self {
        Self::parse(&format!("{value:.fraction$e}"))
    }

    /// The fewest digits that tell the value from its neighbours of the same kind.
    fn shortest(value: f64, kind: Kind) -> Self {
        let shortest = match kind {
            Kind::Half => {
                let identifies = |digits: &Self| kind.round(digits.value()) == value;
                // At a power of two the lower neighbour is nearer: a tie may have to go up.
                let both = |n| [Self::exact(value, n), Self::exact(value.next_up(), n)];
                let found = (0..5).flat_map(both).find(identifies);
                found.unwrap_or_else(|| Self::exact(value, 5))
            }
            #[expect(clippy::cast_possible_truncation, reason = "it came from an f32")]
            Kind::Single => Self::parse(&format!("{:e}", value as f32)),
            Kind::Double => Self::parse(&format!("{value:e}")),
        };
        // Where two shortest ones are equally near, the even one is taken.
        let nearest = Self::exact(value, shortest.fraction.len());
        if nearest != shortest && nearest.identifies(value, kind) { nearest } else { shortest }
    }

    fn parse(text: &str) -> Self {
        let (digits, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Self {
            whole: whole.into(),
            fraction: fraction.into(),
            exponent: exponent.parse().unwrap_or(0),
        }
    }

    fn text(&self) -> String {
        format!("{}.{}e{}", self.whole, self.fraction, self.exponent)
    }

    fn value(&self) -> f64 {
        self.text().parse().unwrap_or(f64::NAN)
    }

    fn identifies(&self, value: f64, kind: Kind) -> bool {
        match kind {
            Kind::Single => self.text().parse().is_ok_and(|found: f32| f64::from(found) == value),
            _ => kind.round(self.value()) == value,
        }
    }

    /// Written out, as digits before and after the point.
    fn positional(&self) -> (String, String) {
        let digits = format!("{}{}", self.whole, self.fraction);
        let Ok(before) = usize::try_from(self.exponent + 1) else {
            let zeros = usize::try_from(-1 - self.exponent).unwrap_or(0);
            return (String::from("0"), format!("{}{}", "0".repeat(zeros), trimmed(&digits)));
        };
        let (whole, fraction) = digits.split_at(before.min(digits.len()));
        let whole = if whole.is_empty() { "0" } else { whole };
        (format!("{whole:0<before$}"), trimmed(fraction).to_owned())
    }
}

fn trimmed(fraction: &str) -> &str {
    fraction.trim_end_matches('0')
}

/// At most [`PRECISION`] and at least `least` digits after the point.
fn scientific(value: f64, kind: Kind, most: usize, least: usize) -> Digits {
    let shortest = Digits::shortest(value, kind);
    let digits = match shortest.fraction.len() {
        len if len > most => Digits::exact(value, most),
        len if len < least => Digits::exact(value, least),
        _ => shortest,
    };
    let keep = trimmed(&digits.fraction).len().max(least);
    Digits { fraction: digits.fraction.get(..keep).unwrap_or_default().to_owned(), ..digits }
}

fn positional(value: f64, kind: Kind) -> (String, String) {
    let (whole, fraction) = Digits::shortest(value, kind).positional();
    if fraction.len() <= PRECISION {
        return (whole, fraction);
    }
    let text = format!("{value:.PRECISION$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    (whole.to_owned(), trimmed(fraction).to_owned())
}

/// How the floats of one array are printed, so that their points stand below each other.
#[derive(Debug, Clone)]
pub(super) struct FloatFormat {
    kind: Kind,
    /// Whether numbers without `-` get a `+`.
    plus: bool,
    notation: Notation,
    /// Width before the point, sign included, and after it, exponent included.
    left: usize,
    right: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    Positional,
    Scientific { fraction: usize, exponent: usize },
}

impl FloatFormat {
    /// The format for these values.
    pub(super) fn new(values: &[f64], kind: Kind, plus: bool) -> Self {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let mut format = Self { kind, plus, notation: Notation::Positional, left: 0, right: 0 };
        if format.wants_scientific(&finite) {
            format.fit_scientific(&finite);
        } else {
            format.fit_positional(&finite);
        }
        if finite.len() < values.len() {
            // Room for an infinity, even where only NaN stands.
            let text = 3 + usize::from(plus || values.contains(&f64::NEG_INFINITY));
            format.left = format.left.max(text.saturating_sub(format.right + 1));
        }
        format
    }

    /// Very large, very small or far apart.
    fn wants_scientific(&self, finite: &[f64]) -> bool {
        let sizes = finite.iter().map(|value| value.abs()).filter(|size| *size != 0.0);
        let (min, max) =
            sizes.fold((f64::INFINITY, 0.0f64), |(min, max), size| (min.min(size), max.max(size)));
        max > 0.0
            && (max >= self.kind.large()
                || min < self.kind.small()
                || self.kind.round(max / min) > 1e3)
    }

    fn fit_scientific(&mut self, finite: &[f64]) {
        let (mut fraction, mut exponent) = (0, 0);
        for &value in finite {
            let digits = scientific(value.abs(), self.kind, PRECISION, 0);
            self.left = self.left.max(self.sign(value).len() + digits.whole.len());
            fraction = fraction.max(digits.fraction.len());
            exponent = exponent.max(exponent_text(digits.exponent, 2).len() - 1);
        }
        self.notation = Notation::Scientific { fraction, exponent };
        self.right = fraction + 2 + exponent;
    }

    fn fit_positional(&mut self, finite: &[f64]) {
        for &value in finite {
            let (whole, fraction) = positional(value.abs(), self.kind);
            self.left = self.left.max(self.sign(value).len() + whole.len());
            self.right = self.right.max(fraction.len());
        }
    }

    fn sign(&self, value: f64) -> &'static str {
        match (value.is_sign_negative(), self.plus) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        }
    }

    /// One value, padded on both sides.
    pub(super) fn text(&self, value: f64) -> String {
        if !value.is_finite() {
            let width = self.left + self.right + 1;
            return format!("{:>width$}", non_finite(value, self.plus));
        }
        let sign = self.sign(value);
        let (whole, rest) = match self.notation {
            Notation::Positional => positional(value.abs(), self.kind),
            Notation::Scientific { fraction, exponent } => {
                let digits = scientific(value.abs(), self.kind, fraction, fraction);
                let power = exponent_text(digits.exponent, exponent);
                (digits.whole, format!("{}e{power}", digits.fraction))
            }
        };
        let (left, right) = (self.left, self.right);
        format!("{:>left$}.{rest:<right$}", format!("{sign}{whole}"))
    }
}

fn non_finite(value: f64, plus: bool) -> &'static str {
    match (value.is_nan(), value < 0.0, plus) {
        (true, _, false) => "nan",
        (true, _, true) => "+nan",
        (false, true, _) => "-inf",
        (false, false, false) => "inf",
        (false, false, true) => "+inf",
    }
}

/// `+05`, with so many digits at least.
fn exponent_text(exponent: i32, digits: usize) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{:0digits$}", exponent.unsigned_abs())
}

/// A scalar, as `str(x)` prints it; `point` tells whether `1.0` or `1`.
fn bare(value: f64, kind: Kind, plus: bool, point: bool) -> String {
    if !value.is_finite() {
        return non_finite(value, plus).to_owned();
    }
    let size = value.abs();
    let sign = match (value.is_sign_negative(), plus) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    };
    let digits = Digits::shortest(size, kind);
    if size != 0.0 && !(1e-4..kind.large_scalar()).contains(&size) {
        let fraction = trimmed(&digits.fraction);
        let dot = if fraction.is_empty() { "" } else { "." };
        return format!(
            "{sign}{}{dot}{fraction}e{}",
            digits.whole,
            exponent_text(digits.exponent, 2)
        );
    }
    match digits.positional() {
        (whole, fraction) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        (whole, _) if point => format!("{sign}{whole}.0"),
        (whole, _) => format!("{sign}{whole}"),
    }
}

/// A float scalar, as `str(x)` prints it.
pub(super) fn scalar(value: f64, kind: Kind) -> String {
    bare(value, kind, false, true)
}

/// A complex scalar, as `str(x)` prints it.
pub(super) fn complex_scalar([real, imaginary]: [f64; 2], kind: Kind) -> String {
    if real == 0.0 && real.is_sign_positive() {
        return format!("{}j", bare(imaginary, kind, false, false));
    }
    format!("({}{}j)", bare(real, kind, false, false), bare(imaginary, kind, true, false))
}

/// C's `%g`, by which ml_dtypes prints its floats.
pub(super) fn general(value: f64) -> String {
    if !value.is_finite() {
        return non_finite(value, false).to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let digits = Digits::exact(value.abs(), 5);
    if (-4..6).contains(&digits.exponent) {
        return match digits.positional() {
            (whole, fraction) if fraction.is_empty() => format!("{sign}{whole}"),
            (whole, fraction) => format!("{sign}{whole}.{fraction}"),
        };
    }
    let fraction = trimmed(&digits.fraction);
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{dot}{fraction}e{}", digits.whole, exponent_text(digits.exponent, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(values: &[f64], kind: Kind) -> String {
        let format = FloatFormat::new(values, kind, false);
        values.iter().map(|value| format.text(*value)).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn arrays_line_up() {
        assert_eq!(joined(&[1.0, 2.5, -10.25], Kind::Double), "  1.  |  2.5 |-10.25");
        assert_eq!(joined(&[f64::NAN, f64::INFINITY], Kind::Double), "nan|inf");
        assert_eq!(joined(&[f64::NAN, 1e10], Kind::Double), "   nan|1.e+10");
        assert_eq!(joined(&[f64::NEG_INFINITY, 1.5], Kind::Double), "-inf| 1.5");
        assert_eq!(joined(&[1e100, 1.0], Kind::Double), "1.e+100|1.e+000");
        assert_eq!(joined(&[0.1 + 0.2, 1.0 / 3.0], Kind::Double), "0.3       |0.33333333");
        assert_eq!(joined(&[1e-4], Kind::Double), "0.0001");
        // Digits beyond the shortest are the exact value's.
        let halves = [5.960_464_477_539_063e-8, 1.233_816_146_850_586e-5];
        assert_eq!(joined(&halves, Kind::Half), "5.960e-08|1.234e-05");
    }

    #[test]
    fn scalars() {
        for (value, kind, text) in [
            (0.0, Kind::Double, "0.0"),
            (-0.0, Kind::Double, "-0.0"),
            (9_999_999_999_999_998.0, Kind::Double, "9999999999999998.0"),
            (1e16, Kind::Double, "1e+16"),
            (f64::from(1e-4f32), Kind::Single, "1e-04"),
            (999_999.0, Kind::Single, "999999.0"),
            (2047.0, Kind::Half, "2.047e+03"),
            (f64::from(0.1f32), Kind::Single, "0.1"),
            (5e-324, Kind::Double, "5e-324"),
        ] {
            assert_eq!(scalar(value, kind), text);
        }
        assert_eq!(complex_scalar([1.0, -0.0], Kind::Double), "(1-0j)");
        assert_eq!(complex_scalar([0.0, f64::NAN], Kind::Double), "nanj");
        assert_eq!(general(123_392.0), "123392");
        assert_eq!(general(1.000_26e30), "1.00026e+30");
        assert_eq!(general(-0.0), "-0");
    }
}
