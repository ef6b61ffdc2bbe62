//! The canonical form of an array: its dtype, its shape, and what makes its items canonical.

use crate::dtype::{DType, Endian};
use crate::error::{ErrorKind, Result};
use crate::kernel::SwapPlan;
use std::fmt::Write as _;

/// What a digest's bytes begin with; the number is the version of the canonical form.
const PREFIX: &str = "ndbytes digest 0";

/// In which dtype the items of an array are hashed, and what makes them so.
pub(super) struct Form {
    pub(super) named: DType,
    pub(super) endian: Option<Endian>,
    pub(super) swap: SwapPlan,
}

impl Form {
    /// Little-endian; but fields that share bytes stay as they are, for no order can be right for both.
    pub(super) fn of(dtype: &DType) -> Result<Self> {
        let named = dtype.with_endian(Endian::Little);
        match SwapPlan::new(dtype, &named) {
            Ok(swap) => Ok(Self { named, endian: Some(Endian::Little), swap }),
            Err(error) if *error.kind() == ErrorKind::Unsupported => {
                Ok(Self { named: dtype.clone(), endian: None, swap: SwapPlan::default() })
            }
            Err(error) => Err(error),
        }
    }
}

/// What stands before the items: three lines of ASCII.
pub(super) fn lead(dtype: &DType, shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("{PREFIX}\n{}\n[{}]\n", in_ascii(&dtype.to_string()), lengths.join(","))
}

/// A spelling whose characters beyond ASCII, which stand in names in quotes only, are all escaped: else it would change
/// with Unicode's tables.
fn in_ascii(spelling: &str) -> String {
    let mut text = String::with_capacity(spelling.len());
    for c in spelling.chars() {
        let written = match c {
            c if c.is_ascii() => write!(text, "{c}"),
            c if c < '\u{100}' => write!(text, "\\x{:02x}", u32::from(c)),
            c if c < '\u{10000}' => write!(text, "\\u{:04x}", u32::from(c)),
            c => write!(text, "\\U{:08x}", u32::from(c)),
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    text
}
