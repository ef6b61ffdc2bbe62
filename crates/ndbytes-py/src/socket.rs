//! What arrays travel over: a descriptor, without the interpreter, or the methods of a Python object.

#[cfg(unix)]
use crate::errors::IntoPy as _;
use crate::errors::{argument, argument_type};
#[cfg(unix)]
use crate::fd::Descriptor;
use crate::file::PyFile;
#[cfg(unix)]
use ndbytes::Error;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::Duration;

/// A socket, a file or a pipe of Python's.
pub(crate) enum Channel {
    /// A plain socket or an unbuffered file. The time-out is the socket's.
    #[cfg(unix)]
    Descriptor(Descriptor, Option<Duration>),
    /// Any other object, which keeps its own time.
    Object(PyFile),
}

/// Which way the bytes move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

impl Channel {
    /// The best way to move bytes from or to `f`.
    ///
    /// # Errors
    /// `ArgumentError` for a socket that does not wait or has no order of bytes, for a text file, and for one that is
    /// not open for this; `ArgumentTypeError` for what is no stream; `OSError` for a closed descriptor.
    pub(crate) fn new(f: &Bound<'_, PyAny>, way: Way) -> PyResult<Self> {
        let py = f.py();
        if is(f, "socket", "socket")? || f.hasattr(intern!(py, "gettimeout"))? {
            return Self::socket(f);
        }
        if f.is_instance(&py.import("io")?.getattr("TextIOBase")?)? {
            return Err(argument("f is a text stream; open it in binary mode ('rb' or 'wb')"));
        }
        if is(f, "io", "FileIO")? {
            return Self::unbuffered(f, way);
        }
        let method = if way == Way::In { "read" } else { "write" };
        if !f.hasattr(method)? {
            let found = f.get_type().name()?;
            return Err(argument_type(format!(
                "f must be a socket or a binary file object with {method}(), found {found}"
            )));
        }
        Ok(Self::Object(PyFile(f.clone().unbind())))
    }

    fn socket(f: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = f.py();
        let seconds: Option<f64> = f.call_method0(intern!(py, "gettimeout"))?.extract()?;
        if seconds == Some(0.0) {
            return Err(argument(
                "the socket is non-blocking, and this call waits: give it a time-out with settimeout(seconds or None), \
                 or drive ndb.Decoder from an event loop",
            ));
        }
        if !is(f, "socket", "socket")? {
            return shim(f).map(Self::Object);
        }
        let (kind, stream) =
            (f.getattr(intern!(py, "type"))?, py.import("socket")?.getattr("SOCK_STREAM")?);
        if !kind.eq(stream)? {
            return Err(argument("the socket is not of SOCK_STREAM: arrays travel over streams"));
        }
        #[cfg(unix)]
        {
            // What is too long to be a time-out never comes.
            let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let descriptor = Descriptor::borrow(number(f)?, timeout).map_err(Error::io).py()?;
            Ok(Self::Descriptor(descriptor, timeout))
        }
        #[cfg(not(unix))]
        shim(f).map(Self::Object)
    }

    /// A file without a buffer of its own, so that nothing is read or written out of turn.
    fn unbuffered(f: &Bound<'_, PyAny>, way: Way) -> PyResult<Self> {
        let (asked, doing) = match way {
            Way::In => ("readable", "reading"),
            Way::Out => ("writable", "writing"),
        };
        // That of a closed file is a ValueError that says so.
        if !f.call_method0(asked)?.is_truthy()? {
            return Err(argument(format!("the file is not open for {doing}")));
        }
        #[cfg(unix)]
        {
            let descriptor = Descriptor::borrow(number(f)?, None).map_err(Error::io).py()?;
            Ok(Self::Descriptor(descriptor, None))
        }
        #[cfg(not(unix))]
        Ok(Self::Object(PyFile(f.clone().unbind())))
    }
}

/// A socket of another kind, such as TLS, as a file object: by its own methods, which know of their own buffers.
fn shim(f: &Bound<'_, PyAny>) -> PyResult<PyFile> {
    let py = f.py();
    let methods = PyDict::new(py);
    methods.set_item("read", f.getattr(intern!(py, "recv"))?)?;
    methods.set_item("write", f.getattr(intern!(py, "send"))?)?;
    let namespace = py.import("types")?.getattr("SimpleNamespace")?;
    Ok(PyFile(namespace.call((), Some(&methods))?.unbind()))
}

#[cfg(unix)]
fn number(f: &Bound<'_, PyAny>) -> PyResult<std::os::fd::RawFd> {
    f.call_method0(intern!(f.py(), "fileno"))?.extract()
}

/// Whether it is of exactly this class: a subclass may read and write as it likes.
fn is(f: &Bound<'_, PyAny>, module: &str, class: &str) -> PyResult<bool> {
    let modules = f.py().import(intern!(f.py(), "sys"))?.getattr(intern!(f.py(), "modules"))?;
    // Without an import: who has no such object has not loaded the module either.
    match modules.get_item(module) {
        Ok(module) => Ok(f.get_type().is(&module.getattr(class)?)),
        Err(_) => Ok(false),
    }
}
