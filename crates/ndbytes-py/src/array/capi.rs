//! NumPy's C interface, as far as it is needed: the fields of an array, and making one.
//!
//! The fields and the numbers are those that NumPy documents for compiled extensions; they are the same in NumPy 1 and 2.

use crate::dtype::numpy;
use crate::errors::unsupported;
use ndbytes::{Layout, Order};
use pyo3::ffi::{self, Py_intptr_t};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyCapsule};
use std::ffi::{c_int, c_void};

/// What stands in an array behind the head that every object has.
#[derive(Clone, Copy)]
#[repr(C)]
struct Fields {
    data: *mut u8,
    nd: c_int,
    dimensions: *const Py_intptr_t,
    strides: *const Py_intptr_t,
    base: *mut ffi::PyObject,
    descr: *mut ffi::PyObject,
    flags: c_int,
}

const C_CONTIGUOUS: c_int = 0x0001;
const F_CONTIGUOUS: c_int = 0x0002;
const WRITEABLE: c_int = 0x0400;

type NewFromDescr = unsafe extern "C" fn(
    class: *mut ffi::PyTypeObject,
    descr: *mut ffi::PyObject,
    nd: c_int,
    dimensions: *const Py_intptr_t,
    strides: *const Py_intptr_t,
    data: *mut c_void,
    flags: c_int,
    object: *mut ffi::PyObject,
) -> *mut ffi::PyObject;
type SetBaseObject = unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject) -> c_int;

/// NumPy's table of functions, and where each of them stands in it.
struct Table {
    ndarray: *mut ffi::PyTypeObject,
    new_from_descr: NewFromDescr,
    set_base_object: SetBaseObject,
}

static TABLE: PyOnceLock<Table> = PyOnceLock::new();

const NDARRAY: usize = 2;
const NEW_FROM_DESCR: usize = 94;
const SET_BASE_OBJECT: usize = 282;

// SAFETY: the table is NumPy's own, which is never unloaded; its functions are called with the GIL held only.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// The first of items that follow each other, their number, and their dtype.
pub(super) type Run = (*mut u8, usize, *const ffi::PyObject);

/// The items of an array, as it stands now.
pub(super) struct Items<'py> {
    /// Where the first one lies.
    pub(super) data: *mut u8,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<isize>,
    pub(super) dtype: Bound<'py, PyAny>,
    pub(super) writeable: bool,
}

/// Whether it is an array, and of no subclass.
///
/// # Errors
/// As [`table`].
#[inline]
pub(crate) fn is_array(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(given.get_type_ptr() == table(given.py())?.ndarray)
}

/// The items of an array; `None` for anything else, a subclass too.
///
/// # Errors
/// As [`table`].
pub(super) fn items<'py>(given: &Bound<'py, PyAny>) -> PyResult<Option<Items<'py>>> {
    if !is_array(given)? {
        return Ok(None);
    }
    // SAFETY: it is an array, and the GIL is held as long as its fields are looked at.
    let items = unsafe {
        let fields = read(given);
        let dtype = Bound::from_borrowed_ptr(given.py(), fields.descr);
        Items {
            data: fields.data,
            shape: fields.dimensions().iter().map(|len| len.unsigned_abs()).collect(),
            strides: fields.strides().to_vec(),
            dtype,
            writeable: fields.flags & WRITEABLE != 0,
        }
    };
    Ok(Some(items))
}

/// The first item, the number of items, and the address of their dtype, of an array whose items follow each other in this
/// order; `None` for anything else.
///
/// # Errors
/// As [`table`].
#[inline]
pub(super) fn run(given: &Bound<'_, PyAny>, order: Order) -> PyResult<Option<Run>> {
    table(given.py())?;
    Ok(known_run(given, order))
}

/// The same without a word to Python: `None` as well where NumPy's table was not looked for yet.
#[inline]
pub(super) fn known_run(given: &Bound<'_, PyAny>, order: Order) -> Option<Run> {
    let table = TABLE.get(given.py())?;
    if given.get_type_ptr() != table.ndarray {
        return None;
    }
    let wanted = match order {
        Order::C | Order::K => C_CONTIGUOUS,
        Order::F => F_CONTIGUOUS,
        Order::A => C_CONTIGUOUS | F_CONTIGUOUS,
    };
    // SAFETY: as in `items`.
    unsafe {
        let fields = read(given);
        let mut lengths = fields.dimensions().iter();
        let count = lengths.try_fold(1usize, |n, len| n.checked_mul(len.unsigned_abs()));
        let run = count.filter(|_| fields.flags & wanted != 0);
        run.map(|count| (fields.data, count, fields.descr.cast_const()))
    }
}

/// A new array with memory of its own, whose items have no value yet.
///
/// # Errors
/// Those of NumPy: more axes than it has, no memory.
pub(super) fn fresh<'py>(
    dtype: Bound<'py, PyAny>,
    shape: &[usize],
    fortran: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let py = dtype.py();
    let flags = if fortran { F_CONTIGUOUS } else { 0 };
    // SAFETY: without an address NumPy takes memory of its own, of the size that it computes.
    unsafe { new(py, dtype, shape, std::ptr::null(), std::ptr::null_mut(), flags) }
}

