//! `ndbytes recv`: arrays that peers send, made into files.

mod arriving;
mod channels;
mod datagrams;
mod newest;
mod peers;
mod place;

use crate::args::RecvArgs;
use crate::exit::Exit;
use crate::net::{self, Tally};
use crate::report::Report;
use crate::session::Session;
use ndbytes::io::channel::{Address, TlsOptions};
use ndbytes::io::stream::Received;
use ndbytes::{Limits, Result};
use place::Place;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

pub(crate) fn run(session: &Session, args: &RecvArgs) -> Result<Exit> {
    let address: Address = args.listen().parse()?;
    let is_udp = matches!(address, Address::Udp { .. });
    net::only(args.partial, "--partial", is_udp, &address)?;
    net::only(args.keep.is_some(), "--keep", !is_udp, &address)?;
    net::only(args.wire.npy, "--npy", !is_udp, &address)?;
    let (is_given, is_tls) =
        (args.cert.is_some() || args.key.is_some(), matches!(address, Address::Tls { .. }));
    net::only_tls(is_given, "--cert and --key", is_tls, &address)?;
    let tls = TlsOptions { cert: args.cert.clone(), key: args.key.clone(), ..Default::default() };
    let keep = args.keep.as_deref().map(net::keep).transpose()?;
    let idle = args.idle.map(|given| net::seconds("--idle", given)).transpose()?;
    let timeout = net::timeout(&args.wire, &address)?;
    let limits = Limits::stream().with_array(args.max_bytes.unwrap_or(u64::MAX));
    let place = Place::new(args)?;
    let (tally, exit, over) = Default::default();
    let once = args.once;
    let work = Work { session, place, limits, timeout, tls, once, idle, tally, exit, over };
    match (is_udp, keep) {
        (true, _) => datagrams::run(&work, &address, args)?,
        (false, Some(keep)) => newest::run(&work, &address, keep)?,
        (false, None) => channels::run(&work, &address, args.wire.npy)?,
    }
    Ok(Exit(work.exit.into_inner()))
}

/// What all ways of receiving share.
struct Work<'s> {
    session: &'s Session,
    place: Place,
    limits: Limits,
    timeout: Duration,
    tls: TlsOptions,
    once: bool,
    idle: Option<Duration>,
    tally: Tally,
    /// The highest code so far.
    exit: AtomicU8,
    /// Set once nothing has come for long enough.
    over: AtomicBool,
}

impl Work<'_> {
    /// The first line, and a warning where strangers can come. With a pin it is what `ndbytes send` takes behind its files.
    fn announce(&self, url: &str, pin: Option<&str>, is_public: bool) -> Result<()> {
        let (text, json) = match pin {
            Some(pin) => {
                (format!("listening on {url} --pin {pin}"), json!({ "listening": url, "pin": pin }))
            }
            None => (format!("listening on {url}"), json!({ "listening": url })),
        };
        self.session.report(&Report::new(text, json))?;
        if is_public {
            let nothing = if pin.is_some() { "" } else { ", and nothing is encrypted" };
            self.session.note(&format!(
                "other machines can connect: nobody is asked who they are{nothing}"
            ));
        }
        Ok(())
    }

    /// # Errors
    /// [`ndbytes::ErrorKind::Interrupted`] once it is time to stop: on Ctrl-C, or where nothing has come for long enough.
    fn check(&self) -> Result<()> {
        self.session.check()?;
        let is_silent = self
            .idle
            .zip(self.tally.silent())
            .is_some_and(|(idle, silent)| silent >= idle && !self.session.progress.is_busy());
        if is_silent {
            self.over.store(true, Ordering::Release);
        }
        if self.is_over() { Err(crate::session::interrupted()) } else { Ok(()) }
    }

    /// Whether it ends because nothing has come for long enough, which is no interruption.
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Counts what has become of a message, and says it.
    fn report(&self, received: &Received, report: &Report) -> Result<Exit> {
        if report.error.is_none() {
            let bytes = received.arrays.iter().map(|one| one.header.nbytes());
            let bytes = bytes.fold(0, u64::saturating_add);
            self.tally.count(received.arrays.len() as u64, bytes);
        }
        let exit = self.session.report(report)?;
        // Whoever reads what is printed may have kept it waiting.
        self.tally.touch();
        self.count(exit);
        Ok(exit)
    }

    fn count(&self, exit: Exit) {
        self.exit.fetch_max(exit.0, Ordering::AcqRel);
    }

    /// What it ended with, if that was an error, and the last line.
    fn end(&self, ended: Result<()>, more: Option<(String, Value)>) -> Result<()> {
        if let Err(error) = ended {
            self.count(self.session.fail(&error));
        }
        self.tally.tell(self.session, "received", more)
    }
}
