//! Options that several verbs take.

use crate::array::is_array;
use crate::errors::{IntoPy as _, argument, argument_type};
use crate::limits::{self, Limits};
use ndbytes::{
    Checks, Codec, Copying, DecodeOptions, Endian, Level, Metadata, Order, Threads, frame,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping};

/// How files and bytes of one's own are read.
pub(crate) fn decode_options(limits: Option<Limits>, require_checksum: bool) -> DecodeOptions {
    let limits = limits::or(limits, ndbytes::Limits::local());
    let checks = if require_checksum { Checks::Required } else { Checks::Optional };
    DecodeOptions { limits, checks, ..Default::default() }
}

/// How frames are written: bytes that hold no value, and may be what the heap held before, stay at home.
pub(crate) fn frame_options(metadata: Metadata) -> frame::EncodeOptions {
    frame::EncodeOptions { metadata, zero_gaps: true, ..Default::default() }
}

/// An order as NumPy takes it: a letter, or None for C.
///
/// # Errors
/// `ArgumentError` for another letter, `ArgumentTypeError` for what is no text.
#[inline]
pub(crate) fn order(given: Option<&Bound<'_, PyAny>>) -> PyResult<Order> {
    given.map_or(Ok(Order::C), named_order)
}

fn named_order(given: &Bound<'_, PyAny>) -> PyResult<Order> {
    let text = given.extract::<String>().map_err(|_| {
        let found = given.get_type().name().map(|name| name.to_string()).unwrap_or_default();
        argument_type(format!("order must be str, not {found}"))
    })?;
    text.parse::<Order>().py()
}

/// A byte order as NumPy writes it.
///
/// # Errors
/// `ArgumentError` for another character.
pub(crate) fn byteorder(given: &str) -> PyResult<Endian> {
    match given {
        "<" => Ok(Endian::Little),
        ">" => Ok(Endian::Big),
        "=" => Ok(Endian::NATIVE),
        _ => Err(argument(format!("byteorder must be '<', '>' or '=', found {given:?}"))),
    }
}

/// How many threads may be used; None for as many as there are.
///
/// # Errors
/// `ArgumentError` for fewer than 1.
#[inline]
pub(crate) fn threads(given: Option<isize>) -> PyResult<Threads> {
    match given {
        None => Ok(Threads::default()),
        Some(count @ 1..) => Ok(Threads::new(count.unsigned_abs())),
        Some(count) => Err(argument(format!("threads must be at least 1, found {count}"))),
    }
}

/// How a large copy is made: to memory that was touched before, or to fresh memory, which is left to one thread unless
/// the caller says otherwise.
///
/// # Errors
/// As [`threads`].
pub(crate) fn copying(given: Option<isize>, touched: bool) -> PyResult<Copying> {
    let threads = if given.is_none() && !touched { Threads::ONE } else { threads(given)? };
    Ok(Copying { threads, touched })
}

/// A level of zlib's: 0 to 9, or -1 or None for the default.
///
/// # Errors
/// `ArgumentError` for another one.
pub(crate) fn level(level: Option<i32>) -> PyResult<Level> {
    match level {
        None | Some(-1) => Ok(Level::default()),
        Some(level) => Level::new(u32::try_from(level).unwrap_or(u32::MAX)).py(),
    }
}

/// A codec by its name, and its level.
///
/// # Errors
/// `ArgumentError` for a name or level that there is not; `UnsupportedError` for one that this build does not have.
pub(crate) fn codec(name: &str, level: Option<i32>) -> PyResult<Codec> {
    Codec::named(name, level).py()
}

/// The lengths of a block along each axis, for a codec.
///
/// # Errors
/// `ArgumentError` where nothing is compressed, `ArgumentTypeError` for what is no tuple of lengths.
pub(crate) fn block(
    given: Option<&Bound<'_, PyAny>>,
    codec: Codec,
) -> PyResult<Option<Vec<usize>>> {
    if given.is_some() && codec == Codec::None {
        return Err(argument("block= is for .ndb files and frames that a codec compresses"));
    }
    lengths(given)
}

/// The lengths of a block along each axis.
///
/// # Errors
/// `ArgumentTypeError` for what is no tuple of lengths.
pub(crate) fn lengths(given: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Vec<usize>>> {
    let Some(given) = given else { return Ok(None) };
    let block = given.extract().or_else(|_| given.extract().map(|len| vec![len]));
    block
        .map(Some)
        .map_err(|_| argument_type("block must be a tuple of lengths, one for each axis"))
}

/// That no codec is asked for where there is none to have.
///
/// # Errors
/// `ArgumentError` with what is for it.
pub(crate) fn no_codec(name: Option<&str>, level: Option<i32>) -> PyResult<()> {
    match (name, level) {
        (None | Some("none" | "auto"), None) => Ok(()),
        (Some(name), _) => Err(argument(format!(
            "codec {name:?} is for .ndb files and frames, \"deflate\" for .npz"
        ))),
        (None, Some(level)) => {
            Err(argument(format!("level={level}: there is no codec here that has levels")))
        }
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
    let Some(attrs) = attrs else { return Ok(Metadata::new(name, None)) };
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

/// Whether it is many arrays under names.
pub(crate) fn is_bundle(given: &Bound<'_, PyAny>) -> bool {
    // Who asks an array whether it is a mapping runs Python.
    !is_array(given).unwrap_or(false)
        && (given.is_instance_of::<PyDict>() || given.cast::<PyMapping>().is_ok())
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
