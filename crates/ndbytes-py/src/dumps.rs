//! `ndbytes.dumps` and `ndbytes.loads`: one array as bytes that describe and check themselves.

use crate::array::{Bytes, Memory, Out, Source, front, new_bytes, over};
use crate::bundle;
use crate::decode::Destination;
use crate::errors::{IntoPy as _, argument, argument_type};
use crate::limits::Limits;
use crate::options::{self, codec, decode_options, frame_options, is_bundle, metadata};
use crate::work::run;
use ndbytes::{
    BufferMut, Codec, Container, Copying, DecodeOptions, Decoded, Dest, Encode, Error, Order,
    frame, io, npy,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::io::Cursor;

/// An array as bytes that say what it is and have checksums.
///
/// Parameters
/// ----------
/// a : array or mapping of arrays
///     Any array without Python objects. A dict becomes a stored ``.npz``, which ``np.load`` reads too.
/// codec : str, optional
///     None, the default: a checked ``.npy``, which ``np.load`` reads too. Else a frame: ``"none"``, ``"auto"`` (small at good speed),
///     ``"fast"``, ``"small"`` (however long it takes), or one of ``"lz4"``, ``"zstd"``, ``"deflate"`` and ``"pco"``, behind the
///     filter that suits the array best.
/// level : int, optional
///     For ``"zstd"`` (1 to 19), ``"deflate"`` (1 to 9) and ``"pco"`` (0 to 12).
/// block : tuple of ints, optional
///     The lengths of a block along each axis, for a codec: what is compressed, checked and read apart. By default they are chosen
///     so that rows and boxes are read well.
/// name : str, optional
///     The array's name.
/// attrs : dict, optional
///     Whatever else is to be said of it, as far as JSON can.
/// threads : int, optional
///     How many threads may work on large arrays; by default as many as this process may run on where
///     ``out`` takes the bytes, or a codec makes them, and one for new ones, which gain little from more.
/// out : writable buffer, optional
///     Takes the bytes, which may be fewer than it has. Its content is undefined after an error.
///
/// Returns
/// -------
/// bytes, or a memoryview of the front of ``out``
///     Those of equal arrays of one layout (C or Fortran) are equal: bytes of items that hold no value (between fields, in a long double) are zeros,
///     where no fields overlap.
///
/// Raises
/// ------
/// ArgumentError
///     For what is no array, for a dtype that the format cannot spell, and for an ``out`` that is too small.
/// UnsupportedError
///     For objects, StringDType and masked arrays, and for a codec that is not there.
/// TypeError, ValueError
///     For ``attrs`` that JSON cannot say.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb
/// >>> data = ndb.dumps(np.arange(3, dtype="<i8"), name="counts")
/// >>> ndb.loads(data)
/// array([0, 1, 2])
#[pyfunction]
#[pyo3(signature = (a, *, codec = None, level = None, block = None, name = None, attrs = None, threads = None, out = None))]
pub(crate) fn dumps<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    codec: Option<&str>,
    level: Option<i32>,
    block: Option<&Bound<'_, PyAny>>,
    name: Option<String>,
    attrs: Option<&Bound<'py, PyAny>>,
    threads: Option<isize>,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let how = options::copying(threads, out.is_some())?;
    if is_bundle(a) {
        let codec = codec.is_some() || level.is_some() || block.is_some();
        if codec || name.is_some() || attrs.is_some() || out.is_some() {
            return Err(argument(
                "a dict becomes an .npz, which has no codec, name, attributes or out here; save() to .npz compresses",
            ));
        }
        return bundle::dumps(py, a);
    }
    let how = match codec {
        // What is compressed is work for all.
        Some(_) => Copying { threads: options::threads(threads)?, ..how },
        None => how,
    };
    let metadata = metadata(name, attrs)?;
    let source = Source::new(a)?;
    let array = source.view().py()?;
    let mut encoder: Box<dyn Encode<'_> + Send> = if let Some(codec) = codec {
        let codec = self::codec(codec, level)?;
        let block = options::block(block, codec)?;
        let options = frame::EncodeOptions { codec, block, ..frame_options(metadata) };
        Box::new(run(py, array.nbytes() as u64, |_| frame::Encoder::new(&array, &options))?)
    } else {
        options::no_codec(None, level)?;
        options::block(block, Codec::None)?;
        let options =
            npy::EncodeOptions { metadata, zero_gaps: true, ..npy::EncodeOptions::checked() };
        Box::new(npy::Encoder::new(&array, &options).py()?)
    };
    let (total, most) = (encoder.total(), encoder.most());
    let mut fill = |bytes: &mut [u8]| run(py, most, |watch| encoder.write_into(bytes, how, watch));
    let Some(out) = out else {
        if let Some(total) = total {
            return Ok(new_bytes(py, total, |bytes| fill(bytes).map(drop))?.into_any());
        }
        // How many there will be is not known: they are made where room costs nothing.
        let mut space = BufferMut::known(most).py()?;
        let written = fill(space.all().py()?)?;
        let bytes = space.space(0, usize::try_from(written).unwrap_or(usize::MAX)).py()?;
        return Ok(PyBytes::new(py, bytes).into_any());
    };
    let mut target = Out::new(out)?;
    let found = target.bytes().len();
    let size = total.map_or(found, |total| usize::try_from(total).unwrap_or(usize::MAX));
    let bytes = target.bytes().get_mut(..size);
    let bytes =
        bytes.ok_or_else(|| argument(format!("out has {found} bytes, {most} are needed")))?;
    source.check_apart(bytes)?;
    let written = fill(bytes)?;
    front(out, usize::try_from(written).unwrap_or(usize::MAX))
}

