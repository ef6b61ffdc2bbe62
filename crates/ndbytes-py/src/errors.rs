//! One table from the core's errors to Python's: what a program catches, what a person reads.

use ndbytes::{Error, ErrorKind};
use pyo3::exceptions::{
    PyConnectionError, PyKeyboardInterrupt, PyMemoryError, PyOSError, PyTimeoutError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// `result.py()?`: the core's result as Python's.
pub(crate) trait IntoPy<T> {
    /// The same result with the exception that the error is in Python.
    fn py(self) -> PyResult<T>;
}

impl<T> IntoPy<T> for ndbytes::Result<T> {
    fn py(self) -> PyResult<T> {
        self.map_err(|error| Python::attach(|py| to_py(py, &error)))
    }
}

/// The exception that an error is: a class of `ndbytes`, an `OSError` with errno and filename, or what a Python file
/// or a signal handler has raised.
pub(crate) fn to_py(py: Python<'_>, error: &Error) -> PyErr {
    if let Some(raised) = raised(py, error) {
        return raised;
    }
    made(py, error).unwrap_or_else(|failed| failed)
}

/// An error of the core that carries an exception through it.
pub(crate) fn carry(error: PyErr) -> Error {
    Error::io(std::io::Error::other(error))
}

/// The exception that went through the core, as it was raised.
fn raised(py: Python<'_>, error: &Error) -> Option<PyErr> {
    let inner = error.io_error()?.get_ref()?;
    inner.downcast_ref::<PyErr>().map(|raised| raised.clone_ref(py))
}

fn made(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let class = match error.kind() {
        ErrorKind::Argument => "ArgumentError",
        ErrorKind::Mismatch => "MismatchError",
        ErrorKind::Malformed => "FormatError",
        ErrorKind::Truncated => "TruncatedError",
        ErrorKind::Checksum { .. } => "ChecksumError",
        ErrorKind::Unsupported => "UnsupportedError",
        ErrorKind::Limit { .. } => "LimitError",
        ErrorKind::Memory => return Ok(PyMemoryError::new_err(error.to_string())),
        ErrorKind::Io => return os_error(py, error),
        ErrorKind::Timeout => return Ok(PyTimeoutError::new_err(error.to_string())),
        ErrorKind::Peer => return peer_error(py, error),
        ErrorKind::Interrupted => return Ok(PyKeyboardInterrupt::new_err(error.to_string())),
        _ => "Error",
    };
    let exception = raise(py, class, error.to_string() + &remedy(error.kind()))?;
    let value = exception.value(py);
    value.setattr("offset", error.offset())?;
    value.setattr("filename", error.path().map(std::path::Path::as_os_str))?;
    match error.kind() {
        ErrorKind::Checksum { block, range } => {
            value.setattr("block", *block)?;
            value.setattr("start", range.start)?;
            value.setattr("stop", range.end)?;
        }
        ErrorKind::Limit { name, asked, max } => {
            value.setattr("name", *name)?;
            value.setattr("asked", *asked)?;
            value.setattr("max", *max)?;
        }
        _ => {}
    }
    Ok(exception)
}

/// How to allow more, where that can be allowed.
fn remedy(kind: &ErrorKind) -> String {
    let ErrorKind::Limit { name, .. } = kind else { return String::new() };
    let field = match *name {
        "npy header" | "frame header" | "metadata" => "header",
        "dtype fields" => "fields",
        "array" => "array",
        "npz members" => "members",
        _ => return String::new(),
    };
    format!("; limits=ndbytes.Limits({field}=…) sets another bound")
}

/// Python picks the subclass by the errno; without one there is only the message.
fn os_error(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let Some((errno, said)) = told(error) else {
        return Ok(PyOSError::new_err(error.to_string()));
    };
    let made = match error.path() {
        Some(path) => py.get_type::<PyOSError>().call1((errno, said, path.as_os_str()))?,
        None => py.get_type::<PyOSError>().call1((errno, said))?,
    };
    Ok(PyErr::from_value(made))
}

/// The same of a lost connection, for which Python has a subclass too, or not.
fn peer_error(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let Some((errno, said)) = told(error) else {
        return Ok(PyConnectionError::new_err(error.to_string()));
    };
    let made = os_error(py, error)?;
    if made.is_instance_of::<PyConnectionError>(py) {
        return Ok(made);
    }
    Ok(PyConnectionError::new_err((errno, said.to_owned())))
}

/// The errno of what the system said, and the message, which Python puts it before.
fn told(error: &Error) -> Option<(i32, &str)> {
    let errno = error.io_error()?.raw_os_error()?;
    Some((errno, error.message().split(" (os error").next().unwrap_or_default()))
}

/// An exception of the class of this name in `ndbytes._errors`.
pub(crate) fn raise(py: Python<'_>, class: &str, message: impl Into<String>) -> PyResult<PyErr> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = ERRORS.get_or_try_init(py, || py.import("ndbytes._errors").map(Bound::unbind))?;
    let class = module.bind(py).getattr(class)?.cast_into::<PyType>()?;
    Ok(PyErr::from_value(class.call1((message.into(),))?))
}

/// An argument of a wrong value.
pub(crate) fn argument(message: impl Into<String>) -> PyErr {
    Python::attach(|py| raise(py, "ArgumentError", message).unwrap_or_else(|failed| failed))
}

/// An argument of a wrong type.
pub(crate) fn argument_type(message: impl Into<String>) -> PyErr {
    Python::attach(|py| raise(py, "ArgumentTypeError", message).unwrap_or_else(|failed| failed))
}

/// Something that has no bytes of its own, or that this version does not do.
pub(crate) fn unsupported(message: impl Into<String>) -> PyErr {
    Python::attach(|py| raise(py, "UnsupportedError", message).unwrap_or_else(|failed| failed))
}

/// Another dtype or shape than the expected one.
pub(crate) fn mismatch(message: impl Into<String>) -> PyErr {
    Python::attach(|py| raise(py, "MismatchError", message).unwrap_or_else(|failed| failed))
}
