//! `ndbytes._core.Growing`, on which handles of files stand to which rows are appended.

use crate::array::Source;
use crate::dtype;
use crate::errors::IntoPy as _;
use crate::limits::Limits;
use crate::map::CLOSED;
use crate::options::{self, decode_options, frame_options, metadata};
use crate::parts::Parts;
use crate::verify::Report;
use crate::work::wait;
use ndbytes::io::{Appender, Turns};
use ndbytes::{DType, Error, ErrorKind, Metadata, Result, frame};
use pyo3::prelude::*;
use std::path::PathBuf;

/// A file to which rows are appended; `ndbytes.open` gives it the face of an array.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Growing {
    path: PathBuf,
    dtype: DType,
    metadata: Metadata,
    limits: Option<Limits>,
    /// None once it is closed.
    appender: Turns<Option<Appender>>,
}

#[pymethods]
impl Growing {
    /// Makes a file without rows, of arrays with these lengths behind the first axis.
    #[staticmethod]
    #[pyo3(signature = (path, dtype, row, codec, level = None, block = None, name = None, attrs = None))]
    fn create(
        py: Python<'_>,
        path: PathBuf,
        dtype: &Bound<'_, PyAny>,
        mut row: Vec<usize>,
        codec: &str,
        level: Option<i32>,
        block: Option<&Bound<'_, PyAny>>,
        name: Option<String>,
        attrs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut item = dtype::from_numpy(&dtype::object(dtype)?)?;
        if let DType::Sub(sub) = &item {
            row.extend(&sub.1);
            item = sub.0.clone();
        }
        let mut how = how(codec, level, metadata(name, attrs)?)?;
        how.block = options::lengths(block)?;
        let made = py.detach(|| Appender::create(&path, &item, &row, &how)).py()?;
        Ok(Self::over(path, made, None))
    }

    /// Opens a file that `create` has made.
    #[staticmethod]
    #[pyo3(signature = (path, codec, level = None, limits = None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        codec: &str,
        level: Option<i32>,
        limits: Option<Limits>,
    ) -> PyResult<Self> {
        let how = how(codec, level, Metadata::default())?;
        let options = decode_options(limits.clone(), true);
        let opened = py.detach(|| Appender::open(&path, options, &how)).py()?;
        Ok(Self::over(path, opened, limits))
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dtype::to_numpy(py, &self.dtype)
    }

    /// The array's name.
    #[getter]
    fn name(&self) -> Option<String> {
        self.metadata.name.clone()
    }

    /// Its attributes, as the text of a JSON object.
    #[getter]
    fn attrs(&self) -> Option<String> {
        self.metadata.attrs.clone()
    }

    /// Its shape, with the rows that are not flushed yet.
    fn shape(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        self.read(py, |appender| {
            let others = appender.header().shape.iter().skip(1);
            Ok(std::iter::once(appender.rows()).chain(others.copied()).collect())
        })
    }

    /// Adds rows behind the last one.
    fn append(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let source = Source::new(rows)?;
        self.write(py, |appender, watch| appender.append(&source.view()?, watch))
    }

    /// Makes all rows so far part of the file, on the disk.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, |appender, watch| appender.flush(watch))
    }

    /// The same, and what reads them.
    fn parts(&self, py: Python<'_>) -> PyResult<Parts> {
        let input = self.write(py, |appender, watch| {
            appender.flush(watch)?;
            appender.input()
        })?;
        let (path, limits) = (self.path.clone(), self.limits.clone());
        py.detach(|| Parts::over_file(path, input, decode_options(limits, true))).py()
    }

    /// Does what `flush` does, reads all of it, and compares it with its checksums.
    fn verify(&self, py: Python<'_>) -> PyResult<Report> {
        self.parts(py)?.verify(py)
    }

    /// Whether it has the file; also while it is in use by whoever asks.
    fn is_open(&self, py: Python<'_>) -> PyResult<bool> {
        wait(py, |watch| match self.appender.read(watch) {
            Ok(slot) => Ok(slot.is_some()),
            Err(error) if *error.kind() == ErrorKind::Argument => Ok(true),
            Err(error) => Err(error),
        })
    }

    /// Does what `flush` does, and lets go of the file; of one that a write has failed for there is nothing left to do.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, |watch| {
            let mut slot = self.appender.write(watch)?;
            match slot.take() {
                Some(mut appender) if !appender.has_failed() => appender.flush(watch),
                _ => Ok(()),
            }
        })
    }
}

impl Growing {
    fn over(path: PathBuf, appender: Appender, limits: Option<Limits>) -> Self {
        let header = appender.header();
        let (dtype, metadata) = (header.dtype.clone(), header.metadata.clone());
        Self { path, dtype, metadata, limits, appender: Turns::new(Some(appender)) }
    }

    fn read<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Appender) -> Result<T> + Send,
    ) -> PyResult<T> {
        let open = || Error::argument(CLOSED);
        wait(py, |watch| work(self.appender.read(watch)?.as_ref().ok_or_else(open)?))
    }

    fn write<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Appender, ndbytes::io::Watch<'_>) -> Result<T> + Send,
    ) -> PyResult<T> {
        let open = || Error::argument(CLOSED);
        wait(py, |watch| {
            let mut slot = self.appender.write(watch)?;
            work(slot.as_mut().ok_or_else(open)?, watch)
        })
    }
}

/// How rows are written that are appended.
fn how(codec: &str, level: Option<i32>, metadata: Metadata) -> PyResult<frame::EncodeOptions> {
    let mut how = frame_options(metadata);
    how.codec = options::codec(codec, level)?;
    how.threads = options::threads(None)?;
    Ok(how)
}
