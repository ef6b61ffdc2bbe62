//! `ndbytes._core.Map`, on which handles stand, and `map_file`: files as memory.

mod copy;

use crate::array::{Bytes, Mapped, Memory, Source, Target, Window};
use crate::declared::{Declared, How};
use crate::dtype::{self, numpy};
use crate::errors::{IntoPy as _, argument};
use crate::limits::Limits;
use crate::options::{Count, metadata};
use crate::reading::explained;
use crate::slot::Slot;
use crate::verify::Report;
use crate::work::wait;
use copy::Part;
use ndbytes::io::Turns;
use ndbytes::io::map::{Map as Core, Mode, TailState};
use ndbytes::{BufferMut, DType, Layout, Metadata, npy};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::path::PathBuf;
use std::sync::Arc;

/// A mapped file; `ndbytes.open` gives it the face of an array.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Map {
    slot: Slot<Opened>,
    /// Held while the file gets another length.
    growing: Turns<()>,
}

/// The file, and what does not change while it is mapped.
#[derive(Clone)]
struct Opened {
    file: Arc<Mapped>,
    dtype: DType,
    layout: Layout,
    metadata: Option<Metadata>,
}

impl Opened {
    fn new(map: Core) -> Self {
        Self {
            dtype: map.dtype().clone(),
            layout: map.layout().clone(),
            metadata: map.metadata().cloned(),
            file: Mapped::new(map),
        }
    }

    /// The array over the map; not a byte of it is touched.
    fn view<'py>(&self, py: Python<'py>, write: bool, seals: bool) -> PyResult<Bound<'py, PyAny>> {
        let window = Bound::new(py, Window::new(py, Arc::clone(&self.file), write, seals)?)?;
        let options = PyDict::new(py);
        options.set_item(intern!(py, "dtype"), dtype::to_numpy(py, &self.dtype)?)?;
        // NumPy wants room for an item even where there is none.
        if !self.layout.is_empty() && self.dtype.itemsize() > 0 {
            options.set_item(intern!(py, "buffer"), window)?;
            options.set_item(intern!(py, "offset"), self.layout.offset())?;
            options.set_item(intern!(py, "strides"), PyTuple::new(py, self.layout.strides())?)?;
        } else if self.layout.is_f_contiguous(self.dtype.itemsize()) && self.is_fortran() {
            options.set_item(intern!(py, "order"), "F")?;
        }
        let shape = PyTuple::new(py, self.layout.shape())?;
        let array = numpy(py)?.call_method(intern!(py, "ndarray"), (shape,), Some(&options))?;
        if !write {
            array.getattr(intern!(py, "flags"))?.setattr(intern!(py, "writeable"), false)?;
        }
        Ok(array)
    }

    fn is_fortran(&self) -> bool {
        let strides = self.layout.strides();
        strides.len() > 1 && strides.is_sorted()
    }
}

/// Where a part of the data lies: offset in bytes, shape, and strides in bytes.
type Place = (usize, Vec<usize>, Vec<isize>);

fn part(itemsize: usize, (offset, shape, strides): Place) -> PyResult<Part> {
    Ok(Part { itemsize, layout: Layout::new(shape, strides, offset).py()? })
}

