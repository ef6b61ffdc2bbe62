//! `ndbytes._core.Archive`, on which `ndbytes.Archive` and `ndbytes.numpy.NpzFile` stand: the members of an archive, each read
//! when it is asked for.

mod member;
mod source;
mod told;

pub(crate) use member::{Member, options as member_options, view};
pub(crate) use source::Source;
pub(crate) use told::Told;

use crate::array::{Bytes, FileRegion, Memory, to_array};
use crate::bundle::keys;
use crate::errors::{IntoPy as _, argument};
use crate::fd::duplicate;
use crate::file::Place;
use crate::limits::{self, Limits};
use crate::options;
use crate::slot::Slot;
use crate::work::{signals, wait};
use ndbytes::io::map::Mode;
use ndbytes::io::npz::{self, Entry, Method};
use ndbytes::io::{self, Watch};
use ndbytes::{DType, Error, ErrorKind, Order, Result, Scalar, Threads};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::fs::File;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// An archive; `ndbytes.load` gives it the face of a mapping.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Archive {
    slot: Slot<Arc<Opened>>,
    entries: Vec<Entry>,
    keys: Vec<String>,
}

struct Opened {
    archive: npz::Archive<io::Place<Source>>,
    source: Source,
    path: Option<PathBuf>,
    limits: ndbytes::Limits,
    threads: Threads,
}

#[pymethods]
impl Archive {
    /// Reads the directory of the archive at a path, or in a file object.
    #[staticmethod]
    #[pyo3(signature = (file, limits = None, threads = None))]
    fn open(
        py: Python<'_>,
        file: &Bound<'_, PyAny>,
        limits: Option<Limits>,
        threads: Option<isize>,
    ) -> PyResult<Self> {
        let (place, threads) = (Place::new(file, "read")?, options::threads(threads)?);
        let limits = limits::or(limits, ndbytes::Limits::local());
        let reader = wait(py, |watch| Source::open(&place, watch))?;
        Self::over(py, reader, place.into_path(), limits, threads)
    }

    /// The same of the file under a descriptor, whose place in it is left alone.
    #[staticmethod]
    fn of_descriptor(py: Python<'_>, number: RawFd) -> PyResult<Self> {
        let file = File::from(duplicate(number).map_err(Error::from).py()?);
        let reader = Source::of_file(file).map_err(Error::from).py()?;
        Self::over(py, reader, None, ndbytes::Limits::local(), Threads::default())
    }

    /// The same in a buffer, which stays as it is for as long as it is looked at.
    #[staticmethod]
    #[pyo3(signature = (buffer, limits = None))]
    fn of_buffer(
        py: Python<'_>,
        buffer: &Bound<'_, PyAny>,
        limits: Option<Limits>,
    ) -> PyResult<Self> {
        let reader = Source::of_bytes(Bytes::new(buffer)?);
        let limits = limits::or(limits, ndbytes::Limits::local());
        Self::over(py, reader, None, limits, Threads::default())
    }

    /// The keys of the members, in the order of the directory.
    #[getter]
    fn keys(&self) -> Vec<String> {
        self.keys.clone()
    }

    /// Their names.
    #[getter]
    fn names(&self) -> Vec<String> {
        self.entries.iter().map(|entry| entry.name().to_owned()).collect()
    }

    /// The member of this number: an array, or the bytes of what is none.
    fn read<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        let opened = self.opened()?;
        wait(py, |watch| opened.member(index, watch))?.finish(py)
    }

    /// The same of several, at the same time.
    fn read_all<'py>(
        &self,
        py: Python<'py>,
        indices: Vec<usize>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let opened = self.opened()?;
        let mut found: Vec<Option<Member>> = indices.iter().map(|_| None).collect();
        wait(py, |watch| opened.members(indices, &mut found, watch))?;
        found.into_iter().flatten().map(|member| member.finish(py)).collect()
    }

    /// The bytes of a member after their sum held, as an array that can be written to.
    fn bytes<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        let opened = self.opened()?;
        let buffer = wait(py, |watch| {
            opened.with(|archive| archive.read_mut(index, &opened.limits, watch))
        })?;
        let len = buffer.capacity();
        to_array(py, Memory::new(buffer), &DType::native(Scalar::UInt8), &[len], Order::C)
    }

    /// A stored array as a read-only one over the file, without a copy; its sum is not compared.
    fn map<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        let opened = self.opened()?;
        let entry = self.entry(index)?;
        if entry.method().py()? != Method::Stored {
            let message = format!(
                "{:?} is compressed, and cannot be mapped: load the archive without mmap, or save it with codec=\"stored\"",
                entry.name()
            );
            return Err(argument(message));
        }
        let Some(file) = opened.source.file() else {
            return Err(argument("mmap is for a path, found a file object"));
        };
        let file = file.map_err(Error::from).py()?;
        let peeked = wait(py, |_| {
            opened.with(|archive| match archive.is_array(index)? {
                true => {
                    let range = archive.range(index)?;
                    Ok(Some((range, archive.peek_member(index, member_options(&opened.limits))?)))
                }
                false => Ok(None),
            })
        })?;
        let Some((range, peeked)) = peeked else { return self.read(py, index) };
        let region = Bound::new(py, FileRegion::of(&file, range, Mode::Read)?)?;
        let memory = Bound::new(py, Memory::of(&region.into_any())?)?;
        view(&memory, &peeked.header, peeked.dtype(), 0)
    }

    /// What a member is, as `ndbytes.info` says it.
    fn info<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyDict>> {
        let (opened, entry) = (self.opened()?, self.entry(index)?.clone());
        let told =
            wait(py, |_| opened.with(|archive| Told::of(archive, entry, index, &opened.limits)))?;
        told.to_dict(py)
    }

    /// The number of a member's compression method, and where its bytes stand in the file; its size and sum.
    fn place(&self, py: Python<'_>, index: usize) -> PyResult<(u16, u64, u64, u64, u32)> {
        let (opened, entry) = (self.opened()?, self.entry(index)?);
        let range = wait(py, |_| opened.with(|archive| archive.range(index)))?;
        Ok((entry.method_number(), range.start, range.end, entry.size(), entry.crc32()))
    }

    /// Lets go of the file, once nobody reads it any more.
    fn close(&self, py: Python<'_>) {
        let opened = self.slot.take();
        py.detach(|| drop(opened));
    }

    #[getter]
    fn closed(&self) -> bool {
        self.slot.is_empty()
    }
}

