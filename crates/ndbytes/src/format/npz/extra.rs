//! Extra fields: what a header says beyond its fixed part.

use super::index::INDEX;
use crate::error::{Error, Result};
use crate::format::Fields;

/// Sizes and offsets that do not fit 32 bits (APPNOTE 4.5.3).
pub(super) const ZIP64: u16 = 0x0001;
/// An alignment, and the padding that makes it so (APPNOTE 4.6.11, 0xa11e).
pub(super) const ALIGNMENT: u16 = 0xa11e;
/// A name in UTF-8 for a header with another one (APPNOTE 4.6.9).
pub(super) const UNICODE_PATH: u16 = 0x7075;

/// The extra fields of one header, told apart.
#[derive(Debug, Default)]
pub(super) struct Extra<'b> {
    pub(super) zip64: Option<&'b [u8]>,
    pub(super) unicode_path: Option<&'b [u8]>,
    pub(super) index: Option<&'b [u8]>,
}

impl<'b> Extra<'b> {
    /// Up to three bytes that begin no field may be left: some writers align with these.
    pub(super) fn parse(bytes: &'b [u8]) -> Result<Self> {
        let mut extra = Self::default();
        let mut rest = Fields(bytes);
        while let Some((id, len)) = header(&mut rest) {
            let Some((field, behind)) = rest.0.split_at_checked(usize::from(len)) else {
                let left = rest.0.len();
                return Err(Error::malformed(format!(
                    "extra field {id:#06x} of {len} bytes, where {left} are left"
                )));
            };
            rest.0 = behind;
            let place = match id {
                ZIP64 => &mut extra.zip64,
                UNICODE_PATH => &mut extra.unicode_path,
                INDEX => &mut extra.index,
                _ => continue,
            };
            if place.replace(field).is_some() {
                return Err(Error::malformed(format!("two extra fields {id:#06x}")));
            }
        }
        Ok(extra)
    }

    /// Puts the values of the zip64 field where the 32-bit ones only point to it, in the order in which they stand.
    pub(super) fn widen<const N: usize>(&self, values: [(&str, u32); N]) -> Result<[u64; N]> {
        let mut field = Fields(self.zip64.unwrap_or_default());
        let mut wide = [0; N];
        for (place, (name, value)) in wide.iter_mut().zip(values) {
            *place = match value {
                super::IN_ZIP64 => field.u64().ok_or_else(|| {
                    Error::malformed(format!(
                        "the {name} should stand in a zip64 field, and does not"
                    ))
                })?,
                small => u64::from(small),
            };
        }
        Ok(wide)
    }
}

/// Id and length of the next field; none where fewer bytes are left than these take.
fn header(rest: &mut Fields<'_>) -> Option<(u16, u16)> {
    Some((rest.u16()?, rest.u16()?))
}
