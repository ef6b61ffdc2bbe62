//! A connection within TLS: any thread reads and any writes, at the same time.

use super::{Client, Server, explain};
use crate::error::{Error, ErrorKind, Result};
use crate::io::channel::TICK;
use crate::io::stream::Socket;
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::{ClientConnection, Connection as Session, ServerConnection};
use std::io::{Error as IoError, ErrorKind as IoKind, Read as _, Result as IoResult, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Bytes that are encrypted at a time, and wait together for the peer: as many as have the time-out of one step.
const STEP: usize = 1 << 16;
/// Bytes that are taken from the socket at a time: two records.
const TAKEN: usize = 1 << 15;

/// One hold on it.
#[derive(Debug)]
pub(in crate::io::channel) struct Tls {
    socket: TcpStream,
    shared: Arc<Shared>,
}

/// Who takes both locks of a direction takes that of the session last, and waits for nothing while it has it.
#[derive(Debug)]
struct Shared {
    session: Mutex<Session>,
    /// Held by who takes bytes from the socket.
    incoming: Mutex<Incoming>,
    /// Held by who gives bytes to the socket, so that records go in their order.
    outgoing: Mutex<Outgoing>,
    /// Whether the end was said, or is about to be: whoever writes lets go then.
    ended: AtomicBool,
}

/// Ciphertext that has come and was not decrypted.
#[derive(Debug, Default)]
struct Incoming {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// What comes behind the plaintext that there is.
    failed: Option<Error>,
}

/// Ciphertext of plaintext that was taken from its sender: it goes before anything else does.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    start: usize,
}

/// Whether a call may wait for the socket, as long as that is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::io::channel) enum Wait {
    Tick,
    Never,
}

impl Tls {
    /// The end that has connected; nothing is said yet.
    pub(in crate::io::channel) fn client(socket: TcpStream, client: &Client) -> Result<Self> {
        let session = ClientConnection::new(client.config(), client.name()).map_err(explain)?;
        Ok(Self::on(socket, session.into()))
    }

    /// The end that was connected to.
    pub(in crate::io::channel) fn server(socket: TcpStream, server: &Server) -> Result<Self> {
        let session = ServerConnection::new(server.config()).map_err(explain)?;
        Ok(Self::on(socket, session.into()))
    }

    fn on(socket: TcpStream, mut session: Session) -> Self {
        // What is encrypted is taken out at once, so nothing grows.
        session.set_buffer_limit(None);
        let (session, incoming, outgoing) =
            (Mutex::new(session), Mutex::default(), Mutex::default());
        let ended = AtomicBool::new(false);
        Self { socket, shared: Arc::new(Shared { session, incoming, outgoing, ended }) }
    }

    pub(in crate::io::channel) fn try_clone(&self) -> IoResult<Self> {
        Ok(Self { socket: self.socket.try_clone()?, shared: Arc::clone(&self.shared) })
    }

    pub(in crate::io::channel) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Goes on with the handshake as far as it goes without waiting; what to wait for, or `None` once it is done.
    ///
    /// # Errors
    /// [`Peer`](ErrorKind::Peer) with what is wrong. The peer was told, if there was room.
    pub(in crate::io::channel) fn shake(&self) -> Result<Option<PollFlags>> {
        let (mut incoming, mut outgoing) =
            (lock(&self.shared.incoming), lock(&self.shared.outgoing));
        loop {
            let flushed = self.flush_with(&mut outgoing, Wait::Never);
            if let Err(error) = flushed {
                return if is_tick(&error) { Ok(Some(PollFlags::OUT)) } else { Err(error.into()) };
            }
            if !self.session().is_handshaking() {
                return Ok(None);
            }
            match self.take_in(&mut incoming, Wait::Never) {
                Ok(0) => {
                    let message = "the connection ended within the TLS handshake: the peer refuses, or speaks no TLS";
                    return Err(Error::new(ErrorKind::Peer, message));
                }
                Ok(_) => {}
                Err(error) if is_tick(&error) => return Ok(Some(PollFlags::IN)),
                Err(error) => return Err(error.into()),
            }
            let mut session = self.session();
            while session.is_handshaking() && incoming.give(&mut session)? > 0 {
                if let Err(error) = session.process_new_packets() {
                    drop(session);
                    let _ = self.flush_with(&mut outgoing, Wait::Never);
                    return Err(explain(error));
                }
            }
        }
    }

