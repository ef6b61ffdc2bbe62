//! `ndbytes.Decoder`: arrays out of bytes that an event loop, or any other loop, brings.

mod body;

use self::body::{Body, copy};
use crate::array::Bytes;
use crate::dtype::expectation;
use crate::errors::{IntoPy as _, argument};
use crate::limits::{self, Limits};
use ndbytes::{Accept, Checks, DecodeOptions, Header, HeaderDecoder, Spec};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Headers, tails and small arrays come into a buffer of this size, unless more is asked for.
const SMALL: usize = 1 << 16;
/// The most that one call hands out.
const STEP: usize = 1 << 20;

/// Arrays out of a stream whose bytes someone else reads; ``get_buffer``, ``buffer_updated`` and ``eof_received`` are
/// those of ``asyncio.BufferedProtocol``.
///
/// Parameters
/// ----------
/// expect : str or dtype, optional
///     What each array must be, as in ``"<f4[?,128]"``: checked before the data come; nothing is cast.
/// limits : Limits, optional
///     Default ``Limits.stream()``: an array takes memory as it arrives.
/// npy : bool, optional
///     True: bare ``.npy`` from a peer that has only NumPy. Nothing is checked then.
///
/// Notes
/// -----
/// Iterating gives the arrays that are complete, and ends when there are none for now; it may be iterated again. It
/// reads ahead: what stands behind an array belongs to the next one. Behind an error nothing more can be found; arrays
/// that were complete before are still there.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb
/// >>> decoder = ndb.Decoder()
/// >>> for part in ndb.buffers(np.arange(3, dtype="<i2")):
/// ...     decoder.feed(part)
/// >>> list(decoder)
/// [array([0, 1, 2], dtype=int16)]
///
/// With asyncio:
///
/// >>> import asyncio, socket
/// >>> class Arrays(asyncio.BufferedProtocol):
/// ...     def __init__(self):
/// ...         self.decoder, self.done = ndb.Decoder(), asyncio.get_running_loop().create_future()
/// ...     def get_buffer(self, sizehint):
/// ...         return self.decoder.get_buffer(sizehint)
/// ...     def buffer_updated(self, nbytes):
/// ...         self.decoder.buffer_updated(nbytes)
/// ...         for array in self.decoder:
/// ...             print(array)
/// ...     def eof_received(self):
/// ...         self.decoder.eof_received()
/// ...     def connection_lost(self, error):
/// ...         self.done.set_exception(error) if error else self.done.set_result(None)
/// >>> async def main():
/// ...     here, there = socket.socketpair()
/// ...     _, arrays = await asyncio.get_running_loop().create_connection(Arrays, sock=there)
/// ...     await asyncio.to_thread(ndb.send, here, np.arange(3, dtype="<i2"))
/// ...     here.close()
/// ...     await arrays.done
/// >>> asyncio.run(main())
/// [0 1 2]
#[pyclass(module = "ndbytes", subclass)]
pub(crate) struct Decoder {
    options: DecodeOptions,
    expect: Option<Spec>,
    // For `Sync` alone: nobody waits for it.
    stage: Mutex<Stage>,
    small: Option<Py<PyByteArray>>,
    given: Option<Given>,
    arrays: VecDeque<Py<PyAny>>,
}

enum Stage {
    Header(Box<HeaderDecoder>),
    Body(Box<Body>),
    Ended,
    Failed,
}

impl Stage {
    fn between(options: &DecodeOptions) -> Self {
        Self::Header(Box::new(HeaderDecoder::new(options.clone())))
    }
}

