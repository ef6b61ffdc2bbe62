//! `ndbytes recv`: arrays that peers send, made into files.

mod place;

use crate::args::RecvArgs;
use crate::exit::Exit;
use crate::net::{self, Address, Connection, Listener};
use crate::report::Report;
use crate::session::Session;
use ndbytes::io::stream::{Receiver, StreamOptions};
use ndbytes::{Error, Result};
use place::Place;
use serde_json::json;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Connections at a time; more wait their turn.
const CONNECTIONS: usize = 512;

pub(crate) fn run(session: &Session, args: &RecvArgs) -> Result<Exit> {
    let address: Address = args.listen.parse()?;
    let (mut options, _) = net::options(&args.wire)?;
    options.limits.array = args.max_bytes.unwrap_or(u64::MAX);
    let place = Place::new(args)?;
    let listener = Listener::bind(&address)?;
    let json = json!({ "listening": listener.to_string() });
    session.report(&Report::new(format!("listening on {listener}"), json))?;
    if listener.is_public() && !session.quiet {
        session.complain(
            "other machines can connect: nobody is asked who they are, and nothing is encrypted",
        );
    }
    let work = Work { session, place, options, exit: AtomicU8::new(0), open: AtomicUsize::new(0) };
    work.listen(&listener, args.once)?;
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
    fn listen(&self, listener: &Listener, once: bool) -> Result<()> {
        std::thread::scope(|scope| {
            while !self.session.is_over() {
                if self.open.load(Ordering::Acquire) >= CONNECTIONS {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    continue;
                }
                let Some(connection) = listener.accept()? else { continue };
                if once {
                    self.receive(connection);
                    return Ok(());
                }
                self.open.fetch_add(1, Ordering::AcqRel);
                scope.spawn(|| {
                    self.receive(connection);
                    self.open.fetch_sub(1, Ordering::AcqRel);
                });
            }
            Ok(())
        })
    }

    /// Takes all that a peer sends. What goes wrong ends its connection, and no other.
    fn receive(&self, connection: Connection) {
        let peer = connection.peer();
        let failed = |error: Error| self.session.fail(&error.context(&peer));
        let mut receiver = match Receiver::over(connection) {
            Ok(receiver) => receiver.with(self.options.clone()),
            Err(error) => return self.count(failed(error)),
        };
        loop {
            match self.next(&mut receiver, &peer) {
                Ok(Some(exit)) => self.count(exit),
                Ok(None) => return,
                Err(error) => {
                    self.count(failed(error));
                    return receiver.into_inner().abort();
                }
            }
        }
    }

    /// The next array; `None` at the end of the connection, or if it is time to stop.
    fn next(&self, receiver: &mut Receiver<Connection>, peer: &str) -> Result<Option<Exit>> {
        let mut watch = self.session.watch();
        let incoming = receiver.incoming(&mut |seen| match seen {
            0 => self.session.check(),
            _ => watch(seen),
        });
        let incoming = match incoming {
            Err(error) if *error.kind() == ndbytes::ErrorKind::Interrupted => return Ok(None),
            incoming => incoming?,
        };
        let Some(incoming) = incoming else { return Ok(None) };
        let report = self.place.store(self.session, incoming, peer, &mut watch)?;
        self.session.report(&report).map(Some)
    }

    fn count(&self, exit: Exit) {
        self.exit.fetch_max(exit.0, Ordering::AcqRel);
    }
}