    /// Plaintext; 0 at an end that was said. An end that was not is [`IoKind::UnexpectedEof`].
    pub(in crate::io::channel) fn read(&self, space: &mut [u8], wait: Wait) -> IoResult<usize> {
        let mut incoming = match wait {
            Wait::Tick => lock(&self.shared.incoming),
            // Somebody else waits for the same bytes.
            Wait::Never => try_lock(&self.shared.incoming)?,
        };
        let started = Instant::now();
        loop {
            match self.decrypt(&mut incoming, space).transpose() {
                Some(Ok(n)) => return Ok(n),
                Some(Err(error)) => {
                    self.reply();
                    return Err(error);
                }
                None => self.reply(),
            }
            // What is encrypted may come for ever and say nothing: whoever waits has a clock to look at.
            if started.elapsed() >= TICK {
                return Err(IoKind::WouldBlock.into());
            }
            self.take_in(&mut incoming, wait)?;
        }
    }

    /// Whether plaintext may be here that the socket does not tell of.
    pub(in crate::io::channel) fn holds_some(&self) -> bool {
        let Ok(incoming) = try_lock(&self.shared.incoming) else { return false };
        !incoming.left().is_empty()
            || incoming.failed.is_some()
            || self.session().reader().into_first_chunk().is_ok()
    }

    /// What has come as plaintext; `None` if more must come first.
    fn decrypt(&self, incoming: &mut Incoming, space: &mut [u8]) -> IoResult<Option<usize>> {
        let (mut session, mut filled) = (self.session(), 0);
        loop {
            let left = space.get_mut(filled..).unwrap_or_default();
            match session.reader().read(left) {
                // An end, or no more space.
                Ok(0) => return Ok(Some(filled)),
                Ok(n) => {
                    filled += n;
                    continue;
                }
                Err(_) if filled > 0 && incoming.left().is_empty() => return Ok(Some(filled)),
                Err(error) if is_tick(&error) => {}
                Err(error) => return Err(error.kind().into()),
            }
            if let Some(error) = &incoming.failed {
                return if filled > 0 { Ok(Some(filled)) } else { Err(error.clone().into()) };
            }
            if incoming.left().is_empty() {
                return Ok(None);
            }
            incoming.give(&mut session)?;
            if let Err(error) = session.process_new_packets() {
                incoming.failed = Some(explain(error));
            }
        }
    }

    /// Takes ciphertext from the socket, behind what has been decrypted; 0 at the end.
    fn take_in(&self, incoming: &mut Incoming, wait: Wait) -> IoResult<usize> {
        (incoming.start, incoming.end) = (0, 0);
        incoming.bytes.resize(TAKEN, 0);
        let taken = match wait {
            Wait::Tick => (&self.socket).read(&mut incoming.bytes),
            Wait::Never => recv(self, &mut *incoming.bytes, RecvFlags::DONTWAIT)
                .map(|(n, _)| n)
                .map_err(IoError::from),
        };
        incoming.end = *taken.as_ref().unwrap_or(&0);
        if let Ok(0) = taken {
            self.session().read_tls(&mut std::io::empty())?;
        }
        taken
    }

    /// Gives the peer what the session has to say of itself, if nobody is about to write: else it goes with that.
    fn reply(&self) {
        if let Ok(mut outgoing) = try_lock(&self.shared.outgoing) {
            let _ = self.flush_with(&mut outgoing, Wait::Never);
        }
    }

