//! `ndbytes.recv` and `ndbytes.recv_iter`.

use crate::decode::Destination;
#[cfg(unix)]
use crate::errors::IntoPy as _;
#[cfg(unix)]
use crate::fd::Descriptor;
use crate::limits::{self, Limits};
use crate::socket::{Channel, Way};
use crate::work::{LONG, signals, wait};
use ndbytes::io::Watch;
use ndbytes::io::stream::{Receiver, StreamOptions};
use ndbytes::{Decoded, Error, ErrorKind, Result};
use pyo3::exceptions::PyEOFError;
use pyo3::prelude::*;
use std::io::Read;
use std::time::{Duration, Instant};

/// Receive an array from a socket, a pipe or a file, and not a byte more.
///
/// Parameters
/// ----------
/// f : socket or binary file object
///     A plain socket, whose bytes move without the GIL and whose time-out (``settimeout``) counts: the first byte, the
///     header and each 64 KiB behind it must come within it. Or an SSL socket, a file, a pipe, a ``BytesIO``, whatever
///     has ``read``.
/// out : ndarray, optional
///     A writable array of the same dtype (byte order too) and shape, at any strides: takes the items and is returned.
///     Its content is undefined after an error.
/// expect : str or dtype, optional
///     What it must be, as in ``"<f4[?,128]"``: checked before the data come; nothing is cast.
/// limits : Limits, optional
///     Default ``Limits.stream()``: an array takes memory as it arrives.
/// npy : bool, optional
///     True: a bare ``.npy`` from a peer that has only NumPy. Nothing is checked then.
///
/// Returns
/// -------
/// ndarray
///     Every checksum held.
///
/// Raises
/// ------
/// EOFError
///     At the clean end: the sender closed behind a whole array, or sent none.
/// TruncatedError
///     If the connection was closed, reset or lost inside an array. It is an ``EOFError`` too.
/// ChecksumError, FormatError, UnsupportedError, LimitError, MismatchError
///     For an array that is damaged, none, too large, or another than ``expect`` or ``out`` say.
/// ArgumentError
///     For a non-blocking socket and for what is no stream.
/// TimeoutError, ConnectionError, OSError
///     From the connection.
///
/// Notes
/// -----
/// Behind an error nothing on the stream can be found again: close it. Only where a time-out came before the first
/// byte of an array is there nothing lost.
///
/// An SSL socket takes a connection that is lost between two arrays for an end, as Python's do unless they are made
/// with ``suppress_ragged_eofs=False``.
///
/// Examples
/// --------
/// >>> import io, numpy as np, ndbytes as ndb
/// >>> file = io.BytesIO()
/// >>> ndb.send(file, np.arange(3, dtype="<f4"))
/// >>> _ = file.seek(0)
/// >>> ndb.recv(file, out=np.empty(3, "<f4"), expect="<f4[?]")
/// array([0., 1., 2.], dtype=float32)
#[pyfunction]
#[pyo3(signature = (f, *, out = None, expect = None, limits = None, npy = false))]
pub(crate) fn recv<'py>(
    py: Python<'py>,
    f: &Bound<'py, PyAny>,
    out: Option<&Bound<'py, PyAny>>,
    expect: Option<&Bound<'py, PyAny>>,
    limits: Option<Limits>,
    npy: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let options = options(limits, npy);
    match next(py, f, Destination::new(expect, out)?, options)? {
        Some(array) => Ok(array),
        None => Err(PyEOFError::new_err("the stream has ended: no more arrays come")),
    }
}

/// Receive arrays until the clean end of a stream.
///
/// Parameters
/// ----------
/// f, out, expect, limits, npy : optional
///     As for ``recv``; with ``out`` each array comes into the same memory.
///
/// Returns
/// -------
/// iterator of ndarray
///     Ends at the clean end, and behind the first error.
///
/// Raises
/// ------
/// Error, TimeoutError, ConnectionError, OSError
///     As ``recv``, while iterating, but for the ``EOFError`` of the clean end.
///
/// Examples
/// --------
/// >>> import io, numpy as np, ndbytes as ndb
/// >>> file = io.BytesIO()
/// >>> for n in range(3):
/// ...     ndb.send(file, np.arange(n, dtype="<i8"))
/// >>> _ = file.seek(0)
/// >>> [len(array) for array in ndb.recv_iter(file)]
/// [0, 1, 2]
#[pyfunction]
#[pyo3(signature = (f, *, out = None, expect = None, limits = None, npy = false))]
pub(crate) fn recv_iter(
    f: &Bound<'_, PyAny>,
    out: Option<Bound<'_, PyAny>>,
    expect: Option<Bound<'_, PyAny>>,
    limits: Option<Limits>,
    npy: bool,
) -> PyResult<Arrays> {
    // What is wrong with the arguments is said here, and not at the first array.
    Destination::new(expect.as_ref(), out.as_ref())?;
    Channel::new(f, Way::In)?;
    let (out, expect) = (out.map(Bound::unbind), expect.map(Bound::unbind));
    let source = Some(f.clone().unbind());
    Ok(Arrays { source, out, expect, options: options(limits, npy) })
}

