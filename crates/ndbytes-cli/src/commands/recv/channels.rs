//! Arrays of any number of peers, each taken as fast as it is written.

use super::Work;
use super::arriving::Arriving;
use super::peers::{Listener, Peer};
use crate::exit::Exit;
use ndbytes::io::channel::Address;
use ndbytes::{Error, ErrorKind, Result};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Connections at a time, where there are descriptors for all; more wait their turn.
const CONNECTIONS: usize = 512;

pub(super) fn run(work: &Work<'_>, address: &Address, npy: bool) -> Result<()> {
    let listener = Listener::bind(address, &work.limits, work.timeout, npy)?;
    work.announce(&listener.url(), listener.is_public())?;
    let listened = match work.once {
        true => once(work, &listener),
        false => all(work, &listener),
    };
    work.end(listened, None)
}

/// Until Ctrl-C, which is no error between two arrays.
fn all(work: &Work<'_>, listener: &Listener) -> Result<()> {
    let (most, open) = (most_connections(), AtomicUsize::new(0));
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
        let idle = Cell::new(true);
        match next(work, &mut peer, &name, &idle) {
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
                let stopped = idle.get() && *error.kind() == ErrorKind::Interrupted;
                if !stopped {
                    work.count(work.session.fail(&error.context(&name)));
                }
                // There may be more to come, or more was sent than could be taken: the peer should know.
                peer.refuse();
                return if stopped { Received::Stopped } else { Received::Ended };
            }
        }
    }
}

/// Makes a file of the next message; `None` at the end of the connection. It is `idle` until something of one has come.
fn next(work: &Work<'_>, peer: &mut Peer, name: &str, idle: &Cell<bool>) -> Result<Option<Exit>> {
    let mut arriving = Arriving::new(&work.place, work.session, name, true);
    let received = peer.recv(&mut arriving, &mut |seen| {
        if seen > 0 {
            idle.set(false);
            work.tally.touch();
        }
        if idle.get() { work.check() } else { work.session.check() }
    })?;
    let Some(received) = received else { return Ok(None) };
    idle.set(false);
    let report = arriving.finish(&received)?;
    work.report(&received, &report).map(Some)
}

/// As many as there are descriptors for: each connection has a socket, another hold on it, and a file while it brings an array.
#[cfg(unix)]
fn most_connections() -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let room = descriptors.map_or(u64::MAX, |all| all.saturating_sub(32) / 3);
    usize::try_from(room).unwrap_or(usize::MAX).clamp(1, CONNECTIONS)
}

#[cfg(not(unix))]
fn most_connections() -> usize {
    CONNECTIONS
}
