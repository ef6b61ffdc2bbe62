//! What arrays travel over: a descriptor, without the interpreter, or the methods of a Python object.

#[cfg(unix)]
use crate::errors::IntoPy as _;
use crate::errors::{argument, argument_type};
#[cfg(unix)]
use crate::fd::{Descriptor, number};
use crate::file::PyFile;
#[cfg(unix)]
use ndbytes::Error;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use std::time::Duration;

/// A socket, a file or a pipe of Python's.
pub(crate) enum Channel {
    /// A plain socket and its time-out, for a thread with the interpreter.
    #[cfg(unix)]
    Socket(Descriptor, Option<Duration>),
    /// An unbuffered file.
    #[cfg(unix)]
    File(Descriptor),
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
        if is_socket(f)? || f.hasattr(intern!(py, "gettimeout"))? {
            return Self::socket(f, way);
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

    fn socket(f: &Bound<'_, PyAny>, way: Way) -> PyResult<Self> {
        let py = f.py();
        let seconds: Option<f64> = f.call_method0(intern!(py, "gettimeout"))?.extract()?;
        if seconds == Some(0.0) {
            return Err(argument(
                "the socket is non-blocking, and this call waits: give it a time-out with settimeout(seconds or None), \
                 or drive ndb.Decoder from an event loop",
            ));
        }
        if !is_socket(f)? {
            return shim(f).map(Self::Object);
        }
        if !is_stream(f)? {
            return Err(argument("the socket is not of SOCK_STREAM: arrays travel over streams"));
        }
        #[cfg(unix)]
        {
            // What is too long to be a time-out never comes.
            let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let descriptor = Descriptor::of_socket(f, timeout);
            if way == Way::Out {
                descriptor.send_at_once();
            }
            Ok(Self::Socket(descriptor, timeout))
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
            let descriptor = number(f).and_then(Descriptor::of_file).map_err(Error::io).py()?;
            Ok(Self::File(descriptor))
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

fn is_socket(f: &Bound<'_, PyAny>) -> PyResult<bool> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(class) = CLASS.get(f.py()) {
        return Ok(f.get_type().is(class));
    }
    let found = is(f, "socket", "socket")?;
    if found {
        let _ = CLASS.set(f.py(), f.get_type().into_any().unbind());
    }
    Ok(found)
}

/// Whether a socket's bytes come in order and have no bounds. Its own class makes an enum of what the class below knows.
fn is_stream(f: &Bound<'_, PyAny>) -> PyResult<bool> {
    static KIND: PyOnceLock<(Py<PyAny>, i32)> = PyOnceLock::new();
    let py = f.py();
    let (kind, stream) = KIND.get_or_try_init(py, || -> PyResult<_> {
        let module = py.import("_socket")?;
        let kind = module.getattr("socket")?.getattr("type")?;
        Ok((kind.unbind(), module.getattr("SOCK_STREAM")?.extract()?))
    })?;
    let kind = kind.bind(py).call_method1(intern!(py, "__get__"), (f,))?;
    Ok(kind.extract::<i32>()? == *stream)
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
