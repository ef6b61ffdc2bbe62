//! An array of Python's, to be filled: `out=`.

use super::capi::{self, is_array};
use super::door::{is_masked, ndarray};
use super::memory::{Memory, to_array};
use super::source::Source;
use crate::dtype::{self, numpy};
use crate::errors::{IntoPy as _, argument, argument_type, mismatch, unsupported};
use ndbytes::{BufferMut, DType, Order, Spec};
use pyo3::intern;
use pyo3::prelude::*;

/// A writable array.
pub(crate) struct Target {
    given: Py<PyAny>,
    /// The same memory without a subclass, whose own attributes could say anything of it.
    items: Source,
}

impl Target {
    /// An array that may be written to.
    ///
    /// # Errors
    /// `ArgumentTypeError` for what is no array; `ArgumentError` for a read-only one; `UnsupportedError` for objects
    /// and masked arrays.
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !is_array(given)? {
            if !given.is_instance(ndarray(given.py())?)? {
                let name = given.get_type().name()?;
                return Err(argument_type(format!("out must be a NumPy array, found {name}")));
            }
            if is_masked(given)? {
                return Err(unsupported("out is a masked array; pass out.data"));
            }
        }
        let items = Source::new(given)?;
        if !items.is_writeable() {
            return Err(argument("out is read-only"));
        }
        Ok(Self { given: given.clone().unbind(), items })
    }

    /// That it has this dtype, as a header can spell it, and shape.
    ///
    /// # Errors
    /// `MismatchError` with both.
    pub(crate) fn check(&self, dtype: &DType, shape: &[usize]) -> PyResult<()> {
        if self.dtype().storage() == dtype.storage() && self.items.shape() == shape {
            return Ok(());
        }
        let found = Spec::exact(dtype.clone(), shape);
        let wanted = self.spec();
        Err(mismatch(format!("out is {wanted}, the array {found}")))
    }

    /// That it is what was declared.
    ///
    /// # Errors
    /// `MismatchError` with both.
    pub(crate) fn expect(&self, wanted: &Spec) -> PyResult<()> {
        wanted
            .check(self.dtype(), self.items.shape())
            .map_err(|_| mismatch(format!("out is {}, {wanted} is wanted", self.spec())))
    }

    fn spec(&self) -> Spec {
        Spec::exact(self.dtype().clone(), self.items.shape())
    }

    /// Whether it may share bytes with these.
    pub(crate) fn overlaps(&self, bytes: &[u8]) -> bool {
        self.items.overlaps(bytes)
    }

    /// The type of its items.
    pub(crate) fn dtype(&self) -> &DType {
        self.items.dtype()
    }

    /// The array itself.
    pub(crate) fn into_array(self) -> Py<PyAny> {
        self.given
    }

    /// Its memory, where its items stand one behind the other in this order; otherwise memory whose contents
    /// [`Filling::finish`] copies to it.
    pub(crate) fn filling(&self, py: Python<'_>, fortran: bool) -> PyResult<Filling> {
        if let Some((start, len)) = self.items.run(fortran) {
            let owner = self.items.array().clone_ref(py);
            return Ok(Filling(Place::Own(Writable { start, len, owner })));
        }
        let nbytes = self.items.nbytes();
        Ok(Filling(Place::Aside(BufferMut::new(nbytes).py()?, fortran)))
    }

    /// Copies what was put aside to the array, gaps and all.
    fn copy_from(&self, py: Python<'_>, aside: BufferMut, fortran: bool) -> PyResult<()> {
        let order = if fortran { Order::F } else { Order::C };
        let void = DType::void(u32::try_from(self.dtype().itemsize()).unwrap_or(0)).py()?;
        let items = to_array(py, Memory::new(aside), &void, self.items.shape(), order)?;
        let spelled = dtype::to_numpy(py, &void)?;
        let view = self.items.array().bind(py).call_method1(intern!(py, "view"), (spelled,))?;
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

/// A new array with memory of its own, to be filled.
pub(crate) struct Fresh {
    memory: Writable,
    dtype: DType,
}

impl Fresh {
    /// An array of this dtype and shape, whose items have no value until they are written.
    ///
    /// # Errors
    /// As [`dtype::to_numpy`], and those of NumPy.
    pub(crate) fn new(
        py: Python<'_>,
        dtype: &DType,
        shape: &[usize],
        order: Order,
    ) -> PyResult<Self> {
        let array = capi::fresh(dtype::to_numpy(py, dtype)?, shape, order == Order::F)?;
        let items = Source::new(&array)?;
        let (start, len) = items.run(order == Order::F).unwrap_or((std::ptr::null_mut(), 0));
        let memory = Writable { start, len, owner: array.unbind() };
        Ok(Self { memory, dtype: dtype.clone() })
    }

    /// All of its bytes.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        self.memory.bytes()
    }

    /// The array, as one of this dtype, of which the header had only the storage.
    pub(crate) fn finish<'py>(self, py: Python<'py>, dtype: &DType) -> PyResult<Bound<'py, PyAny>> {
        let array = self.memory.owner.into_bound(py);
        if *dtype == self.dtype {
            return Ok(array);
        }
        array.call_method1(intern!(py, "view"), (dtype::to_numpy(py, dtype)?,))
    }
}

/// Memory that someone lets us write.
struct Writable {
    start: *mut u8,
    len: usize,
    owner: Py<PyAny>,
}

// SAFETY: the memory stays where it is while the owner is held, and that may be dropped on any thread.
unsafe impl Send for Writable {}
// SAFETY: without a unique reference nothing reads or writes the bytes.
unsafe impl Sync for Writable {}

impl Writable {
    /// The bytes.
    fn bytes(&mut self) -> &mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: the owner has said that so many bytes from here are its own and may be written to, and it is held.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}
