//! What stands behind `ndbytes.zlib` and `ndbytes.gzip`.

use crate::array::{Bytes, Memory, Out, Source, Target, to_array};
use crate::declared::Declared;
use crate::dtype;
use crate::errors::{IntoPy as _, argument, argument_type};
use crate::options::{self, Count};
use crate::work::wait;
use ndbytes::raw::{self, Raw};
use ndbytes::{BufferMut, Container, Dest, Dim, Error, Limits, Order, Result, Threads, io};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

/// The stream of an array's items, in C order.
#[pyfunction]
pub(crate) fn compress<'py>(
    py: Python<'py>,
    gzip: bool,
    data: &Bound<'py, PyAny>,
    level: i32,
    threads: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let threads = workers(threads)?;
    let level = options::level(Some(level))?;
    let source = Source::untyped(data)?;
    let stream = wait(py, |watch| {
        let mut stream = Vec::new();
        let mut items = raw::Encoder::new(&source.view()?, Order::C, None)?;
        io::write_compressed(&mut items, &mut stream, container(gzip), level, threads, watch)?;
        Ok(stream)
    })?;
    Ok(PyBytes::new(py, &stream))
}

/// What a stream holds: as bytes, as the array that dtype and shape declare, or in `out`.
#[pyfunction]
pub(crate) fn decompress<'py>(
    py: Python<'py>,
    gzip: bool,
    buf: &Bound<'py, PyAny>,
    dtype: Option<&Bound<'py, PyAny>>,
    shape: Option<&Bound<'py, PyAny>>,
    out: Option<Bound<'py, PyAny>>,
    max_bytes: Option<Count>,
) -> PyResult<Bound<'py, PyAny>> {
    let stream = Stream {
        container: container(gzip),
        bytes: Bytes::new(buf)?,
        max: max_bytes.map(|count| count.0),
    };
    let declared = dtype.map(|dtype| Declared::new(dtype, shape, None, Count(0), Count(0)));
    let raw = declared.transpose()?.map(|declared| declared.raw);
    if raw.is_none() && shape.is_some_and(|shape| !shape.eq(-1).unwrap_or(false)) {
        return Err(argument("shape is for dtype: without one there are bytes"));
    }
    match (out, raw) {
        (Some(out), raw) => stream.fill_out(py, out, raw.as_ref()),
        (None, None) => Ok(PyBytes::new(py, &stream.of_any_length(py)?).into_any()),
        (None, Some(raw)) => stream.array(py, &raw),
    }
}

struct Stream {
    container: Container,
    bytes: Bytes,
    max: Option<u64>,
}

impl Stream {
    fn of_any_length(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        // Whoever knows of no bound gets one.
        let max = self.max.unwrap_or(Limits::untrusted().array);
        wait(py, |watch| io::decompress(self.container, &self.bytes, max, watch))
    }

    fn array<'py>(&self, py: Python<'py>, raw: &Raw) -> PyResult<Bound<'py, PyAny>> {
        let dims = raw.spec.shape.as_deref().unwrap_or_default();
        let (shape, buffer) = if dims.contains(&Dim::Any) {
            // What is wrong with the declaration itself is said first.
            raw.shape(0).py()?;
            let bytes = self.of_any_length(py)?;
            let shape = raw.shape(bytes.len() as u64).py()?;
            let mut buffer = BufferMut::new(bytes.len() as u64).py()?;
            buffer.all().py()?.copy_from_slice(&bytes);
            (shape, buffer)
        } else {
            let (shape, size) = raw.whole().py()?;
            self.check_size(size).py()?;
            let mut buffer = BufferMut::new(size).py()?;
            let found = self.fill(py, || Dest::Fill(&mut buffer))?;
            raw.shape(found as u64).py()?;
            (shape, buffer)
        };
        to_array(py, Memory::new(buffer), &raw.spec.dtype, &shape, Order::C)
    }

    fn fill_out<'py>(
        &self,
        py: Python<'py>,
        out: Bound<'py, PyAny>,
        raw: Option<&Raw>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let is_array = out.is_instance(&dtype::numpy(py)?.getattr("ndarray")?)?;
        if !is_array {
            if raw.is_some() {
                return Err(argument_type("with dtype, out must be a NumPy array"));
            }
            let mut bytes = Out::new(&out)?;
            let size = bytes.bytes().len();
            self.check_apart(bytes.bytes())?;
            self.check_size(size as u64).py()?;
            let found = self.fill(py, || Dest::Into(bytes.bytes()))?;
            check_filled(found, size).py()?;
            return Ok(out);
        }
        let target = Target::new(&out)?;
        let size: usize = out.getattr("nbytes")?.extract()?;
        if let Some(raw) = raw {
            target.expect(&raw.spec)?;
        }
        self.check_size(size as u64).py()?;
        let mut filling = target.filling(py, false)?;
        let space = filling.bytes().py()?;
        self.check_apart(space)?;
        let found = self.fill(py, || Dest::Into(space))?;
        check_filled(found, size).py()?;
        filling.finish(py, &target)?;
        Ok(out)
    }

    fn fill<'d>(&self, py: Python<'_>, dest: impl FnOnce() -> Dest<'d> + Send) -> PyResult<usize> {
        wait(py, |watch| io::decompress_into(self.container, &self.bytes, dest(), watch))
    }

    /// That what is written is not what is read.
    fn check_apart(&self, space: &[u8]) -> PyResult<()> {
        let (from, to) = (self.bytes.as_ptr_range(), space.as_ptr_range());
        if from.start < to.end && to.start < from.end {
            return Err(argument(
                "out is memory of the stream itself, which would change while it is read",
            ));
        }
        Ok(())
    }

    /// That so many bytes may come, before any does.
    fn check_size(&self, size: u64) -> Result<()> {
        match self.max {
            Some(max) if size > max => Err(Error::limit("max_bytes", size, max)),
            _ => Ok(()),
        }
    }
}

fn check_filled(found: usize, size: usize) -> Result<()> {
    if found == size {
        return Ok(());
    }
    Err(Error::malformed(format!("out has {size} bytes, the stream {found}")))
}

fn container(gzip: bool) -> Container {
    if gzip { Container::Gzip } else { Container::Zlib }
}

/// Threads that may work on it.
fn workers(threads: Option<&Bound<'_, PyAny>>) -> PyResult<Threads> {
    let Some(threads) = threads else { return Ok(Threads::default()) };
    if !threads.is_instance_of::<PyInt>() {
        let found = threads.get_type().name()?;
        return Err(argument_type(format!("threads must be an int or None, found {found}")));
    }
    if threads.lt(1)? {
        return Err(argument(format!(
            "threads={threads}; at least 1, or None for as many as help"
        )));
    }
    // More than can be counted are more than there are.
    Ok(Threads::new(threads.extract().unwrap_or(usize::MAX)))
}
