//! Records on their way out, as Python's `zipfile` writes them for NumPy.

use super::extra::{ALIGNMENT, ZIP64};
use super::index::INDEX;
use super::local::{LOCAL, LOCAL_MAGIC};
use super::{Blocks, Entry, IN_ZIP64, Method, directory, flag};
use crate::codec::Packed;
use crate::error::{Error, Result, quoted};

/// Bytes of the record behind the data of a member whose local header came before its sizes were known.
pub(crate) const DESCRIPTOR: usize = 24;
/// What it begins with.
pub(super) const DESCRIPTOR_MAGIC: [u8; 4] = *b"PK\x07\x08";

/// Version 4.5, the first with zip64; and its writer's system is Unix.
const VERSION: u16 = 45;
const MADE_BY: u16 = 3 << 8 | VERSION;
/// Version 6.3, the first with Zstandard.
const VERSION_ZSTD: u16 = 63;
/// 1980-01-01, 00:00:00.
const TIME: u16 = 0;
const DATE: u16 = 1 << 5 | 1;
/// A file that its owner may read and write.
const ATTRIBUTES: u32 = 0o600 << 16;

/// What a multiple of which the data of an aligned member starts at, in bytes.
const ALIGN: u64 = 64;
/// Bytes of an alignment field before its padding.
const ALIGN_HEADER: u16 = 6;

/// From here on Python puts a size or an offset into a zip64 record.
const PYTHON_LIMIT: u64 = (1 << 31) - 1;

impl Entry {
    /// A member that will be written at `start`, with `streamed` where its sizes can only be told behind its data.
    ///
    /// # Errors
    /// Argument for a name that is empty, too long, or has a NUL, at which Python would cut it.
    pub(crate) fn new(name: &str, method: Method, start: u64, streamed: bool) -> Result<Self> {
        let wrong = if name.is_empty() {
            "is empty".to_owned()
        } else if name.contains('\0') {
            "has a NUL character, at which other readers cut it".to_owned()
        } else if u16::try_from(name.len()).is_err() {
            format!("has {} bytes; at most {} are allowed", name.len(), u16::MAX)
        } else {
            let utf8 = if name.is_ascii() { 0 } else { flag::UTF8 };
            let flags = if streamed { utf8 | flag::DESCRIPTOR } else { utf8 };
            let (name_len, name, method) = (name.len(), name.to_owned(), method.code());
            return Ok(Self {
                name,
                name_len,
                flags,
                method,
                crc: 0,
                size: 0,
                packed: 0,
                start,
                blocks: None,
                link: false,
            });
        };
        Err(Error::argument(format!("the member name {} {wrong}", quoted(name))))
    }

    /// Takes note of the stream that its data became, in blocks of the base-2 logarithm `log`; one block needs no index.
    pub(crate) fn set_packed(&mut self, (packed, log): (Packed, u8)) {
        (self.crc, self.size, self.packed) = (packed.crc, packed.size, packed.packed);
        if packed.blocks.len() > 1 {
            let blocks = packed.blocks.iter().map(|block| (block.packed, block.crc));
            self.blocks = Blocks::new(log, packed.size, blocks);
        }
    }

    /// The header in front of the data; with `aligned`, of a length that puts the data at a multiple of 64 bytes.
    pub(crate) fn local(&self, aligned: bool) -> Vec<u8> {
        let behind = self.has_descriptor();
        let known = |value: u64| if behind { 0 } else { value };
        let mut extra = Out::default();
        extra.u16(ZIP64).u16(16).u64(known(self.size)).u64(known(self.packed));
        if aligned {
            self.pad(&mut extra);
        }
        let mut out = Out::default();
        out.bytes(&LOCAL_MAGIC).u16(self.needed());
        self.common(&mut out, if behind { 0 } else { self.crc });
        out.u32(IN_ZIP64).u32(IN_ZIP64).len(self.name.len()).len(extra.0.len());
        out.bytes(self.name.as_bytes()).bytes(&extra.0);
        out.0
    }

