//! `ndbytes._core.DatagramSender` and `DatagramReceiver`: what channels over `udp://` stand on.

use crate::arrivals::{Arrivals, Message};
use crate::channel::patience;
use crate::errors::{IntoPy as _, argument};
use crate::limits::{self, Limits};
use crate::message::{self, frames, size, sources};
use crate::progress::Progress;
use crate::work::wait;
use ndbytes::datagram::{Arrival as Arrived, ReassemblyOptions, Stats};
use ndbytes::io::channel::Address;
use ndbytes::io::datagram::{self as core, SendOptions};
use ndbytes::io::{Turns, Watch};
use ndbytes::{Array, Error, ErrorKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::time::{Duration, Instant};

/// How long a receiver has its socket for itself.
const LOOK: Duration = Duration::from_millis(100);

/// Shards of a large group, by which the share of parity in what is sent is told.
const GROUP: usize = 384;

/// A message, and which items of its array have come, where that is not known of all.
type Arrival<'py> = (Message<'py>, Option<Bound<'py, PyAny>>);

/// Host and port of a `udp://` address.
fn address(url: &str) -> PyResult<(String, u16)> {
    match url.parse::<Address>().py()? {
        Address::Udp { host, port } => Ok((host, port)),
        _ => Err(argument(format!("{url:?}: expected udp://HOST:PORT"))),
    }
}

/// Sends messages to an address: `python/ndbytes/_channel.py` says what its methods are for.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct DatagramSender(Turns<Sending>);

struct Sending {
    /// None once it was closed.
    sender: Option<core::DatagramSender>,
    sent: u64,
    /// Shards of a large group, with its parity.
    shards: u64,
}

#[pymethods]
impl DatagramSender {
    #[new]
    #[pyo3(signature = (url, *, loss, rate))]
    fn new(py: Python<'_>, url: &str, loss: f64, rate: Option<u64>) -> PyResult<Self> {
        let (host, port) = address(url)?;
        if port == 0 {
            return Err(argument(format!(
                "{url:?}: port 0 is for listeners; Listener.url has the port that one got"
            )));
        }
        let usual = SendOptions::default();
        let options = SendOptions { loss, rate: rate.unwrap_or(usual.rate), ..usual };
        ndbytes::datagram::parity_for(1, loss).py()?;
        let made =
            |_: Watch<'_>| core::DatagramSender::connect((host.as_str(), port))?.with(options);
        let about = |error: Error| error.context(format!("cannot send to {url}"));
        let sender = Some(wait(py, |watch| made(watch).map_err(about))?);
        // Of a loss for which there is none, groups are smaller.
        let parity = ndbytes::datagram::parity_for(GROUP, loss).unwrap_or(GROUP);
        let shards = (GROUP + parity) as u64;
        Ok(Self(Turns::new(Sending { sender, sent: 0, shards })))
    }

    /// Sends arrays as one message, and gives its number.
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
    ) -> PyResult<u64> {
        if message::drops(on_full)? {
            return Err(argument(
                "on_full=\"drop_oldest\" is for peers that can be slow: datagrams go at their rate",
            ));
        }
        let (arrays, progress) = (message::named(a, name)?, message::callable(progress)?);
        let sources = sources(&arrays)?;
        let frames = frames(arrays, &sources, attrs, codec)?;
        let mut progress = Progress::of(progress, size(&sources));
        let number = wait(py, |watch| {
            let mut sending = self.0.write(watch)?;
            let Sending { sender, sent, shards } = &mut *sending;
            let sender = sender.as_mut().ok_or_else(closed)?;
            // Its parity moves, too.
            let data = |sent: u64| sent.saturating_mul(GROUP as u64) / *shards;
            let mut watch = |sent| watch(sent).and_then(|()| progress.moved(data(sent)));
            let number = sender.send_message(&frames, &mut watch)?;
            *sent += 1;
            Ok(number)
        })?;
        progress.done()?;
        Ok(number)
    }

    #[getter]
    fn sent(&self, py: Python<'_>) -> PyResult<u64> {
        wait(py, |watch| Ok(self.0.read(watch)?.sent))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, |watch| {
            self.0.write(watch)?.sender = None;
            Ok(())
        })
    }
}