impl Archive {
    /// The archive that an input is.
    ///
    /// # Errors
    /// Those of [`npz::Archive::open`].
    pub(crate) fn over(
        py: Python<'_>,
        reader: io::Place<Source>,
        path: Option<PathBuf>,
        limits: ndbytes::Limits,
        threads: Threads,
    ) -> PyResult<Self> {
        let opened = wait(py, |_| Opened::new(reader, path, limits, threads))?;
        let (entries, keys) = (opened.archive.entries().to_vec(), keys(&opened.archive));
        Ok(Self { slot: Slot::new(Arc::new(opened)), entries, keys })
    }

    /// A member of which parts are read, and the archive's path.
    pub(crate) fn parts(
        &self,
        py: Python<'_>,
        index: usize,
    ) -> PyResult<(npz::Parts<Source>, Option<PathBuf>)> {
        let opened = self.opened()?;
        let options = member_options(&opened.limits);
        let parts = wait(py, |_| opened.with(|archive| archive.parts(index, options)))?;
        Ok((parts, opened.path.clone()))
    }

    fn opened(&self) -> PyResult<Arc<Opened>> {
        self.slot.get().ok_or_else(|| argument("the archive is closed; load the file again"))
    }

    fn entry(&self, index: usize) -> PyResult<&Entry> {
        let count = self.entries.len();
        let missing = || argument(format!("no member {index}: the archive has {count}"));
        self.entries.get(index).ok_or_else(missing)
    }
}

impl Opened {
    fn new(
        reader: io::Place<Source>,
        path: Option<PathBuf>,
        limits: ndbytes::Limits,
        threads: Threads,
    ) -> Result<Self> {
        let source = reader.source().clone();
        let archive = npz::Archive::open(reader, &limits);
        let archive = archive.map_err(|error| about(error, path.as_ref()))?.with_threads(threads);
        Ok(Self { archive, source, path, limits, threads })
    }

    /// Does something with the archive, which others may do things with as well; with the path in what goes wrong.
    fn with<T>(
        &self,
        work: impl FnOnce(&mut npz::Archive<io::Place<Source>>) -> Result<T>,
    ) -> Result<T> {
        work(&mut self.archive.clone()).map_err(|error| about(error, self.path.as_ref()))
    }

    fn member(&self, index: usize, watch: Watch<'_>) -> Result<Member> {
        self.with(|archive| Member::read(archive, index, &self.limits, watch))
    }

    /// Reads members, each into the place of its index.
    fn members(
        &self,
        indices: Vec<usize>,
        found: &mut [Option<Member>],
        watch: Watch<'_>,
    ) -> Result<()> {
        // Handlers of signals run on one thread only; when one of them ends the work, the others hear of it.
        let interrupted = AtomicBool::new(false);
        let read = |(place, index)| {
            let mut ear = signals();
            let member = self.member(index, &mut |moved| {
                if interrupted.load(Ordering::Relaxed) {
                    return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
                }
                ear(moved).inspect_err(|_| interrupted.store(true, Ordering::Relaxed))
            })?;
            Ok((place, member))
        };
        let parts = indices.into_iter().enumerate().collect();
        self.threads.run(parts, &read, &mut |(place, member): (usize, Member)| {
            if let Some(slot) = found.get_mut(place) {
                *slot = Some(member);
            }
            watch(0)
        })
    }
}

/// An error, about this file.
fn about(error: Error, path: Option<&PathBuf>) -> Error {
    match path {
        // What a caller's handler has raised goes out as it is.
        Some(path) if error.path().is_none() => error.in_file(path),
        _ => error,
    }
}
