//! `ndbytes.tobytes`.

use crate::array::{Out, Source, new_bytes, small};
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
/// byteorder : {'<', '>', '='}, optional
///     The byte order of the numbers: little, big, or the machine's own. None, the default: as stored.
/// threads : int, optional
///     How many threads may work on large arrays; by default as many as this process may run on where
///     ``out`` takes the bytes, and one for new ones, which gain little from more.
/// out : writable buffer, optional
///     Takes the bytes, exactly ``a.nbytes`` of them, and is returned. Its content is undefined after an error.
///
/// Returns
/// -------
/// bytes, or ``out``
///     ``a.nbytes`` bytes.
///
/// Raises
/// ------
/// ArgumentError
///     For what is no array, another order, or an ``out`` of another size.
/// UnsupportedError
///     For objects, StringDType and masked arrays; with ``byteorder``, for a dtype that the core cannot spell, or whose fields
///     overlap.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb
/// >>> ndb.tobytes(np.array([[1, 2], [3, 4]], dtype="u1"), "F")
/// b'\x01\x03\x02\x04'
#[pyfunction]
#[pyo3(signature = (a, order = None, *, byteorder = None, threads = None, out = None),
       text_signature = "(a, order='C', *, byteorder=None, threads=None, out=None)")]
pub(crate) fn tobytes<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    order: Option<&Bound<'py, PyAny>>,
    byteorder: Option<&str>,
    threads: Option<isize>,
    out: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let order = options::order(order)?;
    let how = options::copying(threads, out.is_some())?;
    if byteorder.is_none()
        && out.is_none()
        && let Some(bytes) = small(a, order)?
    {
        return Ok(bytes.into_any());
    }
    let endian = byteorder.map(options::byteorder).transpose()?;
    let source = if endian.is_some() { Source::new(a)? } else { Source::untyped(a)? };
    let nbytes = source.nbytes();
    let fill = |bytes: &mut [u8]| {
        run(py, nbytes, |watch| copy_to(&source.view()?, order, endian, bytes, how, watch))
    };
    let Some(out) = out else { return Ok(new_bytes(py, nbytes, fill)?.into_any()) };
    let mut target = Out::new(&out)?;
    let bytes = target.bytes();
    if bytes.len() as u64 != nbytes {
        let found = bytes.len();
        return Err(argument(format!("out has {found} bytes, the array {nbytes}")));
    }
    source.check_apart(bytes)?;
    fill(bytes)?;
    Ok(out)
}
