//! NumPy's dtype objects and the core's dtypes: one for the other.

use crate::errors::{IntoPy as _, argument_type, unsupported};
use ndbytes::{DType, Endian, Field, Record, Scalar};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

/// The module `numpy`.
pub(crate) fn numpy(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static NUMPY: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    NUMPY
        .get_or_try_init(py, || py.import("numpy").map(Bound::unbind))
        .map(|module| module.bind(py))
}

/// What the caller means by a dtype: a dtype object, or anything that `np.dtype` takes.
pub(crate) fn object<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let class = class(given.py())?;
    if given.is_instance(class)? { Ok(given.clone()) } else { class.call1((given,)) }
}

/// `numpy.dtype`.
fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS
        .get_or_try_init(py, || numpy(py)?.getattr(intern!(py, "dtype")).map(Bound::unbind))?;
    Ok(class.bind(py))
}

/// Whether it is a subarray dtype, whose axes become axes of an array.
pub(crate) fn is_subarray(dtype: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(!dtype.getattr(intern!(dtype.py(), "subdtype"))?.is_none())
}

/// The core's dtype for a NumPy dtype object.
///
/// # Errors
/// `UnsupportedError` for objects, at any depth, StringDType and other dtypes without bytes of their own;
/// `LimitError` for one that nests too deep.
pub(crate) fn from_numpy(dtype: &Bound<'_, PyAny>) -> PyResult<DType> {
    if let Some(known) = builtin(dtype.py(), dtype.as_ptr())? {
        return Ok(known.clone());
    }
    refuse_objects(dtype)?;
    read(dtype)
}

/// One of NumPy's own dtype objects: there is one for each, and nothing can change it.
///
/// Any other can be changed in place, by `names` or by `__setstate__`, so what it was is not what it is.
struct Builtin {
    object: Py<PyAny>,
    dtype: DType,
    /// Whether NumPy takes it for what the dtype is spelled as, and not one of several that are alike.
    first: bool,
}

/// Sees to it that [`builtin`] runs no Python.
#[inline]
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    builtins(py).map(drop)
}

/// What the dtype object at this address is, if it is one of NumPy's own.
#[inline]
pub(crate) fn builtin(
    py: Python<'_>,
    dtype: *const pyo3::ffi::PyObject,
) -> PyResult<Option<&DType>> {
    builtins(py).map(|_| known(py, dtype))
}

/// The same without a word to Python: `None` as well where they were not looked for yet.
#[inline]
pub(crate) fn known(py: Python<'_>, dtype: *const pyo3::ffi::PyObject) -> Option<&DType> {
    let mut builtins = BUILTINS.get(py)?.iter();
    builtins.find(|known| known.object.as_ptr().cast_const() == dtype).map(|known| &known.dtype)
}

static BUILTINS: PyOnceLock<Vec<Builtin>> = PyOnceLock::new();

#[inline]
fn builtins(py: Python<'_>) -> PyResult<&Vec<Builtin>> {
    const CODES: [&str; 20] = [
        "d", "f", "l", "i", "q", "B", "b", "?", "e", "h", "H", "I", "L", "Q", "D", "F", "g", "G",
        "M8", "m8",
    ];
    const UNCHANGEABLE: i32 = 1;
    BUILTINS.get_or_try_init(py, || {
        let class = class(py)?;
        let mut known = Vec::new();
        for code in CODES {
            let object = class.call1((code,))?;
            if object.getattr(intern!(py, "isbuiltin"))?.extract::<i32>()? == UNCHANGEABLE {
                let dtype = read(&object)?;
                let first = class.call1((spelling(&dtype)?,))?.is(&object);
                known.push(Builtin { object: object.unbind(), dtype, first });
            }
        }
        Ok(known)
    })
}