/// The array of items of this shape and these strides from the first one on, in memory that `owner` keeps.
///
/// # Errors
/// As [`fresh`].
///
/// # Safety
/// All items lie in memory that stays where it is as long as `owner` lives, and may be written to if `write`.
pub(super) unsafe fn over<'py>(
    dtype: Bound<'py, PyAny>,
    layout: &Layout,
    first: *mut u8,
    write: bool,
    owner: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = dtype.py();
    let flags = if write { WRITEABLE } else { 0 };
    let strides = layout.strides().as_ptr();
    // SAFETY: there are as many strides as axes; the caller vouches for the items. The array takes the owner over,
    // also where that fails.
    unsafe {
        let array = new(py, dtype, layout.shape(), strides, first.cast(), flags)?;
        match (table(py)?.set_base_object)(array.as_ptr(), owner.into_ptr()) {
            0 => Ok(array),
            _ => Err(PyErr::fetch(py)),
        }
    }
}

/// Calls `PyArray_NewFromDescr`, which takes the dtype over.
///
/// # Safety
/// Strides, where there are any, are as many as axes, and lead to items inside of memory of `data`.
unsafe fn new<'py>(
    py: Python<'py>,
    dtype: Bound<'py, PyAny>,
    shape: &[usize],
    strides: *const Py_intptr_t,
    data: *mut c_void,
    flags: c_int,
) -> PyResult<Bound<'py, PyAny>> {
    let table = table(py)?;
    let nd = c_int::try_from(shape.len()).unwrap_or(c_int::MAX);
    let none = std::ptr::null_mut();
    // A length beyond `isize` becomes negative, which NumPy refuses.
    let dimensions = shape.as_ptr().cast::<Py_intptr_t>();
    // SAFETY: the shape has `nd` entries; the caller vouches for the rest.
    unsafe {
        let descr = dtype.into_ptr();
        let array = (table.new_from_descr)(
            table.ndarray,
            descr,
            nd,
            dimensions,
            strides,
            data,
            flags,
            none,
        );
        Bound::from_owned_ptr_or_err(py, array)
    }
}

/// The fields of an array.
///
/// # Safety
/// It is an array; what the fields point to is looked at before anything else can run.
unsafe fn read(array: &Bound<'_, PyAny>) -> Fields {
    // SAFETY: so NumPy lays them out, and `table` has seen it.
    unsafe { array.as_ptr().byte_add(size_of::<ffi::PyObject>()).cast::<Fields>().read() }
}

impl Fields {
    /// # Safety
    /// As [`read`].
    unsafe fn dimensions(&self) -> &[Py_intptr_t] {
        // SAFETY: there is one entry for every axis.
        unsafe { self.axes(self.dimensions) }
    }

    /// # Safety
    /// As [`read`].
    unsafe fn strides(&self) -> &[Py_intptr_t] {
        // SAFETY: as above.
        unsafe { self.axes(self.strides) }
    }

    unsafe fn axes(&self, start: *const Py_intptr_t) -> &[Py_intptr_t] {
        match usize::try_from(self.nd) {
            // Without an axis there may be no entries to point to.
            Err(_) | Ok(0) => &[],
            // SAFETY: the caller's.
            Ok(nd) => unsafe { std::slice::from_raw_parts(start, nd) },
        }
    }
}

/// NumPy's table, once it was seen that arrays are laid out as is said here.
///
/// # Errors
/// `UnsupportedError` for a NumPy that lays them out in another way; that of an import.
#[inline]
fn table(py: Python<'_>) -> PyResult<&Table> {
    TABLE.get_or_try_init(py, || load(py))
}

#[cold]
fn load(py: Python<'_>) -> PyResult<Table> {
    let module = py
        .import("numpy._core._multiarray_umath")
        .or_else(|_| py.import("numpy.core._multiarray_umath"))?;
    let capsule = module.getattr("_ARRAY_API")?.cast_into::<PyCapsule>()?;
    let entries = capsule.pointer_checked(None)?.cast::<*mut c_void>();
    // SAFETY: NumPy documents the table, the number of each entry, and what it is.
    let table = unsafe {
        let entry = |number: usize| entries.add(number).read();
        Table {
            ndarray: entry(NDARRAY).cast(),
            new_from_descr: std::mem::transmute::<*mut c_void, NewFromDescr>(entry(NEW_FROM_DESCR)),
            set_base_object: std::mem::transmute::<*mut c_void, SetBaseObject>(entry(
                SET_BASE_OBJECT,
            )),
        }
    };
    match is_known(py, &table)? {
        true => Ok(table),
        false => {
            let version = numpy(py)?.getattr("__version__")?;
            Err(unsupported(format!(
                "NumPy {version} lays its arrays out in a way that this version of ndbytes does not know: update ndbytes"
            )))
        }
    }
}

/// Whether an array of which everything is known has the fields that it should have.
fn is_known(py: Python<'_>, table: &Table) -> PyResult<bool> {
    let memory = PyByteArray::new(py, &[0; 64]);
    let dtype = numpy(py)?.call_method1("dtype", (">u2",))?;
    let array = numpy(py)?.call_method1("ndarray", ((3, 2), &dtype, &memory, 20, (-8, 4)))?;
    if array.get_type_ptr() != table.ndarray {
        return Ok(false);
    }
    let address = memory.data().wrapping_add(20);
    // SAFETY: an array has at least as many bytes as these fields, whatever stands there; the pointers in them are
    // followed only where the number of axes is right.
    unsafe {
        let fields = read(&array);
        Ok(fields.nd == 2
            && fields.data == address
            && fields.descr == dtype.as_ptr()
            && fields.base == memory.as_ptr()
            && fields.flags & WRITEABLE != 0
            && fields.dimensions() == [3, 2]
            && fields.strides() == [-8, 4])
    }
}
