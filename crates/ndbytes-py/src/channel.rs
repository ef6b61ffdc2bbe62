//! `ndbytes._core.connect` and `listen`: what `ndbytes.Channel` and `ndbytes.Listener` stand on.

use crate::arrivals::{Arrivals, Message};
use crate::errors::{IntoPy as _, argument};
use crate::limits::{self, Limits};
use crate::message::{self, frames, size, sources};
#[cfg(target_os = "linux")]
use crate::options::metadata;
use crate::progress::Progress;
use crate::work::wait;
use ndbytes::io::channel::{
    self as core, Address, ChannelOptions, Keep, Outbox, Stats, TlsOptions,
};
use ndbytes::{Array, ArrayRef, Layout, Order, Result, frame, to_bytes};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A connection: `python/ndbytes/_channel.py` says what its methods are for.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Channel {
    core: Arc<core::Channel>,
    /// Once it was asked for.
    outbox: Mutex<Option<Arc<Outbox>>>,
}

impl From<core::Channel> for Channel {
    fn from(channel: core::Channel) -> Self {
        Self { core: Arc::new(channel), outbox: Mutex::default() }
    }
}

/// Connects to a listener.
#[pyfunction]
#[pyo3(signature = (url, *, timeout, reconnect, ca, pin, limits = None))]
pub(crate) fn connect(
    py: Python<'_>,
    url: &str,
    timeout: f64,
    reconnect: bool,
    ca: Option<PathBuf>,
    pin: Option<String>,
    limits: Option<Limits>,
) -> PyResult<Channel> {
    let address: Address = url.parse().py()?;
    if matches!(address, Address::Tcp { port: 0, .. } | Address::Tls { port: 0, .. }) {
        return Err(argument(format!(
            "{url:?}: port 0 is for listeners; Listener.url has the port that one got"
        )));
    }
    let tls = TlsOptions { ca, pin, ..TlsOptions::default() };
    let options = ChannelOptions { reconnect, tls, ..channel_options(timeout, limits)? };
    wait(py, |watch| core::Channel::connect(&address, options, watch)).map(Channel::from)
}

/// Listens for channels; `keep` is so many of the newest messages, or None for all.
#[pyfunction]
#[pyo3(signature = (url, *, keep, timeout, cert, key, limits = None))]
pub(crate) fn listen(
    url: &str,
    keep: Option<usize>,
    timeout: f64,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    limits: Option<Limits>,
) -> PyResult<Listener> {
    let keep = keep.map_or(Keep::All, Keep::Last);
    let tls = TlsOptions { cert, key, ..TlsOptions::default() };
    let options = ChannelOptions { tls, ..channel_options(timeout, limits)? };
    core::Listener::bind(&url.parse().py()?, keep, options).py().map(Listener)
}

fn channel_options(timeout: f64, limits: Option<Limits>) -> PyResult<ChannelOptions> {
    let limits = limits::or(limits, ndbytes::Limits::stream());
    let timeout = seconds(timeout)?;
    if timeout.is_zero() {
        return Err(argument("timeout must be more than 0 seconds"));
    }
    Ok(ChannelOptions { limits, timeout, ..ChannelOptions::default() })
}

/// # Errors
/// `ArgumentError` for what is no time.
fn seconds(given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given)
        .map_err(|_| argument(format!("timeout: {given} is no number of seconds")))
}

pub(crate) fn patience(given: Option<f64>) -> PyResult<Option<Duration>> {
    given.map(seconds).transpose()
}

#[pymethods]
impl Channel {
    /// Sends arrays as one message, and gives its number; None where it was left to a thread.
    #[expect(clippy::too_many_arguments, reason = "those of Python's own")]
    #[pyo3(signature = (a, attrs, name, codec, on_full, progress))]
    fn send(
        &self,
        py: Python<'_>,
        a: Bound<'_, PyAny>,
        attrs: Option<&Bound<'_, PyAny>>,
        name: Option<String>,
        codec: Option<&str>,
        on_full: &Bound<'_, PyAny>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Option<u64>> {
        let (drops, progress) = (message::drops(on_full)?, message::callable(progress)?);
        if drops && progress.is_some() {
            return Err(argument(
                "progress is for on_full=\"block\": another thread sends what gives way to newer messages",
            ));
        }
        let arrays = message::named(a, name)?;
        #[cfg(target_os = "linux")]
        if codec.is_none()
            && let [(name, array)] = arrays.as_slice()
            && let Some(number) = self.hand_over(array, name.clone(), attrs)?
        {
            let nbytes = array.getattr("nbytes")?.extract()?;
            Progress::of(progress, nbytes).done()?;
            return Ok(Some(number));
        }
        let sources = sources(&arrays)?;
        let frames = frames(arrays, &sources, attrs, codec)?;
        let outbox = self.outbox(drops).py()?;
        let mut progress = Progress::of(progress, size(&sources));
        let sent = wait(py, |watch| match outbox {
            Some(outbox) if drops => {
                outbox.post(frames.into_iter().map(owned).collect::<Result<_>>()?)?;
                Ok(None)
            }
            _ => {
                // What waits was sent before.
                outbox.map_or(Ok(()), |outbox| outbox.drain(watch))?;
                let mut watch = |seen| watch(seen).and_then(|()| progress.moved(seen));
                self.core.send(&frames, &mut watch).map(Some)
            }
        })?;
        progress.done()?;
        Ok(sent)
    }

