//! `ndbytes._core.Parts`, on which handles of coded frames stand: parts of them, out of the blocks that they touch.

use crate::archive::{self, Archive};
use crate::array::{Bytes, Fresh, Memory, Target, to_array};
use crate::decode::LARGE;
use crate::dtype;
use crate::errors::{IntoPy as _, argument};
use crate::limits::Limits;
use crate::map::{CLOSED, integers};
use crate::options::decode_options;
use crate::slot::Slot;
use crate::verify::Report;
use crate::work::wait;
use ndbytes::io::{self, PATIENCE, ReadAt, npz};
use ndbytes::{BufferMut, DecodeOptions, Error, Filter, Header, Order, Selection, Slice, Threads};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::path::PathBuf;
use std::sync::Arc;

/// A coded frame, or an array in an archive; `ndbytes.open` gives it the face of an array.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Parts {
    slot: Slot<Arc<Opened>>,
}

struct Opened {
    parts: Kind,
    path: Option<PathBuf>,
}

/// What parts are read of.
enum Kind {
    Frame(Box<io::Parts<Source>>),
    Member(Box<npz::Parts<archive::Source>>),
}

impl Kind {
    fn header(&self) -> &Header {
        match self {
            Self::Frame(parts) => parts.header(),
            Self::Member(parts) => parts.header(),
        }
    }

    fn size(&self, picks: &[Selection]) -> ndbytes::Result<usize> {
        match self {
            Self::Frame(parts) => parts.size(picks),
            Self::Member(parts) => parts.size(picks),
        }
    }

    fn read(
        &self,
        picks: &[Selection],
        order: Order,
        bytes: &mut [u8],
        watch: io::Watch<'_>,
    ) -> ndbytes::Result<()> {
        let threads = Threads::default();
        match self {
            Self::Frame(parts) => parts.read(picks, order, threads, bytes, watch),
            Self::Member(parts) => parts.read(picks, order, threads, bytes, watch),
        }
    }
}

enum Source {
    File(io::Input),
    Bytes(Bytes),
}

impl ReadAt for Source {
    fn read_at(&self, space: &mut [u8], offset: u64) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(space, offset),
            Self::Bytes(bytes) => (**bytes).read_at(space, offset),
        }
    }
}

impl Opened {
    fn explained(&self, error: Error) -> Error {
        match &self.path {
            // What a caller's handler has raised goes out as it is.
            Some(path) if error.path().is_none() => error.in_file(path),
            _ => error,
        }
    }

    fn order(&self) -> Order {
        if self.parts.header().fortran_order { Order::F } else { Order::C }
    }
}

/// What is taken of one axis: (start, len, step), or little-endian 64-bit integers.
struct Pick(Selection);

impl FromPyObject<'_, '_> for Pick {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok((start, len, step)) = given.extract() {
            return Ok(Self(Selection::Slice(Slice { start, len, step })));
        }
        integers(&given).map(|list| Self(Selection::List(list)))
    }
}

#[pymethods]
impl Parts {
    /// Opens a file or a buffer.
    #[staticmethod]
    #[pyo3(signature = (path, limits = None))]
    fn open(py: Python<'_>, path: PathBuf, limits: Option<Limits>) -> PyResult<Self> {
        let options = decode_options(limits, true);
        wait(py, |watch| {
            let file = io::open_watched(&path, PATIENCE, watch)?;
            Self::over_file(path, file, options)
        })
    }

    /// The same of a buffer, which stays as it is for as long as it is looked at.
    #[staticmethod]
    #[pyo3(signature = (buffer, limits = None))]
    fn of(py: Python<'_>, buffer: &Bound<'_, PyAny>, limits: Option<Limits>) -> PyResult<Self> {
        let (options, bytes) = (decode_options(limits, true), Bytes::new(buffer)?);
        let len = bytes.len() as u64;
        let parts = py.detach(|| io::Parts::open(Source::Bytes(bytes), len, options)).py()?;
        Ok(Self::over(Opened { parts: Kind::Frame(Box::new(parts)), path: None }))
    }

