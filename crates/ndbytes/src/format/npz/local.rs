//! The header in front of a member's data, held against what the directory says.

use super::extra::Extra;
use super::write::DESCRIPTOR_MAGIC;
use super::{Entry, flag, name};
use crate::error::{Error, Result};
use crate::format::Fields;

/// Bytes of a local header before its name.
pub(crate) const LOCAL: usize = 30;
/// What it begins with.
pub(super) const LOCAL_MAGIC: [u8; 4] = *b"PK\x03\x04";

/// Flags that both headers must agree on: all that may change how a reader goes on.
const AGREED: u16 = !flag::EFFORT;

impl Entry {
    /// Bytes of name and extra fields behind these, the first [`LOCAL`] of a local header.
    ///
    /// # Errors
    /// Malformed if they begin none.
    pub(crate) fn local_rest(&self, fixed: &[u8; LOCAL]) -> Result<(usize, usize)> {
        if !fixed.starts_with(&LOCAL_MAGIC) {
            return Err(self.local_wrong("no local header stands where the directory says"));
        }
        let mut lengths = Fields(fixed.get(LOCAL - 4..).unwrap_or_default());
        let (name, extra) = (lengths.u16().unwrap_or(0), lengths.u16().unwrap_or(0));
        Ok((usize::from(name), usize::from(extra)))
    }

    /// Holds a local header, and the name and extra fields behind it, against this entry.
    ///
    /// # Errors
    /// Malformed where they differ.
    pub(crate) fn check_local(&self, fixed: &[u8; LOCAL], name: &[u8], extra: &[u8]) -> Result<()> {
        let mut fields = Fields(fixed.get(6..).unwrap_or_default());
        let mut next16 = || fields.u16().unwrap_or_default();
        let (flags, method, _time, _date) = (next16(), next16(), next16(), next16());
        let mut next32 = || fields.u32().unwrap_or_default();
        let (crc, packed, size) = (next32(), next32(), next32());
        let extra = Extra::parse(extra).map_err(|error| self.local_error(error))?;
        let [size, packed] = extra
            .widen([("size", size), ("stored size", packed)])
            .map_err(|error| self.local_error(error))?;
        if flags & AGREED != self.flags & AGREED {
            return Err(self.differs("flags", flags, self.flags));
        }
        if name::decode(name, flags).map_err(|error| self.local_error(error))? != self.name {
            return Err(self.local_wrong("the local header has another name than the directory"));
        }
        if method != self.method {
            return Err(self.differs("method", method, self.method));
        }
        // Zeros say that it is told behind the data.
        let told_later = |value: u64| self.has_descriptor() && value == 0;
        let facts = [
            ("CRC-32", u64::from(crc), u64::from(self.crc)),
            ("size", size, self.size),
            ("stored size", packed, self.packed),
        ];
        match facts.into_iter().find(|&(_, local, own)| local != own && !told_later(local)) {
            Some((what, local, own)) => Err(self.differs(what, local, own)),
            None => Ok(()),
        }
    }

    /// Holds the bytes behind the data against this entry: with and without a signature, of either width.
    ///
    /// # Errors
    /// Malformed where they are no data descriptor that says the same.
    pub(crate) fn check_descriptor(&self, bytes: &[u8], at: u64) -> Result<()> {
        let bytes = bytes.strip_prefix(&DESCRIPTOR_MAGIC).unwrap_or(bytes);
        let narrow = || {
            let mut fields = Fields(bytes);
            Some((fields.u32()?, u64::from(fields.u32()?), u64::from(fields.u32()?)))
        };
        let wide = || {
            let mut fields = Fields(bytes);
            Some((fields.u32()?, fields.u64()?, fields.u64()?))
        };
        let own = Some((self.crc, self.packed, self.size));
        if wide() == own || narrow() == own {
            return Ok(());
        }
        let message = format!(
            "{}: what stands behind its data does not say what the directory says of it",
            self.label()
        );
        Err(Error::malformed(message).at(at))
    }

    fn differs(
        &self,
        what: &str,
        local: impl std::fmt::Display,
        own: impl std::fmt::Display,
    ) -> Error {
        self.local_wrong(&format!("its local header has the {what} {local}, the directory {own}"))
    }

    fn local_wrong(&self, what: &str) -> Error {
        self.local_error(Error::malformed(what))
    }

    fn local_error(&self, error: Error) -> Error {
        error.context(self.label()).at(self.start)
    }
}
