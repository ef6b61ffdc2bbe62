//! How the items of one dtype are printed: fitted to all of them first, so that columns line up.

use super::float::{self, FloatFormat};
use super::{text, time};
use ndbytes::values::Lanes;
use ndbytes::{DType, Scalar, TimeKind, TimeUnit};

/// Subarrays of more items than this are abridged.
pub(super) const THRESHOLD: usize = 1000;
/// Items shown at each end of an abridged axis.
pub(super) const EDGE: usize = 3;

/// A format for the items of one array, or for one item that stands alone.
#[derive(Debug)]
pub(super) enum Format {
    /// The width: 5, but 0 in a record that stands alone.
    Bool(usize),
    Int(Scalar, usize),
    Float(Scalar, FloatFormat),
    /// A float that stands alone: `str(x)`.
    FloatScalar(Scalar),
    Complex(Scalar, FloatFormat, FloatFormat),
    /// A float of ml_dtypes.
    Extension(Scalar),
    LongDouble,
    Time(TimeKind, TimeUnit, usize),
    Bytes,
    Text,
    Void,
    Record(Vec<Field>),
    Sub(Box<Self>, usize, Vec<usize>),
}

#[derive(Debug)]
pub(super) struct Field {
    start: usize,
    end: usize,
    format: Format,
}

/// Where the items stand: NumPy prints a record alone a little differently from one in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    InArray,
    Alone,
    /// Padded as in an array, but floats as they are alone.
    InLoneSubarray,
}

impl Format {
    /// The format that fits `items`, which are little-endian and one behind the other.
    pub(super) fn new(dtype: &DType, items: &[u8], place: Place) -> Self {
        match dtype {
            DType::Scalar(scalar, _) => Self::scalar(*scalar, dtype, items, place),
            DType::Time(kind, unit, _) => Self::time(*kind, *unit, items),
            DType::Bytes(..) => Self::Bytes,
            DType::Text(..) => Self::Text,
            DType::Record(record) => {
                let field = |field: &ndbytes::Field| {
                    let (start, end) = (field.offset, field.offset + field.dtype.itemsize());
                    let column: Vec<u8> = items
                        .chunks_exact(record.itemsize().max(1))
                        .flat_map(|item| item.get(start..end).unwrap_or_default())
                        .copied()
                        .collect();
                    Field { start, end, format: Self::new(&field.dtype, &column, place) }
                };
                Self::Record(record.fields().iter().map(field).collect())
            }
            DType::Sub(sub) => {
                let place = if place == Place::Alone { Place::InLoneSubarray } else { place };
                Self::Sub(
                    Box::new(Self::new(&sub.0, items, place)),
                    sub.0.itemsize(),
                    sub.1.clone(),
                )
            }
            _ => Self::Void,
        }
    }

    fn scalar(scalar: Scalar, dtype: &DType, items: &[u8], place: Place) -> Self {
        if scalar.is_extension() {
            return Self::Extension(scalar);
        }
        let Some(lanes) = lanes(dtype, items) else { return Self::LongDouble };
        let kind = float::Kind::of(scalar);
        match lanes {
            Lanes::Int(_) if scalar == Scalar::Bool => {
                Self::Bool(if place == Place::Alone { 0 } else { 5 })
            }
            Lanes::Int(values) => {
                let ends = [values.iter().min(), values.iter().max()];
                let width = ends.iter().flatten().map(|value| value.to_string().len()).max();
                Self::Int(scalar, width.unwrap_or(0))
            }
            Lanes::Real(_) if place != Place::InArray => Self::FloatScalar(scalar),
            Lanes::Real(values) => Self::Float(scalar, FloatFormat::new(&values, kind, false)),
            Lanes::Complex(values) => {
                let part = |at: usize| {
                    values.iter().filter_map(|value| value.get(at)).copied().collect::<Vec<_>>()
                };
                let real = FloatFormat::new(&part(0), kind, false);
                Self::Complex(scalar, real, FloatFormat::new(&part(1), kind, true))
            }
        }
    }

    fn time(kind: TimeKind, unit: TimeUnit, items: &[u8]) -> Self {
        let counts: Vec<i64> =
            items.as_chunks::<8>().0.iter().map(|item| i64::from_le_bytes(*item)).collect();
        let times = counts.iter().copied().filter(|count| *count != time::NAT);
        let ends = [times.clone().min(), times.clone().max()];
        let width = ends
            .into_iter()
            .flatten()
            .map(|count| time_text(kind, unit, count).chars().count())
            .max();
        let nat = if times.count() < counts.len() { "'NaT'".len() } else { 0 };
        Self::Time(kind, unit, width.unwrap_or(0).max(nat))
    }

