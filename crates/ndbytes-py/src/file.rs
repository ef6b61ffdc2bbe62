//! What is read from and written to: a path, or any file object of Python's.

use crate::array::Bytes;
use crate::interpreter;
use pyo3::exceptions::{PyBlockingIOError, PyException, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::io::{Error as IoError, Read, Result as IoResult, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Most bytes that go through Python at a time.
const STEP: usize = 1 << 20;

/// Where an array is, or is to go.
pub(crate) enum Place {
    Path(PathBuf),
    File(PyFile),
}

impl Place {
    /// The path, if it is one.
    pub(crate) fn into_path(self) -> Option<PathBuf> {
        match self {
            Self::Path(path) => Some(path),
            Self::File(_) => None,
        }
    }

    /// A path of any kind, or an object with this method.
    ///
    /// # Errors
    /// `TypeError` for anything else.
    pub(crate) fn new(given: &Bound<'_, PyAny>, method: &str) -> PyResult<Self> {
        if given.hasattr(method)? && !given.hasattr("__fspath__")? {
            return Ok(Self::File(PyFile(given.clone().unbind())));
        }
        let os = given.py().import("os")?;
        match os.call_method1("fsdecode", (given,)) {
            Ok(path) if path.contains("\0")? => Err(crate::errors::argument(
                "the path has a NUL character in it; loads() reads bytes",
            )),
            Ok(path) => Ok(Self::Path(path.extract()?)),
            Err(error) if !error.is_instance_of::<PyTypeError>(given.py()) => Err(error),
            Err(_) => Err(crate::errors::argument_type(format!(
                "expected a path, or a file object with the method {method}, found {}",
                given.get_type().name()?
            ))),
        }
    }
}

/// A file object of Python's; each call takes the GIL.
pub(crate) struct PyFile(pub(crate) Py<PyAny>);

impl PyFile {
    /// The same object once more.
    pub(crate) fn again(&self) -> Self {
        Self(Python::attach(|py| self.0.clone_ref(py)))
    }
}

/// Whether it is one that ends programs, such as Ctrl-C, and says nothing of the file.
pub(crate) fn ends(error: &IoError) -> bool {
    let raised = error.get_ref().and_then(|inner| inner.downcast_ref::<PyErr>());
    raised.is_some_and(|raised| Python::attach(|py| !raised.is_instance_of::<PyException>(py)))
}

fn attach<T>(call: impl FnOnce(Python<'_>) -> PyResult<T>) -> IoResult<T> {
    let called = Python::try_attach(|py| call(py).map_err(|error| as_io(py, error)));
    called.unwrap_or_else(|| Err(IoError::other(interpreter::ended())))
}

/// The exception inside an error of the kind that it is, so that a lost connection is known as one.
fn as_io(py: Python<'_>, error: PyErr) -> IoError {
    // So TLS says it, where an end was not announced.
    let name = error.get_type(py).name();
    if name.is_ok_and(|name| name == "SSLEOFError") {
        return IoError::new(std::io::ErrorKind::UnexpectedEof, error);
    }
    IoError::from(error)
}

impl Read for PyFile {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        attach(|py| {
            let wanted = space.len().min(STEP);
            let got = self.0.bind(py).call_method1(intern!(py, "read"), (wanted,))?;
            if got.is_none() {
                return Err(PyBlockingIOError::new_err(
                    "the file has no bytes for now, and does not wait for them",
                ));
            }
            let bytes = Bytes::new(&got).map_err(|_| {
                PyTypeError::new_err(
                    "the file's read() gave no bytes; open it in binary mode ('rb')",
                )
            })?;
            let Some(front) = space.get_mut(..bytes.len()) else {
                return Err(PyTypeError::new_err(format!(
                    "the file's read({wanted}) gave {} bytes",
                    bytes.len()
                )));
            };
            front.copy_from_slice(&bytes);
            Ok(bytes.len())
        })
    }
}

impl Write for PyFile {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        attach(|py| {
            let part = &bytes[..bytes.len().min(STEP)];
            let file = self.0.bind(py);
            let taken = file.call_method1(intern!(py, "write"), (PyBytes::new(py, part),))?;
            if taken.is_none() {
                // A raw file that would block says so by None; other objects say nothing when all is written.
                if file.is_instance(&py.import("io")?.getattr(intern!(py, "RawIOBase"))?)? {
                    return Err(PyBlockingIOError::new_err(
                        "the file takes no bytes for now, and does not wait: what was written is not all",
                    ));
                }
                return Ok(part.len());
            }
            Ok(taken.extract::<usize>()?.min(part.len()))
        })
    }

    fn flush(&mut self) -> IoResult<()> {
        attach(|py| match self.0.bind(py).getattr(intern!(py, "flush")) {
            Ok(flush) => flush.call0().map(drop),
            Err(_) => Ok(()),
        })
    }
}

impl Seek for PyFile {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        attach(|py| {
            let (offset, whence) = match to {
                SeekFrom::Start(offset) => (i64::try_from(offset)?, 0),
                SeekFrom::Current(offset) => (offset, 1),
                SeekFrom::End(offset) => (offset, 2),
            };
            self.0.bind(py).call_method1(intern!(py, "seek"), (offset, whence))?.extract()
        })
    }
}