/// The dtype as so many bytes without a meaning: also of one that the core does not know.
///
/// # Errors
/// As [`refuse_objects`].
pub(crate) fn bytes(dtype: &Bound<'_, PyAny>) -> PyResult<DType> {
    if let Some(known) = builtin(dtype.py(), dtype.as_ptr())? {
        return Ok(known.clone());
    }
    refuse_objects(dtype)?;
    let itemsize: u32 = dtype.getattr(intern!(dtype.py(), "itemsize"))?.extract()?;
    DType::void(itemsize).py()
}

/// That there is no pointer in an item.
pub(crate) fn refuse_objects(dtype: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = dtype.py();
    if !dtype.getattr(intern!(py, "hasobject"))?.is_truthy()? {
        return Ok(());
    }
    if dtype.getattr(intern!(py, "kind"))?.extract::<String>()? == "T" {
        return Err(unsupported(
            "StringDType keeps its text outside the array; store a.astype('U') or a.astype('S') (fixed width)",
        ));
    }
    let what = dtype.str()?;
    Err(unsupported(format!(
        "dtype {what} holds Python objects, which have no bytes of their own; convert it to numbers, text ('U') or \
         bytes ('S'), or pickle it yourself"
    )))
}

fn read(dtype: &Bound<'_, PyAny>) -> PyResult<DType> {
    let py = dtype.py();
    let names = dtype.getattr(intern!(py, "names"))?;
    if !names.is_none() {
        return record(dtype, &names);
    }
    let subarray = dtype.getattr(intern!(py, "subdtype"))?;
    if !subarray.is_none() {
        let (base, shape): (Bound<'_, PyAny>, Vec<usize>) = subarray.extract()?;
        return DType::subarray(read(&base)?, &shape).py();
    }
    if let Some(extension) = extension(dtype)? {
        return Ok(extension);
    }
    let unknown =
        || Ok(unsupported(format!("dtype {} is not one that ndbytes knows", dtype.str()?)));
    // Others' dtypes call themselves bytes without meaning, and would come back as that.
    const REGISTERED: i32 = 2;
    if dtype.getattr(intern!(py, "isbuiltin"))?.extract::<i32>()? == REGISTERED {
        return unknown().and_then(Err);
    }
    let spelling: String = dtype.getattr(intern!(py, "str"))?.extract()?;
    let kind = spelling.chars().find(|c| c.is_ascii_alphabetic());
    match spelling.parse::<DType>() {
        Ok(parsed) if kind.is_some_and(|kind| "biufcmMSUV".contains(kind)) => Ok(parsed),
        _ => unknown().and_then(Err),
    }
}

/// The dtypes of ml_dtypes, which NumPy itself spells as bytes without meaning.
fn extension(dtype: &Bound<'_, PyAny>) -> PyResult<Option<DType>> {
    let py = dtype.py();
    let item = dtype.getattr(intern!(py, "type"))?;
    // Some dtypes have no type of their items at all.
    let Ok(module) = item.getattr(intern!(py, "__module__")) else { return Ok(None) };
    if module.cast::<PyString>()?.to_cow()?.split('.').next() != Some("ml_dtypes") {
        return Ok(None);
    }
    let name: String = dtype.getattr(intern!(py, "name"))?.extract()?;
    let Some(scalar) = Scalar::from_name(&name) else {
        return Err(unsupported(format!(
            "dtype {name} of ml_dtypes is not one that ndbytes knows"
        )));
    };
    let order: String = dtype.getattr(intern!(py, "byteorder"))?.extract()?;
    let endian = match order.as_str() {
        ">" => Endian::Big,
        "<" => Endian::Little,
        _ => Endian::NATIVE,
    };
    Ok(Some(DType::scalar(scalar, endian)))
}

fn record(dtype: &Bound<'_, PyAny>, names: &Bound<'_, PyAny>) -> PyResult<DType> {
    let py = dtype.py();
    let fields = dtype.getattr(intern!(py, "fields"))?;
    let mut read_fields = Vec::new();
    for name in names.try_iter()? {
        let name = name?;
        let entry = fields.get_item(&name)?.cast_into::<PyTuple>()?;
        let mut field = Field::new(
            name.extract::<String>()?,
            read(&entry.get_item(0)?)?,
            entry.get_item(1)?.extract()?,
        );
        if entry.len() > 2 {
            let title = entry.get_item(2)?;
            let text = title.extract::<String>();
            field.title = Some(text.map_err(|_| {
                unsupported(format!("field {name} has the title {title}, which is no text"))
            })?);
        }
        read_fields.push(field);
    }
    let itemsize = dtype.getattr(intern!(py, "itemsize"))?.extract()?;
    Record::new(read_fields, itemsize).map(DType::record).py()
}

/// NumPy's dtype object for one of the core's.
///
/// # Errors
/// `UnsupportedError` that names the package for a dtype of ml_dtypes where that is not installed.
pub(crate) fn to_numpy<'py>(py: Python<'py>, dtype: &DType) -> PyResult<Bound<'py, PyAny>> {
    if let Some(known) = builtins(py)?.iter().find(|known| known.first && known.dtype == *dtype) {
        return Ok(known.object.bind(py).clone());
    }
    let class = class(py)?;
    match dtype {
        DType::Record(record) => record_to_numpy(py, record),
        DType::Sub(sub) => class.call1(((to_numpy(py, &sub.0)?, sub.1.clone()),)),
        DType::Scalar(scalar, endian) if scalar.is_extension() => {
            let module = py.import("ml_dtypes").map_err(|_| {
                unsupported(format!(
                    "dtype {dtype} is one of the package ml_dtypes, which is not installed (pip install ml_dtypes)"
                ))
            })?;
            let made = class.call1((module.getattr(scalar.name())?,))?;
            if *endian == Endian::NATIVE || scalar.itemsize() == 1 {
                return Ok(made);
            }
            made.call_method1(intern!(py, "newbyteorder"), ("S",))
        }
        _ => class.call1((spelling(dtype)?,)),
    }
}