    /// One little-endian item.
    pub(super) fn text(&self, item: &[u8]) -> String {
        match self {
            Self::Bool(width) => {
                let word =
                    if item.first().is_some_and(|byte| *byte != 0) { "True" } else { "False" };
                format!("{word:>width$}")
            }
            Self::Int(scalar, width) => match one(*scalar, item) {
                Some(Lanes::Int(values)) => {
                    format!("{:>width$}", values.first().copied().unwrap_or(0))
                }
                _ => String::new(),
            },
            Self::Float(scalar, format) => format.text(real(*scalar, item)),
            Self::FloatScalar(scalar) => {
                float::scalar(real(*scalar, item), float::Kind::of(*scalar))
            }
            Self::Complex(scalar, real, imaginary) => {
                let [a, b] = complex(*scalar, item);
                let part = imaginary.text(b);
                let digits = part.trim_end();
                let padding = part.get(digits.len()..).unwrap_or_default();
                format!("{}{digits}j{padding}", real.text(a))
            }
            Self::Extension(scalar) => float::general(real(*scalar, item)),
            Self::LongDouble => text::opaque(item),
            Self::Time(kind, unit, width) => {
                let count = item.first_chunk().map_or(time::NAT, |item| i64::from_le_bytes(*item));
                format!("{:>width$}", time_text(*kind, *unit, count))
            }
            Self::Bytes => text::bytes(item),
            Self::Text => text::quoted(&text::points(item)),
            Self::Void => text::void(item),
            Self::Record(fields) => {
                let field = |field: &Field| {
                    field.format.text(item.get(field.start..field.end).unwrap_or_default())
                };
                let fields: Vec<String> = fields.iter().map(field).collect();
                let comma = if fields.len() == 1 { "," } else { "" };
                format!("({}{comma})", fields.join(", "))
            }
            Self::Sub(format, size, shape) => {
                let abridged = shape.iter().product::<usize>() > THRESHOLD;
                subarray(format, *size, shape, item, abridged)
            }
        }
    }
}

fn subarray(format: &Format, size: usize, shape: &[usize], item: &[u8], abridged: bool) -> String {
    let Some((&len, inner)) = shape.split_first() else { return format.text(item) };
    let step = size * inner.iter().product::<usize>();
    let part = |at: usize| {
        let start = at * step;
        subarray(format, size, inner, item.get(start..start + step).unwrap_or_default(), abridged)
    };
    let parts: Vec<String> = if abridged && len > 2 * EDGE {
        let dots = std::iter::once(String::from("..."));
        (0..EDGE).map(part).chain(dots).chain((len - EDGE..len).map(part)).collect()
    } else {
        (0..len).map(part).collect()
    };
    format!("[{}]", parts.join(", "))
}

/// In arrays points in time stand in quotes, and so does NaT.
fn time_text(kind: TimeKind, unit: TimeUnit, count: i64) -> String {
    match kind {
        _ if count == time::NAT => String::from("'NaT'"),
        TimeKind::Datetime => format!("'{}'", time::datetime(count, unit)),
        TimeKind::Timedelta => count.to_string(),
    }
}

/// The values of little-endian items; `None` for long doubles.
pub(super) fn lanes(dtype: &DType, items: &[u8]) -> Option<Lanes> {
    let mut lanes = Lanes::of(dtype).ok()?;
    lanes.read(dtype, items);
    Some(lanes)
}

fn one(scalar: Scalar, item: &[u8]) -> Option<Lanes> {
    lanes(&DType::scalar(scalar, ndbytes::Endian::Little), item)
}

pub(super) fn real(scalar: Scalar, item: &[u8]) -> f64 {
    match one(scalar, item) {
        Some(Lanes::Real(values)) => values.first().copied().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

pub(super) fn complex(scalar: Scalar, item: &[u8]) -> [f64; 2] {
    match one(scalar, item) {
        Some(Lanes::Complex(values)) => values.first().copied().unwrap_or([f64::NAN; 2]),
        _ => [f64::NAN; 2],
    }
}
