//! A message on its way out.

use crate::STEP;
use crate::patience::Patience;
use crate::socket::Socket;
use ndbytes::io::stream::of_socket;
use ndbytes::{Encode, Result};
use std::io::{Error as IoError, ErrorKind as IoKind};
#[cfg(target_os = "linux")]
use std::os::fd::BorrowedFd;
use std::time::Duration;
use tokio::task::yield_now;

/// Up to so many bytes go together in one write.
const COALESCED: usize = 1 << 16;

/// Sends one message. Dropped between its first byte and its last, it ends the connection there, so that the peer sees that it was cut.
#[derive(Debug)]
pub(crate) struct Output<'o> {
    socket: &'o Socket,
    /// Whether a message has begun on the connection and was not sent to its end.
    inside: &'o mut bool,
    patience: Patience,
    /// What waits for company.
    held: Vec<u8>,
    /// Bytes so far, and since other tasks had their turn.
    sent: u64,
    moved: usize,
}

impl<'o> Output<'o> {
    pub(crate) fn new(socket: &'o Socket, inside: &'o mut bool, timeout: Duration) -> Self {
        let mut patience = Patience::new(timeout);
        patience.start();
        Self { socket, inside, patience, held: Vec::new(), sent: 0, moved: 0 }
    }

    /// Sends all that the machines of its frames give.
    ///
    /// # Errors
    /// [`Peer`](ndbytes::ErrorKind::Peer) if the connection is lost; [`Timeout`](ndbytes::ErrorKind::Timeout);
    /// [`Io`](ndbytes::ErrorKind::Io); whatever a machine returns.
    pub(crate) async fn send<'a>(mut self, frames: Vec<impl Encode<'a>>) -> Result<()> {
        for mut frame in frames {
            frame.set_step(self.socket.steps().made);
            while let Some(piece) = frame.next()? {
                if self.held.len() + piece.len() <= COALESCED {
                    self.held.extend_from_slice(&piece);
                    continue;
                }
                self.release().await?;
                self.write(&piece).await?;
            }
            self.patience.start();
        }
        self.release().await?;
        let socket = self.socket;
        self.patience.wait(|cx| socket.poll_flush(cx)).await?.map_err(of_socket)?;
        *self.inside = false;
        Ok(())
    }

    /// Sends a record, and the descriptor of its memory with the first byte.
    ///
    /// # Errors
    /// As [`Output::send`], where it goes over a Unix socket.
    #[cfg(target_os = "linux")]
    pub(crate) async fn hand_over(mut self, record: &[u8], memory: BorrowedFd<'_>) -> Result<()> {
        let (socket, inside) = (self.socket, &mut *self.inside);
        let written = self.patience.wait(|cx| {
            let written = socket.poll_write_with(cx, record, memory);
            *inside |= written.is_ready();
            written
        });
        let n = written.await?.map_err(of_socket)?;
        // Records are shorter than any socket's buffer, so that nothing is left but in odd cases.
        self.write(record.get(n..).unwrap_or_default()).await?;
        *self.inside = false;
        Ok(())
    }

    async fn release(&mut self) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        self.write(&held).await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // Not behind the last byte: whoever stops there has sent all.
            if self.moved >= STEP {
                self.moved = 0;
                yield_now().await;
            }
            let step = bytes.get(..bytes.len().min(STEP)).unwrap_or_default();
            let (socket, inside) = (self.socket, &mut *self.inside);
            // It has begun once a byte has gone: before that nothing is lost where nobody waits any more.
            let written = self.patience.wait(|cx| {
                let written = socket.poll_write(cx, step);
                *inside |= written.is_ready();
                written
            });
            let written = written.await;
            let sent = self.sent;
            let after =
                |error: ndbytes::Error| error.context(format!("after {sent} bytes of a message"));
            let n = match written.map_err(after)? {
                Ok(0) => return Err(IoError::from(IoKind::WriteZero).into()),
                Ok(n) => n,
                Err(error) => return Err(after(of_socket(error))),
            };
            bytes = bytes.get(n..).unwrap_or_default();
            self.sent += n as u64;
            self.moved += n;
            self.patience.count(n);
        }
        Ok(())
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        if *self.inside {
            self.socket.cut();
        }
    }
}
