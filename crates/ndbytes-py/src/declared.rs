//! What bytes without a header are declared to be, by dtype, shape, order, offset and gap.

use crate::array::{Memory, laid};
use crate::dtype;
use crate::errors::{IntoPy as _, argument, argument_type};
use crate::limits::Limits;
use crate::options::{self, Count, decode_options};
use ndbytes::raw::Raw;
use ndbytes::{DType, DecodeOptions, Dim, Spec};
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Items without a header: what they are, and where they lie.
pub(crate) struct Declared {
    /// NumPy's own object, with what the core's dtype does not keep, such as metadata.
    dtype: Py<PyAny>,
    pub(crate) raw: Raw,
}

impl Declared {
    /// # Errors
    /// `ArgumentError` for what cannot be meant; `UnsupportedError` for a dtype with objects; those of `np.dtype`.
    pub(crate) fn new(
        dtype: &Bound<'_, PyAny>,
        shape: Option<&Bound<'_, PyAny>>,
        order: Option<&Bound<'_, PyAny>>,
        offset: Count,
        gap: Count,
    ) -> PyResult<Self> {
        let object = dtype::object(dtype)?;
        let mut dims = dims(shape)?;
        let mut item = dtype::from_numpy(&object)?;
        // A subarray stands only inside a record: its axes are axes of the array, as in NumPy.
        if let DType::Sub(sub) = &item {
            dims.extend(sub.1.iter().map(|&len| Dim::Exact(len)));
            item = sub.0.clone();
        }
        let mut raw = Raw::new(Spec { dtype: item, shape: Some(dims) });
        (raw.order, raw.offset, raw.gap) = (options::order(order)?, offset.0, gap.0);
        Ok(Self { dtype: object.unbind(), raw })
    }

    /// The array over a buffer, without a copy.
    ///
    /// # Errors
    /// `FormatError` if the bytes do not fit, with both numbers; as [`Memory::of`].
    pub(crate) fn over<'py>(&self, buf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = buf.py();
        let raw = &self.raw;
        let memory = Memory::of(buf)?;
        let shape = raw.shape(memory.len() as u64).py()?;
        let itemsize = raw.spec.dtype.itemsize();
        let layout = raw.layout(&shape, usize::try_from(raw.offset).unwrap_or(usize::MAX)).py()?;
        let object = self.dtype.bind(py);
        let item =
            if dtype::is_subarray(object)? { object.getattr("base")? } else { object.clone() };
        laid(&Bound::new(py, memory)?, item, itemsize, &layout)
    }
}

fn dims(shape: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<Dim>> {
    let Some(shape) = shape else { return Ok(vec![Dim::Any]) };
    match shape.try_iter() {
        Ok(lengths) if !shape.is_instance_of::<PyString>() => {
            lengths.map(|length| dim(&length?)).collect()
        }
        _ => Ok(vec![dim(shape)?]),
    }
}

fn dim(length: &Bound<'_, PyAny>) -> PyResult<Dim> {
    let length = length.call_method0("__index__").map_err(|_| {
        argument_type("shape must be an int or a tuple of ints, of which one may be -1")
    })?;
    match length.extract::<usize>() {
        Ok(length) => Ok(Dim::Exact(length)),
        Err(_) if length.eq(-1)? => Ok(Dim::Any),
        Err(_) => Err(argument(format!("an axis cannot have the length {length}"))),
    }
}

/// How a file is to be understood.
pub(crate) enum How {
    /// By its header.
    Described(DecodeOptions),
    /// It has none.
    Declared(Declared),
}

impl How {
    /// # Errors
    /// As [`Declared::new`]; `ArgumentError` for arguments that do not go together.
    pub(crate) fn new(
        dtype: Option<&Bound<'_, PyAny>>,
        shape: Option<&Bound<'_, PyAny>>,
        order: Option<&Bound<'_, PyAny>>,
        offset: Count,
        gap: Count,
        limits: Option<Limits>,
        require_checksum: bool,
    ) -> PyResult<Self> {
        if let Some(dtype) = dtype {
            if require_checksum {
                return Err(argument("a file of items alone has no checksum"));
            }
            return Declared::new(dtype, shape, order, offset, gap).map(Self::Declared);
        }
        if shape.is_some() || order.is_some() || offset.0 != 0 || gap.0 != 0 {
            return Err(argument(
                "shape, order, offset and gap are for files without a header, with dtype",
            ));
        }
        Ok(Self::Described(decode_options(limits, require_checksum)))
    }
}
