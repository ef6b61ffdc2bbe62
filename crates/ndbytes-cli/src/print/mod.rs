//! Arrays and items as NumPy 2 prints them with its default options.

mod float;
mod item;
mod text;
mod time;

use item::{EDGE, Format, Place, THRESHOLD};
use ndbytes::values::Lanes;
use ndbytes::{ArrayRef, DType, Endian, Error, Result, Scalar, SwapPlan};

/// Columns of a line.
const WIDTH: usize = 75;

/// What `print(a)` prints, without the last line break.
///
/// Long doubles, which are carried without being read, are printed as the bytes they are stored in, `0x…`.
///
/// # Errors
/// Memory if the items to be shown do not fit it.
pub(crate) fn array(array: &ArrayRef<'_>) -> Result<String> {
    if array.layout().is_empty() {
        return Ok(String::from("[]"));
    }
    let shown = Shown::new(array)?;
    if shown.shape.is_empty() {
        return Ok(item(&shown.dtype, &shown.items));
    }
    let format = Format::new(&shown.dtype, &shown.items, Place::InArray);
    Ok(shown.nested(&format, 0, 0, 1))
}

/// What `str(x)` prints for one item, as it is stored.
#[must_use]
pub(crate) fn item(dtype: &DType, item: &[u8]) -> String {
    let (dtype, item) = little(dtype, item.to_vec());
    match &dtype {
        DType::Scalar(scalar, _) if scalar.kind() == 'c' && *scalar != Scalar::CLongDouble => {
            complex(*scalar, item::complex(*scalar, &item))
        }
        DType::Time(kind, unit, _) => {
            let count = item.first_chunk().map_or(time::NAT, |item| i64::from_le_bytes(*item));
            match kind {
                ndbytes::TimeKind::Datetime => time::datetime(count, *unit),
                ndbytes::TimeKind::Timedelta => time::timedelta(count, *unit),
            }
        }
        // NumPy prints a lone `S` by its repr, a lone `U` by itself.
        DType::Bytes(..) => format!("np.bytes_({})", text::bytes(&item)),
        DType::Text(..) => text::plain(&text::points(&item)),
        _ => Format::new(&dtype, &item, Place::Alone).text(&item),
    }
}

/// One item within a sentence: text and bytes in quotes, the rest as [`item()`] prints it.
pub(crate) fn value(dtype: &DType, stored: &[u8]) -> String {
    match dtype {
        DType::Bytes(..) => text::bytes(stored),
        DType::Text(..) => text::quoted(&text::points(&little(dtype, stored.to_vec()).1)),
        _ => item(dtype, stored),
    }
}

/// The same with all digits: two floats of different width that are not equal look different.
pub(crate) fn exact_value(dtype: &DType, stored: &[u8]) -> String {
    let (little, bytes) = little(dtype, stored.to_vec());
    match item::lanes(&little, &bytes) {
        Some(Lanes::Real(values)) if values.len() == 1 => real(Scalar::Float64, values[0]),
        Some(Lanes::Complex(values)) if values.len() == 1 => complex(Scalar::Complex128, values[0]),
        _ => value(dtype, stored),
    }
}

/// An integer or boolean scalar.
pub(crate) fn integer(scalar: Scalar, value: i128) -> String {
    match (scalar, value) {
        (Scalar::Bool, 0) => String::from("False"),
        (Scalar::Bool, _) => String::from("True"),
        _ => value.to_string(),
    }
}

/// A float scalar.
pub(crate) fn real(scalar: Scalar, value: f64) -> String {
    if scalar.is_extension() {
        float::general(value)
    } else {
        float::scalar(value, float::Kind::of(scalar))
    }
}

/// A complex scalar.
pub(crate) fn complex(scalar: Scalar, value: [f64; 2]) -> String {
    float::complex_scalar(value, float::Kind::of(scalar))
}

