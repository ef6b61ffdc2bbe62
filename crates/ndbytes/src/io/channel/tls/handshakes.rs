//! Handshakes of peers that have come, made before anybody waits for them: a peer that is slow in one holds nobody up.

use super::{Server, session::Tls};
use crate::error::{Error, ErrorKind, Result};
use crate::io::channel::acceptor::accept_tcp;
use crate::io::channel::link::Link;
use crate::io::channel::listener::PEERS;
use crate::io::channel::{Connection, TICK};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A thread that makes them, and the connections that are ready.
#[derive(Debug)]
pub(in crate::io::channel) struct Handshakes {
    shared: Arc<Shared>,
    /// There is a byte in it while a connection is ready.
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
    /// The process that it belongs to.
    process: u32,
}

#[derive(Debug, Default)]
struct Shared {
    ready: Mutex<VecDeque<Result<Connection>>>,
    stopped: AtomicBool,
}

impl Handshakes {
    /// # Errors
    /// [`Io`](ErrorKind::Io) where no thread is to be had.
    pub(in crate::io::channel) fn start(
        listener: TcpListener,
        server: Server,
        timeout: Duration,
    ) -> Result<Self> {
        let (bell, rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        let shared = Arc::<Shared>::default();
        let room = Room { shared: Arc::clone(&shared), rope, listener, server, timeout };
        let thread = Builder::new().name("ndbytes-tls".to_owned()).spawn(move || room.run())?;
        Ok(Self { shared, bell, thread: Some(thread), process: std::process::id() })
    }

    /// A connection whose handshake is over. Where it has failed, whoever reads of it hears why.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) if nobody can connect any more; [`Argument`](ErrorKind::Argument) in a child of the process.
    pub(in crate::io::channel) fn next(&self) -> Result<Option<Connection>> {
        if self.process != std::process::id() {
            let message = "the listener belongs to the process that this one was forked from";
            return Err(Error::argument(message));
        }
        let mut ready = self.shared.lock();
        if let Some(Err(error)) = ready.front() {
            return Err(error.clone());
        }
        let next = ready.pop_front();
        if ready.is_empty() {
            // Whatever rang is here; who comes rings once more.
            let _ = (&self.bell).read(&mut [0; PEERS]);
        }
        next.transpose()
    }
}

impl AsFd for Handshakes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Drop for Handshakes {
    fn drop(&mut self) {
        // A child that was forked has no such thread, and the parent's goes on.
        if self.process == std::process::id() {
            self.shared.stopped.store(true, Ordering::Release);
            let _ = self.bell.shutdown(Shutdown::Both);
            self.thread.take().map(JoinHandle::join);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Result<Connection>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread has.
struct Room {
    shared: Arc<Shared>,
    rope: UnixStream,
    listener: TcpListener,
    server: Server,
    timeout: Duration,
}

/// Peers that have not been given on: no more than an eighth of the descriptors that the process may have.
fn most() -> usize {
    let all = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    all.and_then(|all| usize::try_from(all / 8).ok()).map_or(PEERS, |most| most.clamp(1, PEERS))
}

/// A peer in its handshake.
struct Shaking {
    tls: Tls,
    wants: PollFlags,
    /// Whether that has come.
    is_ready: bool,
    since: Instant,
}

impl Room {
    fn run(self) {
        let mut peers = Vec::new();
        while !self.shared.stopped.load(Ordering::Acquire) {
            // More wait in the system's queue.
            let room = most().saturating_sub(self.shared.lock().len());
            let has_room = peers.len() < room;
            self.wait(&mut peers, has_room);
            self.go_on(&mut peers);
            if let Err(error) = self.accept(&mut peers, room) {
                return self.give(Err(error));
            }
        }
    }

    fn wait(&self, peers: &mut [Shaking], has_room: bool) {
        let wanted = if has_room { PollFlags::IN } else { PollFlags::empty() };
        let own = [PollFd::new(&self.rope, PollFlags::IN), PollFd::new(&self.listener, wanted)];
        let tick = Timespec::try_from(TICK).unwrap_or_default();
        let theirs = peers.iter().map(|peer| PollFd::new(&peer.tls, peer.wants));
        let mut fds: Vec<_> = own.into_iter().chain(theirs).collect();
        let polled = poll(&mut fds, Some(&tick));
        let is_ready = |fd: &PollFd<'_>| polled.is_ok() && !fd.revents().is_empty();
        let ready: Vec<bool> = fds.iter().skip(2).map(is_ready).collect();
        drop(fds);
        peers.iter_mut().zip(ready).for_each(|(peer, ready)| peer.is_ready = ready);
    }

    fn accept(&self, peers: &mut Vec<Shaking>, room: usize) -> Result<()> {
        while peers.len() < room
            && let Some(socket) = accept_tcp(&self.listener)?
        {
            let _ = socket.set_nodelay(true);
            let tls = Tls::server(socket, &self.server)?;
            let (wants, since) = (PollFlags::IN, Instant::now());
            peers.push(Shaking { tls, wants, is_ready: true, since });
        }
        Ok(())
    }

    /// Every handshake as far as it goes.
    fn go_on(&self, peers: &mut Vec<Shaking>) {
        for peer in std::mem::take(peers) {
            let shaken = match peer.is_ready {
                true => peer.tls.shake(),
                false => Ok(Some(peer.wants)),
            };
            let error = match shaken {
                Ok(Some(wants)) if peer.since.elapsed() < self.timeout => {
                    peers.push(Shaking { wants, ..peer });
                    continue;
                }
                Ok(Some(_)) => {
                    let seconds = self.timeout.as_secs_f32();
                    let message = format!("the peer has not finished it in {seconds} s");
                    Error::new(ErrorKind::Timeout, message)
                }
                Ok(None) => {
                    let connection = Connection::on(Link::Tls(peer.tls));
                    connection.distrust(); // Killed, too, it must not look like an end.
                    self.give(Ok(connection));
                    continue;
                }
                Err(error) => error,
            };
            // Its end comes behind what it was told: a reset could take that from it.
            let _ = peer.tls.socket().shutdown(Shutdown::Write);
            let error = error.context("the TLS handshake failed");
            self.give(Ok(Connection::failed(Link::Tls(peer.tls), error)));
        }
    }

    fn give(&self, connection: Result<Connection>) {
        self.shared.lock().push_back(connection);
        let _ = (&self.rope).write(&[0]);
    }
}