/// The arrays of a stream, one after the other.
#[pyclass(module = "ndbytes._core")]
pub(crate) struct Arrays {
    /// Nothing behind the end, or an error.
    source: Option<Py<PyAny>>,
    out: Option<Py<PyAny>>,
    expect: Option<Py<PyAny>>,
    options: StreamOptions,
}

#[pymethods]
impl Arrays {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        // Taken for the time of the call: another thread that asks meanwhile finds the end, and not half an array.
        let Some(source) = slf.borrow_mut().source.take() else { return Ok(None) };
        let (place, options) = {
            let this = slf.borrow();
            let [out, expect] =
                [&this.out, &this.expect].map(|given| given.as_ref().map(|given| given.bind(py)));
            (Destination::new(expect, out)?, this.options.clone())
        };
        let array = next(py, source.bind(py), place, options)?;
        if array.is_some() {
            slf.borrow_mut().source = Some(source);
        }
        Ok(array)
    }
}

fn options(limits: Option<Limits>, npy: bool) -> StreamOptions {
    let limits = limits::or(limits, ndbytes::Limits::stream());
    StreamOptions { limits, npy, timeout: None }
}

/// The next array of a stream; `None` at its clean end.
fn next<'py>(
    py: Python<'py>,
    f: &Bound<'py, PyAny>,
    mut place: Destination,
    options: StreamOptions,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let decoded = match Channel::new(f, Way::In)? {
        #[cfg(unix)]
        Channel::Socket(descriptor, timeout) => {
            let receiver = Receiver::over(descriptor).py()?;
            let receiver = receiver.with(StreamOptions { timeout, ..options });
            receive_attached(py, receiver, timeout, &mut place)?
        }
        #[cfg(unix)]
        Channel::File(descriptor) => {
            let receiver = Receiver::over(descriptor).py()?.with(options);
            wait(py, |watch| receive(receiver, &mut place, watch))?
        }
        Channel::Object(file) => {
            let receiver = Receiver::new(file).with(options);
            wait(py, |watch| receive(receiver, &mut place, watch))?
        }
    };
    decoded.map(|decoded| place.finish(py, &decoded)).transpose()
}

fn receive<R: Read>(
    mut receiver: Receiver<R>,
    place: &mut Destination,
    watch: Watch<'_>,
) -> Result<Option<Decoded>> {
    let Some(incoming) = receiver.incoming(watch)? else { return Ok(None) };
    let dest = place.choose(incoming.header(), false)?;
    incoming.read(dest, watch).map(Some)
}

/// The same with the interpreter, which others have during waits only, and while an array comes that is not small.
#[cfg(unix)]
fn receive_attached(
    py: Python<'_>,
    mut receiver: Receiver<Descriptor>,
    timeout: Option<Duration>,
    place: &mut Destination,
) -> PyResult<Option<Decoded>> {
    let (started, mut watch) = (Instant::now(), signals());
    // The core waits for ever between arrays; a socket of Python's has a time-out there too.
    let mut patient = |seen: u64| match timeout {
        Some(timeout) if seen == 0 && started.elapsed() >= timeout => {
            let message = format!(
                "no array began within the socket's time-out of {} s",
                timeout.as_secs_f32()
            );
            Err(Error::new(ErrorKind::Timeout, message))
        }
        _ => watch(seen),
    };
    let Some(mut incoming) = receiver.incoming(&mut patient).py()? else { return Ok(None) };
    let dest = place.choose(incoming.header(), false).py()?;
    if incoming.header().nbytes() <= LONG {
        return incoming.read(dest, &mut watch).py().map(Some);
    }
    incoming.stream().own().map_err(Error::io).py()?;
    wait(py, |watch| incoming.read(dest, watch)).map(Some)
}
