//! Over datagrams: nobody confirms anything.

use super::Sending;
use super::job::{Job, Sent};
use crate::exit::Exit;
use crate::input::Loaded;
use crate::report::{Report, counted};
use ndbytes::datagram::{ReassemblyOptions, parity_for};
use ndbytes::io::channel::Address;
use ndbytes::io::datagram::{DatagramSender, SendOptions};
use ndbytes::{ArrayRef, Error, ErrorKind, Result, frame};
use serde_json::json;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often a wait looks up.
const TICK: Duration = Duration::from_millis(50);
/// Shards of a large group, by which the share of parity in what is sent is told.
const GROUP: usize = 384;

pub(super) fn send(
    sending: &Sending<'_>,
    address: &Address,
    loss: f64,
    rate: Option<u64>,
) -> Result<Exit> {
    let session = sending.session;
    let usual = SendOptions::default();
    let options = SendOptions { loss, rate: rate.unwrap_or(usual.rate), ..usual };
    let mut sender = open(sending, address)?.with(options)?;
    let all: Vec<&[Job<'_>]> = match sending.is_group {
        true => vec![sending.jobs],
        false => sending.jobs.chunks(1).collect(),
    };
    let mut exit = Exit::OK;
    for jobs in all {
        exit = exit.max(match message(sending, jobs, &mut sender, loss) {
            Ok(exit) => exit,
            Err(error) => session.fail(&error),
        });
        if session.is_over() {
            break;
        }
    }
    let text = "; over udp:// nobody confirms that it has arrived".to_owned();
    sending.tell(Some((text, json!({ "confirmed": null }))))?;
    Ok(exit)
}

/// In a thread of its own: looking a name up cannot be interrupted.
fn open(sending: &Sending<'_>, address: &Address) -> Result<DatagramSender> {
    let Address::Udp { host, port } = address.clone() else {
        return Err(Error::argument(format!("{address}: expected udp://HOST:PORT")));
    };
    let about = |error: Error| error.context(format!("cannot send to {address}"));
    let (done, opened) = mpsc::channel();
    let opening = move || {
        // Nobody waits any more where it was interrupted.
        let _ = done.send(DatagramSender::connect((host.as_str(), port)));
    };
    std::thread::Builder::new().spawn(opening).map_err(|error| about(error.into()))?;
    let started = Instant::now();
    loop {
        sending.session.check()?;
        match opened.recv_timeout(TICK) {
            Ok(opened) => return opened.map_err(about),
            Err(_) if started.elapsed() < sending.timeout => {}
            Err(_) => {
                let seconds = sending.timeout.as_secs_f32();
                let message = format!("no address was found in {seconds} s");
                return Err(about(Error::new(ErrorKind::Timeout, message)));
            }
        }
    }
}

/// Sends arrays as one message.
fn message(
    sending: &Sending<'_>,
    jobs: &[Job<'_>],
    sender: &mut DatagramSender,
    loss: f64,
) -> Result<Exit> {
    let session = sending.session;
    let mut loaded = Vec::new();
    for job in jobs {
        let one = job.load(&mut |_| session.check()).map_err(|error| job.named(error))?;
        let metadata = job.metadata(&one.metadata).map_err(|error| job.named(error))?;
        loaded.push((one, metadata));
    }
    let bytes = loaded.iter().map(|(one, _)| one.array.nbytes() as u64).sum::<u64>();
    if bytes > ReassemblyOptions::default().pending {
        let (name, bytes) = (jobs.first().map(|job| job.source.name()), counted(bytes, "byte"));
        let name = name.unwrap_or_default();
        session.note(&format!(
            "{name}: {bytes} in one message; a receiver takes 256 MiB, or what its --max-bytes says"
        ));
    }
    let frames: Vec<(ArrayRef<'_>, frame::EncodeOptions)> = loaded
        .iter()
        .map(|(one, metadata)| {
            let metadata = metadata.clone();
            (one.array.view(), frame::EncodeOptions { metadata, ..Default::default() })
        })
        .collect();
    let mut watch = meter(sending, jobs, bytes, loss);
    sender.send_message(&frames, &mut watch)?;
    drop(frames);
    let mut exit = Exit::OK;
    for (job, (one, metadata)) in jobs.iter().zip(&loaded) {
        exit = exit.max(report(sending, job, one, metadata.name.clone())?);
    }
    Ok(exit)
}

fn report(
    sending: &Sending<'_>,
    job: &Job<'_>,
    loaded: &Loaded,
    name: Option<String>,
) -> Result<Exit> {
    let report: Report = job.report(Sent::of(loaded, name));
    sending.report(&report, loaded.array.nbytes() as u64)
}

/// Counts what is sent, parity among it, as bytes of the files that it comes from.
fn meter<'s>(
    sending: &'s Sending<'_>,
    jobs: &[Job<'_>],
    bytes: u64,
    loss: f64,
) -> impl FnMut(u64) -> Result<()> + 's {
    let files = jobs.iter().map(|job| job.source.len().unwrap_or_default()).sum::<u64>();
    let files = if files == 0 { bytes } else { files };
    // Of a loss for which there is none, groups are smaller.
    let shards = (GROUP + parity_for(GROUP, loss).unwrap_or(GROUP)) as u128;
    let mut last = 0;
    move |sent: u64| {
        sending.tally.touch();
        let data = u128::from(sent) * GROUP as u128 / shards;
        let part = data.min(u128::from(bytes)) * u128::from(files) / u128::from(bytes.max(1));
        let moved = u64::try_from(part).unwrap_or(files);
        sending.session.progress.add(moved.saturating_sub(last));
        last = moved;
        sending.session.check()
    }
}
