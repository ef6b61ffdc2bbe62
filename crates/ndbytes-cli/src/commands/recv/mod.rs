//! `ndbytes recv`: arrays that peers send, made into files.

mod place;

use crate::args::RecvArgs;
use crate::exit::Exit;
use crate::net;
use crate::report::Report;
use crate::session::Session;
use ndbytes::io::channel::{Acceptor, Address, Connection};
use ndbytes::io::stream::{Receiver, StreamOptions};
use ndbytes::{Error, ErrorKind, Result};
use place::Place;
use serde_json::json;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

/// Connections at a time, where there are descriptors for all; more wait their turn.
const CONNECTIONS: usize = 512;

pub(crate) fn run(session: &Session, args: &RecvArgs) -> Result<Exit> {
    let address: Address = args.listen.parse()?;
    let (mut options, _) = net::options(&args.wire)?;
    options.limits.array = args.max_bytes.unwrap_or(u64::MAX);
    let place = Place::new(args)?;
    let listener = Acceptor::bind(&address)?;
    let json = json!({ "listening": listener.to_string() });
    session.report(&Report::new(format!("listening on {listener}"), json))?;
    if listener.is_public() && !session.quiet {
        session.complain(
            "other machines can connect: nobody is asked who they are, and nothing is encrypted",
        );
    }
    let work = Work { session, place, options, exit: AtomicU8::new(0), open: AtomicUsize::new(0) };
    match args.once {
        true => work.listen_once(&listener)?,
        false => work.listen(&listener)?,
    }
    Ok(Exit(work.exit.into_inner()))
}

struct Work<'s> {
    session: &'s Session,
    place: Place,
    options: StreamOptions,
    /// The highest code so far.
    exit: AtomicU8,
    /// Connections being read.
    open: AtomicUsize,
}

impl Work<'_> {
    /// Until Ctrl-C, which is no error between two arrays.
    fn listen(&self, listener: &Acceptor) -> Result<()> {
        let most = most_connections();
        std::thread::scope(|scope| {
            while !self.session.is_over() {
                if self.open.load(Ordering::Acquire) >= most {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                let Some(connection) = listener.accept()? else { continue };
                self.open.fetch_add(1, Ordering::AcqRel);
                let work = || {
                    self.receive(connection);
                    self.open.fetch_sub(1, Ordering::AcqRel);
                };
                if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, work) {
                    let error = Error::io(error).context("no thread for one more connection");
                    self.count(self.session.fail(&error));
                    self.open.fetch_sub(1, Ordering::AcqRel);
                }
            }
            Ok(())
        })
    }

    /// One connection to its end: what is stopped before is interrupted.
    fn listen_once(&self, listener: &Acceptor) -> Result<()> {
        loop {
            self.session.check()?;
            if let Some(connection) = listener.accept()? {
                return match self.receive(connection) {
                    Received::Stopped => self.session.check(),
                    Received::Ended => Ok(()),
                };
            }
        }
    }

    /// Takes all that a peer sends. What goes wrong ends its connection, and no other.
    fn receive(&self, connection: Connection) -> Received {
        let peer = connection.peer();
        let failed = |error: Error| self.count(self.session.fail(&error.context(&peer)));
        let mut receiver = match Receiver::over(connection) {
            Ok(receiver) => receiver.with(self.options.clone()),
            Err(error) => {
                failed(error);
                return Received::Ended;
            }
        };
        let mut took_all = true;
        loop {
            let mut idle = true;
            match self.next(&mut receiver, &peer, &mut idle) {
                Ok(Some(exit)) => {
                    took_all &= exit == Exit::OK;
                    self.count(exit);
                }
                Ok(None) => {
                    let connection = receiver.into_inner();
                    if took_all {
                        connection.settle()
                    } else {
                        connection.refuse()
                    }
                    return Received::Ended;
                }
                Err(error) => {
                    let stopped = idle && *error.kind() == ErrorKind::Interrupted;
                    if !stopped {
                        failed(error);
                    }
                    // There may be more to come, or more was sent than could be taken: the peer should know.
                    receiver.into_inner().refuse();
                    return if stopped { Received::Stopped } else { Received::Ended };
                }
            }
        }
    }

    /// The next array; `None` at the end of the connection. It is `idle` until something of an array has come.
    fn next(
        &self,
        receiver: &mut Receiver<Connection>,
        peer: &str,
        idle: &mut bool,
    ) -> Result<Option<Exit>> {
        let mut watch = self.session.watch();
        let incoming = receiver.incoming(&mut |seen| {
            *idle = seen == 0;
            watch(seen)
        })?;
        let Some(incoming) = incoming else { return Ok(None) };
        *idle = false;
        let report = self.place.store(self.session, incoming, peer, &mut watch)?;
        self.session.report(&report).map(Some)
    }

    fn count(&self, exit: Exit) {
        self.exit.fetch_max(exit.0, Ordering::AcqRel);
    }
}

/// How a connection ended.
enum Received {
    /// By itself, or by an error that was reported.
    Ended,
    /// On Ctrl-C, between two arrays.
    Stopped,
}

/// As many as there are descriptors for: each connection has a socket, and a file while it brings an array.
#[cfg(unix)]
fn most_connections() -> usize {
    let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let room = descriptors.map_or(u64::MAX, |all| all.saturating_sub(32) / 2);
    usize::try_from(room).unwrap_or(usize::MAX).clamp(1, CONNECTIONS)
}

#[cfg(not(unix))]
fn most_connections() -> usize {
    CONNECTIONS
}
