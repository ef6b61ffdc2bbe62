//! `ndbytes.checksum`.

use crate::errors::argument;
use crate::file::Place;
use crate::work::wait;
use ndbytes::io::{self, SaveOptions};
use pyo3::prelude::*;

/// Puts checksums behind the data of a ``.npy`` file, or takes them off; the file is replaced whole or not at all.
///
/// Parameters
/// ----------
/// path : path
///     A ``.npy`` file; NumPy reads it with and without checksums. Checksums that a writer left open, also of a
///     ``.ndb``, are made anew for the data as they are.
/// strip : bool, optional
///     True: take them off, after they were compared.
///
/// Returns
/// -------
/// bool
///     False if there was nothing to do: it has checksums that hold, or with ``strip`` none.
///
/// Raises
/// ------
/// FormatError, TruncatedError, ChecksumError
///     For a damaged file, which is left as it is.
/// ArgumentError
///     For ``strip`` where the checksums hold the name of the dtype, and for a ``.ndb``.
/// OSError
///     From the system, with errno and filename.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb, tempfile, os
/// >>> with tempfile.TemporaryDirectory() as folder:
/// ...     path = os.path.join(folder, "a.npy")
/// ...     np.save(path, np.arange(4))
/// ...     ndb.checksum(path), ndb.checksum(path), ndb.verify(path).state
/// (True, False, 'verified')
#[pyfunction]
#[pyo3(signature = (path, strip = false))]
pub(crate) fn checksum(py: Python<'_>, path: &Bound<'_, PyAny>, strip: bool) -> PyResult<bool> {
    let Place::Path(path) = Place::new(path, "fileno")? else {
        return Err(argument("checksum replaces a file: pass its path"));
    };
    let options = SaveOptions::default();
    wait(py, |watch| match strip {
        true => io::unseal(path, options, watch),
        false => io::seal(path, options, watch),
    })
}
