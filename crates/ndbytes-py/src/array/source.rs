//! An array of Python's, to be read.

use super::buffer::new_bytes;
use super::capi;
use super::door::array_of;
use crate::dtype;
use crate::errors::{IntoPy as _, argument, argument_type};
use ndbytes::{ArrayRef, DType, Error, Layout, Order, Result, gather};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Up to this many bytes a copy takes a tenth of a millisecond: less than others would gain by being let in.
pub(super) const SMALL: usize = 1 << 22;
/// The same for items at strides.
const SMALL_AT_STRIDES: u64 = 1 << 20;

/// The items of a small array of a usual kind as bytes; `None` for anything else, which goes the long way round.
#[inline]
pub(crate) fn small<'py>(
    given: &Bound<'py, PyAny>,
    order: Order,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    // Which may run Python the first time, and with it other threads.
    dtype::prepare(given.py())?;
    let Some((start, count, dtype)) = capi::run(given, order)? else {
        return if order == Order::C { gathered(given) } else { Ok(None) };
    };
    let Some(known) = dtype::builtin(given.py(), dtype)? else { return Ok(None) };
    let len = count.saturating_mul(known.itemsize());
    if len == 0 || len > SMALL {
        return Ok(None);
    }
    // SAFETY: the array has so many items from there on, and is held; nothing else runs before they are copied.
    let items = unsafe { std::slice::from_raw_parts(start, len) };
    Ok(Some(PyBytes::new(given.py(), items)))
}

/// The same for items at strides.
fn gathered<'py>(given: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = given.py();
    let Some(items) = capi::items(given)? else { return Ok(None) };
    let Some(dtype) = dtype::builtin(py, items.dtype.as_ptr())? else { return Ok(None) };
    let itemsize = dtype.itemsize();
    let (layout, Reach { start, len }) =
        place(items.data, items.shape, items.strides, itemsize).py()?;
    let nbytes = (layout.len() * itemsize) as u64;
    if nbytes == 0 || nbytes > SMALL_AT_STRIDES {
        return Ok(None);
    }
    // SAFETY: as in `view`; nothing else runs before the items are copied.
    let bytes = unsafe { std::slice::from_raw_parts(start, len) };
    new_bytes(py, nbytes, |out| gather(bytes, &layout, itemsize, out).py()).map(Some)
}

/// Where the items of a NumPy array lie, and what keeps them there.
pub(crate) struct Source {
    dtype: DType,
    layout: Layout,
    memory: Reach,
    writeable: bool,
    /// Holds the memory: NumPy resizes no array that others refer to, unless it is told not to look.
    array: Py<PyAny>,
}

/// So many bytes from an address on.
#[derive(Clone, Copy)]
struct Reach {
    start: *mut u8,
    len: usize,
}

// SAFETY: the address alone does nothing, and what keeps the memory alive may be dropped on any thread: PyO3 defers
// that until a thread has the GIL.
unsafe impl Send for Reach {}
// SAFETY: as above.
unsafe impl Sync for Reach {}

impl Source {
    /// The items of any array that the door lets in, with its dtype.
    ///
    /// # Errors
    /// As the door's, and as [`dtype::from_numpy`].
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::with(given, dtype::from_numpy)
    }

    /// The items as so many bytes each: any dtype but objects, also one that no format can spell.
    ///
    /// # Errors
    /// As the door's; `UnsupportedError` for objects.
    pub(crate) fn untyped(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::with(given, dtype::bytes)
    }

    fn with(
        given: &Bound<'_, PyAny>,
        dtype: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<DType>,
    ) -> PyResult<Self> {
        let array = array_of(given)?;
        dtype::prepare(given.py())?;
        let items = capi::items(&array)?;
        let items = items.ok_or_else(|| argument_type("NumPy made no array of it"))?;
        let dtype = dtype(&items.dtype)?;
        let (layout, memory) =
            place(items.data, items.shape, items.strides, dtype.itemsize()).py()?;
        let writeable = items.writeable;
        Ok(Self { dtype, layout, memory, writeable, array: array.unbind() })
    }

    /// The items, in memory that other threads may write to.
    pub(crate) fn view(&self) -> Result<ArrayRef<'_>> {
        let Reach { start, len } = self.memory;
        // SAFETY: `place` computed the reach of the items of an array that is held; NumPy says that they
        // are memory of the array's. That others may write there meanwhile is the head of this room's own topic.
        let bytes = unsafe { std::slice::from_raw_parts(start, len) };
        Ok(ArrayRef::new(self.dtype.clone(), self.layout.clone(), bytes)?.shared())
    }

    /// The first item and the bytes of all, where they follow each other in C order, or F order.
    pub(super) fn run(&self, fortran: bool) -> Option<(*mut u8, usize)> {
        let itemsize = self.dtype.itemsize();
        let follows = match fortran {
            true => self.layout.is_f_contiguous(itemsize),
            false => self.layout.is_c_contiguous(itemsize),
        };
        (follows || self.memory.len == 0).then_some(self.reach())
    }

    /// Where the memory begins that the items reach, and how many bytes it has.
    pub(super) fn reach(&self) -> (*mut u8, usize) {
        (self.memory.start, self.memory.len)
    }

    /// Where the items lie in that memory.
    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether the array lets itself be written to.
    pub(super) fn is_writeable(&self) -> bool {
        self.writeable
    }

    /// The array itself, which is of no subclass.
    pub(super) fn array(&self) -> &Py<PyAny> {
        &self.array
    }

    /// The type of the items.
    pub(super) fn dtype(&self) -> &DType {
        &self.dtype
    }

    /// Length of each axis.
    pub(super) fn shape(&self) -> &[usize] {
        self.layout.shape()
    }

    /// That no item may lie in the bytes that are to take them.
    ///
    /// # Errors
    /// `ArgumentError`.
    pub(crate) fn check_apart(&self, out: &[u8]) -> PyResult<()> {
        if !self.overlaps(out) {
            return Ok(());
        }
        Err(argument("out is memory of the array itself, which would change while it is read"))
    }

    /// Whether some item may lie in these bytes.
    pub(super) fn overlaps(&self, bytes: &[u8]) -> bool {
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
fn place(
    data: *mut u8,
    shape: Vec<usize>,
    strides: Vec<isize>,
    itemsize: usize,
) -> Result<(Layout, Reach)> {
    let empty = Reach { start: std::ptr::NonNull::dangling().as_ptr(), len: 0 };
    if shape.contains(&0) || itemsize == 0 {
        let layout = Layout::contiguous(&shape, itemsize, Order::C)?;
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
    if span.end > isize::MAX.unsigned_abs() {
        return Err(Error::overflow("the reach of the strides"));
    }
    let start = data.wrapping_sub(low);
    Ok((layout, Reach { start, len: span.end }))
}
