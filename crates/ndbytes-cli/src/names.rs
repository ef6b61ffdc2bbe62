//! What a dtype is called.

use ndbytes::{DType, Endian, Scalar, TimeKind};

/// NumPy's `dtype.name`; `longdouble` where that depends on the platform.
pub(crate) fn name(dtype: &DType) -> String {
    let bits = |what: &str| match dtype.itemsize() {
        0 => what.to_owned(),
        size => format!("{what}{}", size * 8),
    };
    match dtype {
        DType::Scalar(scalar, ..) => scalar.name().to_owned(),
        DType::Time(TimeKind::Datetime, unit, ..) => format!("datetime64{unit}"),
        DType::Time(TimeKind::Timedelta, unit, ..) => format!("timedelta64{unit}"),
        DType::Bytes(..) => bits("bytes"),
        DType::Text(..) => bits("str"),
        _ => bits("void"),
    }
}

/// The name with the byte order, where there is one.
pub(crate) fn described(dtype: &DType) -> String {
    let endian = match dtype {
        DType::Scalar(scalar, endian, ..) if scalar.unit() > 1 => Some(*endian),
        DType::Time(_, _, endian, ..) | DType::Text(_, endian, ..) => Some(*endian),
        _ => None,
    };
    let name = match dtype {
        DType::Record(record, ..) => {
            let fields = record.fields().len();
            let s = if fields == 1 { "" } else { "s" };
            format!("record of {fields} field{s}, {} bytes", record.itemsize())
        }
        _ => name(dtype),
    };
    match endian {
        Some(endian) => format!("{name}, {}", endian_name(endian)),
        None => name,
    }
}

/// NumPy's descr as far as it has one: what a `.npy` header says.
pub(crate) fn descr(dtype: &DType) -> String {
    dtype.descr().unwrap_or_else(|_| dtype.to_string())
}

pub(crate) fn endian_name(endian: Endian) -> &'static str {
    match endian {
        Endian::Little => "little-endian",
        Endian::Big => "big-endian",
    }
}

/// A shape as Python prints it.
pub(crate) fn shape(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    match axes.as_slice() {
        [one] => format!("({one},)"),
        axes => format!("({})", axes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numpys() {
        for (spec, expected, described_as) in [
            (">u2", "uint16", "uint16, big-endian"),
            ("|u1", "uint8", "uint8"),
            ("|S5", "bytes40", "bytes40"),
            ("|S0", "bytes", "bytes"),
            ("<U5", "str160", "str160, little-endian"),
            ("|V4", "void32", "void32"),
            ("<M8[25s]", "datetime64[25s]", "datetime64[25s], little-endian"),
            ("<m8", "timedelta64", "timedelta64, little-endian"),
            ("{a:|u1,b:<f8}", "void72", "record of 2 fields, 9 bytes"),
            ("bfloat16", "bfloat16", "bfloat16, little-endian"),
        ] {
            let dtype: DType = spec.parse().unwrap();
            assert_eq!(
                (name(&dtype).as_str(), described(&dtype).as_str()),
                (expected, described_as)
            );
        }
        assert_eq!(
            (shape(&[]), shape(&[3]), shape(&[3, 4])),
            ("()".into(), "(3,)".into(), "(3, 4)".into())
        );
        assert_eq!(name(&DType::native(Scalar::Bool)), "bool");
    }
}
