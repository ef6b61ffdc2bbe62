//! The array that a decoder is inside of.

use crate::array::{Bytes, Memory, Out, over, part};
use crate::errors::{IntoPy as _, argument};
use ndbytes::{BodyDecoder, BufferMut, Dest, Event, Header, HeaderDecoder, Order};
use pyo3::prelude::*;

/// An array whose header has come.
pub(super) struct Body {
    /// Sums data in one piece, which go elsewhere, and reads the tail; blocks it decodes to memory of its own.
    machine: BodyDecoder<'static>,
    /// Where data in one piece go; of none where they come in blocks.
    memory: Py<Memory>,
    /// Bytes of the data that are in the memory, of so many.
    done: usize,
    size: usize,
}

impl Body {
    pub(super) fn new(py: Python<'_>, machine: HeaderDecoder, header: &Header) -> PyResult<Self> {
        let is_coded = header.coding.is_some();
        let buffer = BufferMut::new(if is_coded { 0 } else { header.nbytes() }).py()?;
        let size = buffer.capacity();
        let machine = machine.body(if is_coded { Dest::Owned } else { Dest::Discard }).py()?;
        Ok(Self { machine, memory: Py::new(py, Memory::new(buffer)?)?, done: 0, size })
    }

    /// The memory of the next bytes of the data, at most `most`, and how many they are.
    pub(super) fn room<'py>(
        &self,
        py: Python<'py>,
        most: usize,
    ) -> PyResult<(Bound<'py, PyAny>, usize)> {
        let n = self.missing().min(most);
        Ok((part(self.memory.bind(py).as_any(), self.done..self.done + n)?, n))
    }

    /// The input has ended.
    pub(super) fn cut(&mut self) -> PyResult<()> {
        self.machine.filled(0).map(drop).py()
    }

    /// Bytes of data in one piece that have not come.
    pub(super) fn missing(&self) -> usize {
        self.size - self.done
    }

    pub(super) fn is_done(&mut self) -> PyResult<bool> {
        Ok(self.machine.space().py()?.is_empty())
    }

    /// Takes the next bytes, data or tail; how many it took.
    pub(super) fn take(&mut self, py: Python<'_>, bytes: &[u8]) -> PyResult<usize> {
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
    pub(super) fn came(&mut self, py: Python<'_>, n: usize) -> PyResult<()> {
        let memory = Bytes::new(self.memory.bind(py).as_any())?;
        let end = self.done + n.min(self.missing());
        while self.done < end {
            match self.sum(memory.get(self.done..end).unwrap_or_default())? {
                0 => return Err(argument("more bytes were filled than there was room for")),
                n => self.done += n,
            }
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

    pub(super) fn finish(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let decoded = self.machine.finish().py()?;
        let header = decoded.header;
        let order = if header.fortran_order { Order::F } else { Order::C };
        let mut memory = self.memory.into_bound(py);
        if let Some(array) = decoded.array {
            let mut buffer = BufferMut::known(header.nbytes()).py()?;
            copy(array.data(), buffer.all().py()?);
            memory = Bound::new(py, Memory::new(buffer)?)?;
        }
        over(py, &memory, &header.dtype, &header.shape, order, 0).map(Bound::unbind)
    }
}

/// Copies as many bytes as there are and fit; how many.
pub(super) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}
