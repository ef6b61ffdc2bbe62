//! Archives, `.npz`.

use super::write::Headed;
use crate::array::{Memory, Source, to_array};
use crate::file::{Place, PyFile};
use crate::options;
use crate::reading::filled;
use crate::turns::Turns;
use crate::work::wait;
use ndbytes::io::{self, SaveOptions, Watch, npz};
use ndbytes::{ArrayRef, DType, Limits, Order, Result, Scalar};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use std::io::{Seek, Write};

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
            write_parts(npz::Writer::new(file, options), &parts, watch)
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

fn write_parts<W: Write + Seek>(
    mut writer: npz::Writer<W>,
    parts: &[Part],
    watch: Watch<'_>,
) -> Result<()> {
    for part in parts {
        let array: Option<ArrayRef<'_>> = part.source.as_ref().map(Source::view).transpose()?;
        let mut encoder = Headed::new(&part.head, array.as_ref(), part.order)?;
        writer.add(&part.name, &mut encoder, watch)?;
    }
    writer.finish().map(drop)
}

/// An archive whose directory was read.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Archive {
    inner: Turns<npz::Archive<PyFile>>,
    names: Vec<String>,
}

#[pymethods]
impl Archive {
    #[new]
    fn new(py: Python<'_>, file: Py<PyAny>) -> PyResult<Self> {
        let inner = wait(py, |_| npz::Archive::open(PyFile(file), &Limits::local()))?;
        let names = inner.entries().iter().map(|entry| entry.name().to_owned()).collect();
        Ok(Self { inner: Turns::new(inner), names })
    }

    /// The names of the members, in the order of the directory.
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// All bytes of the member of this name, after its sum held.
    fn read<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let (buffer, len) = wait(py, |watch| {
            self.inner.write(|archive| {
                let mut member = archive.member(index(archive, name)?)?;
                let size = member.entry().size();
                filled(&mut member, size, watch)
            })
        })?;
        to_array(py, Memory::new(buffer), &DType::native(Scalar::UInt8), &[len], Order::C)
    }

    /// The number of a member's compression method, and where its bytes stand in the file.
    fn place(&self, py: Python<'_>, name: &str) -> PyResult<(u16, u64, u64, u64, u32)> {
        wait(py, |_| {
            self.inner.write(|archive| {
                let index = index(archive, name)?;
                let range = archive.range(index)?;
                let entry = &archive.entries()[index];
                Ok((entry.method_number(), range.start, range.end, entry.size(), entry.crc32()))
            })
        })
    }
}

fn index(archive: &npz::Archive<PyFile>, name: &str) -> Result<usize> {
    archive.find(name).ok_or_else(|| ndbytes::Error::argument(format!("no member {name:?}")))
}