    /// An array in an archive, which may be closed behind it.
    #[staticmethod]
    fn of_member(py: Python<'_>, archive: &Archive, index: usize) -> PyResult<Self> {
        let (parts, path) = archive.parts(py, index)?;
        Ok(Self::over(Opened { parts: Kind::Member(Box::new(parts)), path }))
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dtype::to_numpy(py, &self.opened()?.parts.header().dtype)
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.opened()?.parts.header().shape)
    }

    /// The array's name.
    #[getter]
    fn name(&self) -> PyResult<Option<String>> {
        Ok(self.opened()?.parts.header().metadata.name.clone())
    }

    /// Its attributes, as the text of a JSON object.
    #[getter]
    fn attrs(&self) -> PyResult<Option<String>> {
        Ok(self.opened()?.parts.header().metadata.attrs.clone())
    }

    /// What its header names.
    #[getter]
    fn codec(&self) -> PyResult<String> {
        Ok(match &self.opened()?.parts {
            Kind::Frame(parts) => parts.coding().engine.to_string(),
            Kind::Member(parts) => parts.entry().method().py()?.name().to_owned(),
        })
    }

    #[getter]
    fn filter(&self) -> PyResult<String> {
        Ok(match &self.opened()?.parts {
            Kind::Frame(parts) => parts.coding().filter.to_string(),
            Kind::Member(_) => Filter::NONE.to_string(),
        })
    }

    /// The lengths of a block along each axis; none of a member, whose blocks are of bytes.
    #[getter]
    fn block<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match &self.opened()?.parts {
            Kind::Frame(parts) => PyTuple::new(py, &parts.coding().block).map(Some),
            Kind::Member(_) => Ok(None),
        }
    }

    /// Whether items lie with the first axis fastest.
    #[getter]
    fn fortran(&self) -> PyResult<bool> {
        Ok(self.opened()?.order() == Order::F)
    }

    /// The part that the picks take, one for each axis: an array of its own, in the order of the file, or `out`, which has this shape
    /// and dtype.
    #[pyo3(signature = (picks, out = None))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        picks: Vec<Pick>,
        out: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let opened = self.opened()?;
        let picks: Vec<Selection> = picks.into_iter().map(|pick| pick.0).collect();
        let read = |order: Order, bytes: &mut [u8], watch: io::Watch<'_>| {
            let found = opened.parts.read(&picks, order, bytes, watch);
            found.map_err(|error| opened.explained(error))
        };
        if let Some(out) = out {
            let target = Target::new(out)?;
            let mut filling = target.filling(py, false)?;
            wait(py, |watch| read(Order::C, filling.bytes()?, watch))?;
            filling.finish(py, &target)?;
            return Ok(out.clone());
        }
        let (dtype, order) = (&opened.parts.header().dtype, opened.order());
        let shape: Vec<usize> = picks.iter().map(Selection::len).collect();
        let size = opened.parts.size(&picks).py()? as u64;
        if size < LARGE {
            let mut fresh = Fresh::new(py, dtype, &shape, order)?;
            wait(py, |watch| read(order, fresh.bytes(), watch))?;
            return fresh.finish(py, dtype);
        }
        let mut buffer = BufferMut::known(size).py()?;
        wait(py, |watch| read(order, buffer.all()?, watch))?;
        to_array(py, Memory::new(buffer), dtype, &shape, order)
    }

    /// Reads all of it, and compares it with its checksums.
    pub(crate) fn verify(&self, py: Python<'_>) -> PyResult<Report> {
        let opened = self.opened()?;
        Report::of(py, |watch| {
            let state = match &opened.parts {
                Kind::Frame(parts) => parts.verify(watch),
                Kind::Member(parts) => parts.verify(watch),
            };
            let (state, header) =
                (state.map_err(|error| opened.explained(error))?, opened.parts.header());
            Ok((state, header.nbytes(), header.blocks(), None))
        })
    }

    /// Lets go of the file or buffer, once nobody reads it any more.
    fn close(&self) {
        drop(self.slot.take());
    }
}

impl Parts {
    /// A file that is open.
    pub(crate) fn over_file(
        path: PathBuf,
        file: io::Input,
        options: DecodeOptions,
    ) -> ndbytes::Result<Self> {
        let Some(len) = file.len() else {
            let message = "a FIFO is gone once it is read; load it, or receive from it";
            return Err(Error::argument(message).in_file(&path));
        };
        let parts = io::Parts::open(Source::File(file), len, options);
        let parts = parts.map_err(|error| error.in_file(&path))?;
        Ok(Self::over(Opened { parts: Kind::Frame(Box::new(parts)), path: Some(path) }))
    }

    fn over(opened: Opened) -> Self {
        Self { slot: Slot::new(Arc::new(opened)) }
    }

    fn opened(&self) -> PyResult<Arc<Opened>> {
        self.slot.get().ok_or_else(|| argument(CLOSED))
    }
}

/// Whether bytes begin as a coded frame does; what else is wrong with it is for the reader to say.
#[pyfunction]
pub(crate) fn is_coded(buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(ndbytes::frame::is_coded(&Bytes::new(buffer)?))
}
