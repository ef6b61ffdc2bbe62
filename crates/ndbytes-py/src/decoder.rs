//! `ndbytes.Decoder`: arrays out of bytes that an event loop, or any other loop, brings.

use crate::array::{Bytes, Memory, Out, over};
use crate::dtype::expectation;
use crate::errors::{IntoPy as _, argument};
use crate::limits::{self, Limits};
use ndbytes::{
    Accept, BodyDecoder, BufferMut, Checks, DecodeOptions, Dest, Event, Header, HeaderDecoder,
    Order, Spec,
};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyMemoryView, PySlice};
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
    Header(HeaderDecoder),
    Body(Box<Body>),
    Ended,
    Failed,
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
        let expect = expect.filter(|given| !given.is_none()).map(expectation).transpose()?;
        let stage = Mutex::new(Stage::Header(HeaderDecoder::new(options.clone())));
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
            let end = body.done + body.missing().min(STEP);
            let view = part(body.memory.bind(py).as_any(), body.done, end)?;
            self.given = Some(Given::Data(end - body.done));
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
        let room = match given {
            Some(Given::Small(room) | Given::Data(room)) => room,
            None => {
                return Err(argument(
                    "no buffer was asked for: call get_buffer before each buffer_updated",
                ));
            }
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
            Stage::Body(body) => body.machine.filled(0).map(drop).py(),
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
        let next = HeaderDecoder::new(self.options.clone());
        self.step(py, |stage| {
            if let Some(expect) = expect {
                expect.check(&header.dtype, &header.shape).py()?;
            }
            let Stage::Header(machine) = std::mem::replace(stage, Stage::Header(next)) else {
                return Ok(());
            };
            *stage = Stage::Body(Box::new(Body::new(py, machine, header)?));
            Ok(())
        })
    }

    /// One step of the machine: behind an error nothing can be found, and behind an array comes a header.
    fn step(
        &mut self,
        py: Python<'_>,
        work: impl FnOnce(&mut Stage) -> PyResult<()>,
    ) -> PyResult<()> {
        let next = HeaderDecoder::new(self.options.clone());
        let stage = self.stage();
        let array = work(stage).and_then(|()| {
            let Stage::Body(body) = stage else { return Ok(None) };
            if !body.is_done()? {
                return Ok(None);
            }
            let Stage::Body(body) = std::mem::replace(stage, Stage::Header(next)) else {
                return Ok(None);
            };
            body.finish(py).map(Some)
        });
        match array {
            Ok(array) => self.arrays.extend(array),
            Err(error) => {
                *stage = Stage::Failed;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// An array whose header has come.
struct Body {
    /// Sums the data, which go elsewhere, and reads the tail.
    machine: BodyDecoder<'static>,
    memory: Py<Memory>,
    /// Bytes of the data that are in the memory, of so many.
    done: usize,
    size: usize,
}

impl Body {
    fn new(py: Python<'_>, machine: HeaderDecoder, header: &Header) -> PyResult<Self> {
        let buffer = BufferMut::new(header.nbytes()).py()?;
        let size = buffer.capacity();
        let machine = machine.body(Dest::Discard).py()?;
        Ok(Self { machine, memory: Py::new(py, Memory::new(buffer)?)?, done: 0, size })
    }

    /// Bytes of the data that have not come.
    fn missing(&self) -> usize {
        self.size - self.done
    }

    fn is_done(&mut self) -> PyResult<bool> {
        Ok(self.machine.space().py()?.is_empty())
    }

    /// Takes the next bytes, data or tail; how many it took.
    fn take(&mut self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
        if self.missing() == 0 {
            return self.sum(bytes);
        }
        let data = bytes.get(..bytes.len().min(self.missing())).unwrap_or_default();
        let taken = self.sum(data)?;
        let mut memory = Out::new(self.memory.bind(py).as_any())?;
        let place = memory.bytes().get_mut(self.done..).unwrap_or_default();
        self.done += copy(data.get(..taken).unwrap_or_default(), place);
        Ok(taken)
    }

    /// So many bytes more of the data have come to where they belong.
    fn came(&mut self, py: Python<'_>, n: usize) -> PyResult<()> {
        let memory = Bytes::new(self.memory.bind(py).as_any())?;
        let end = self.done + n.min(self.missing());
        while self.done < end {
            self.done += self.sum(memory.get(self.done..end).unwrap_or_default())?;
        }
        Ok(())
    }

    /// Gives the machine a copy: what it sums is what it was given, whoever writes to the memory.
    fn sum(&mut self, bytes: &[u8]) -> PyResult<usize> {
        let taken = copy(bytes, self.machine.space().py()?);
        if taken > 0 {
            let _: Event = self.machine.filled(taken).py()?;
        }
        Ok(taken)
    }

    fn finish(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let header = self.machine.finish().py()?.header;
        let order = if header.fortran_order { Order::F } else { Order::C };
        let memory = self.memory.into_bound(py);
        over(py, &memory, &header.dtype, &header.shape, order, 0).map(Bound::unbind)
    }
}

/// Copies as many bytes as there are and fit; how many.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}

/// A view of a part of a buffer.
fn part<'py>(buffer: &Bound<'py, PyAny>, start: usize, end: usize) -> PyResult<Bound<'py, PyAny>> {
    let (start, end) = (isize::try_from(start)?, isize::try_from(end)?);
    PyMemoryView::from(buffer)?.get_item(PySlice::new(buffer.py(), start, end, 1))
}
