//! An array of Python's, to be filled: `out=`.

use super::capi::{self, is_array};
use super::door::{is_masked, ndarray};
use super::source::Source;
use crate::dtype;
use crate::errors::{IntoPy as _, argument, argument_type, mismatch, unsupported};
use crate::work::run;
use ndbytes::{BufferMut, DType, Layout, Order, Spec, gather, scatter};
use pyo3::intern;
use pyo3::prelude::*;

/// Bytes that are copied before signals are looked for.
const STEP: usize = 1 << 26;

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
    fn copy_from(&self, py: Python<'_>, mut aside: BufferMut, fortran: bool) -> PyResult<()> {
        let (itemsize, nbytes) = (self.dtype().itemsize(), self.items.nbytes());
        let layout = self.items.layout().clone();
        if fortran && layout.may_overlap(itemsize) {
            // The last one in C order remains of items that share bytes, as with `np.copyto`.
            let source = Layout::contiguous(layout.shape(), itemsize, Order::F).py()?;
            let mut items = BufferMut::new(nbytes).py()?;
            gather(aside.all().py()?, &source, itemsize, items.all().py()?).py()?;
            return self.copy_from(py, items, false);
        }
        let layout = if fortran { layout.transposed() } else { layout };
        let (start, len) = self.items.reach();
        let mut memory = Writable { start, len, owner: self.items.array().clone_ref(py) };
        run(py, nbytes, |watch| {
            let (mut rest, mut done): (&[u8], u64) = (aside.all()?, 0);
            for part in layout.blocks(itemsize, STEP) {
                let (bytes, after) = rest.split_at(part.len() * itemsize);
                scatter(bytes, memory.bytes(), &part, itemsize)?;
                rest = after;
                done += bytes.len() as u64;
                watch(done)?;
            }
            Ok(())
        })
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
        let found = capi::run(&array, order)?;
        let len = |count: usize| count.saturating_mul(dtype.itemsize());
        let (start, len) =
            found.map_or((std::ptr::null_mut(), 0), |(start, count, _)| (start, len(count)));
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
