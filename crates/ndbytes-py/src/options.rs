//! What the verbs that write have in common.

use crate::errors::{argument, argument_type, unsupported};
use ndbytes::Metadata;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// How the items of a frame are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As they are.
    None,
}

/// A codec by its name.
///
/// # Errors
/// `UnsupportedError` for one that this version does not have; `ArgumentError` for a level without a codec that has
/// levels.
pub(crate) fn codec(name: Option<&str>, level: Option<i32>) -> PyResult<Option<Codec>> {
    let codec = match name {
        None => None,
        Some("none" | "auto") => Some(Codec::None),
        Some(other) => {
            return Err(unsupported(format!(
                "codec {other:?} is not one of this version: 'none' and 'auto' (which is 'none') are; \
                 .npy.zz and .npy.gz files are compressed"
            )));
        }
    };
    match level {
        Some(level) => Err(argument(format!(
            "level={level}: nothing here has levels; .npy.zz and .npy.gz have"
        ))),
        None => Ok(codec),
    }
}

/// Name and attributes as they stand in a header or tail.
///
/// # Errors
/// `ArgumentTypeError` for attributes that are no dict; those of `json.dumps`.
pub(crate) fn metadata(
    name: Option<String>,
    attrs: Option<&Bound<'_, PyAny>>,
) -> PyResult<Metadata> {
    let Some(attrs) = attrs.filter(|attrs| !attrs.is_none()) else {
        return Ok(Metadata::new(name, None));
    };
    if !attrs.is_instance_of::<PyDict>() {
        let found = attrs.get_type().name()?;
        return Err(argument_type(format!("attrs must be a dict, found {found}")));
    }
    let options = PyDict::new(attrs.py());
    options.set_item("ensure_ascii", false)?;
    options.set_item("allow_nan", false)?;
    options.set_item("separators", (",", ":"))?;
    let text: String =
        attrs.py().import("json")?.call_method("dumps", (attrs,), Some(&options))?.extract()?;
    Ok(Metadata::new(name, Some(text)))
}

/// A name as a keyword gives it.
pub(crate) fn is_bundle(given: &Bound<'_, PyAny>) -> bool {
    given.is_instance_of::<PyDict>()
}

/// A number of bytes as a caller gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count(pub(crate) u64);

impl FromPyObject<'_, '_> for Count {
    type Error = PyErr;

    /// # Errors
    /// `ArgumentError` for a negative number, or one that no file has; `TypeError` for what is no int.
    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let number = given.call_method0("__index__").map_err(|_| {
            let found = given.get_type().name().map(|name| name.to_string()).unwrap_or_default();
            argument_type(format!("expected a number of bytes, found {found}"))
        })?;
        number.extract().map(Self).map_err(|_| argument(format!("there cannot be {number} bytes")))
    }
}
