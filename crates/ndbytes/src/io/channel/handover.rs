//! Messages that are memory, handed over by descriptor.

use super::{Connection, TICK};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{LENT_MAGIC, Lent, Received};
use crate::io::stream::Places;
use crate::io::{Watch, shm};
use crate::limits::Limits;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Whether the next message is such a one. A descriptor that came with any other is kept, as `spec/WIRE.md`, section 13, says.
pub(super) fn has_come(connection: &Connection) -> bool {
    let Some(socket) = connection.unix() else { return false };
    let mut front = [0; LENT_MAGIC.len()];
    if connection.keeps_one() {
        return connection.peek(&mut front).is_ok_and(|n| n == front.len()) && front == LENT_MAGIC;
    }
    let mut fds = Vec::new();
    let come = shm::peek_some(socket, &mut front, &mut fds).unwrap_or_default();
    let is_one = come == front.len() && front == LENT_MAGIC;
    if !is_one && let Some(fd) = shm::kept(fds) {
        connection.keep(fd);
    }
    is_one
}

/// Takes it.
pub(super) fn take(
    connection: &Connection,
    places: &mut dyn Places,
    limits: &Limits,
) -> Result<Option<Received>> {
    let Some(socket) = connection.unix() else { return Ok(None) };
    shm::recv(socket, limits)?.map(|handed| handed.received(places)).transpose()
}

/// Waits for room, which a record needs at once.
pub(super) fn wait(connection: &Connection, most: Duration, watch: Watch<'_>) -> Result<()> {
    let (started, tick) = (Instant::now(), Timespec::try_from(TICK).unwrap_or_default());
    loop {
        watch(0)?;
        match poll(&mut [PollFd::new(connection, PollFlags::OUT)], Some(&tick)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
        if started.elapsed() >= most {
            let message = format!("the peer took nothing for {} s", most.as_secs_f32());
            return Err(Error::new(ErrorKind::Timeout, message));
        }
    }
}

/// Gives it.
pub(super) fn give(connection: &Connection, lent: &Lent, memory: &impl AsFd) -> Result<()> {
    let Some(socket) = connection.unix() else { return Ok(()) };
    shm::send(socket, lent, memory)
}