    /// The next message; None at the end.
    #[pyo3(signature = (out, timeout, progress))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        out: Option<Bound<'py, PyAny>>,
        timeout: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Message<'py>>> {
        let (mut arrivals, patience) = (Arrivals::new(message::outs(out)?)?, patience(timeout)?);
        let mut progress = Progress::new(message::callable(progress)?, &arrivals.total);
        let received = wait(py, |watch| {
            let mut watch = |seen| watch(seen).and_then(|()| progress.moved(seen));
            self.core.recv(&mut arrivals, patience, &mut watch)
        })?;
        let Some(received) = received else { return Ok(None) };
        progress.done()?;
        arrivals.finish(py, &received).map(Some)
    }

    /// Waits for the receipts of all that was sent; whether they have come.
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let patience = patience(timeout)?;
        wait(py, |watch| self.core.flush(patience, watch))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, |watch| {
            // What waits is sent before; nobody else waits for this lock meanwhile.
            let outbox = self.lock().take();
            let drained = outbox.map_or(Ok(()), |outbox| outbox.drain(watch));
            let closed = self.core.close(watch);
            drained.and(closed)
        })
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        told(py, &self.core.stats())
    }

    #[getter]
    fn closed(&self) -> bool {
        self.core.is_closed()
    }

    #[getter]
    fn peer(&self, py: Python<'_>) -> String {
        py.detach(|| self.core.peer())
    }
}

impl Channel {
    /// Hands an array that was born shared over, and gives the message's number; None where it goes by its items.
    #[cfg(target_os = "linux")]
    fn hand_over(
        &self,
        array: &Bound<'_, PyAny>,
        name: Option<String>,
        attrs: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Option<u64>> {
        let Some(shared) = crate::shm::find(array)? else { return Ok(None) };
        let memory = shared.segment.get().descriptor().py()?;
        let lent = shared.lent(array, metadata(name, attrs)?)?;
        let outbox = self.outbox(false).py()?;
        wait(array.py(), |watch| {
            outbox.map_or(Ok(()), |outbox| outbox.drain(watch))?;
            self.core.hand_over(lent, &memory, watch)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Outbox>>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outbox, if there is one; `made` if there is not.
    fn outbox(&self, made: bool) -> Result<Option<Arc<Outbox>>> {
        let mut outbox = self.lock();
        if made && outbox.is_none() && !self.core.is_closed() {
            *outbox = Some(Arc::new(Outbox::new(Arc::clone(&self.core))?));
        }
        Ok(outbox.clone())
    }
}

/// A copy, for a thread.
fn owned(
    (array, options): (ArrayRef<'_>, frame::EncodeOptions),
) -> Result<(Array, frame::EncodeOptions)> {
    let layout = Layout::contiguous(array.shape(), array.itemsize(), Order::C)?;
    let bytes = to_bytes(&array, Order::C)?;
    Ok((Array::new(array.dtype().clone(), layout, bytes.into())?, options))
}

/// Waits for peers: `python/ndbytes/_channel.py` says what its methods are for.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct Listener(core::Listener);

impl Drop for Listener {
    fn drop(&mut self) {
        // A thread of its own may have to end, for which no other one is to stand still.
        let _ = Python::try_attach(|py| py.detach(|| self.0.close()));
    }
}

#[pymethods]
impl Listener {
    #[getter]
    fn url(&self) -> String {
        self.0.address().to_string()
    }

    #[getter]
    fn pin(&self) -> Option<&str> {
        self.0.pin()
    }

    /// The next message of any peer.
    #[pyo3(signature = (out, timeout, progress))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        out: Option<Bound<'py, PyAny>>,
        timeout: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Message<'py>> {
        let (mut arrivals, patience) = (Arrivals::new(message::outs(out)?)?, patience(timeout)?);
        let mut progress = Progress::new(message::callable(progress)?, &arrivals.total);
        let received = wait(py, |watch| {
            let mut watch = |seen| watch(seen).and_then(|()| progress.moved(seen));
            self.0.recv_into(&mut arrivals, patience, &mut watch)
        })?;
        progress.done()?;
        arrivals.finish(py, &received)
    }

    /// The channel of the next peer.
    fn accept(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Channel> {
        let patience = patience(timeout)?;
        wait(py, |watch| self.0.accept(patience, watch)).map(Channel::from)
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        told(py, &self.0.stats())
    }
}

/// Counts under their names.
fn told<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let counts = [
        ("sent", stats.sent),
        ("confirmed", stats.confirmed),
        ("lost", stats.lost),
        ("received", stats.received),
        ("missed", stats.missed),
        ("dropped", stats.dropped),
        ("reconnects", stats.reconnects),
        ("failed", stats.failed),
    ];
    for (name, count) in counts {
        dict.set_item(name, count)?;
    }
    let runs = stats.lost_seqs.iter().map(|run| (*run.start(), *run.end()));
    dict.set_item("lost_seqs", runs.collect::<Vec<_>>())?;
    Ok(dict)
}
