//! `ndbytes.save`.

use crate::array::Source;
use crate::bundle::Bundle;
use crate::errors::{IntoPy as _, argument};
use crate::file::Place;
use crate::format::{Format, suffixes};
use crate::options::{self, frame_options, is_bundle, metadata};
use crate::work::wait;
use ndbytes::io::npz::{WriteOptions, Writer};
use ndbytes::io::{self, SaveOptions, Watch};
use ndbytes::{
    ArrayRef, Codec, Encode, Error, Level, Metadata, Order, Result, Threads, frame, npy, raw,
};
use pyo3::prelude::*;
use std::io::Write;

/// Saves an array as a file, which is replaced whole or not at all.
///
/// Parameters
/// ----------
/// file : path or file object
///     The suffix says the format: ``.npy`` (what ``np.save`` writes), ``.ndb`` (checked), ``.npy.zz`` and ``.npy.gz``
///     (compressed), ``.npz`` (many arrays), ``.raw`` and ``.bin`` (the items alone). A file object gets a ``.npy``, an ``.npz`` for a dict,
///     or a frame with ``codec``.
/// a : array or mapping of arrays
///     Any array without Python objects. A dict is for ``.npz``.
/// format : str, optional
///     A suffix without its dot, instead of the file's own.
/// codec : str, optional
///     For ``.ndb``: ``"auto"``, which is the default, ``"none"`` for a file that can be mapped, and those of :func:`dumps`. For ``.npz``: ``"deflate"``, which is the
///     default, ``"stored"``, or ``"zstd"``, which NumPy reads on Python 3.14 and newer only.
/// level : int, optional
///     For ``.npy.zz``, ``.npy.gz`` and ``.npz``: 0 to 9, as zlib's; for its ``"zstd"`` 1 to 19. For a codec of ``.ndb``: its own.
/// block : tuple of ints, optional
///     For a codec of ``.ndb``: the lengths of a block along each axis, as for :func:`dumps`.
/// checksum : bool, optional
///     For ``.npy``: True adds checksums that NumPy passes over. A ``.ndb`` always has them.
/// name : str, optional
///     The array's name, in a checked file.
/// attrs : dict, optional
///     What else is to be said of it, as far as JSON can, in a checked file.
/// durable : bool, optional
///     Whether to wait until it is on the disk, and survives a loss of power.
/// threads : int, optional
///     How many threads may work on a large file; by default as many as this process may run on.
///
/// Raises
/// ------
/// ArgumentError
///     For another suffix, what is no array, or options that do not go together.
/// UnsupportedError
///     For objects, StringDType and masked arrays.
/// TypeError, ValueError
///     For ``attrs`` that JSON cannot say.
/// OSError
///     From the system, with errno and filename; the old file is as it was.
///
/// Examples
/// --------
/// >>> import numpy as np, ndbytes as ndb, tempfile, os
/// >>> with tempfile.TemporaryDirectory() as folder:
/// ...     path = os.path.join(folder, "a.npy")
/// ...     ndb.save(path, np.arange(4), checksum=True)
/// ...     np.load(path), ndb.load(path, require_checksum=True)
/// (array([0, 1, 2, 3]), array([0, 1, 2, 3]))
#[pyfunction]
#[pyo3(signature = (file, a, *, format = None, codec = None, level = None, block = None, checksum = None, name = None, attrs = None, durable = false, threads = None),
       text_signature = "(file, a, *, format=None, codec='auto', level=None, block=None, checksum=None, name=None, attrs=None, durable=False, threads=None)")]
pub(crate) fn save(
    py: Python<'_>,
    file: &Bound<'_, PyAny>,
    a: &Bound<'_, PyAny>,
    format: Option<&str>,
    codec: Option<&str>,
    level: Option<i32>,
    block: Option<&Bound<'_, PyAny>>,
    checksum: Option<bool>,
    name: Option<String>,
    attrs: Option<&Bound<'_, PyAny>>,
    durable: bool,
    threads: Option<isize>,
) -> PyResult<()> {
    let threads = options::threads(threads)?;
    let mut place = Place::new(file, "write")?;
    let format = chosen(&place, a, format, codec)?;
    if format == Format::Npz {
        options::block(block, Codec::None)?;
        if checksum.is_some() || name.is_some() || attrs.is_some() {
            return Err(argument(
                "an .npz has sums of its own, and no place for a name or attributes",
            ));
        }
        let options = WriteOptions::named(codec.unwrap_or("auto"), level).py()?;
        let options = WriteOptions { threads, ..options };
        return save_bundle(py, &mut place, &Bundle::new(a)?, options, durable);
    }
    if is_bundle(a) {
        return Err(argument("a dict of arrays is saved as .npz; another file holds one array"));
    }
    let metadata = metadata(name, attrs)?;
    let (codec, level) = coding(format, codec, level)?;
    let block = options::block(block, codec)?;
    let source = Source::new(a)?;
    let array = source.view().py()?;
    let mut encoder =
        wait(py, |_| encoder(&array, format, codec, block, threads, checksum, metadata))?;
    wait(py, |watch| match &mut place {
        Place::Path(path) => io::replace(&*path, SaveOptions::durable(durable), |file| {
            if let Format::Compressed(_) = format {
                return write(&mut *encoder, file, format, level, threads, watch);
            }
            io::write_file(&mut *encoder, file, threads, watch)
        }),
        Place::File(file) => write(&mut *encoder, file, format, level, threads, watch),
    })
}

