//! An array of Python's, to be filled: `out=`.

use super::door::is_masked;
use super::memory::{Memory, to_array};
use crate::dtype::{self, numpy};
use crate::errors::{IntoPy as _, argument, argument_type, mismatch, unsupported};
use ndbytes::{BufferMut, DType, Order, Spec};
use pyo3::intern;
use pyo3::prelude::*;

/// A writable array.
pub(crate) struct Target {
    given: Py<PyAny>,
    /// The same memory without a subclass, whose own attributes could say anything of it.
    array: Py<PyAny>,
    dtype: DType,
    shape: Vec<usize>,
}

impl Target {
    /// An array that may be written to.
    ///
    /// # Errors
    /// `ArgumentTypeError` for what is no array; `ArgumentError` for a read-only one; `UnsupportedError` for objects
    /// and masked arrays.
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if !given.is_instance(&numpy(py)?.getattr(intern!(py, "ndarray"))?)? {
            let name = given.get_type().name()?;
            return Err(argument_type(format!("out must be a NumPy array, found {name}")));
        }
        if is_masked(given)? {
            return Err(unsupported("out is a masked array; pass out.data"));
        }
        let array = numpy(py)?.call_method1(intern!(py, "asarray"), (given,))?;
        let dtype = dtype::from_numpy(&array.getattr(intern!(py, "dtype"))?)?;
        let shape = array.getattr(intern!(py, "shape"))?.extract()?;
        let flags = array.getattr(intern!(py, "flags"))?;
        if !flags.getattr(intern!(py, "writeable"))?.is_truthy()? {
            return Err(argument("out is read-only"));
        }
        Ok(Self { given: given.clone().unbind(), array: array.unbind(), dtype, shape })
    }

    /// That it has this dtype, as a header can spell it, and shape.
    ///
    /// # Errors
    /// `MismatchError` with both.
    pub(crate) fn check(&self, dtype: &DType, shape: &[usize]) -> PyResult<()> {
        if self.dtype.storage() == dtype.storage() && self.shape == shape {
            return Ok(());
        }
        let found = Spec::exact(dtype.clone(), shape);
        let wanted = Spec::exact(self.dtype.clone(), &self.shape);
        Err(mismatch(format!("out is {wanted}, the array {found}")))
    }

    /// That it is what was declared.
    ///
    /// # Errors
    /// `MismatchError` with both.
    pub(crate) fn expect(&self, wanted: &Spec) -> PyResult<()> {
        wanted.check(&self.dtype, &self.shape).map_err(|_| {
            mismatch(format!(
                "out is {}, {wanted} is wanted",
                Spec::exact(self.dtype.clone(), &self.shape)
            ))
        })
    }

    /// Whether it may share bytes with a buffer.
    pub(crate) fn overlaps(&self, buffer: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = buffer.py();
        let bytes = numpy(py)?.call_method1(intern!(py, "frombuffer"), (buffer, "u1"))?;
        numpy(py)?.call_method1(intern!(py, "may_share_memory"), (&self.array, bytes))?.is_truthy()
    }

    /// The type of its items.
    pub(crate) fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// The array itself.
    pub(crate) fn into_array(self) -> Py<PyAny> {
        self.given
    }

    /// Its memory, where its items stand one behind the other in this order; otherwise memory whose contents
    /// [`Filling::finish`] copies to it.
    pub(crate) fn filling(&self, py: Python<'_>, fortran: bool) -> PyResult<Filling> {
        let array = self.array.bind(py);
        let flags = array.getattr(intern!(py, "flags"))?;
        let contiguous = flags.getattr(if fortran {
            intern!(py, "f_contiguous")
        } else {
            intern!(py, "c_contiguous")
        })?;
        let nbytes: usize = array.getattr(intern!(py, "nbytes"))?.extract()?;
        if nbytes == 0 || contiguous.is_truthy()? {
            return Ok(Filling(Place::Own(Writable::of(array, nbytes)?)));
        }
        Ok(Filling(Place::Aside(BufferMut::new(nbytes as u64).py()?, fortran)))
    }

    /// Copies what was put aside to the array, gaps and all.
    fn copy_from(&self, py: Python<'_>, aside: BufferMut, fortran: bool) -> PyResult<()> {
        let order = if fortran { Order::F } else { Order::C };
        let void = DType::void(u32::try_from(self.dtype.itemsize()).unwrap_or(0)).py()?;
        let items = to_array(py, Memory::new(aside), &void, &self.shape, order)?;
        let spelled = dtype::to_numpy(py, &void)?;
        let view = self.array.bind(py).call_method1(intern!(py, "view"), (spelled,))?;
        numpy(py)?.call_method1(intern!(py, "copyto"), (view, items)).map(drop)
    }
}

/// Memory that the items of a [`Target`] come into.
pub(crate) struct Filling(Place);

enum Place {
    Own(Writable),
    Aside(BufferMut, bool),
}

impl Filling {
    /// The bytes, in the order that was asked for.
    pub(crate) fn bytes(&mut self) -> ndbytes::Result<&mut [u8]> {
        match &mut self.0 {
            Place::Own(own) => Ok(own.bytes()),
            Place::Aside(aside, _) => aside.all(),
        }
    }

    /// The items have come.
    pub(crate) fn finish(self, py: Python<'_>, target: &Target) -> PyResult<()> {
        match self.0 {
            Place::Own(_) => Ok(()),
            Place::Aside(aside, fortran) => target.copy_from(py, aside, fortran),
        }
    }
}

/// Memory that someone lets us write.
pub(crate) struct Writable {
    start: *mut u8,
    len: usize,
    _owner: Py<PyAny>,
}

// SAFETY: the memory stays where it is while the owner is held, and that may be dropped on any thread.
unsafe impl Send for Writable {}
// SAFETY: without a unique reference nothing reads or writes the bytes.
unsafe impl Sync for Writable {}

impl Writable {
    /// The memory of a contiguous, writable array.
    fn of(array: &Bound<'_, PyAny>, len: usize) -> PyResult<Self> {
        let interface = array.getattr(intern!(array.py(), "__array_interface__"))?;
        let (address, read_only): (usize, bool) = interface.get_item("data")?.extract()?;
        if read_only {
            return Err(argument("out is read-only"));
        }
        let start = std::ptr::with_exposed_provenance_mut(address);
        Ok(Self { start, len, _owner: array.clone().unbind() })
    }

    /// The bytes.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the owner has said that so many bytes from here are its own and may be written to, and it is held.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}
