//! What the items of a dtype are to a filter.

use crate::dtype::{DType, Endian, Scalar};

/// The numbers that a filter works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elements {
    /// Bytes of one: 1, 2, 4 or 8.
    pub(crate) width: usize,
    /// How many make an item.
    pub(crate) per_item: usize,
    pub(crate) kind: Kind,
    /// Whether their bytes are turned round first.
    pub(crate) is_big: bool,
}

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unsigned,
    Signed,
    Float,
    /// No number: bits, characters, other floats.
    Other,
}

impl Elements {
    pub(crate) fn of(dtype: &DType) -> Self {
        let numbers = |width, per_item, kind, endian| Self {
            width,
            per_item,
            kind,
            is_big: endian == Endian::Big && width > 1,
        };
        match *dtype {
            DType::Scalar(Scalar::LongDouble | Scalar::CLongDouble, _) => Self::bytes(dtype),
            DType::Scalar(scalar, endian) => {
                let kind = match scalar.kind() {
                    'u' => Kind::Unsigned,
                    'i' => Kind::Signed,
                    'f' | 'c' => Kind::Float,
                    _ => Kind::Other,
                };
                numbers(scalar.unit(), scalar.itemsize() / scalar.unit(), kind, endian)
            }
            DType::Time(_, _, endian) => numbers(8, 1, Kind::Signed, endian),
            DType::Text(len, endian) => numbers(4, len as usize, Kind::Other, endian),
            DType::Bytes(_) | DType::Void(_) | DType::Record(_) | DType::Sub(_) => {
                Self::bytes(dtype)
            }
        }
    }

    fn bytes(dtype: &DType) -> Self {
        Self { width: 1, per_item: dtype.itemsize(), kind: Kind::Other, is_big: false }
    }

    /// Whether decimal numbers are looked for among them.
    pub(crate) fn may_be_decimal(self) -> bool {
        self.kind == Kind::Float && self.width >= 4
    }

    /// Whether pco has a type for them.
    pub(super) fn is_pco(self) -> bool {
        self.kind != Kind::Other && self.width > 1
    }

    /// The same as numbers of another width without a sign.
    pub(super) fn unsigned(self, width: usize) -> Self {
        Self { width, kind: Kind::Unsigned, ..self }
    }
}
