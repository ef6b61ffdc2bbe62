//! `ndbytes send`: files read and sent at the same time.

mod datagrams;
mod group;
mod job;
mod stream;

use crate::args::{Files, SendArgs};
use crate::batch;
use crate::exit::Exit;
use crate::net::{self, Tally};
use crate::report::Report;
use crate::session::Session;
use crate::sources::Sources;
use job::Job;
use ndbytes::io::channel::{Address, TlsOptions};
use ndbytes::{Error, Result};
use serde_json::Value;
use std::time::Duration;

pub(crate) fn run(session: &Session, args: &SendArgs) -> Result<Exit> {
    let (files, address) = args.split();
    let address = address_of(address, args)?;
    if files.is_empty() {
        return Err(Error::argument("no file to send"));
    }
    let timeout = net::timeout(&args.wire, &address)?;
    let loss = args.loss.map_or(Ok(0.0), net::loss)?;
    let rate = args.rate.as_deref().map(net::rate).transpose()?;
    let files = Files { files: files.to_vec(), recursive: args.recursive, jobs: 1 };
    let mut sources = Sources::find_with_archives(&files)?;
    session.progress.expect(sources.size());
    for note in sources.expand(session) {
        session.note(&note);
    }
    let unfound = batch::unfound(session, &sources);
    if unfound != Exit::OK && args.group.is_some() {
        return Ok(unfound); // A message that lacks some of what was asked for would look whole.
    }
    let jobs = job::jobs(session, &sources, &files, args)?;
    let sending = Sending {
        session,
        jobs: &jobs,
        is_group: args.group.is_some(),
        timeout,
        tally: Tally::default(),
    };
    let sent = match &address {
        Address::Udp { .. } => datagrams::send(&sending, &address, loss, rate),
        _ => {
            let tls =
                TlsOptions { ca: args.ca.clone(), pin: args.pin.clone(), ..Default::default() };
            stream::send(&sending, &address, &tls, args.wire.npy)
        }
    };
    Ok(unfound.max(sent?))
}

fn address_of(text: &str, args: &SendArgs) -> Result<Address> {
    use Address::{Tcp, Tls, Udp};
    let address: Address = text.parse()?;
    if matches!(address, Tcp { port: 0, .. } | Tls { port: 0, .. } | Udp { port: 0, .. }) {
        let message =
            format!("{text:?}: port 0 is for listeners; `ndbytes recv` prints the port it got");
        return Err(Error::argument(message));
    }
    let is_udp = matches!(address, Udp { .. });
    net::only(args.loss.is_some(), "--loss", is_udp, &address)?;
    net::only(args.rate.is_some(), "--rate", is_udp, &address)?;
    let is_tls = matches!(address, Tls { .. });
    net::only_tls(args.ca.is_some() || args.pin.is_some(), "--ca and --pin", is_tls, &address)?;
    net::only(args.wire.npy, "--npy", !is_udp, &address)?;
    Ok(address)
}

/// What is sent, and how.
struct Sending<'s> {
    session: &'s Session,
    jobs: &'s [Job<'s>],
    /// Whether all is one message.
    is_group: bool,
    timeout: Duration,
    tally: Tally,
}

impl Sending<'_> {
    /// Says that arrays were sent.
    fn report(&self, report: &Report, bytes: u64) -> Result<Exit> {
        self.tally.count(1, bytes);
        self.session.report(report)
    }

    /// The last line.
    fn tell(&self, more: Option<(String, Value)>) -> Result<()> {
        self.tally.tell(self.session, "sent", more)
    }
}
