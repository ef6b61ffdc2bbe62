//! What stands behind `ndbytes.diff`.

use crate::array::Source;
use crate::work::wait;
use ndbytes::values::{Difference, Largest, Tolerance, compare as values, identical};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Compares two arrays of one shape item by item.
#[pyfunction]
pub(crate) fn compare<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
    rtol: f64,
    atol: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let (a, b) = (Source::new(a)?, Source::new(b)?);
    let (found, same) = wait(py, |watch| {
        let (a, b) = (a.view()?, b.view()?);
        let found = values(&a, &b, &Tolerance { rtol, atol }, watch)?;
        // Values that differ have other bytes: no need to look.
        let same = found.differing == 0 && found.largest.is_none() && identical(&a, &b, watch)?;
        Ok((found, same))
    })?;
    report(py, &found, same)
}

fn report<'py>(py: Python<'py>, found: &Difference, same: bool) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    made.set_item("items", found.items)?;
    made.set_item("differing", found.differing)?;
    made.set_item("identical", same)?;
    made.set_item("first", index(py, found.first.as_deref())?)?;
    for (name, largest) in [("abs", &found.largest), ("rel", &found.relative)] {
        let at = largest.as_ref().map(|Largest { index, .. }| &**index);
        made.set_item(format!("max_{name}"), largest.as_ref().map_or(0.0, |found| found.error))?;
        made.set_item(format!("max_{name}_at"), index(py, at)?)?;
    }
    Ok(made)
}

fn index<'py>(py: Python<'py>, index: Option<&[usize]>) -> PyResult<Option<Bound<'py, PyTuple>>> {
    index.map(|index| PyTuple::new(py, index)).transpose()
}