/// NumPy's own spelling of a dtype without fields: the one that `descr` has quotes around.
fn spelling(dtype: &DType) -> PyResult<String> {
    Ok(dtype.descr().py()?.trim_matches('\'').to_owned())
}

fn record_to_numpy<'py>(py: Python<'py>, record: &Record) -> PyResult<Bound<'py, PyAny>> {
    let (names, formats, offsets, titles) =
        (PyList::empty(py), PyList::empty(py), PyList::empty(py), PyList::empty(py));
    for field in record.fields() {
        names.append(&field.name)?;
        formats.append(to_numpy(py, &field.dtype)?)?;
        offsets.append(field.offset)?;
        titles.append(field.title.as_deref())?;
    }
    let spelled = PyDict::new(py);
    spelled.set_item(intern!(py, "names"), names)?;
    spelled.set_item(intern!(py, "formats"), formats)?;
    spelled.set_item(intern!(py, "offsets"), offsets)?;
    if record.fields().iter().any(|field| field.title.is_some()) {
        spelled.set_item(intern!(py, "titles"), titles)?;
    }
    spelled.set_item(intern!(py, "itemsize"), record.itemsize())?;
    class(py)?.call1((spelled,))
}

/// What `expect=` says: a one-line spelling with or without a shape, or a dtype.
pub(crate) fn expectation(given: &Bound<'_, PyAny>) -> PyResult<ndbytes::Spec> {
    if let Ok(text) = given.extract::<String>() {
        return text.parse::<ndbytes::Spec>().py();
    }
    // A type, such as `np.float32`, is what it makes a dtype of; anything else would be a guess.
    if !given.is_instance(class(given.py())?)? && !given.is_instance_of::<PyType>() {
        return Err(argument_type(format!(
            "expect must be a text such as '<f4[?,128]' or a dtype, found {}",
            given.get_type().name()?
        )));
    }
    Ok(ndbytes::Spec { dtype: from_numpy(&object(given)?)?, shape: None })
}