#[pymethods]
impl Map {
    /// Maps a file; with `dtype` one without a header.
    #[staticmethod]
    #[pyo3(signature = (path, mode, dtype = None, shape = None, order = None, offset = Count(0), gap = Count(0), limits = None, require_checksum = false))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        mode: &str,
        dtype: Option<&Bound<'_, PyAny>>,
        shape: Option<&Bound<'_, PyAny>>,
        order: Option<&Bound<'_, PyAny>>,
        offset: Count,
        gap: Count,
        limits: Option<Limits>,
        require_checksum: bool,
    ) -> PyResult<Self> {
        let how = How::new(dtype, shape, order, offset, gap, limits, require_checksum)?;
        let mode = mode.parse().py()?;
        py.detach(|| open(&how, path, mode)).py().map(Self::over)
    }

    /// Makes a file of zeros and maps it for writing: a `.npy`, or one without a header.
    #[staticmethod]
    #[pyo3(signature = (path, headerless, dtype, shape, order = None, offset = Count(0), gap = Count(0), checksum = false, name = None, attrs = None))]
    fn create(
        py: Python<'_>,
        path: PathBuf,
        headerless: bool,
        dtype: &Bound<'_, PyAny>,
        shape: &Bound<'_, PyAny>,
        order: Option<&Bound<'_, PyAny>>,
        offset: Count,
        gap: Count,
        checksum: bool,
        name: Option<String>,
        attrs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let Declared { raw, .. } = Declared::new(dtype, Some(shape), order, offset, gap)?;
        let metadata = metadata(name, attrs)?;
        if headerless {
            if checksum || metadata != Metadata::default() {
                return Err(argument(
                    "a file of items alone has no place for checksums, a name or attributes",
                ));
            }
            return py.detach(|| Core::create_raw(path, &raw)).py().map(Self::over);
        }
        if offset.0 != 0 || gap.0 != 0 {
            return Err(argument("offset and gap are for files without a header"));
        }
        let (shape, _) = raw.whole().py()?;
        let options = npy::EncodeOptions {
            checksum,
            metadata,
            order: Some(raw.order),
            ..npy::EncodeOptions::bare()
        };
        let made = py.detach(|| Core::create(path, &raw.spec.dtype, &shape, &options));
        made.py().map(Self::over)
    }

    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dtype::to_numpy(py, &self.opened()?.dtype)
    }

    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.opened()?.layout.shape())
    }

    /// The array's name.
    #[getter]
    fn name(&self) -> PyResult<Option<String>> {
        Ok(self.opened()?.metadata.and_then(|metadata| metadata.name))
    }

    /// Its attributes, as the text of a JSON object.
    #[getter]
    fn attrs(&self) -> PyResult<Option<String>> {
        Ok(self.opened()?.metadata.and_then(|metadata| metadata.attrs))
    }

    /// What the file's checksums say: none, present, open.
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        let opened = self.opened()?;
        let state = py.detach(|| opened.file.look(|map| Ok(map.tail_state()))).py()?;
        Ok(match state {
            TailState::None => "none",
            TailState::Sealed => "present",
            TailState::Open => "open",
        })
    }

    /// The array over the map, of which no byte is touched. Where it can be written to, the file's checksums are
    /// marked as open.
    fn view<'py>(&self, py: Python<'py>, write: bool) -> PyResult<Bound<'py, PyAny>> {
        self.opened()?.view(py, write, false)
    }

    /// The file as it is mapped now, whatever becomes of this one: places in it keep their meaning.
    fn now(&self) -> PyResult<Self> {
        let opened = self.opened()?;
        Ok(Self { slot: Slot::new(opened), growing: Turns::default() })
    }

    /// Whether the other one still has the same file mapped.
    fn shares(&self, other: &Self) -> bool {
        let [this, other] =
            [self, other].map(|map| map.slot.get().map(|opened| Arc::as_ptr(&opened.file)));
        this.is_some() && this == other
    }

    /// A copy of a part of the data, in C order: memory of its own, or `out`.
    #[pyo3(signature = (itemsize, place, out = None))]
    fn read(
        &self,
        py: Python<'_>,
        itemsize: usize,
        place: Place,
        out: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Memory>> {
        let (file, part) = (self.opened()?.file, part(itemsize, place)?);
        fill(py, part.nbytes().py()?, out, |bytes, watch| copy::read(&file, &part, bytes, watch))
    }

    /// As `read`, of the part moved by each of so many bytes: little-endian 64-bit integers.
    #[pyo3(signature = (offsets, itemsize, place, out = None))]
    fn read_each(
        &self,
        py: Python<'_>,
        offsets: &Bound<'_, PyAny>,
        itemsize: usize,
        place: Place,
        out: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<Memory>> {
        let (file, part) = (self.opened()?.file, part(itemsize, place)?);
        let offsets = integers(offsets)?;
        let size = part.nbytes().py()?.checked_mul(offsets.len());
        let size = size.ok_or_else(|| ndbytes::Error::overflow("the array's size")).py()?;
        fill(py, size, out, |bytes, watch| copy::read_each(&file, &offsets, &part, bytes, watch))
    }

    /// Brings a part of the data into memory, or says why that cannot be.
    fn probe(&self, py: Python<'_>, itemsize: usize, place: Place) -> PyResult<()> {
        let (file, part) = (self.opened()?.file, part(itemsize, place)?);
        wait(py, |watch| copy::probe(&file, &[0], &part, watch))
    }

    /// The same with the part moved by each of so many bytes.
    fn probe_each(
        &self,
        py: Python<'_>,
        offsets: &Bound<'_, PyAny>,
        itemsize: usize,
        place: Place,
    ) -> PyResult<()> {
        let (file, part) = (self.opened()?.file, part(itemsize, place)?);
        let offsets = integers(offsets)?;
        wait(py, |watch| copy::probe(&file, &offsets, &part, watch))
    }

    /// Puts what was written on the disk, and seals the file's checksums.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let file = self.opened()?.file;
        wait(py, |watch| file.flush(watch))
    }

    /// The same, and lets go of the file.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(opened) = self.slot.take() else { return Ok(()) };
        wait(py, |watch| opened.file.flush(watch))
    }

    /// Makes the first axis `len` long.
    fn resize(&self, py: Python<'_>, len: usize) -> PyResult<()> {
        self.grow(py, |map, watch| map.resized(len, watch))
    }

    /// Adds rows behind the last one.
    fn append(&self, py: Python<'_>, rows: &Bound<'_, PyAny>) -> PyResult<()> {
        let source = Source::new(rows)?;
        self.grow(py, |map, watch| map.appended(&source.view()?, watch))
    }

    /// Compares the file as it is now with its checksums.
    fn verify(&self, py: Python<'_>) -> PyResult<Report> {
        let file = self.opened()?.file;
        Report::of_map(py, &file)
    }
}

