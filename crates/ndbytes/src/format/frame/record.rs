//! The header of a block, and its row in the index, which says the same and where the block stands.

use super::grid::MAX_BLOCK;
use crate::codec::{Engine, Filter, crc32c};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Fields, holds};

/// Bytes of a block's header.
pub(crate) const BLOCK_HEADER: usize = 24;
/// Bytes of its sum, at the end.
const SUM: usize = 4;
/// Bytes of a row.
pub(super) const ENTRY: usize = 24;

/// What a block's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockHeader {
    pub(crate) filter: Filter,
    pub(crate) engine: Engine,
    pub(crate) entry: Entry,
}

/// What header and index both say of a block, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where its header begins in the frame.
    pub(crate) offset: u64,
    /// Bytes that are stored.
    pub(crate) stored: u32,
    /// Its length along the slowest axis.
    pub(crate) rows: u32,
    /// CRC-32C of the stored bytes, and of the items.
    pub(crate) stored_sum: u32,
    pub(crate) items_sum: u32,
}

impl Entry {
    pub(super) fn encode(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        let fields = [self.stored, self.rows, self.stored_sum, self.items_sum];
        let bytes = self.offset.to_le_bytes().into_iter();
        let bytes = bytes.chain(fields.into_iter().flat_map(u32::to_le_bytes));
        entry.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        entry
    }

    pub(super) fn parse(bytes: &[u8; ENTRY]) -> Option<Self> {
        let mut fields = Fields(bytes);
        Some(Self {
            offset: fields.u64()?,
            stored: fields.u32()?,
            rows: fields.u32()?,
            stored_sum: fields.u32()?,
            items_sum: fields.u32()?,
        })
    }

    /// Where the block ends.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(BLOCK_HEADER as u64).saturating_add(self.stored.into())
    }
}

impl BlockHeader {
    pub(crate) fn encode(&self) -> [u8; BLOCK_HEADER] {
        let Self { filter, engine, entry } = self;
        let method = u32::from_le_bytes([filter.number(), engine.number(), 0, 0]);
        let fields = [entry.stored, method, entry.rows, entry.stored_sum, entry.items_sum];
        let mut header = [0; BLOCK_HEADER];
        let (front, sum) = header.split_at_mut(BLOCK_HEADER - SUM);
        let bytes = fields.into_iter().flat_map(u32::to_le_bytes);
        front.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        sum.copy_from_slice(&crc32c(front).to_le_bytes());
        header
    }

    /// The rows that a header says, which nothing vouches for yet.
    pub(crate) fn rows_of(bytes: &[u8; BLOCK_HEADER]) -> usize {
        let mut fields = Fields(bytes);
        let (_stored, _method, rows) = (fields.u32(), fields.u32(), fields.u32());
        rows.map_or(0, |rows| rows as usize)
    }

    /// Reads the header of the block of this number, which stands at `offset`, is of `size` bytes and so many rows.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum) before any field is believed; [`Unsupported`](ErrorKind::Unsupported) and
    /// [`Malformed`](ErrorKind::Malformed), with the block's number.
    pub(crate) fn parse(bytes: &[u8; BLOCK_HEADER], offset: u64, of: &Expected) -> Result<Self> {
        let front =
            bytes.split_last_chunk::<SUM>().map(|(front, sum)| (front, u32::from_le_bytes(*sum)));
        let Some((front, sum)) = front else {
            return Err(of.malformed(offset, "it has no header"));
        };
        if !holds(crc32c(front), sum) {
            let range = offset..offset + BLOCK_HEADER as u64;
            return Err(of.damaged(range, "its header's CRC-32C does not hold"));
        }
        let mut fields = Fields(front);
        let short = || of.malformed(offset, "its header is too short");
        let stored = fields.u32().ok_or_else(short)?;
        let [filter, engine, zero, also_zero] = fields.take().ok_or_else(short)?;
        let rows = fields.u32().ok_or_else(short)?;
        let [stored_sum, items_sum] =
            [fields.u32().ok_or_else(short)?, fields.u32().ok_or_else(short)?];
        let unknown = |what: &str| of.unsupported(offset, what);
        if (zero, also_zero) != (0, 0) {
            return Err(unknown(&format!("its flags are {zero}, {also_zero}; zeros are read")));
        }
        let known = Filter::of_number(filter)
            .ok_or_else(|| unknown(&format!("filter {filter} is not known")));
        let (filter, number) = (known?, engine);
        let engine = Engine::of_number(engine)
            .ok_or_else(|| unknown(&format!("codec {number} is not known")))?;
        if rows != of.rows {
            let message = format!("it says {rows} rows, the grid makes {}", of.rows);
            return Err(of.malformed(offset, &message));
        }
        if of.size > MAX_BLOCK && engine != Engine::Stored {
            let message = format!(
                "an item of {} bytes has codec {engine}; over {MAX_BLOCK} it is stored as it is",
                of.size
            );
            return Err(of.malformed(offset, &message));
        }
        let fits = if engine == Engine::Stored {
            stored as usize == of.size
        } else {
            stored as usize <= of.size
        };
        if !fits || (engine == Engine::Stored && filter != Filter::NONE) {
            let size = of.size;
            let message = format!(
                "{stored} stored bytes of codec {engine} and filter {filter} do not fit its {size} bytes"
            );
            return Err(of.malformed(offset, &message));
        }
        Ok(Self { filter, engine, entry: Entry { offset, stored, rows, stored_sum, items_sum } })
    }
}

/// What is known of a block before it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) number: u64,
    /// How many there are.
    pub(crate) of: u64,
    pub(crate) rows: u32,
    /// Bytes of its items.
    pub(crate) size: usize,
}

impl Expected {
    fn name(&self) -> String {
        let last = self.of.saturating_sub(1);
        match self.number < self.of {
            true => format!("block {} of 0 to {last}", self.number),
            // In a frame that grows nothing else can stand there.
            false => format!("the end record behind block {last}"),
        }
    }

    /// The error of a block that a sum does not vouch for.
    pub(crate) fn damaged(&self, range: std::ops::Range<u64>, why: &str) -> Error {
        let std::ops::Range { start, end } = range;
        let message = format!("{} (bytes {start} to {end}) is damaged: {why}", self.name());
        Error::new(ErrorKind::Checksum { block: Some(self.number), range }, message).at(start)
    }

    pub(crate) fn malformed(&self, offset: u64, why: &str) -> Error {
        Error::malformed(format!("{}: {why}", self.name())).at(offset)
    }

    fn unsupported(&self, offset: u64, why: &str) -> Error {
        Error::unsupported(format!("{}: {why}: update ndbytes", self.name())).at(offset)
    }

    pub(crate) fn cut(&self, offset: u64, found: usize, wanted: usize) -> Error {
        let message =
            format!("{}: the input ends {found} bytes into it, it has {wanted}", self.name());
        Error::truncated(message).at(offset.saturating_add(found as u64))
    }

    /// The error of what its codec makes of its stored bytes.
    pub(crate) fn undecodable(&self, offset: u64, error: &Error) -> Error {
        error.clone().context(self.name()).at(offset)
    }
}