/// So many bytes that were handed out and not given back yet.
#[derive(Debug, Clone, Copy)]
enum Given {
    Small(usize),
    Data(usize),
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (*, expect = None, limits = None, npy = false))]
    fn new(expect: Option<&Bound<'_, PyAny>>, limits: Option<Limits>, npy: bool) -> PyResult<Self> {
        let (accept, checks) = match npy {
            true => (Accept::Npy, Checks::Ignored),
            false => (Accept::Frame, Checks::Required),
        };
        let limits = limits::or(limits, ndbytes::Limits::stream());
        let options = DecodeOptions { limits, accept, checks, ..Default::default() };
        let expect = expect.map(expectation).transpose()?;
        let stage = Mutex::new(Stage::between(&options));
        Ok(Self { options, expect, stage, small: None, given: None, arrays: VecDeque::new() })
    }

    /// Room for the next bytes, as a writable memoryview: of a large array's own memory, or of a small buffer.
    ///
    /// Parameters
    /// ----------
    /// sizehint : int, optional
    ///     Bytes that are expected; there may be more room, or less.
    ///
    /// Raises
    /// ------
    /// BufferError
    ///     If the small buffer must grow, up to 1 MiB, while an earlier view of it is still held.
    /// ArgumentError
    ///     Behind an error.
    #[pyo3(signature = (sizehint = -1))]
    fn get_buffer<'py>(&mut self, py: Python<'py>, sizehint: isize) -> PyResult<Bound<'py, PyAny>> {
        // Behind the end too: asyncio's TLS asks for room once more.
        if let Stage::Body(body) = self.unfailed()?
            && body.missing() >= SMALL
        {
            let (view, room) = body.room(py, STEP)?;
            self.given = Some(Given::Data(room));
            return Ok(view);
        }
        let wanted = usize::try_from(sizehint).unwrap_or(0).clamp(SMALL, STEP);
        let small = match &self.small {
            Some(small) => small.bind(py).clone(),
            None => self
                .small
                .insert(PyByteArray::new_with(py, wanted, |_| Ok(()))?.unbind())
                .bind(py)
                .clone(),
        };
        if small.len() < wanted {
            small.resize(wanted)?;
        }
        self.given = Some(Given::Small(small.len()));
        PyMemoryView::from(&small).map(Bound::into_any)
    }

    /// The first `nbytes` of the last buffer have come.
    ///
    /// Parameters
    /// ----------
    /// nbytes : int
    ///
    /// Raises
    /// ------
    /// ChecksumError, FormatError, UnsupportedError, LimitError, MismatchError
    ///     As ``recv``.
    /// ArgumentError
    ///     If no buffer was asked for since the last call, or it was smaller; behind the end or an error.
    fn buffer_updated(&mut self, py: Python<'_>, nbytes: usize) -> PyResult<()> {
        self.check_open()?;
        let given = self.given.take();
        let Some(Given::Small(room) | Given::Data(room)) = given else {
            return Err(argument(
                "no buffer was asked for: call get_buffer before each buffer_updated",
            ));
        };
        if nbytes > room {
            self.given = given;
            return Err(argument(format!(
                "{nbytes} bytes cannot have come into a buffer of {room}"
            )));
        }
        match (given, &self.small) {
            (Some(Given::Small(_)), Some(small)) => {
                let bytes = Bytes::new(small.bind(py).as_any())?;
                self.take(py, bytes.get(..nbytes).unwrap_or_default())
            }
            _ => self.step(py, |stage| match stage {
                Stage::Body(body) => body.came(py, nbytes),
                _ => Ok(()),
            }),
        }
    }

    /// Take bytes that lie elsewhere, of any number.
    ///
    /// Parameters
    /// ----------
    /// data : buffer
    ///
    /// Raises
    /// ------
    /// Error
    ///     As ``buffer_updated``.
    fn feed(&mut self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        self.check_open()?;
        // Room that was handed out before lies behind these bytes now, or nowhere.
        self.given = None;
        let bytes = Bytes::new(data)?;
        for piece in bytes.chunks(STEP) {
            self.take(py, piece)?;
            py.check_signals()?;
        }
        Ok(())
    }

    /// The stream has ended.
    ///
    /// Raises
    /// ------
    /// TruncatedError
    ///     If it ended inside an array.
    fn eof_received(&mut self, py: Python<'_>) -> PyResult<()> {
        self.given = None;
        self.step(py, |stage| match stage {
            Stage::Header(machine) if !machine.is_empty() => machine.filled(0).map(drop).py(),
            Stage::Body(body) => body.cut(),
            Stage::Header(_) => {
                *stage = Stage::Ended;
                Ok(())
            }
            Stage::Ended | Stage::Failed => Ok(()),
        })
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&mut self) -> Option<Py<PyAny>> {
        self.arrays.pop_front()
    }
}

impl Decoder {
    fn stage(&mut self) -> &mut Stage {
        self.stage.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfailed(&mut self) -> PyResult<&mut Stage> {
        match self.stage() {
            Stage::Failed => {
                Err(argument("this stream has failed before; nothing can be found behind that"))
            }
            stage => Ok(stage),
        }
    }

    /// That more can come.
    fn check_open(&mut self) -> PyResult<()> {
        match self.unfailed()? {
            Stage::Ended => Err(argument("the stream has ended; a Decoder is for one stream")),
            _ => Ok(()),
        }
    }

    /// Takes bytes that do not lie where they belong.
    fn take(&mut self, py: Python<'_>, mut bytes: &[u8]) -> PyResult<()> {
        while !bytes.is_empty() {
            let mut taken = 0;
            let mut begun = None;
            self.step(py, |stage| {
                match stage {
                    Stage::Header(machine) => {
                        let space = machine.space();
                        taken = copy(bytes, space);
                        begun = machine.filled(taken).py()?;
                    }
                    Stage::Body(body) => taken = body.take(py, bytes)?,
                    Stage::Ended | Stage::Failed => taken = bytes.len(),
                }
                Ok(())
            })?;
            if let Some(header) = begun {
                self.begin(py, &header)?;
            }
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// A header is complete.
    fn begin(&mut self, py: Python<'_>, header: &Header) -> PyResult<()> {
        let expect = self.expect.clone();
        self.step(py, |stage| {
            if let Some(expect) = expect {
                expect.check(&header.dtype, &header.shape).py()?;
            }
            if let Stage::Header(machine) = std::mem::replace(stage, Stage::Failed) {
                *stage = Stage::Body(Box::new(Body::new(py, *machine, header)?));
            }
            Ok(())
        })
    }

    /// One step of the machine: behind an error nothing can be found, and behind an array comes a header.
    fn step(
        &mut self,
        py: Python<'_>,
        work: impl FnOnce(&mut Stage) -> PyResult<()>,
    ) -> PyResult<()> {
        let stage = self.stage.get_mut().unwrap_or_else(PoisonError::into_inner);
        let array = work(stage).and_then(|()| {
            let Stage::Body(body) = stage else { return Ok(None) };
            if !body.is_done()? {
                return Ok(None);
            }
            let Stage::Body(body) = std::mem::replace(stage, Stage::between(&self.options)) else {
                return Ok(None);
            };
            body.finish(py).map(Some)
        });
        if array.is_err() {
            *stage = Stage::Failed;
        }
        self.arrays.extend(array?);
        Ok(())
    }
}
