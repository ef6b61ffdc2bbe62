//! Arrays over UDP, as far as they come.

use super::Work;
use super::arriving::{Arriving, INCOMPLETE};
use crate::args::RecvArgs;
use crate::report::counted;
use ndbytes::datagram::{Arrival, MAX_DATAGRAM, ReassemblyOptions, Stats};
use ndbytes::io::channel::Address;
use ndbytes::io::datagram::DatagramReceiver;
use ndbytes::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// How often it looks up.
const TICK: Duration = Duration::from_millis(50);

pub(super) fn run(work: &Work<'_>, address: &Address, args: &RecvArgs) -> Result<()> {
    let mut receiver = bind(address, options(work, args))?;
    let bound = receiver.local_addr()?;
    let url = Address::Udp { host: bound.ip().to_string(), port: bound.port() }.to_string();
    work.announce(&url, None, !bound.ip().is_loopback())?;
    let received = receive(work, &mut receiver);
    let stats = receiver.stats();
    // What has begun and is not whole will not be.
    let lost = stats.lost.saturating_add(receiver.pending() as u64);
    if lost > 0 {
        work.count(INCOMPLETE);
    }
    work.end(received, Some(told(&stats, lost)))
}

fn bind(address: &Address, options: ReassemblyOptions) -> Result<DatagramReceiver> {
    let Address::Udp { host, port } = address else {
        return Err(Error::argument("expected udp://HOST:PORT"));
    };
    let bound = DatagramReceiver::bind((host.as_str(), *port));
    let bound = bound.map_err(|error| error.context(format!("cannot listen on {address}")))?;
    Ok(bound.with(options))
}

fn options(work: &Work<'_>, args: &RecvArgs) -> ReassemblyOptions {
    let usual = ReassemblyOptions::default();
    ReassemblyOptions {
        limits: work.limits.clone(),
        // Its parity, and pages that it touches in part, take room too.
        pending: args.max_bytes.map_or(0, |bytes| bytes.saturating_mul(2)).max(usual.pending),
        timeout: work.timeout,
        partial: args.partial,
        ..usual
    }
}

/// Until Ctrl-C, or the end that the options say.
fn receive(work: &Work<'_>, receiver: &mut DatagramReceiver) -> Result<()> {
    let mut seen = 0;
    loop {
        let mut watch = |datagrams: u64| {
            let more = datagrams.saturating_sub(seen);
            if more > 0 {
                seen = datagrams;
                work.tally.touch();
                // Of how many they are is not known.
                work.session.progress.add(more.saturating_mul(MAX_DATAGRAM as u64));
            }
            work.check()
        };
        match receiver.recv(Some(TICK), &mut watch) {
            Ok(None) => {}
            Ok(Some(arrival)) => {
                let stored = store(work, &arrival);
                stored.unwrap_or_else(|error| work.count(work.session.fail(&error)));
                if work.once {
                    return Ok(());
                }
            }
            Err(error) if *error.kind() == ErrorKind::Interrupted => {
                // It is the way to end it, but for one that was to take something.
                return if work.once { work.session.check() } else { Ok(()) };
            }
            Err(error) => return Err(error),
        }
    }
}

fn store(work: &Work<'_>, arrival: &Arrival) -> Result<()> {
    let peer = format!("sender {:08x}", arrival.stream);
    let arriving = Arriving::new(&work.place, work.session, &peer, false);
    let report = match &arrival.mask {
        Some(mask) => arriving.finish_in_part(&arrival.received, mask)?,
        None => arriving.finish(&arrival.received)?,
    };
    work.report(&arrival.received, &report).map(|_| ())
}

/// What else is to be said at the end.
fn told(stats: &Stats, lost: u64) -> (String, Value) {
    let Stats { partial, repaired, corrupt, dropped, refused, .. } = *stats;
    let mut text = format!(
        "; {} lost, {} repaired, {corrupt} corrupt, {} dropped for want of room",
        counted(lost, "message"),
        counted(repaired, "datagram"),
        counted(dropped, "message"),
    );
    if partial > 0 {
        text.push_str(&format!(", {} in part", counted(partial, "array")));
    }
    if refused > 0 {
        let refused = counted(refused, "datagram");
        text.push_str(&format!(", {refused} refused: of messages longer than --max-bytes allows"));
    }
    let json = json!({
        "lost": lost, "repaired": repaired, "corrupt": corrupt, "dropped": dropped, "partial": partial,
        "refused": refused,
    });
    (text, json)
}
