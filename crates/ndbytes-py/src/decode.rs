//! Where the items of an array that is being read come, and what they must be.

use crate::array::{Filling, Fresh, Memory, Target, to_array};
use crate::dtype::expectation;
use crate::errors::{IntoPy as _, argument, carry, mismatch};
use crate::interpreter::ended;
use ndbytes::{BufferMut, Decoded, Dest, Header, Order, Result, Spec};
use pyo3::prelude::*;

/// From this size on memory of our own, in huge pages, is quicker than NumPy's, which it may have used before.
pub(crate) const LARGE: u64 = 8 << 20;

/// The destination of one array: the caller's `out`, or memory of its own.
#[derive(Default)]
pub(crate) struct Destination {
    expect: Option<Spec>,
    out: Option<Target>,
    filling: Option<Filling>,
    fresh: Option<Fresh>,
    buffer: Option<BufferMut>,
}

impl Destination {
    /// What the arguments `expect` and `out` ask for.
    ///
    /// # Errors
    /// As [`expectation`] and [`Target::new`].
    pub(crate) fn new(
        expect: Option<&Bound<'_, PyAny>>,
        out: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let expect = expect.map(expectation).transpose()?;
        let out = out.map(Target::new).transpose()?;
        Ok(Self { expect, out, filling: None, fresh: None, buffer: None })
    }

    /// Memory that holds the items already.
    pub(crate) fn filled(memory: BufferMut) -> Self {
        Self { buffer: Some(memory), ..Self::default() }
    }

    /// Whether nothing is asked of the array.
    pub(crate) fn is_free(&self) -> bool {
        self.expect.is_none() && self.out.is_none()
    }

    /// That `out` is no memory of the bytes that are read.
    ///
    /// # Errors
    /// `ArgumentError`.
    pub(crate) fn check_apart(&self, input: &[u8]) -> PyResult<()> {
        match &self.out {
            Some(out) if out.overlaps(input) => Err(argument(
                "out is memory of the bytes themselves, which would change while they are read",
            )),
            _ => Ok(()),
        }
    }

    /// Where the data go whose header has come; `known` of an input that is there as a whole: of that all but a
    /// large array gets memory of NumPy's own.
    ///
    /// # Errors
    /// Mismatch if it is not what is wanted; nothing has been written then.
    pub(crate) fn choose(&mut self, header: &Header, known: bool) -> Result<Dest<'_>> {
        self.check_header(header)?;
        let size = header.nbytes();
        if let Some(out) = &self.out {
            let filling = Python::try_attach(|py| {
                out.check(&header.dtype, &header.shape)?;
                out.filling(py, header.fortran_order)
            });
            let filling = filling.ok_or_else(ended)?;
            return Ok(Dest::Into(self.filling.insert(filling.map_err(carry)?).bytes()?));
        }
        if known && (1..LARGE).contains(&size) {
            let (dtype, shape) = (&header.dtype, &header.shape);
            let fresh = Python::try_attach(|py| Fresh::new(py, dtype, shape, order(header)));
            let fresh = fresh.ok_or_else(ended)?;
            return Ok(Dest::Into(self.fresh.insert(fresh.map_err(carry)?).bytes()));
        }
        Ok(Dest::Fill(self.buffer.insert(BufferMut::new(size)?)))
    }

    /// That a header may be of the expected array. One of a `.npy` cannot spell every dtype: its tail does, later.
    pub(crate) fn check_header(&self, header: &Header) -> Result<()> {
        let Some(expect) = &self.expect else { return Ok(()) };
        let stored = Spec { dtype: expect.dtype.storage(), shape: expect.shape.clone() };
        expect
            .check(&header.dtype, &header.shape)
            .or_else(|error| stored.check(&header.dtype, &header.shape).map_err(|_| error))
    }

    /// That an array whose true dtype is known is what is wanted.
    ///
    /// # Errors
    /// `MismatchError`.
    pub(crate) fn check(&self, header: &Header) -> PyResult<()> {
        if let Some(expect) = &self.expect {
            expect.check(&header.dtype, &header.shape).py()?;
        }
        match &self.out {
            Some(out) if *out.dtype() != header.dtype => {
                Err(mismatch(format!("out is of {}, the array of {}", out.dtype(), header.dtype)))
            }
            _ => Ok(()),
        }
    }

    /// The array that was read.
    ///
    /// # Errors
    /// As [`Destination::check`], and `MemoryError`.
    pub(crate) fn finish<'py>(
        self,
        py: Python<'py>,
        decoded: &Decoded,
    ) -> PyResult<Bound<'py, PyAny>> {
        let header = &decoded.header;
        self.check(header)?;
        if let (Some(out), Some(filling)) = (self.out, self.filling) {
            filling.finish(py, &out)?;
            return Ok(out.into_array().into_bound(py));
        }
        if let Some(fresh) = self.fresh {
            return fresh.finish(py, &header.dtype);
        }
        let buffer = self.buffer.map_or_else(|| BufferMut::new(0), Ok).py()?;
        to_array(py, Memory::new(buffer), &header.dtype, &header.shape, order(header))
    }
}

/// The order of its items.
pub(crate) fn order(header: &Header) -> Order {
    if header.fortran_order { Order::F } else { Order::C }
}
