//! Arrays of any number of peers, each taken as fast as it is written.

use super::Work;
use super::arriving::Arriving;
use super::peers::{Listener, Peer};
use crate::exit::Exit;
use ndbytes::io::channel::Address;
use ndbytes::io::stream::Places;
use ndbytes::{Dest, Error, ErrorKind, Header, Result};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections at a time, where there are descriptors for all; more wait their turn.
const CONNECTIONS: usize = 512;

pub(super) fn run(work: &Work<'_>, address: &Address, npy: bool) -> Result<()> {
    let listener = Listener::bind(address, &work.limits, work.timeout, &work.tls, npy)?;
    work.announce(&listener.url(), listener.pin(), listener.is_public())?;
    let listened = match work.once {
        true => once(work, &listener),
        false => all(work, &listener),
    };
    work.end(listened, None)
}

/// Until Ctrl-C, which is no error between two arrays.
fn all(work: &Work<'_>, listener: &Listener) -> Result<()> {
    let (most, open) = (most_connections(listener.pin().is_some()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        while work.check().is_ok() {
            if open.load(Ordering::Acquire) >= most {
                std::thread::sleep(Duration::from_millis(20));
                continue;
            }
            let peer = match listener.accept(&mut |_| work.check()) {
                Err(error) if *error.kind() == ErrorKind::Interrupted => break,
                peer => peer?,
            };
            open.fetch_add(1, Ordering::AcqRel);
            let receiving = || {
                receive(work, peer);
                open.fetch_sub(1, Ordering::AcqRel);
            };
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, receiving) {
                let error = Error::io(error).context("no thread for one more connection");
                work.count(work.session.fail(&error));
                open.fetch_sub(1, Ordering::AcqRel);
            }
        }
        Ok(())
    })
}

/// One connection to its end: what is stopped before is interrupted.
fn once(work: &Work<'_>, listener: &Listener) -> Result<()> {
    let peer = listener.accept(&mut |_| work.session.check())?;
    match receive(work, peer) {
        Received::Stopped => work.session.check(),
        Received::Ended => Ok(()),
    }
}

/// How a connection ended.
enum Received {
    /// By itself, or by an error that was reported.
    Ended,
    /// On Ctrl-C, between two arrays.
    Stopped,
}

/// Takes all that a peer sends. What goes wrong ends its connection, and no other.
fn receive(work: &Work<'_>, mut peer: Peer) -> Received {
    let name = peer.name();
    let mut took_all = true;
    loop {
        let told = Told { work, name: &name, idle: Cell::new(true), failed: Cell::new(false) };
        match next(&told, &mut peer) {
            Ok(Some(exit)) => took_all &= exit == Exit::OK,
            Ok(None) => {
                if took_all {
                    peer.settle();
                } else {
                    peer.refuse();
                }
                return Received::Ended;
            }
            Err(error) => {
                told.fail(&error);
                // There may be more to come, or more was sent than could be taken: the peer should know.
                peer.refuse();
                let stopped = told.is_stopped(&error);
                return if stopped { Received::Stopped } else { Received::Ended };
            }
        }
    }
}

/// Makes a file of the next message; `None` at the end of the connection.
fn next(told: &Told<'_>, peer: &mut Peer) -> Result<Option<Exit>> {
    let Told { work, name, idle, .. } = told;
    let arriving = Arriving::new(&work.place, work.session, name, true);
    let mut telling = Telling { arriving, told };
    let received = peer.recv(&mut telling, &mut |seen| {
        if seen > 0 {
            idle.set(false);
            work.tally.touch();
        }
        if idle.get() { work.check() } else { work.session.check() }
    })?;
    let Some(received) = received else { return Ok(None) };
    idle.set(false);
    let report = telling.arriving.finish(&received)?;
    work.report(&received, &report).map(Some)
}

/// What there is to say of a message that does not come.
struct Told<'w> {
    work: &'w Work<'w>,
    name: &'w str,
    /// Until something of it has come.
    idle: Cell<bool>,
    /// Whether it was said what went wrong.
    failed: Cell<bool>,
}

impl Told<'_> {
    /// Whether it was stopped between two messages, which is no error.
    fn is_stopped(&self, error: &Error) -> bool {
        self.idle.get() && *error.kind() == ErrorKind::Interrupted
    }

    /// Says what went wrong, once.
    fn fail(&self, error: &Error) {
        if !self.is_stopped(error) && !self.failed.replace(true) {
            let error = error.clone().context(self.name);
            self.work.count(self.work.session.fail(&error));
        }
    }
}

/// Says it before the peer hears of it, who may be the one that stops us next.
struct Telling<'t> {
    arriving: Arriving<'t>,
    told: &'t Told<'t>,
}

impl Places for Telling<'_> {
    fn place(&mut self, header: &Header) -> Result<Dest<'_>> {
        self.arriving.place(header)
    }

    fn failed(&mut self, error: &Error) {
        self.arriving.discard();
        self.told.fail(error);
    }
}

/// As many as there are descriptors for: each connection has a socket, another hold on it, and a file while it brings an array. Within TLS an
/// eighth is for those who are in their handshake.
#[cfg(unix)]
fn most_connections(is_tls: bool) -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let shaking = |all: u64| if is_tls { all / 8 } else { 0 };
    let room = descriptors.map_or(u64::MAX, |all| all.saturating_sub(32 + shaking(all)) / 3);
    usize::try_from(room).unwrap_or(usize::MAX).clamp(1, CONNECTIONS)
}

#[cfg(not(unix))]
fn most_connections(_: bool) -> usize {
    CONNECTIONS
}
