//! `ndbytes.buffers`.

use crate::array::{self, Source};
use crate::errors::IntoPy as _;
use crate::options::{frame_options, metadata};
use crate::work::run;
use ndbytes::{ArrayRef, Encode as _, Piece, frame};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView};

/// The bytes of an array's frame as a list of buffers, for transports of one's own.
///
/// Parameters
/// ----------
/// a : array
///     Any array without Python objects.
/// name : str, optional
///     The array's name.
/// attrs : dict, optional
///     Whatever else is to be said of it, as far as JSON can.
///
/// Returns
/// -------
/// list of buffers
///     Header, data in pieces of 1 MiB, and tail: what ``send`` sends. Pieces of an array over ``bytes`` are views of these;
///     others are copies, because memory that changes behind its checksum would arrive as damaged.
///
/// Raises
/// ------
/// ArgumentError
///     For what is no array.
/// UnsupportedError
///     For objects, StringDType and masked arrays.
/// TypeError, ValueError
///     For ``attrs`` that JSON cannot say.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb
/// >>> parts = ndb.buffers(np.arange(4, dtype="<u2"))
/// >>> ndb.loads(b"".join(parts))
/// array([0, 1, 2, 3], dtype=uint16)
#[pyfunction]
#[pyo3(signature = (a, *, name = None, attrs = None))]
pub(crate) fn buffers<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    name: Option<String>,
    attrs: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let options = frame_options(metadata(name, attrs)?);
    let source = Source::new(a)?;
    let view = source.view().py()?;
    let owner = immutable_owner(a)?;
    let view = match owner {
        // Without the mark that others may write to it.
        Some(_) => ArrayRef::new(view.dtype().clone(), view.layout().clone(), view.data()).py()?,
        None => view,
    };
    let mut encoder = frame::Encoder::new(&view, &options).py()?;
    let pieces = run(py, source.nbytes(), |watch| {
        let (mut pieces, mut seen) = (Vec::new(), 0);
        while let Some(piece) = encoder.next()? {
            seen += piece.len() as u64;
            pieces.push(piece);
            watch(seen)?;
        }
        Ok(pieces)
    })?;
    let list = PyList::empty(py);
    for piece in pieces {
        match (&piece, &owner) {
            (Piece::Run(part), Some(owner)) => list.append(part_of(owner, part)?)?,
            _ => list.append(PyBytes::new(py, &piece))?,
        }
    }
    Ok(list)
}

/// The `bytes` that an array stands on, if that is what it stands on: nobody may write there.
fn immutable_owner<'py>(a: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = a.py();
    let ndarray = py.import("numpy")?.getattr(intern!(py, "ndarray"))?;
    let mut object = a.clone();
    loop {
        if object.is_exact_instance_of::<PyBytes>() {
            return Ok(Some(object.cast_into()?));
        }
        object = if object.is_exact_instance_of::<PyMemoryView>() {
            object.getattr(intern!(py, "obj"))?
        } else if object.is_exact_instance(&ndarray) {
            object.getattr(intern!(py, "base"))?
        } else {
            return Ok(None);
        };
    }
}

/// These bytes of `owner`, as a view of it.
fn part_of<'py>(owner: &Bound<'py, PyBytes>, part: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let py = owner.py();
    let start = part.as_ptr().addr().wrapping_sub(owner.as_bytes().as_ptr().addr());
    match owner.as_bytes().get(start..start.saturating_add(part.len())) {
        Some(_) => array::part(owner, start..start + part.len()),
        None => Ok(PyBytes::new(py, part).into_any()),
    }
}
