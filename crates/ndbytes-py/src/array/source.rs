//! An array of Python's, to be read.

use super::door::array_of;
use crate::dtype;
use crate::errors::IntoPy as _;
use ndbytes::{ArrayRef, DType, Error, Layout, Result};
use pyo3::ffi::Py_intptr_t;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ffi::{c_char, c_int, c_void};

/// Where the items of a NumPy array lie, and what keeps them there.
pub(crate) struct Source {
    dtype: DType,
    layout: Layout,
    memory: Reach,
    /// Holds a reference to the array, and with it to its memory.
    _capsule: Py<PyCapsule>,
}

/// So many bytes from an address on.
#[derive(Clone, Copy)]
struct Reach {
    start: *const u8,
    len: usize,
}

// SAFETY: the address is only read through, and what keeps the memory alive may be dropped on any thread: PyO3 defers
// that until a thread has the GIL.
unsafe impl Send for Reach {}
// SAFETY: as above.
unsafe impl Sync for Reach {}

/// `PyArrayInterface` of NumPy's documented array interface: what `__array_struct__` gives.
#[repr(C)]
struct Interface {
    two: c_int,
    nd: c_int,
    typekind: c_char,
    itemsize: c_int,
    flags: c_int,
    shape: *const Py_intptr_t,
    strides: *const Py_intptr_t,
    data: *const c_void,
    descr: *const c_void,
}

impl Source {
    /// The items of any array that the door lets in, with its dtype.
    ///
    /// # Errors
    /// As the door's, and as [`dtype::from_numpy`].
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let array = array_of(given)?;
        let object = array.getattr(intern!(given.py(), "dtype"))?;
        Self::over(&array, dtype::from_numpy(&object)?)
    }

    /// The items as so many bytes each: any dtype but objects, also one that no format can spell.
    ///
    /// # Errors
    /// As the door's; `UnsupportedError` for objects.
    pub(crate) fn untyped(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        let array = array_of(given)?;
        let object = array.getattr(intern!(given.py(), "dtype"))?;
        dtype::refuse_objects(&object)?;
        let itemsize: u32 = object.getattr(intern!(given.py(), "itemsize"))?.extract()?;
        Self::over(&array, DType::void(itemsize).py()?)
    }

    fn over(array: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Self> {
        let capsule =
            array.getattr(intern!(array.py(), "__array_struct__"))?.cast_into::<PyCapsule>()?;
        let pointer = capsule.pointer_checked(None)?.cast::<Interface>();
        // SAFETY: NumPy documents that the capsule without a name points to this struct, which lives as long as it.
        let interface = unsafe { pointer.as_ref() };
        let (layout, memory) = place(interface, dtype.itemsize()).py()?;
        Ok(Self { dtype, layout, memory, _capsule: capsule.unbind() })
    }

    /// The items, in memory that other threads may write to.
    pub(crate) fn view(&self) -> Result<ArrayRef<'_>> {
        let Reach { start, len } = self.memory;
        // SAFETY: `place` computed the reach of the items of an array that the capsule holds; NumPy says that they
        // are memory of the array's. That others may write there meanwhile is the head of this room's own topic.
        let bytes = unsafe { std::slice::from_raw_parts(start, len) };
        Ok(ArrayRef::new(self.dtype.clone(), self.layout.clone(), bytes)?.shared())
    }

    /// Whether some item may lie in these bytes.
    pub(crate) fn overlaps(&self, bytes: &[u8]) -> bool {
        let Reach { start, len } = self.memory;
        let (start, other) = (start.addr(), bytes.as_ptr().addr());
        start < other.saturating_add(bytes.len()) && other < start.saturating_add(len)
    }

    /// Bytes of all items.
    pub(crate) fn nbytes(&self) -> u64 {
        (self.layout.len() * self.dtype.itemsize()) as u64
    }
}

/// The layout of an array's items, and the memory they reach.
fn place(interface: &Interface, itemsize: usize) -> Result<(Layout, Reach)> {
    let nd = usize::try_from(interface.nd).unwrap_or(0);
    let found = usize::try_from(interface.itemsize).unwrap_or(0);
    if interface.two != 2 || found != itemsize {
        return Err(Error::unsupported(format!(
            "an array whose interface says {found} bytes an item, and whose dtype {itemsize}"
        )));
    }
    let lengths = |start: *const Py_intptr_t| match nd {
        0 => &[][..],
        // SAFETY: each of the two arrays has one entry for every axis.
        _ => unsafe { std::slice::from_raw_parts(start, nd) },
    };
    let shape: Vec<usize> =
        lengths(interface.shape).iter().map(|&len| usize::try_from(len).unwrap_or(0)).collect();
    let strides: Vec<isize> = lengths(interface.strides).to_vec();
    let empty = Reach { start: std::ptr::NonNull::dangling().as_ptr(), len: 0 };
    if shape.contains(&0) || itemsize == 0 {
        let layout = Layout::contiguous(&shape, itemsize, ndbytes::Order::C)?;
        return Ok((layout, empty));
    }
    // Bytes below the first item: NumPy's pointer is to it, wherever it lies.
    let low = shape
        .iter()
        .zip(&strides)
        .filter(|(_, stride)| **stride < 0)
        .try_fold(0usize, |low, (&len, stride)| {
            (len - 1).checked_mul(stride.unsigned_abs())?.checked_add(low)
        });
    let low = low.ok_or_else(|| Error::overflow("the reach of the strides"))?;
    let layout = Layout::new(shape, strides, low)?;
    let span = layout.span(itemsize)?;
    let start = interface.data.cast::<u8>().wrapping_sub(low);
    Ok((layout, Reach { start, len: span.end }))
}
