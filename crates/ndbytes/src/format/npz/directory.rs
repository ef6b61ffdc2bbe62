//! The directory of an archive, and the records behind it that say where it is.

use super::extra::Extra;
use super::{Blocks, Entry, name};
use crate::error::{Error, Result};
use crate::format::Fields;

/// Bytes of a directory record before its name.
pub(crate) const CENTRAL: usize = 46;
/// The most bytes behind the directory: the records, and a comment.
pub(crate) const LONGEST_TAIL: usize = END64 + LOCATOR + END + u16::MAX as usize;

pub(super) const CENTRAL_MAGIC: [u8; 4] = *b"PK\x01\x02";
pub(super) const END_MAGIC: [u8; 4] = *b"PK\x05\x06";
pub(super) const END64_MAGIC: [u8; 4] = *b"PK\x06\x06";
pub(super) const LOCATOR_MAGIC: [u8; 4] = *b"PK\x06\x07";

/// Bytes of the end record, without its comment.
const END: usize = 22;
/// Bytes of the zip64 end record.
pub(super) const END64: usize = 56;
/// Bytes of the record that says where that one is.
const LOCATOR: usize = 20;

/// The kind of file, of Unix's mode, that is a symbolic link.
const LINK: u32 = 0o12;

/// The highest version that an entry may need, as for Python: 6.3.
const NEWEST: u8 = 63;

/// Where the directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) start: u64,
    pub(crate) size: u64,
    pub(crate) count: u64,
}

impl Directory {
    /// What the end of an archive says, of which `tail` is at least the last [`LONGEST_TAIL`] bytes, or all, from byte
    /// `from` on. None if it is no end of an archive.
    ///
    /// # Errors
    /// Malformed; Unsupported for archives of several files.
    pub(crate) fn find(tail: &[u8], from: u64) -> Result<Option<Self>> {
        let Some(place) = end_record(tail) else { return Ok(None) };
        let at = from.saturating_add(place as u64);
        let malformed = |what: String| Err(Error::malformed(what).at(at));
        let (before, record) = tail.split_at_checked(place).unwrap_or_default();
        let Some((said, comment)) = Said::narrow(record) else { return Ok(None) };
        let behind = record.len().saturating_sub(END);
        if usize::from(comment) != behind {
            return malformed(format!(
                "the end record of the zip archive says that {comment} bytes follow, and {behind} do"
            ));
        }
        let (said, end) = match zip64(before, at)? {
            None => (said, at),
            Some((wide, end)) if said.agrees(&wide) => (wide, end),
            Some(_) => return malformed("the two end records of the zip archive differ".into()),
        };
        if said.disks != [0, 0] || said.here != said.directory.count {
            let message = "a zip archive in several files; join them first";
            return Err(Error::unsupported(message).at(at));
        }
        let Self { start, size, .. } = said.directory;
        if start.checked_add(size) != Some(end) {
            return malformed(format!(
                "the directory of the zip archive should be {size} bytes from byte {start} on, and ends at byte {end}: \
                 bytes were put in front or lost"
            ));
        }
        Ok(Some(said.directory))
    }
}

/// Where the end record begins, as Python finds it: without a comment, or else the last place that looks like one.
fn end_record(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END)?;
    if tail.get(last..).is_some_and(|end| end.starts_with(&END_MAGIC) && end.ends_with(&[0, 0])) {
        return Some(last);
    }
    tail.windows(END_MAGIC.len()).rposition(|bytes| bytes == END_MAGIC)
}

/// What an end record says.
struct Said {
    disks: [u32; 2],
    here: u64,
    directory: Directory,
}

impl Said {
    /// From the record that is always there; and how long the comment behind it is.
    fn narrow(record: &[u8]) -> Option<(Self, u16)> {
        let mut fields = Fields(record.strip_prefix(&END_MAGIC)?);
        let disks = [fields.u16()?.into(), fields.u16()?.into()];
        let (here, count) = (fields.u16()?.into(), fields.u16()?.into());
        let (size, start) = (fields.u32()?.into(), fields.u32()?.into());
        Some((Self { disks, here, directory: Directory { start, size, count } }, fields.u16()?))
    }

    /// From the zip64 record.
    fn wide(record: &[u8]) -> Option<Self> {
        let mut fields = Fields(record.strip_prefix(&END64_MAGIC)?);
        let rest = fields.u64()?;
        let _versions = fields.u32()?;
        let disks = [fields.u32()?, fields.u32()?];
        let (here, count) = (fields.u64()?, fields.u64()?);
        let (size, start) = (fields.u64()?, fields.u64()?);
        (rest == (END64 - 12) as u64).then_some(Self {
            disks,
            here,
            directory: Directory { start, size, count },
        })
    }

