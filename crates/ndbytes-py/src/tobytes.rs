//! `ndbytes.tobytes`.

use crate::array::{Out, Source, new_bytes};
use crate::errors::argument;
use crate::options;
use crate::work::run;
use ndbytes::copy_to;
use pyo3::prelude::*;

/// The items of an array as bytes, in C order, or in another one: what ``ndarray.tobytes`` gives.
///
/// Parameters
/// ----------
/// a : array
///     Any array without Python objects, at any strides and byte order; or an object with a buffer.
/// order : {'C', 'F', 'A', 'K'}, optional
///     C: the last axis fastest. F: the first. A: F if the array is Fortran- and not C-contiguous. K: C.
/// out : writable buffer, optional
///     Takes the bytes, exactly ``a.nbytes`` of them, and is returned. Its content is undefined after an error.
///
/// Returns
/// -------
/// bytes, or ``out``
///     ``a.nbytes`` bytes, as stored: nothing is swapped.
///
/// Raises
/// ------
/// ArgumentError
///     For what is no array, another order, or an ``out`` of another size.
/// UnsupportedError
///     For objects, StringDType and masked arrays.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb
/// >>> ndb.tobytes(np.array([[1, 2], [3, 4]], dtype="u1"), "F")
/// b'\x01\x03\x02\x04'
#[pyfunction]
#[pyo3(signature = (a, order = None, *, out = None), text_signature = "(a, order='C', *, out=None)")]
pub(crate) fn tobytes<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    order: Option<&Bound<'py, PyAny>>,
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let order = options::order(order)?;
    let source = Source::untyped(a)?;
    let nbytes = source.nbytes();
    let fill =
        |bytes: &mut [u8]| run(py, nbytes, |watch| copy_to(&source.view()?, order, bytes, watch));
    let Some(out) = out else { return Ok(new_bytes(py, nbytes, fill)?.into_any()) };
    let mut target = Out::new(&out)?;
    let bytes = target.bytes();
    if bytes.len() as u64 != nbytes {
        let found = bytes.len();
        return Err(argument(format!("out has {found} bytes, the array {nbytes}")));
    }
    if source.overlaps(bytes) {
        return Err(argument(
            "out is memory of the array itself, which would change while it is read",
        ));
    }
    fill(bytes)?;
    Ok(out)
}