/// The array that bytes describe, after their checksums were compared.
///
/// Parameters
/// ----------
/// buf : buffer
///     A checked ``.npy``, a frame, a ``.npy`` in a zlib or gzip stream, or an ``.npz``; it must end behind the array.
/// expect : str or dtype, optional
///     What it must be, as in ``"<f4[?,128]"``: nothing is cast.
/// copy : bool, optional
///     False: a read-only view of the buffer instead of memory of its own.
/// out : ndarray, optional
///     A writable array of the same dtype (byte order too) and shape, at any strides: takes the items and is returned.
///     Its content is undefined after an error.
/// limits : Limits, optional
///     Default ``Limits.local()``.
/// require_checksum : bool, optional
///     False: bytes without a checksum are read too, such as those that ``np.save`` writes.
/// threads : int, optional
///     How many threads may work on large arrays; by default as many as this process may run on with
///     ``out`` or ``copy=False``, and one for a new array, which gains little from more.
///
/// Returns
/// -------
/// ndarray, or dict of them
///     A dict for an ``.npz``.
///
/// Raises
/// ------
/// FormatError, TruncatedError, ChecksumError, UnsupportedError, LimitError
///     For bytes that are none of these, are cut, or damaged, with where.
/// MismatchError
///     For another array than ``expect`` or ``out`` say.
/// ArgumentError
///     For arguments that cannot be meant.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb
/// >>> ndb.loads(ndb.dumps(np.zeros((2, 3), "f4")), expect="<f4[?,3]").shape
/// (2, 3)
#[pyfunction]
#[pyo3(signature = (buf, *, expect = None, copy = true, out = None, limits = None, require_checksum = true, threads = None))]
pub(crate) fn loads<'py>(
    py: Python<'py>,
    buf: &Bound<'py, PyAny>,
    expect: Option<&Bound<'py, PyAny>>,
    copy: bool,
    out: Option<&Bound<'py, PyAny>>,
    limits: Option<Limits>,
    require_checksum: bool,
    threads: Option<isize>,
) -> PyResult<Bound<'py, PyAny>> {
    let how = options::copying(threads, out.is_some() || !copy)?;
    let bytes = Bytes::new(buf).or_else(|error| {
        if buf.is_instance_of::<PyString>() || buf.hasattr(intern!(py, "__fspath__"))? {
            let message = "loads() takes bytes, found a path or text; load() reads files";
            return Err(argument_type(message));
        }
        Err(error)
    })?;
    let mut place = Destination::new(expect, out)?;
    place.check_apart(&bytes)?;
    let options = decode_options(limits, require_checksum);
    if bundle::is_archive(&mut Cursor::new(&*bytes)).py()? {
        if !place.is_free() {
            return Err(argument("an .npz holds many arrays: expect and out are for one"));
        }
        return match copy {
            true => bundle::load(py, &bytes, &options.limits),
            false => bundle::view(py, buf, &bytes, &options.limits),
        };
    }
    let len = bytes.len() as u64;
    let options = DecodeOptions { input_len: Some(len), ..options };
    if copy {
        let decoded = run(py, len, |watch| {
            if container(&bytes).is_some() {
                return io::read_whole(
                    &*bytes,
                    options,
                    |header| place.choose(header, false),
                    watch,
                );
            }
            let options = DecodeOptions { whole: true, ..options };
            io::read_slice(&bytes, options, |header| place.choose(header, true), how, watch)
        })?;
        return place.finish(py, &decoded);
    }
    if out.is_some() {
        return Err(argument("out takes a copy, and copy=False asks for none"));
    }
    view(py, buf, &bytes, options, &place, how).map(|(array, _)| array)
}

/// A read-only view of the buffer, after it was checked.
pub(crate) fn view<'py>(
    py: Python<'py>,
    buf: &Bound<'py, PyAny>,
    bytes: &[u8],
    options: DecodeOptions,
    place: &Destination,
    how: Copying,
) -> PyResult<(Bound<'py, PyAny>, Decoded)> {
    if container(bytes).is_some() {
        return Err(argument("compressed bytes have no array to look at; leave out copy=False"));
    }
    let check = |header: &ndbytes::Header| {
        if header.coding.is_some() {
            return Err(Error::argument(
                "the data are in blocks, which must be decoded: leave out copy=False, or make it with codec=\"none\"",
            ));
        }
        place.check_header(header).map(|()| Dest::Discard)
    };
    let options = DecodeOptions { whole: true, ..options };
    let decoded =
        run(py, bytes.len() as u64, |watch| io::read_slice(bytes, options, check, how, watch))?;
    let header = &decoded.header;
    place.check(header)?;
    let order = if header.fortran_order { Order::F } else { Order::C };
    let array = over(
        py,
        &Bound::new(py, Memory::of(buf)?)?,
        &header.dtype,
        &header.shape,
        order,
        header.len,
    )?;
    array.getattr(intern!(py, "flags"))?.setattr(intern!(py, "writeable"), false)?;
    Ok((array, decoded))
}

/// What bytes are compressed with.
pub(crate) fn container(bytes: &[u8]) -> Option<Container> {
    bytes.first_chunk().and_then(|front| Container::of(*front))
}