impl Map {
    fn over(map: Core) -> Self {
        Self { slot: Slot::new(Opened::new(map)), growing: Turns::default() }
    }

    fn opened(&self) -> PyResult<Opened> {
        self.slot.get().ok_or_else(closed)
    }

    fn grow(
        &self,
        py: Python<'_>,
        grown: impl FnOnce(&Core, ndbytes::io::Watch<'_>) -> ndbytes::Result<Option<Core>> + Send,
    ) -> PyResult<()> {
        self.opened()?;
        wait(py, |watch| {
            let _alone = self.growing.write(watch)?;
            let Some(old) = self.slot.get() else {
                return Err(ndbytes::Error::argument(CLOSED));
            };
            if let Some(new) = old.file.look(|map| grown(map, watch))? {
                // Closed meanwhile: the file has its new length all the same.
                drop(self.slot.replace(Opened::new(new)));
            }
            Ok(())
        })
    }
}

/// Little-endian 64-bit integers out of a buffer.
pub(crate) fn integers(buffer: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
    let bytes = Bytes::new(buffer)?;
    let (items, _) = bytes.as_chunks::<8>();
    items.iter().map(|item| Ok(usize::try_from(u64::from_le_bytes(*item))?)).collect()
}

pub(crate) const CLOSED: &str = "the handle is closed; open the file again";

fn closed() -> PyErr {
    argument(CLOSED)
}

/// Memory that `read` has filled: of its own, or the caller's array, which has this size.
fn fill(
    py: Python<'_>,
    size: usize,
    out: Option<&Bound<'_, PyAny>>,
    read: impl FnOnce(&mut [u8], ndbytes::io::Watch<'_>) -> ndbytes::Result<()> + Send,
) -> PyResult<Option<Memory>> {
    let Some(out) = out else {
        let mut buffer = BufferMut::new(size as u64).py()?;
        wait(py, |watch| read(buffer.all()?, watch))?;
        return Memory::new(buffer).map(Some);
    };
    let target = Target::new(out)?;
    let mut filling = target.filling(py, false)?;
    wait(py, |watch| read(filling.bytes()?, watch))?;
    filling.finish(py, &target)?;
    Ok(None)
}

fn open(how: &How, path: PathBuf, mode: Mode) -> ndbytes::Result<Core> {
    match how {
        How::Described(options) => {
            let len = std::fs::metadata(&path).ok().map(|found| found.len());
            Core::open(&path, mode, options.clone()).map_err(|error| explained(error, &path, len))
        }
        How::Declared(declared) => Core::open_raw(path, mode, &declared.raw),
    }
}

/// The array in a file, without a copy: it shows the file, and seals it, where it was written to, when the last array
/// that looks at it is gone.
pub(crate) fn map_file<'py>(
    py: Python<'py>,
    path: PathBuf,
    mode: &str,
    how: &How,
    expect: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mode: Mode = mode.parse().py()?;
    let expect = expect.map(dtype::expectation).transpose()?;
    let opened = Opened::new(py.detach(|| open(how, path, mode)).py()?);
    if let Some(expect) = expect {
        expect.check(&opened.dtype, opened.layout.shape()).py()?;
    }
    opened.view(py, mode != Mode::Read, mode == Mode::ReadWrite)
}
