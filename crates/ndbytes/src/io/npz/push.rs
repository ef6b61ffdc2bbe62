//! Members whose bytes come when they come, from whoever has them.

use super::{Method, Writer};
use crate::codec::Crc32;
use crate::error::{Error, Result};
use std::io::Write;

impl<W: Write> Writer<W> {
    /// Begins a member whose bytes [`Writer::push`] takes, until [`Writer::close`].
    ///
    /// # Errors
    /// As [`Writer::add`]; [`Argument`](crate::ErrorKind::Argument) where members are compressed.
    pub fn open(&mut self, name: &str) -> Result<()> {
        if self.options().method != Method::Stored {
            return Err(Error::argument("only members that are stored are written piece by piece"));
        }
        let entry = self.begin(name)?;
        self.open = Some((entry, Crc32::default()));
        Ok(())
    }

    /// Writes the next bytes of the member.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) where none was begun; [`Io`](crate::ErrorKind::Io) from the target.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let (entry, crc) = self.open.as_mut().ok_or_else(none)?;
        crc.update(bytes);
        entry.size += bytes.len() as u64;
        self.put(bytes)
    }

    /// Ends the member.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn close(&mut self) -> Result<()> {
        let (mut entry, crc) = self.open.take().ok_or_else(none)?;
        (entry.crc, entry.packed) = (crc.value(), entry.size);
        self.end(entry)
    }
}

fn none() -> Error {
    Error::argument("no member was begun")
}
