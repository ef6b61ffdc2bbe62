//! Headers, where the core understands them.

use crate::dtype::to_numpy;
use ndbytes::{DType, DecodeOptions, Header, HeaderDecoder, Limits, Scalar};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};

/// Shape, order and dtype of a whole header; None for one that the core does not read, for whatever reason.
#[pyfunction]
pub(crate) fn parse_header<'py>(
    py: Python<'py>,
    header: &[u8],
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let Some(header) = parse(header) else { return Ok(None) };
    let Ok(dtype) = to_numpy(py, &header.dtype) else { return Ok(None) };
    let shape = PyTuple::new(py, &header.shape)?;
    let order = PyBool::new(py, header.fortran_order).to_owned();
    Ok(Some(PyTuple::new(py, [shape.into_any(), order.into_any(), dtype])?))
}

/// The header, if these bytes are one without doubt: what only Python 2 or an extension of NumPy spells is theirs to
/// read, with the warnings and errors that belong to it.
fn parse(mut bytes: &[u8]) -> Option<Header> {
    let limits = Limits { header: bytes.len(), ..Limits::local() };
    let mut machine = HeaderDecoder::new(DecodeOptions { limits, ..DecodeOptions::default() });
    loop {
        let space = machine.space();
        let n = space.len().min(bytes.len());
        if n == 0 {
            return None;
        }
        let (part, rest) = bytes.split_at_checked(n)?;
        space.get_mut(..n)?.copy_from_slice(part);
        bytes = rest;
        if let Some(header) = machine.filled(n).ok()? {
            return (bytes.is_empty() && !is_extension(&header.dtype)).then_some(header);
        }
    }
}

fn is_extension(dtype: &DType) -> bool {
    matches!(dtype, DType::Scalar(scalar, _) if Scalar::is_extension(*scalar))
}
