//! The fixed-size numbers: one table of names, kinds and sizes.

/// A number of fixed size; its byte order stands beside it in [`DType::Scalar`](super::DType::Scalar).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are NumPy's and ml_dtypes' own")]
pub enum Scalar {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Float16,
    Float32,
    Float64,
    /// C's `long double` in 16 bytes. Its bits differ between platforms, so it is carried, never interpreted.
    LongDouble,
    Complex64,
    Complex128,
    /// Two [`Scalar::LongDouble`].
    CLongDouble,
    BFloat16,
    Float8E3M4,
    Float8E4M3,
    Float8E4M3B11Fnuz,
    Float8E4M3Fn,
    Float8E4M3Fnuz,
    Float8E5M2,
    Float8E5M2Fnuz,
    Float8E8M0Fnu,
}

struct Row {
    scalar: Scalar,
    /// NumPy's or ml_dtypes' `dtype.name`.
    name: &'static str,
    /// NumPy's kind character; `V` for dtypes that NumPy itself cannot spell.
    kind: char,
    itemsize: usize,
    /// Bytes of one part: what a change of byte order reverses.
    unit: usize,
}

const fn row(scalar: Scalar, name: &'static str, kind: char, itemsize: usize) -> Row {
    let unit = if kind == 'c' { itemsize / 2 } else { itemsize };
    Row { scalar, name, kind, itemsize, unit }
}

/// In the order of the enum, so that a scalar is its own index.
const TABLE: [Row; 25] = [
    row(Scalar::Bool, "bool", 'b', 1),
    row(Scalar::Int8, "int8", 'i', 1),
    row(Scalar::Int16, "int16", 'i', 2),
    row(Scalar::Int32, "int32", 'i', 4),
    row(Scalar::Int64, "int64", 'i', 8),
    row(Scalar::UInt8, "uint8", 'u', 1),
    row(Scalar::UInt16, "uint16", 'u', 2),
    row(Scalar::UInt32, "uint32", 'u', 4),
    row(Scalar::UInt64, "uint64", 'u', 8),
    row(Scalar::Float16, "float16", 'f', 2),
    row(Scalar::Float32, "float32", 'f', 4),
    row(Scalar::Float64, "float64", 'f', 8),
    row(Scalar::LongDouble, "longdouble", 'f', 16),
    row(Scalar::Complex64, "complex64", 'c', 8),
    row(Scalar::Complex128, "complex128", 'c', 16),
    row(Scalar::CLongDouble, "clongdouble", 'c', 32),
    row(Scalar::BFloat16, "bfloat16", 'V', 2),
    row(Scalar::Float8E3M4, "float8_e3m4", 'V', 1),
    row(Scalar::Float8E4M3, "float8_e4m3", 'V', 1),
    row(Scalar::Float8E4M3B11Fnuz, "float8_e4m3b11fnuz", 'V', 1),
    row(Scalar::Float8E4M3Fn, "float8_e4m3fn", 'V', 1),
    row(Scalar::Float8E4M3Fnuz, "float8_e4m3fnuz", 'V', 1),
    row(Scalar::Float8E5M2, "float8_e5m2", 'V', 1),
    row(Scalar::Float8E5M2Fnuz, "float8_e5m2fnuz", 'V', 1),
    row(Scalar::Float8E8M0Fnu, "float8_e8m0fnu", 'V', 1),
];

impl Scalar {
    /// Every scalar there is.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.scalar)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// NumPy's `dtype.name` (ml_dtypes' for its own); `longdouble` and `clongdouble` on every platform.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// NumPy's kind character; `V` for the dtypes of ml_dtypes.
    #[must_use]
    pub fn kind(self) -> char {
        self.row().kind
    }

    /// Bytes of one item.
    #[must_use]
    pub fn itemsize(self) -> usize {
        self.row().itemsize
    }

    /// Bytes that a change of byte order reverses: the item, or each half of a complex one.
    #[must_use]
    pub fn unit(self) -> usize {
        self.row().unit
    }

    /// Whether NumPy has no spelling for it in a `.npy` header: bfloat16 and the float8 family.
    #[must_use]
    pub fn is_extension(self) -> bool {
        self.kind() == 'V'
    }

    /// The scalar of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.scalar)
    }

    /// The scalar that NumPy spells with this kind and size.
    #[must_use]
    pub fn from_kind(kind: char, itemsize: u32) -> Option<Self> {
        let fits = |row: &&Row| row.kind == kind && row.itemsize as u64 == u64::from(itemsize);
        TABLE.iter().filter(|row| row.kind != 'V').find(fits).map(|row| row.scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scalar_is_its_own_index() {
        for (index, scalar) in Scalar::all().enumerate() {
            assert_eq!(scalar as usize, index);
            assert_eq!(Scalar::from_name(scalar.name()), Some(scalar));
        }
        assert_eq!(Scalar::from_kind('c', 16), Some(Scalar::Complex128));
        assert_eq!(Scalar::from_kind('f', 10), None);
        assert_eq!(Scalar::from_kind('V', 2), None);
    }
}
