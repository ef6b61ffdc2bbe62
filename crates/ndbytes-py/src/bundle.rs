//! Many arrays under names: dicts, as `.npz` archives.

use crate::archive::{self, Member, member_options};
use crate::array::{Bytes, Memory, Source};
use crate::errors::{argument, argument_type};
use crate::file::ends;
use crate::options::is_bundle;
use crate::work::wait;
use ndbytes::io::Watch;
use ndbytes::io::npz::{Archive, WriteOptions, Writer, key, member_name};
use ndbytes::{Dest, Limits, Result, npy};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom, Write};

/// The arrays of a dict, in its order.
pub(crate) struct Bundle(Vec<(String, Source)>);

impl Bundle {
    /// What a mapping holds; an array alone is called `arr_0`, as by `np.savez`.
    ///
    /// # Errors
    /// `ArgumentTypeError` for keys that are no text; as [`Source::new`], and those of the mapping.
    pub(crate) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        if !is_bundle(given) {
            return Ok(Self(vec![("arr_0".to_owned(), Source::new(given)?)]));
        }
        let items = given.call_method0(intern!(given.py(), "items"))?;
        let members = items.try_iter()?.map(|item| {
            let (key, array): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item?.extract()?;
            let name = key.extract::<String>().map_err(|_| {
                argument_type(format!("the arrays of a dict have text as names, found {key}"))
            })?;
            Ok((name, Source::new(&array)?))
        });
        members.collect::<PyResult<Vec<_>>>().map(Self)
    }

    /// Writes all of them; `watch` counts the bytes of each.
    pub(crate) fn write<W: Write>(
        &self,
        mut writer: Writer<W>,
        zero_gaps: bool,
        watch: Watch<'_>,
    ) -> Result<W> {
        let options = npy::EncodeOptions { zero_gaps, ..npy::EncodeOptions::bare() };
        let members = self.0.iter().map(|(name, source)| {
            Ok((member_name(name), npy::Encoder::new(&source.view()?, &options)?))
        });
        writer.add_all(members.collect::<Result<Vec<_>>>()?, watch)?;
        writer.finish()
    }
}

/// The archive of a dict as bytes: members stored, and aligned.
pub(crate) fn dumps<'py>(
    py: Python<'py>,
    given: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let bundle = Bundle::new(given)?;
    let bytes = wait(py, |watch| {
        let writer = Writer::new(Cursor::new(Vec::new()), WriteOptions::default());
        bundle.write(writer, true, watch).map(Cursor::into_inner)
    })?;
    Ok(PyBytes::new(py, &bytes).into_any())
}

/// Whether what comes is a zip archive; a reader that cannot go back is not looked at.
pub(crate) fn is_archive(reader: &mut (impl Read + Seek + ?Sized)) -> Result<bool> {
    let start = match reader.stream_position() {
        Ok(start) => start,
        Err(error) if ends(&error) => return Err(error.into()),
        Err(_) => return Ok(false),
    };
    let mut front = [0; 4];
    let whole = match reader.read_exact(&mut front) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        read => read.is_ok(),
    };
    reader.seek(SeekFrom::Start(start))?;
    Ok(whole && matches!(&front, b"PK\x03\x04" | b"PK\x05\x06"))
}

/// All arrays of an archive in memory, and members that are none as bytes, by their keys.
///
/// # Errors
/// Those of [`Archive`].
pub(crate) fn load<'py>(
    py: Python<'py>,
    bytes: &[u8],
    limits: &Limits,
) -> PyResult<Bound<'py, PyAny>> {
    let mut archive = wait(py, |_| Archive::open(Cursor::new(bytes), limits))?;
    let dict = PyDict::new(py);
    for (index, key) in keys(&archive).into_iter().enumerate() {
        let member = wait(py, |watch| Member::read(&mut archive, index, limits, watch))?;
        dict.set_item(key, member.finish(py)?)?;
    }
    Ok(dict.into_any())
}

/// The key of each member: its name without `.npy`, unless another has that name as it is.
pub(crate) fn keys<R: Read + Seek>(archive: &Archive<R>) -> Vec<String> {
    let keys = archive.entries().iter().map(|entry| {
        let (name, key) = (entry.name(), key(entry.name()));
        let taken = name != key && archive.find(key).is_some();
        if taken { name.to_owned() } else { key.to_owned() }
    });
    keys.collect()
}

/// Read-only views of the stored arrays of an archive in memory, after their sums were compared.
///
/// # Errors
/// Those of [`Archive`]; `ArgumentError` for members that are compressed.
pub(crate) fn view<'py>(
    py: Python<'py>,
    buf: &Bound<'py, PyAny>,
    bytes: &Bytes,
    limits: &Limits,
) -> PyResult<Bound<'py, PyAny>> {
    let memory = Bound::new(py, Memory::of(buf)?)?;
    let mut archive = wait(py, |_| Archive::open(Cursor::new(&**bytes), limits))?;
    let dict = PyDict::new(py);
    for (index, key) in keys(&archive).into_iter().enumerate() {
        let entry = archive.entries()[index].clone();
        if entry.size() != entry.stored_size() || !wait(py, |_| archive.is_array(index))? {
            let name = entry.name();
            return Err(argument(format!(
                "{name} is compressed, or no array; leave out copy=False"
            )));
        }
        let (start, decoded) = wait(py, |watch| {
            let start = archive.range(index)?.start;
            let discard = |_: &ndbytes::Header| Ok(Dest::Discard);
            Ok((start, archive.read_array(index, member_options(limits), discard, watch)?))
        })?;
        let header = &decoded.header;
        dict.set_item(key, archive::view(&memory, header, &header.dtype, start)?)?;
    }
    Ok(dict.into_any())
}
