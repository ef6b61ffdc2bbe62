//! Memory that a peer on this machine hands over, in place of an array.

use super::Source;
use crate::ahead::AHEAD;
use crate::patience::Patience;
use ndbytes::io::stream::{Places, Received};
use ndbytes::{Error, LENT_MAGIC, Limits, Result};

impl Source {
    /// Whether a record comes next, and no frame, of which at least a byte is here.
    ///
    /// # Errors
    /// [`Timeout`](ndbytes::ErrorKind::Timeout) if it does not go on.
    pub(super) async fn hands_over(&mut self, patience: &mut Patience) -> Result<bool> {
        while self.ahead.bytes().len() < LENT_MAGIC.len() {
            let may_be = LENT_MAGIC.starts_with(self.ahead.bytes());
            if !may_be || self.look(AHEAD, patience).await? == 0 {
                return Ok(false);
            }
        }
        Ok(self.ahead.bytes().starts_with(&LENT_MAGIC))
    }

    /// Reads a record, the message that it is; what has come of it stays here where nobody waits for it any more.
    ///
    /// # Errors
    /// [`Unsupported`](ndbytes::ErrorKind::Unsupported) where no descriptors come; [`Truncated`](ndbytes::ErrorKind::Truncated) for an
    /// end within it; as [`ndbytes::Lent::len`], [`ndbytes::io::shm::Handed::new`] and [`ndbytes::io::shm::Handed::received`].
    pub(super) async fn record(
        &mut self,
        places: &mut (dyn Places + Send),
        limits: &Limits,
        patience: &mut Patience,
    ) -> Result<Received> {
        #[cfg(target_os = "linux")]
        if self.socket.is_unix() {
            return self.handed(limits, patience).await?.received(places);
        }
        let _ = (places, limits, patience);
        Err(Error::unsupported(
            "the peer hands shared memory over, which comes over Unix sockets of Linux alone; it must send an array of its own",
        ))
    }

    #[cfg(target_os = "linux")]
    async fn handed(
        &mut self,
        limits: &Limits,
        patience: &mut Patience,
    ) -> Result<ndbytes::io::shm::Handed> {
        use ndbytes::{ErrorKind, LENT_FRONT, Lent};
        let mut wanted = LENT_FRONT;
        loop {
            if let Some(front) = self.ahead.bytes().first_chunk() {
                wanted = Lent::len(front, limits)?;
            }
            let come = self.ahead.bytes().len();
            if come >= wanted {
                break;
            }
            if self.look(wanted.max(AHEAD), patience).await? == 0 {
                let message = format!("the stream ends within a record, after {come} bytes");
                let error = Error::new(ErrorKind::Truncated, message).at(come as u64);
                return Err(self.explain(error));
            }
        }
        let fds = self.ahead.take_fds();
        let record = self.ahead.bytes().get(..wanted).unwrap_or_default();
        let handed = ndbytes::io::shm::Handed::new(record, fds, limits)?;
        self.ahead.take(wanted);
        Ok(handed)
    }
}