fn save_bundle(
    py: Python<'_>,
    place: &mut Place,
    bundle: &Bundle,
    options: WriteOptions,
    durable: bool,
) -> PyResult<()> {
    wait(py, |watch| match place {
        Place::Path(path) => io::replace(&*path, SaveOptions::durable(durable), |file| {
            bundle.write(Writer::file(file, options), false, watch).map(drop)
        }),
        Place::File(file) => bundle.write(Writer::new(file, options), false, watch).map(drop),
    })
}

/// The format that the caller names, or the file's name does.
fn chosen(
    place: &Place,
    a: &Bound<'_, PyAny>,
    format: Option<&str>,
    codec: Option<&str>,
) -> PyResult<Format> {
    if let Some(name) = format {
        return Format::named(name);
    }
    match place {
        Place::Path(path) => Format::of(path).ok_or_else(|| {
            argument(format!(
                "{}: the name says no format; it must end in one of {}, or format= must name one",
                path.display(),
                suffixes()
            ))
        }),
        Place::File(_) if is_bundle(a) => Ok(Format::Npz),
        Place::File(_) if codec.is_some_and(|codec| codec != "auto") => Ok(Format::Ndb),
        Place::File(_) => Ok(Format::Npy),
    }
}

/// The codec of a .ndb file, and the level of a compressed one.
fn coding(format: Format, codec: Option<&str>, level: Option<i32>) -> PyResult<(Codec, Level)> {
    if format == Format::Ndb {
        return Ok((options::codec(codec.unwrap_or("auto"), level)?, Level::default()));
    }
    let is_compressed = matches!(format, Format::Compressed(_));
    options::no_codec(codec, level.filter(|_| !is_compressed))?;
    Ok((Codec::None, options::level(level)?))
}

type Encoder<'a> = Box<dyn Encode<'a> + Send + 'a>;

/// The machine that makes the bytes of a file.
fn encoder<'a>(
    array: &ArrayRef<'a>,
    format: Format,
    codec: Codec,
    block: Option<Vec<usize>>,
    threads: Threads,
    checksum: Option<bool>,
    metadata: Metadata,
) -> Result<Encoder<'a>> {
    Ok(match format {
        Format::Ndb if checksum == Some(false) => {
            return Err(Error::argument("a .ndb file always has checksums"));
        }
        Format::Ndb => {
            let options = frame::EncodeOptions { codec, block, threads, ..frame_options(metadata) };
            Box::new(frame::Encoder::new(array, &options)?)
        }
        Format::Raw if checksum == Some(true) || metadata != Metadata::default() => {
            return Err(Error::argument(
                "a file of items alone has no place for checksums, a name or attributes",
            ));
        }
        Format::Raw => Box::new(raw::Encoder::new(&array.clone().unshared(), Order::C, None)?),
        _ => {
            let checksum = checksum == Some(true);
            let options = npy::EncodeOptions { checksum, metadata, ..npy::EncodeOptions::bare() };
            let is_summed = checksum || array.dtype().has_extension() || format != Format::Npy;
            let array = if is_summed { array.clone() } else { array.clone().unshared() };
            Box::new(npy::Encoder::new(&array, &options)?)
        }
    })
}

fn write<'a>(
    encoder: &mut dyn Encode<'a>,
    file: impl Write,
    format: Format,
    level: Level,
    threads: Threads,
    watch: Watch<'_>,
) -> Result<()> {
    match format {
        Format::Compressed(container) => {
            io::write_compressed(encoder, file, container, level, threads, watch)
        }
        _ => io::write(encoder, file, watch),
    }
}
