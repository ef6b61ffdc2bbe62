//! Archives, `.npz`.

use super::write::Headed;
use crate::array::Source;
use crate::file::Place;
use crate::options;
use crate::work::wait;
use ndbytes::io::{self, SaveOptions, Watch, npz};
use ndbytes::{ArrayRef, Order, Result};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::io::Write;

/// The name of a member, the bytes it begins with, and the array behind them in its order.
type Given<'py> = (String, PyBackedBytes, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

struct Part {
    name: String,
    head: PyBackedBytes,
    source: Option<Source>,
    order: Order,
}

/// Writes an archive as `np.savez` does. A file at a path is replaced whole or not at all.
#[pyfunction]
pub(crate) fn write_zip(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    members: Vec<Given<'_>>,
    compressed: bool,
) -> PyResult<()> {
    let mut place = Place::new(file, "write")?;
    let parts = members.into_iter().map(Part::new).collect::<PyResult<Vec<_>>>()?;
    let method = if compressed { npz::Method::Deflated } else { npz::Method::Stored };
    let options =
        npz::WriteOptions { style: npz::Style::NumPy, method, ..npz::WriteOptions::default() };
    wait(py, |watch| match &mut place {
        Place::Path(path) => io::replace(path, SaveOptions::default(), |file| {
            write_parts(npz::Writer::file(file, options), &parts, watch)
        }),
        Place::File(file) => write_parts(npz::Writer::new(file, options), &parts, watch),
    })
}

impl Part {
    fn new((name, head, array, order): Given<'_>) -> PyResult<Self> {
        let source = array.as_ref().map(Source::untyped).transpose()?;
        Ok(Self { name, head, source, order: options::order(order.as_ref())? })
    }
}

fn write_parts<W: Write>(
    mut writer: npz::Writer<W>,
    parts: &[Part],
    watch: Watch<'_>,
) -> Result<()> {
    let members = parts.iter().map(|part| {
        let array: Option<ArrayRef<'_>> = part.source.as_ref().map(Source::view).transpose()?;
        Ok((part.name.clone(), Headed::new(&part.head, array.as_ref(), part.order)?))
    });
    writer.add_all(members.collect::<Result<Vec<_>>>()?, watch)?;
    writer.finish().map(drop)
}
