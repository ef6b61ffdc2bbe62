//! Messages as callers give them: an array, or arrays by name, and what goes with them.

use crate::array::Source;
use crate::errors::{IntoPy as _, argument, argument_type};
use crate::options::{self, frame_options, is_bundle, metadata};
use ndbytes::{ArrayRef, frame};
use pyo3::prelude::*;

/// Arrays with their names.
pub(crate) type Named<'py> = Vec<(Option<String>, Bound<'py, PyAny>)>;

/// The arrays of a message to be sent.
///
/// # Errors
/// `ArgumentError` for a name of what has names, and for no arrays; `ArgumentTypeError` for names that are no text.
pub(crate) fn named<'py>(a: Bound<'py, PyAny>, name: Option<String>) -> PyResult<Named<'py>> {
    if !is_bundle(&a) {
        return Ok(vec![(name, a)]);
    }
    if name.is_some() {
        return Err(argument("name is for a single array; a mapping has names"));
    }
    let mut arrays = Vec::new();
    for item in a.call_method0("items")?.try_iter()? {
        let (name, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
        let text = name.extract().map_err(|_| match name.repr() {
            Ok(found) => {
                argument_type(format!("the arrays of a message have text as names, found {found}"))
            }
            Err(error) => error,
        })?;
        arrays.push((Some(text), array));
    }
    if arrays.is_empty() {
        return Err(argument("a message has at least one array"));
    }
    Ok(arrays)
}

/// The arrays that take a message, if there are some.
///
/// # Errors
/// As [`named`].
pub(crate) fn outs(out: Option<Bound<'_, PyAny>>) -> PyResult<Named<'_>> {
    out.map_or_else(|| Ok(Vec::new()), |out| named(out, None))
}

/// Something to be told how far it is.
///
/// # Errors
/// `ArgumentTypeError` for what cannot be called.
pub(crate) fn callable(progress: Option<Bound<'_, PyAny>>) -> PyResult<Option<Bound<'_, PyAny>>> {
    match progress {
        Some(given) if !given.is_callable() => {
            let found = given.get_type().name()?;
            Err(argument_type(format!("progress is a function of two numbers, found {found}")))
        }
        progress => Ok(progress),
    }
}

/// Whether a message for a slow peer gives way to newer ones.
///
/// # Errors
/// `ArgumentError` for what is neither a word for that nor for waiting.
pub(crate) fn drops(on_full: &Bound<'_, PyAny>) -> PyResult<bool> {
    match on_full.extract::<&str>() {
        Ok("block") => Ok(false),
        Ok("drop_oldest") => Ok(true),
        _ => {
            let found = on_full.repr()?;
            Err(argument(format!("on_full must be \"block\" or \"drop_oldest\", found {found}")))
        }
    }
}

/// The memory of arrays that are sent.
pub(crate) fn sources(arrays: &Named<'_>) -> PyResult<Vec<Source>> {
    arrays.iter().map(|(_, array)| Source::new(array)).collect()
}

/// Bytes of all of them.
pub(crate) fn size(sources: &[Source]) -> u64 {
    sources.iter().map(|source| source.nbytes()).fold(0, u64::saturating_add)
}

/// The frames of a message; the first says the attributes.
pub(crate) fn frames<'s>(
    arrays: Named<'_>,
    sources: &'s [Source],
    mut attrs: Option<&Bound<'_, PyAny>>,
    codec: Option<&str>,
) -> PyResult<Vec<(ArrayRef<'s>, frame::EncodeOptions)>> {
    let codec = options::codec(codec.unwrap_or("none"), None)?;
    let frame = |((name, _), source): ((Option<String>, _), &'s Source)| {
        let metadata = metadata(name, attrs.take())?;
        let options = frame::EncodeOptions { codec, ..frame_options(metadata) };
        Ok((source.view().py()?, options))
    };
    arrays.into_iter().zip(sources).map(frame).collect()
}