/// The same items with every number little-endian.
fn little(dtype: &DType, mut items: Vec<u8>) -> (DType, Vec<u8>) {
    let to = dtype.with_endian(Endian::Little);
    if let Ok(plan) = SwapPlan::new(dtype, &to) {
        plan.apply(&mut items);
    }
    (to, items)
}

/// The items that are shown, gathered: all, or the ends of every long axis.
struct Shown {
    dtype: DType,
    items: Vec<u8>,
    /// How many along each axis, and whether there are more in between.
    shape: Vec<(usize, bool)>,
}

impl Shown {
    fn new(array: &ArrayRef<'_>) -> Result<Self> {
        let abridged = array.layout().len() > THRESHOLD;
        let axis = |&len: &usize| match abridged && len > 2 * EDGE {
            true => (2 * EDGE, true),
            false => (len, false),
        };
        let shape: Vec<(usize, bool)> = array.shape().iter().map(axis).collect();
        let size = shape.iter().try_fold(array.itemsize(), |n, axis| n.checked_mul(axis.0));
        let size = size.ok_or_else(|| Error::overflow("what is to be shown"))?;
        let mut items = Vec::new();
        items.try_reserve_exact(size).map_err(|_| Error::memory(size as u64))?;
        collect(array, &shape, array.layout().offset(), &mut items);
        let (dtype, items) = little(array.dtype(), items);
        Ok(Self { dtype, items, shape })
    }

    /// The axes from `axis` on, in brackets; `at` counts shown items, `indent` columns.
    fn nested(&self, format: &Format, axis: usize, at: usize, indent: usize) -> String {
        let Some(&(len, abridged)) = self.shape.get(axis) else {
            let size = self.dtype.itemsize();
            return format.text(self.items.get(at * size..(at + 1) * size).unwrap_or_default());
        };
        let step: usize = self.shape.iter().skip(axis + 1).map(|axis| axis.0).product();
        let mut parts = Vec::with_capacity(len + 1);
        for index in 0..len {
            if abridged && index == EDGE {
                parts.push(String::from("..."));
            }
            parts.push(self.nested(format, axis + 1, at + index * step, indent + 1));
        }
        let left = self.shape.len() - axis;
        let body = if left == 1 {
            wrapped(&parts, indent, WIDTH - axis.min(WIDTH))
        } else {
            parts.join(&format!("{}{}", "\n".repeat(left - 1), " ".repeat(indent)))
        };
        format!("[{body}]")
    }
}

/// Appends the shown items of the axes that are left.
fn collect(array: &ArrayRef<'_>, shape: &[(usize, bool)], offset: usize, items: &mut Vec<u8>) {
    let Some((&(shown, abridged), inner)) = shape.split_first() else {
        items.extend_from_slice(
            array.data().get(offset..offset + array.itemsize()).unwrap_or_default(),
        );
        return;
    };
    let axis = array.shape().len() - shape.len();
    let len = array.shape().get(axis).copied().unwrap_or(0);
    let stride = array.layout().strides().get(axis).copied().unwrap_or(0);
    for index in 0..shown {
        let index = if abridged && index >= EDGE { len - shown + index } else { index };
        // Inside the span that was proved, so neither step can overflow.
        let skip = index.cast_signed().wrapping_mul(stride);
        collect(array, inner, offset.wrapping_add_signed(skip), items);
    }
}

/// The words of the last axis in lines; `room` is what the lines of this depth may fill.
fn wrapped(words: &[String], indent: usize, room: usize) -> String {
    let (mut text, mut line) = (String::new(), 0);
    // One column stays free for the bracket that ends the line.
    let room = room.saturating_sub(1);
    for (index, word) in words.iter().enumerate() {
        let width = word.chars().count();
        let fresh = line == 0;
        let space = usize::from(!fresh);
        if !fresh && indent + line + space + width > room {
            // Padding behind a number does not stay at the end of a line.
            text.truncate(text.trim_end().len());
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            line = width;
        } else {
            if index > 0 {
                text.push(' ');
            }
            line += space + width;
        }
        text.push_str(word);
    }
    text
}
