//! The other names NumPy's `dtype()` takes: `int32`, `=i4`, `d`, `3i4`, `i4,f8`. Only the lenient mode uses them.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::typestr::{self, decimal};
use super::{DType, Endian, Record, Scalar};
use crate::error::Result;

/// C types and short names, on the platforms where `long` has 64 bits (as in NumPy 2 on all).
const NAMES: [(&str, Scalar); 42] = [
    ("?", Scalar::Bool),
    ("b", Scalar::Int8),
    ("B", Scalar::UInt8),
    ("h", Scalar::Int16),
    ("H", Scalar::UInt16),
    ("i", Scalar::Int32),
    ("I", Scalar::UInt32),
    ("l", Scalar::Int64),
    ("L", Scalar::UInt64),
    ("q", Scalar::Int64),
    ("Q", Scalar::UInt64),
    ("p", Scalar::Int64),
    ("P", Scalar::UInt64),
    ("n", Scalar::Int64),
    ("N", Scalar::UInt64),
    ("e", Scalar::Float16),
    ("f", Scalar::Float32),
    ("d", Scalar::Float64),
    ("g", Scalar::LongDouble),
    ("F", Scalar::Complex64),
    ("D", Scalar::Complex128),
    ("G", Scalar::CLongDouble),
    ("byte", Scalar::Int8),
    ("ubyte", Scalar::UInt8),
    ("short", Scalar::Int16),
    ("ushort", Scalar::UInt16),
    ("intc", Scalar::Int32),
    ("uintc", Scalar::UInt32),
    ("int", Scalar::Int64),
    ("uint", Scalar::UInt64),
    ("long", Scalar::Int64),
    ("ulong", Scalar::UInt64),
    ("longlong", Scalar::Int64),
    ("ulonglong", Scalar::UInt64),
    ("half", Scalar::Float16),
    ("single", Scalar::Float32),
    ("float", Scalar::Float64),
    ("double", Scalar::Float64),
    ("complex", Scalar::Complex128),
    ("bool_", Scalar::Bool),
    ("intp", Scalar::Int64),
    ("uintp", Scalar::UInt64),
];

/// `None` if NumPy would not understand it either.
pub(super) fn parse(text: &str) -> Result<Option<DType>> {
    // np.load takes no longer header; so long a list of fields cannot cost much either.
    if text.len() > 10_000 {
        return Ok(None);
    }
    let parts = split_outside_brackets(text);
    if parts.len() == 1 && !text.trim_end().ends_with(',') {
        return repeated(text);
    }
    let mut fields = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        match repeated(part.trim())? {
            Some(dtype) => fields.push((format!("f{index}"), dtype)),
            None => return Ok(None),
        }
    }
    Record::packed(fields).map(|record| Some(DType::record(record)))
}

/// The parts between commas; a last empty one (`'i4,'`) counts for nothing.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let mut parts: Vec<&str> = text
        .split(|c| {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .collect();
    if parts.len() > 1 && parts.last().is_some_and(|part| part.trim().is_empty()) {
        parts.pop();
    }
    parts
}

/// `3i4` or `(2,3)i4`.
fn repeated(text: &str) -> Result<Option<DType>> {
    let (shape, base) = match text.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((dims, base)) => (dims.trim_end_matches(','), base),
        None => text.split_at(text.bytes().take_while(u8::is_ascii_digit).count()),
    };
    let dims: Option<Vec<usize>> = shape
        .split(',')
        .filter(|dim| !dim.is_empty())
        .map(|dim| decimal(dim.trim()).map(|n| n as usize))
        .collect();
    match (dims, single(base)?) {
        (Some(dims), Some(base)) => DType::subarray(base, &dims).map(Some),
        _ => Ok(None),
    }
}

fn single(text: &str) -> Result<Option<DType>> {
    if let Some(dtype) = typestr::parse(text)? {
        return Ok(Some(dtype));
    }
    let (endian, bare) = match text.split_at_checked(1) {
        Some(("<", bare)) => (Endian::Little, bare),
        Some((">", bare)) => (Endian::Big, bare),
        Some(("=" | "|", bare)) => (Endian::NATIVE, bare),
        _ => (Endian::NATIVE, text),
    };
    let named = NAMES.iter().find(|(name, _)| *name == bare).map(|(_, scalar)| *scalar);
    let named = named.or_else(|| Scalar::from_name(bare).filter(|scalar| !scalar.is_extension()));
    if let Some(scalar) = named {
        return Ok(Some(DType::scalar(scalar, endian)));
    }
    if let Some(dtype) = sized(bare, endian)? {
        return Ok(Some(dtype));
    }
    // `i4` is `=i4`: try the strict form with the byte order put before it.
    let sign = if endian == Endian::Big { '>' } else { '<' };
    typestr::parse(&format!("{sign}{}", long_time_names(bare)))
}

/// `datetime64[ns]` and `M[ns]` as `M8[ns]`; a generic unit as none.
fn long_time_names(text: &str) -> String {
    let text = text.replace("[generic]", "");
    for (prefix, short) in [("datetime64", "M8"), ("timedelta64", "m8"), ("M", "M8"), ("m", "m8")] {
        match text.strip_prefix(prefix) {
            Some(unit) if !unit.starts_with('8') => return format!("{short}{unit}"),
            _ => {}
        }
    }
    text
}

/// Strings and voids whose size is absent (0), or has leading zeros.
fn sized(text: &str, endian: Endian) -> Result<Option<DType>> {
    let (kind, size) = match text {
        "str" | "str_" => ('U', ""),
        "bytes" | "bytes_" => ('S', ""),
        "void" => ('V', ""),
        _ => match text.chars().next() {
            Some(kind @ ('S' | 'a' | 'U' | 'V')) => (kind, text.get(1..).unwrap_or_default()),
            _ => return Ok(None),
        },
    };
    let digits = size.trim_start_matches('0');
    let Some(size) = decimal(if digits.is_empty() { "0" } else { digits }) else { return Ok(None) };
    match kind {
        'U' => DType::text(size, endian),
        'V' => DType::void(size),
        _ => DType::bytes(size),
    }
    .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{TimeKind, TimeUnit, Unit};

    #[test]
    fn aliases_mean_what_numpy_says() {
        for (alias, descr) in [
            ("i4", "'<i4'"),
            ("=i4", "'<i4'"),
            ("|i4", "'<i4'"),
            (">d", "'>f8'"),
            ("int32", "'<i4'"),
            ("datetime64[ns]", "'<M8[ns]'"),
            ("M8", "'<M8'"),
            ("<M8[generic]", "'<M8'"),
            ("S05", "'|S5'"),
            ("a3", "'|S3'"),
            ("U", "'<U0'"),
            ("i4,f8", "[('f0', '<i4'), ('f1', '<f8')]"),
            ("(2,)i4,f8", "[('f0', '<i4', (2,)), ('f1', '<f8')]"),
            ("i4,", "[('f0', '<i4')]"),
            ("uintp", "'<u8'"),
            ("(2,)i4", "('<i4', (2,))"),
        ] {
            assert_eq!(parse(alias).unwrap().unwrap().descr().unwrap(), descr, "{alias}");
        }
        for bad in ["", ",", "f3", "<f8 ", "i16", "M8[]", "O", "bfloat16"] {
            assert_eq!(parse(bad).unwrap(), None, "{bad:?}");
        }
        let time = DType::time(TimeKind::Datetime, TimeUnit::one(Unit::Day), Endian::NATIVE);
        assert_eq!(parse("M8[D]").unwrap(), Some(time));
    }
}