    /// Whether this record says what the wide one says, or points to it.
    fn agrees(&self, wide: &Self) -> bool {
        let same = |narrow: u64, wide: u64, max: u64| narrow == max || narrow == wide;
        let (short, long) = (u64::from(u16::MAX), u64::from(u32::MAX));
        let (own, other) = (self.directory, wide.directory);
        same(own.count, other.count, short)
            && same(self.here, wide.here, short)
            && same(own.size, other.size, long)
            && same(own.start, other.start, long)
            && self
                .disks
                .iter()
                .zip(wide.disks)
                .all(|(&own, wide)| same(own.into(), wide.into(), short))
    }
}

/// What the zip64 records say that stand before the end record at byte `at`, and where the first of them begins.
fn zip64(before: &[u8], at: u64) -> Result<Option<(Said, u64)>> {
    let Some(locator) = before.last_chunk::<LOCATOR>() else { return Ok(None) };
    let Some(fields) = locator.strip_prefix(&LOCATOR_MAGIC) else { return Ok(None) };
    let mut fields = Fields(fields);
    let said = (fields.u32(), fields.u64(), fields.u32());
    let start = at.checked_sub((LOCATOR + END64) as u64);
    let record = before.len().checked_sub(LOCATOR + END64).and_then(|place| before.get(place..));
    let whole = record.and_then(Said::wide).zip(start);
    let found =
        whole.filter(|(_, start)| matches!(said, (Some(0), Some(at), Some(0 | 1)) if at == *start));
    if found.is_none() {
        let message = "the zip64 end record of the zip archive is not where it should be";
        return Err(Error::malformed(message).at(at.saturating_sub(LOCATOR as u64)));
    }
    Ok(found)
}

impl Entry {
    /// Bytes of name, extra fields and comment behind these, the first [`CENTRAL`] of the record at byte `at`.
    ///
    /// # Errors
    /// Malformed if they begin none.
    pub(crate) fn central_rest(fixed: &[u8; CENTRAL], at: u64) -> Result<[usize; 3]> {
        if !fixed.starts_with(&CENTRAL_MAGIC) {
            let message = "no record of the zip directory stands where one should";
            return Err(Error::malformed(message).at(at));
        }
        let mut lengths = Fields(fixed.get(28..).unwrap_or_default());
        Ok([(); 3].map(|()| lengths.u16().unwrap_or_default().into()))
    }

    /// The entry that a record says, with its name and extra fields.
    ///
    /// # Errors
    /// Malformed; Unsupported for a version that is too new, a part of a split archive, or a member with two names.
    pub(crate) fn parse(fixed: &[u8; CENTRAL], name: &[u8], extra: &[u8]) -> Result<Self> {
        let mut fields = Fields(fixed.get(6..).unwrap_or_default());
        let [needed, _] = fields.take().unwrap_or_default();
        let mut next16 = || fields.u16().unwrap_or_default();
        let (flags, method, _time, _date) = (next16(), next16(), next16(), next16());
        let mut next32 = || fields.u32().unwrap_or_default();
        let (crc, packed, size) = (next32(), next32(), next32());
        let mut fields = Fields(fixed.get(34..).unwrap_or_default());
        let disk = fields.u16().unwrap_or_default();
        let mut fields = Fields(fixed.get(38..).unwrap_or_default());
        let (attributes, start) =
            (fields.u32().unwrap_or_default(), fields.u32().unwrap_or_default());

        let (bytes, name) = (name, name::decode(name, flags)?);
        let extra = Extra::parse(extra)?;
        if let Some(field) = extra.unicode_path {
            name::check_second(field, bytes, &name)?;
        }
        let [size, packed, start] =
            extra.widen([("size", size), ("stored size", packed), ("offset", start)])?;
        let mut entry = Self {
            name,
            name_len: bytes.len(),
            flags,
            method,
            crc,
            size,
            packed,
            start,
            blocks: None,
            link: attributes >> 28 == LINK,
        };
        if needed > NEWEST {
            let (major, minor) = (needed / 10, needed % 10);
            let message =
                format!("{} needs zip version {major}.{minor}; up to 6.3 is read", entry.label());
            return Err(Error::unsupported(message));
        }
        if disk != 0 {
            let message = format!("{} is in part {disk} of a split zip archive", entry.label());
            return Err(Error::unsupported(message));
        }
        if entry.method == 0 && size != packed {
            let message =
                format!("{} is stored, and says {size} bytes take {packed}", entry.label());
            return Err(Error::malformed(message));
        }
        if let Some(field) = extra.index {
            let blocks = Blocks::parse(field, method, [size, packed], crc);
            entry.blocks = blocks.map_err(|error| error.context(entry.label()))?;
        }
        Ok(entry)
    }
}