    /// Fills `extra` up.
    fn pad(&self, extra: &mut Out) {
        let len = LOCAL + self.name.len() + extra.0.len() + usize::from(ALIGN_HEADER);
        // Where the sum wraps, so does the file.
        let missing = (self.start.wrapping_add(len as u64)).wrapping_neg() % ALIGN;
        let missing = u16::try_from(missing).unwrap_or_default();
        extra.u16(ALIGNMENT).u16(ALIGN_HEADER - 4 + missing).u16(64);
        extra.0.resize(extra.0.len() + usize::from(missing), 0);
    }

    /// The record behind the data that tells what the local header could not.
    pub(crate) fn descriptor(&self) -> Vec<u8> {
        let mut out = Out::default();
        out.bytes(&DESCRIPTOR_MAGIC).u32(self.crc).u64(self.packed).u64(self.size);
        out.0
    }

    /// Its record in the directory.
    pub(crate) fn central(&self) -> Vec<u8> {
        let large = |value| value > PYTHON_LIMIT;
        let (sizes, start) = (large(self.size) || large(self.packed), large(self.start));
        let mut large = Out::default();
        if sizes {
            large.u64(self.size).u64(self.packed);
        }
        if start {
            large.u64(self.start);
        }
        let mut extra = Out::default();
        if !large.0.is_empty() {
            extra.u16(ZIP64).len(large.0.len()).bytes(&large.0);
        }
        if let Some(blocks) = &self.blocks {
            let field = blocks.field();
            extra.u16(INDEX).len(field.len()).bytes(&field);
        }
        let mut out = Out::default();
        out.bytes(&directory::CENTRAL_MAGIC).u16(MADE_BY).u16(self.needed());
        self.common(&mut out, self.crc);
        out.u32(if sizes { IN_ZIP64 } else { low(self.packed) });
        out.u32(if sizes { IN_ZIP64 } else { low(self.size) });
        out.len(self.name.len()).len(extra.0.len());
        // No comment, on the first disk, no internal attributes.
        out.u16(0).u16(0).u16(0).u32(ATTRIBUTES);
        out.u32(if start { IN_ZIP64 } else { low(self.start) });
        out.bytes(self.name.as_bytes()).bytes(&extra.0);
        out.0
    }

    /// The version that a reader needs.
    fn needed(&self) -> u16 {
        if self.method == Method::Zstd.code() { VERSION_ZSTD } else { VERSION }
    }

    /// The fields that both headers have at the same place.
    fn common(&self, out: &mut Out, crc: u32) {
        out.u16(self.flags).u16(self.method).u16(TIME).u16(DATE).u32(crc);
    }
}

/// What stands behind a directory of `count` records in `size` bytes from byte `start` on.
pub(crate) fn end(count: u64, size: u64, start: u64) -> Vec<u8> {
    let mut out = Out::default();
    if count > u64::from(u16::MAX) || size > PYTHON_LIMIT || start > PYTHON_LIMIT {
        let rest = (directory::END64 - 12) as u64;
        out.bytes(&directory::END64_MAGIC).u64(rest).u16(VERSION).u16(VERSION);
        out.u32(0).u32(0).u64(count).u64(count).u64(size).u64(start);
        out.bytes(&directory::LOCATOR_MAGIC).u32(0).u64(start.saturating_add(size)).u32(1);
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    out.bytes(&directory::END_MAGIC).u16(0).u16(0).u16(count).u16(count);
    out.u32(low(size)).u32(low(start)).u16(0);
    out.0
}

fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(IN_ZIP64)
}

/// Little-endian fields, one behind the other.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// A length that was held against its bound before.
    fn len(&mut self, len: usize) -> &mut Self {
        self.u16(u16::try_from(len).unwrap_or(u16::MAX))
    }
}