/// Receives messages of any number of senders: `python/ndbytes/_channel.py` says what its methods are for.
#[pyclass(module = "ndbytes._core", frozen)]
pub(crate) struct DatagramReceiver {
    receiver: Turns<Option<core::DatagramReceiver>>,
    #[pyo3(get)]
    url: String,
    /// Bytes that the system keeps of what nobody has read yet.
    #[pyo3(get)]
    granted: usize,
}

#[pymethods]
impl DatagramReceiver {
    #[new]
    #[pyo3(signature = (url, *, partial, timeout, limits = None))]
    fn new(
        py: Python<'_>,
        url: &str,
        partial: bool,
        timeout: f64,
        limits: Option<Limits>,
    ) -> PyResult<Self> {
        let (host, port) = address(url)?;
        let limits = limits::or(limits, ndbytes::Limits::stream());
        let timeout = patience(Some(timeout))?.unwrap_or_default();
        let options = ReassemblyOptions { limits, partial, timeout, ..Default::default() };
        let receiver =
            wait(py, |_| Ok(core::DatagramReceiver::bind((host.as_str(), port))?.with(options)))?;
        let bound = receiver.local_addr().py()?;
        let url = Address::Udp { host: bound.ip().to_string(), port: bound.port() }.to_string();
        let granted = receiver.granted();
        Ok(Self { receiver: Turns::new(Some(receiver)), url, granted })
    }

    /// The next message of any sender.
    #[pyo3(signature = (out, timeout, progress))]
    fn recv<'py>(
        &self,
        py: Python<'py>,
        out: Option<Bound<'py, PyAny>>,
        timeout: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Arrival<'py>> {
        let (mut arrivals, patience) = (Arrivals::new(message::outs(out)?)?, patience(timeout)?);
        let progress = message::callable(progress)?;
        let arrival = wait(py, |watch| {
            let arrival = self.next(patience, watch)?;
            for decoded in &arrival.received.arrays {
                let array = decoded.array.as_ref().map(Array::view);
                array.map_or(Ok(()), |array| arrivals.take(&decoded.header, &array))?;
            }
            Ok(arrival)
        })?;
        // How far messages have come that are not whole is not known of each.
        Progress::new(progress, &arrivals.total).done()?;
        let message = arrivals.finish(py, &arrival.received)?;
        let mask = arrival.mask.map(|mask| crate::arrivals::array(py, &mask)).transpose()?;
        Ok((message, mask))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = wait(py, |watch| {
            let receiver = self.receiver.read(watch)?;
            Ok(receiver.as_ref().map(core::DatagramReceiver::stats).unwrap_or_default())
        })?;
        let dict = told(py, &stats)?;
        dict.set_item("granted", self.granted)?;
        Ok(dict)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, |watch| {
            *self.receiver.write(watch)? = None;
            Ok(())
        })
    }
}

impl DatagramReceiver {
    /// The next message; between looks others have their turn.
    fn next(&self, patience: Option<Duration>, watch: Watch<'_>) -> Result<Arrived> {
        let started = Instant::now();
        loop {
            let left = patience.map(|patience| patience.saturating_sub(started.elapsed()));
            let most = left.unwrap_or(LOOK).min(LOOK);
            let mut receiver = self.receiver.write(watch)?;
            let arrival = receiver.as_mut().ok_or_else(closed)?.recv(Some(most), watch)?;
            drop(receiver);
            match (arrival, left, patience) {
                (Some(arrival), ..) => return Ok(arrival),
                (None, Some(Duration::ZERO), Some(patience)) => {
                    let message = format!("no message came within {} s", patience.as_secs_f32());
                    return Err(Error::new(ErrorKind::Timeout, message));
                }
                _ => {}
            }
        }
    }
}

fn closed() -> Error {
    Error::argument("the channel was closed")
}

/// Counts under their names.
fn told<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let counts = [
        ("received", stats.messages),
        ("partial", stats.partial),
        ("lost", stats.lost),
        ("dropped", stats.dropped),
        ("damaged", stats.damaged),
        ("datagrams", stats.datagrams),
        ("late", stats.late),
        ("duplicates", stats.duplicates),
        ("spare", stats.spare),
        ("corrupt", stats.corrupt),
        ("refused", stats.refused),
        ("repaired", stats.repaired),
    ];
    for (name, count) in counts {
        dict.set_item(name, count)?;
    }
    Ok(dict)
}
