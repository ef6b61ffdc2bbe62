//! `ndbytes.send`.

use crate::array::Source;
use crate::errors::{IntoPy as _, argument};
use crate::options::{self, frame_options, metadata};
use crate::socket::{Channel, Way};
use crate::work::{LONG, signals, wait};
use ndbytes::io::Watch;
use ndbytes::io::stream::{Sender, StreamOptions};
use ndbytes::{ArrayRef, Codec, Error, Metadata, Result, Threads, frame};
use pyo3::prelude::*;
use std::io::Write;

/// Send an array over a socket, a pipe or a file.
///
/// Parameters
/// ----------
/// f : socket or binary file object
///     A plain socket, whose bytes move without the GIL and whose time-out (``settimeout``) counts: each 64 KiB must
///     be taken within it. It stays as it is, but for ``TCP_NODELAY``, which is set. Or an SSL socket, a file, a pipe,
///     a ``BytesIO``, whatever has ``write``.
/// a : array
///     Any array without Python objects, at any strides; not copied beforehand.
/// name : str, optional
///     The array's name.
/// attrs : dict, optional
///     Whatever else is to be said of it, as far as JSON can.
/// codec : str, optional
///     None or ``"none"``: items as they are. Else one of :func:`dumps`: frames with compressed blocks, which ``recv`` reads too.
/// npy : bool, optional
///     True: a bare ``.npy``, for a peer that has only NumPy. It has no name, attributes and checksums.
///
/// Raises
/// ------
/// ArgumentError
///     For a non-blocking socket, and for what is no array or no stream.
/// UnsupportedError
///     For objects, StringDType and masked arrays, and for a codec that is not there.
/// TypeError, ValueError
///     For ``attrs`` that JSON cannot say.
/// TimeoutError, ConnectionError, OSError
///     From the connection. If part of the array has gone, nothing can follow it: close.
///
/// Notes
/// -----
/// That it returns does not say that the array has arrived. Another thread may write to the array meanwhile: what
/// arrives verifies, and is some mix of old and new items.
///
/// Examples
/// --------
/// >>> import socket, numpy as np, ndbytes as ndb
/// >>> here, there = socket.socketpair()
/// >>> ndb.send(here, np.arange(6, dtype="<i2").reshape(2, 3), name="counts")
/// >>> ndb.recv(there)
/// array([[0, 1, 2],
///        [3, 4, 5]], dtype=int16)
/// >>> here.close(); there.close()
#[pyfunction]
#[pyo3(signature = (f, a, *, name = None, attrs = None, codec = None, npy = false))]
pub(crate) fn send(
    py: Python<'_>,
    f: &Bound<'_, PyAny>,
    a: &Bound<'_, PyAny>,
    name: Option<String>,
    attrs: Option<&Bound<'_, PyAny>>,
    codec: Option<&str>,
    npy: bool,
) -> PyResult<()> {
    let codec = options::codec(codec.unwrap_or("none"), None)?;
    if npy && codec != Codec::None {
        return Err(argument("a .npy is not compressed: send it with a codec or with npy=True"));
    }
    let metadata = metadata(name, attrs)?;
    let source = Source::new(a)?;
    let array = source.view().py()?;
    let channel = Channel::new(f, Way::Out)?;
    let options = StreamOptions { npy, timeout: None, ..Default::default() };
    match channel {
        #[cfg(unix)]
        Channel::Socket(descriptor, timeout) if source.nbytes() <= LONG => {
            let sender = Sender::over(descriptor).py()?.with(StreamOptions { timeout, ..options });
            send_over(sender, &array, metadata, codec, npy, &mut signals()).py()
        }
        #[cfg(unix)]
        Channel::Socket(mut descriptor, timeout) => {
            descriptor.own().map_err(Error::io).py()?;
            let sender = Sender::over(descriptor).py()?.with(StreamOptions { timeout, ..options });
            wait(py, |watch| send_over(sender, &array, metadata, codec, npy, watch))
        }
        #[cfg(unix)]
        Channel::File(descriptor) => {
            let sender = Sender::over(descriptor).py()?.with(options);
            wait(py, |watch| send_over(sender, &array, metadata, codec, npy, watch))
        }
        Channel::Object(file) => {
            let sender = Sender::new(file).with(options);
            wait(py, |watch| send_over(sender, &array, metadata, codec, npy, watch))
        }
    }
}

fn send_over<W: Write>(
    mut sender: Sender<W>,
    array: &ArrayRef<'_>,
    metadata: Metadata,
    codec: Codec,
    npy: bool,
    watch: Watch<'_>,
) -> Result<()> {
    if npy {
        return sender.send_named(array, metadata, watch);
    }
    let options =
        frame::EncodeOptions { codec, threads: Threads::default(), ..frame_options(metadata) };
    sender.send_pieces(&mut frame::Encoder::new(array, &options)?, watch)
}
