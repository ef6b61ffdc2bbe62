//! What stands behind `ndbytes.digest`.

use crate::array::Source;
use crate::bundle::{self, is_archive};
use crate::errors::IntoPy as _;
use crate::info::Input;
use crate::limits::Limits;
use crate::options::{decode_options, threads};
use crate::reading::explained;
use crate::work::wait;
use ndbytes::io::npz::Archive;
use ndbytes::io::{self, Choose, PATIENCE, Watch, digest_read};
use ndbytes::{DecodeOptions, Digest, Result, digest_with};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::io::{Cursor, Read, Seek};

/// The digest of an array.
#[pyfunction]
#[pyo3(signature = (a, threads))]
pub(crate) fn digest(
    py: Python<'_>,
    a: &Bound<'_, PyAny>,
    threads: Option<isize>,
) -> PyResult<String> {
    let (source, threads) = (Source::new(a)?, self::threads(threads)?);
    let found = wait(py, |watch| digest_with(&source.view()?, threads, watch))?;
    Ok(found.to_string())
}
