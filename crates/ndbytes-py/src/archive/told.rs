//! What members are, without reading their data.

use super::member::options;
use crate::bundle::keys;
use crate::info::described;
use ndbytes::io::Peeked;
use ndbytes::io::npz::{Archive, Blocks, Entry, Method};
use ndbytes::{Limits, Result};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::io::{Read, Seek};

/// What is said of one member.
pub(crate) struct Told {
    entry: Entry,
    method: Method,
    /// None of what is no array.
    peeked: Option<Peeked>,
}

impl Told {
    /// Looks at a member.
    ///
    /// # Errors
    /// As [`Archive::peek_member`].
    pub(crate) fn of<R: Read + Seek>(
        archive: &mut Archive<R>,
        entry: Entry,
        index: usize,
        limits: &Limits,
    ) -> Result<Self> {
        let method = entry.method()?;
        let peeked = match archive.is_array(index)? {
            true => Some(archive.peek_member(index, options(limits))?),
            false => None,
        };
        Ok(Self { entry, method, peeked })
    }

    /// All members of an archive, by their keys.
    ///
    /// # Errors
    /// As [`Told::of`].
    pub(crate) fn all(reader: impl Read + Seek, limits: &Limits) -> Result<Vec<(String, Self)>> {
        let mut archive = Archive::open(reader, limits)?;
        let entries = archive.entries().to_vec();
        let keyed = keys(&archive).into_iter().zip(entries).enumerate();
        keyed
            .map(|(index, (key, entry))| Ok((key, Self::of(&mut archive, entry, index, limits)?)))
            .collect()
    }

    /// The same as a dict.
    ///
    /// # Errors
    /// For a dtype that NumPy does not have.
    pub(crate) fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let found = match &self.peeked {
            Some(peeked) => described(py, peeked, self.entry.size())?,
            None => {
                let found = PyDict::new(py);
                found.set_item("format", "bytes")?;
                found.set_item("nbytes", self.entry.size())?;
                found
            }
        };
        found.set_item("checksum", "present")?;
        found.set_item("codec", self.method.name())?;
        found.set_item("blocks", self.entry.blocks().map_or(1, Blocks::len))?;
        found.set_item("stored_bytes", self.entry.stored_size())?;
        found.set_item("crc32", self.entry.crc32())?;
        Ok(found)
    }
}
