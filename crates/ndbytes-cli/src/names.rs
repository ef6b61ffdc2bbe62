//! What a dtype is called.

use ndbytes::{DType, Endian, Scalar};

/// NumPy's `dtype.name`; `longdouble` where that depends on the platform.
pub(crate) fn name(dtype: &DType) -> String {
    if let Some(scalar) = Scalar::all().find(|&scalar| is(dtype, scalar)) {
        return scalar.name().to_owned();
    }
    let spelled = dtype.typestr();
    let (kind, rest) = spelled.get(1..).unwrap_or_default().split_at(1);
    let bits = |what: &str| match dtype.itemsize() {
        0 => what.to_owned(),
        size => format!("{what}{}", size * 8),
    };
    match kind {
        "M" => format!("datetime64{}", rest.trim_start_matches('8')),
        "m" => format!("timedelta64{}", rest.trim_start_matches('8')),
        "S" => bits("bytes"),
        "U" => bits("str"),
        _ => bits("void"),
    }
}

fn is(dtype: &DType, scalar: Scalar) -> bool {
    [Endian::Little, Endian::Big].iter().any(|&endian| *dtype == DType::scalar(scalar, endian))
}

/// The name with the byte order, where there is one.
pub(crate) fn described(dtype: &DType) -> String {
    if dtype.to_string().starts_with('{') {
        return format!("structured, {} bytes an item", dtype.itemsize());
    }
    let (little, big) = (dtype.with_endian(Endian::Little), dtype.with_endian(Endian::Big));
    match dtype {
        _ if little == big => name(dtype),
        _ if *dtype == big => format!("{}, big-endian", name(dtype)),
        _ => format!("{}, little-endian", name(dtype)),
    }
}

/// NumPy's descr as far as it has one: what a `.npy` header says.
pub(crate) fn descr(dtype: &DType) -> String {
    dtype.descr().unwrap_or_else(|_| dtype.to_string())
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
            ("{a:|u1,b:<f8}", "void72", "structured, 9 bytes an item"),
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
