//! NumPy's typestr, such as `<f8`, `|S5` or `>M8[25s]`: printed and read.
//!
//! Source: the array interface protocol of NumPy, and `dtype.str`.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::{DType, Endian, Scalar, TimeKind, TimeUnit};
use crate::error::Result;

impl DType {
    /// NumPy's `dtype.str` of anything but a record; records and subarrays are `|V` of their size, as there.
    #[must_use]
    pub fn typestr(&self) -> String {
        match self {
            Self::Scalar(scalar, endian) => {
                let sign =
                    if scalar.unit() == 1 && !scalar.is_extension() { '|' } else { endian.sign() };
                format!("{sign}{}{}", scalar.kind(), scalar.itemsize())
            }
            Self::Time(TimeKind::Datetime, unit, endian) => format!("{}M8{unit}", endian.sign()),
            Self::Time(TimeKind::Timedelta, unit, endian) => format!("{}m8{unit}", endian.sign()),
            Self::Bytes(len) => format!("|S{len}"),
            Self::Text(len, endian) => format!("{}U{len}", endian.sign()),
            _ => format!("|V{}", self.itemsize()),
        }
    }
}

/// Reads a typestr; `None` if it is not of the form that NumPy writes.
pub(super) fn parse(text: &str) -> Result<Option<DType>> {
    let mut chars = text.chars();
    let endian = match chars.next() {
        Some('<') => Some(Endian::Little),
        Some('>') => Some(Endian::Big),
        Some('|') => None,
        _ => return Ok(None),
    };
    let Some(kind) = chars.next() else { return Ok(None) };
    let size = chars.as_str();
    if let ('M' | 'm', Some(endian)) = (kind, endian) {
        return Ok(time(kind, size, endian));
    }
    let Some(size) = decimal(size) else { return Ok(None) };
    match (kind, endian) {
        ('S', _) => DType::bytes(size).map(Some),
        ('V', _) => DType::void(size).map(Some),
        ('U', Some(endian)) => DType::text(size, endian).map(Some),
        _ => {
            let fits = |scalar: &Scalar| scalar.unit() == 1 || endian.is_some();
            let scalar = Scalar::from_kind(kind, size).filter(fits);
            Ok(scalar.map(|scalar| DType::scalar(scalar, endian.unwrap_or(Endian::Little))))
        }
    }
}

/// `8`, `8[ns]`, `8[25s]`, what follows `M` or `m`.
fn time(kind: char, text: &str, endian: Endian) -> Option<DType> {
    let kind = if kind == 'M' { TimeKind::Datetime } else { TimeKind::Timedelta };
    let unit = match text.strip_prefix('8')? {
        "" => TimeUnit::Generic,
        brackets => TimeUnit::parse(brackets.strip_prefix('[')?.strip_suffix(']')?)?,
    };
    Some(DType::time(kind, unit, endian))
}

/// A size without sign or leading zeros.
pub(super) fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}