    /// Encrypts some bytes, and sends them as far as there is room: the rest goes with the next call, or [`Tls::flush`].
    ///
    /// # Errors
    /// Those of the socket. Where it would have to wait for what was to be sent before, nothing was taken.
    pub(in crate::io::channel) fn write(&self, bytes: &[u8], wait: Wait) -> IoResult<usize> {
        let mut outgoing = match wait {
            Wait::Tick => self.outgoing()?,
            Wait::Never => try_lock(&self.shared.outgoing)?,
        };
        self.flush_with(&mut outgoing, wait)?;
        if self.has_ended() {
            return Err(IoKind::BrokenPipe.into());
        }
        let bytes = bytes.get(..STEP).unwrap_or(bytes);
        let taken = self.session().writer().write(bytes).map_err(told)?;
        match self.flush_with(&mut outgoing, wait) {
            Err(error) if !is_tick(&error) => Err(error),
            _ => Ok(taken),
        }
    }

    /// Sends what was encrypted; an error that says so if there is no room for all of it yet.
    pub(in crate::io::channel) fn flush(&self, wait: Wait) -> IoResult<()> {
        self.flush_with(&mut *self.outgoing()?, wait)
    }

    /// The writers' lock; not for who would keep it from whoever says the end.
    fn outgoing(&self) -> IoResult<MutexGuard<'_, Outgoing>> {
        match self.has_ended() {
            true => Err(IoKind::BrokenPipe.into()),
            false => Ok(lock(&self.shared.outgoing)),
        }
    }

    fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Says that nothing more will come, without waiting: an error that says so if there is no room for that yet.
    pub(in crate::io::channel) fn finish(&self) -> IoResult<()> {
        let is_first = !self.shared.ended.swap(true, Ordering::AcqRel);
        let mut outgoing = lock(&self.shared.outgoing);
        if is_first {
            self.session().send_close_notify();
        }
        self.flush_with(&mut outgoing, Wait::Never)?;
        self.socket.shutdown(Shutdown::Write)
    }

    fn flush_with(&self, outgoing: &mut Outgoing, wait: Wait) -> IoResult<()> {
        outgoing.take(&mut self.session())?;
        while !outgoing.left().is_empty() {
            let sent = match wait {
                Wait::Tick => (&self.socket).write(outgoing.left()),
                Wait::Never => {
                    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                    send(self, outgoing.left(), flags).map_err(IoError::from)
                }
            };
            match sent? {
                0 => return Err(IoKind::WriteZero.into()),
                n => outgoing.start += n,
            }
        }
        Ok(())
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.shared.session)
    }
}

impl Incoming {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Gives the session what it takes; how much that was.
    fn give(&mut self, session: &mut Session) -> IoResult<usize> {
        if self.left().is_empty() {
            return Ok(0); // Given nothing, the session would take it for the end.
        }
        let n = session.read_tls(&mut self.left())?;
        // Behind an end that was said nothing means anything.
        self.start = if n == 0 { self.end } else { self.start + n };
        Ok(n)
    }
}

impl Outgoing {
    fn left(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Takes what the session has encrypted.
    fn take(&mut self, session: &mut Session) -> IoResult<()> {
        if self.left().is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
        while session.wants_write() {
            session.write_tls(&mut self.bytes)?;
        }
        Ok(())
    }
}

impl AsFd for Tls {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Tls {
    /// As [`Socket::prepare`].
    pub(in crate::io::channel) fn prepare(&self, tick: Duration) -> IoResult<()> {
        self.socket.prepare(tick)
    }
}

/// What the session says of an error that it has had before, in this crate's words.
fn told(error: IoError) -> IoError {
    match error.downcast::<rustls::Error>() {
        Ok(own) => explain(own).into(),
        Err(error) => error,
    }
}

fn is_tick(error: &IoError) -> bool {
    matches!(error.kind(), IoKind::WouldBlock | IoKind::Interrupted)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> IoResult<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(IoKind::WouldBlock.into()),
    }
}
