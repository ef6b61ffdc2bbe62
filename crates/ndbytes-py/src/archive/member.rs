//! One member that was read.

use crate::array::{Memory, over};
use crate::decode::{Destination, order};
use ndbytes::io::npz::{Archive, Method};
use ndbytes::io::{Peeked, Watch, read_slice};
use ndbytes::{
    Buffer, BufferMut, Checks, Copying, DType, DecodeOptions, Decoded, Dest, Header, Limits, Result,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::io::{Read, Seek};

/// What a member holds, before there are Python objects of it.
pub(crate) enum Member {
    Array(Box<Destination>, Box<Decoded>),
    /// An array behind its header, in memory that holds both.
    Headed(BufferMut, Box<Decoded>),
    /// Of one that is no array.
    Bytes(Buffer),
}

/// What the start of an array in memory is a multiple of.
const ALIGN: u64 = 16;

impl Member {
    /// Reads a member to its end.
    ///
    /// # Errors
    /// As [`Archive::read_array`].
    pub(crate) fn read<R: Read + Seek + Send>(
        archive: &mut Archive<R>,
        index: usize,
        limits: &Limits,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let entry = archive.entries().get(index);
        if entry.is_some_and(|entry| entry.method().is_ok_and(|method| method != Method::Stored)) {
            return match archive.peek_packed(index, options(limits))? {
                Some(peeked) => Self::read_headed(archive, index, &peeked, limits, watch),
                None => archive.read(index, limits, watch).map(Self::Bytes),
            };
        }
        match archive.is_array(index)? {
            true => Self::read_array(archive, index, limits, watch),
            false => archive.read(index, limits, watch).map(Self::Bytes),
        }
    }

    fn read_array<R: Read + Seek + Send>(
        archive: &mut Archive<R>,
        index: usize,
        limits: &Limits,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let mut destination = Box::<Destination>::default();
        let decoded = archive.read_array(
            index,
            options(limits),
            |header| destination.choose(header, true),
            watch,
        )?;
        Ok(Self::Array(destination, Box::new(decoded)))
    }

    /// What is unpacked in one piece stays where it is unpacked to.
    fn read_headed<R: Read + Seek + Send>(
        archive: &mut Archive<R>,
        index: usize,
        peeked: &Peeked,
        limits: &Limits,
        watch: Watch<'_>,
    ) -> Result<Self> {
        if !peeked.header.len.is_multiple_of(ALIGN) {
            return Self::read_array(archive, index, limits, watch);
        }
        // The header was held against the limits, and what is behind the data is not more than they allow either.
        let array = limits.array.saturating_add(limits.header as u64);
        let mut bytes = archive.read_mut(index, &Limits { array, ..limits.clone() }, watch)?;
        let discard = |_: &Header| Ok(Dest::Discard);
        // The sum of the member held; a tail within is compared as well, where there is one.
        let end = peeked.header.len.saturating_add(peeked.header.nbytes());
        let checks =
            if end == bytes.capacity() as u64 { Checks::Ignored } else { Checks::Optional };
        let options = DecodeOptions { whole: true, checks, ..options(limits) };
        let decoded = read_slice(bytes.all()?, options, discard, Copying::default(), watch)?;
        Ok(Self::Headed(bytes, Box::new(decoded)))
    }

    /// The array, or the bytes.
    ///
    /// # Errors
    /// `MemoryError`, and for a dtype that NumPy does not have.
    pub(crate) fn finish(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        match self {
            Self::Array(destination, decoded) => destination.finish(py, &decoded),
            Self::Headed(bytes, decoded) => {
                let memory = Bound::new(py, Memory::new(bytes)?)?;
                let header = &decoded.header;
                over(py, &memory, &header.dtype, &header.shape, order(header), header.len)
            }
            Self::Bytes(bytes) => Ok(PyBytes::new(py, &bytes).into_any()),
        }
    }
}

/// How members are read: the archive has a sum of each, and a tail within is compared as well.
pub(crate) fn options(limits: &Limits) -> DecodeOptions {
    DecodeOptions { limits: limits.clone(), checks: Checks::Optional, ..Default::default() }
}

/// The read-only array that a header describes, over memory in which its member begins at `start`.
///
/// # Errors
/// `ArgumentError` if it does not lie inside.
pub(crate) fn view<'py>(
    memory: &Bound<'py, Memory>,
    header: &Header,
    dtype: &DType,
    start: u64,
) -> PyResult<Bound<'py, PyAny>> {
    let py = memory.py();
    let array = over(py, memory, dtype, &header.shape, order(header), start + header.len)?;
    array.getattr(intern!(py, "flags"))?.setattr(intern!(py, "writeable"), false)?;
    Ok(array)
}
