//! `ndbytes.load`.

use crate::archive::{Archive, Source};
use crate::array::{Memory, to_array};
use crate::declared::How;
use crate::decode::Destination;
use crate::errors::{IntoPy as _, argument, argument_type};
use crate::file::Place;
use crate::limits::{self, Limits};
use crate::map::map_file;
use crate::options::{self, Count};
use crate::reading::{explained, read_items, with_reader};
use crate::work::wait;
use ndbytes::io::map::Mode;
use ndbytes::io::{self, PATIENCE};
use ndbytes::{BufferMut, DType, DecodeOptions, Order, Scalar};
use pyo3::intern;
use pyo3::prelude::*;

/// The array in a file, or the arrays of an archive.
///
/// Parameters
/// ----------
/// file : path or file object
///     A ``.npy`` (bare or checked), a ``.ndb``, one of them in a zlib or gzip stream, an ``.npz``; with ``dtype``, a
///     file of items alone. A file object is read from where it stands to its end; an archive goes on reading in it,
///     and leaves it standing anywhere.
/// mmap : {'r', 'r+', 'c'}, optional
///     The array shows the file, without a copy and without comparing checksums of the data. r: it is read-only. r+: what
///     is written to it goes to the file, whose checksums are marked as open from the start, and are made anew when the
///     last array that looks at it is gone. c: what is written stays in memory. A file that others cut while it is
///     mapped ends the process (SIGBUS) when what is gone is touched; ``open`` reads without that end. Of an ``.npz``, with r,
///     the arrays that are stored as they are (``codec="stored"``) are mapped.
/// expect : str or dtype, optional
///     What it must be, as in ``"<f4[?,128]"``: nothing is cast.
/// dtype, shape, order, offset, gap : optional
///     What a file without a header holds; as for ``frombuffer``.
/// recover : bool, optional
///     True: a damaged or cut ``.npy`` or ``.ndb`` gives what is left, as ``(array, mask)``: the mask is True for items
///     that no checksum vouches for, and what is missing is zeros. The header must hold.
/// limits : Limits, optional
///     Default ``Limits.local()``.
/// require_checksum : bool, optional
///     True: a file without checksums is an error.
/// threads : int, optional
///     How many threads may read a large file; by default as many as this process may run on.
/// out : ndarray, optional
///     A writable array of the same dtype (byte order too) and shape, at any strides: takes the items and is returned.
///     Its content is undefined after an error.
///
/// Returns
/// -------
/// ndarray, or Archive
///     Every checksum that the file has was compared, unless it is mapped. For an ``.npz`` an :class:`Archive`: a mapping that reads
///     each array when it is asked for.
///
/// Raises
/// ------
/// FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
///     For a file that is none of these, is cut, or damaged, with where.
/// MismatchError
///     For another array than ``expect`` or ``out`` say.
/// ArgumentError
///     For arguments that cannot be meant, and a file of items alone without ``dtype``.
/// OSError
///     From the system, with errno and filename.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb, tempfile, os
/// >>> with tempfile.TemporaryDirectory() as folder:
/// ...     path = os.path.join(folder, "a.ndb")
/// ...     ndb.save(path, np.arange(4, dtype="<u2"))
/// ...     ndb.load(path, expect="<u2[?]")
/// array([0, 1, 2, 3], dtype=uint16)
#[pyfunction]
#[pyo3(signature = (file, *, mmap = None, expect = None, dtype = None, shape = None, order = None, offset = Count(0), gap = Count(0), recover = false, limits = None, require_checksum = false, threads = None, out = None),
       text_signature = "(file, *, mmap=None, expect=None, dtype=None, shape=None, order='C', offset=0, gap=0, recover=False, limits=None, require_checksum=False, threads=None, out=None)")]
pub(crate) fn load<'py>(
    py: Python<'py>,
    file: &Bound<'py, PyAny>,
    mmap: Option<&Bound<'py, PyAny>>,
    expect: Option<&Bound<'py, PyAny>>,
    dtype: Option<&Bound<'py, PyAny>>,
    shape: Option<&Bound<'py, PyAny>>,
    order: Option<&Bound<'py, PyAny>>,
    offset: Count,
    gap: Count,
    recover: bool,
    limits: Option<Limits>,
    require_checksum: bool,
    threads: Option<isize>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let threads = options::threads(threads)?;
    if out.is_some() && (mmap.is_some() || dtype.is_some() || recover) {
        return Err(argument(
            "out takes what a file with a header holds: not mmap, dtype or recover",
        ));
    }
    let mut place = Place::new(file, "read")?;
    if recover && (mmap.is_some() || dtype.is_some() || require_checksum) {
        return Err(argument(
            "recover reads what is left of a checked file: it goes with expect and limits alone",
        ));
    }
    let bounds = limits::or(limits.clone(), ndbytes::Limits::local());
    let how = How::new(dtype, shape, order, offset, gap, limits, require_checksum)?;
    if let Some(mode) = mmap {
        let mode =
            mode.extract::<&str>().map_err(|_| argument_type("mmap must be 'r', 'r+' or 'c'"))?;
        let Place::Path(path) = &place else {
            return Err(argument("mmap is for a path, found a file object"));
        };
        return match map_file(py, path.clone(), mode, &how, expect) {
            Err(error) if matches!(how, How::Described(_)) => {
                let input = wait(py, |watch| Source::of_archive(&place, watch));
                let Ok(Some(input)) = input else { return Err(error) };
                check_mapped(mode, expect)?;
                let core = Archive::over(py, input, place.into_path(), bounds, threads)?;
                archive(py, core, file, true)
            }
            mapped => mapped,
        };
    }
    let options = match how {
        How::Declared(_) if expect.is_some() => {
            return Err(argument("of a file of items alone dtype and shape say what to expect"));
        }
        How::Declared(declared) => {
            return declared.over(&read_items(py, &mut place, None, &bounds)?);
        }
        How::Described(options) => options,
    };
    let mut destination = Destination::new(expect, out)?;
    if recover {
        return recovered(py, &mut place, &destination, options);
    }
    if let Some(input) = wait(py, |watch| Source::of_archive(&place, watch))? {
        if !destination.is_free() {
            return Err(argument("an .npz holds many arrays: expect and out are for one"));
        }
        let core = Archive::over(py, input, place.into_path(), options.limits, threads)?;
        return archive(py, core, file, false);
    }
    let decoded = wait(py, |watch| match &mut place {
        Place::File(file) => {
            io::read_whole(file, options, |header| destination.choose(header, false), watch)
        }
        Place::Path(path) => {
            let input = io::open_watched(&*path, PATIENCE, watch)?;
            let len = input.len();
            io::read_file(
                input,
                options,
                |header| destination.choose(header, len.is_some()),
                threads,
                watch,
            )
            .map_err(|error| explained(error, path, len))
        }
    })?;
    destination.finish(py, &decoded)
}

/// That an archive is mapped as it can be.
///
/// # Errors
/// `ArgumentError`.
fn check_mapped(mode: &str, expect: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    if expect.is_some() {
        return Err(argument("an .npz holds many arrays: expect and out are for one"));
    }
    match mode.parse().py()? {
        Mode::Read => Ok(()),
        _ => {
            Err(argument("an .npz has sums of what is in it, and so is mapped with mmap='r' only"))
        }
    }
}

/// An archive, each member of which is read when it is asked for.
fn archive<'py>(
    py: Python<'py>,
    core: Archive,
    file: &Bound<'py, PyAny>,
    is_mapped: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let module = py.import("ndbytes._archive")?;
    module.call_method1(intern!(py, "Archive"), (core, file, is_mapped))
}

/// What is left of a damaged array, and which of its items nothing vouches for.
fn recovered<'py>(
    py: Python<'py>,
    place: &mut Place,
    wanted: &Destination,
    options: DecodeOptions,
) -> PyResult<Bound<'py, PyAny>> {
    let found = wait(py, |watch| {
        with_reader(place, watch, |reader, _, watch| io::recover(reader, options, watch))
    })?;
    let header = found.header;
    wanted.check(&header)?;
    let order = if header.fortran_order { Order::F } else { Order::C };
    let (dtype, shape) = (&header.dtype, &header.shape);
    let array = to_array(py, Memory::new(found.data), dtype, shape, order)?;
    let mut mask = BufferMut::new(shape.iter().product::<usize>() as u64).py()?;
    let flags = mask.all().py()?;
    for range in found.damaged {
        let item =
            |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX) / dtype.itemsize().max(1);
        let last = item(range.end.saturating_sub(1));
        flags
            .iter_mut()
            .take(last.saturating_add(1))
            .skip(item(range.start))
            .for_each(|flag| *flag = 1);
    }
    let bool = DType::native(Scalar::Bool);
    let mask = to_array(py, Memory::new(mask), &bool, shape, order)?;
    Ok((array, mask).into_pyobject(py)?.into_any())
}
