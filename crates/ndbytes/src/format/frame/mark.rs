//! The mark of a frame that grows, and the record that stands between the blocks of a step and their index.

use super::record::BLOCK_HEADER;
use crate::array::nbytes;
use crate::codec::crc32c;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Fields, Header, holds};

/// Bytes of a mark.
pub(crate) const MARK: usize = 64;
const MAGIC: [u8; 8] = *b"\x89NDBG\r\n\x1a";
const FORMAT_VERSION: u8 = 0;
/// Bytes of a sum.
const SUM: usize = 4;
/// Zeros before it.
const ZEROS: usize = 8;
/// What an end record has in the place of a codec.
const END: u8 = 255;
/// Bytes of a block and its row in an index, at least; and of an end record, a page's sum and a footer.
const LEAST_BLOCK: u64 = 48;
const LEAST_STEP: u128 = 92;

/// What the mark of a frame that grows says, beside the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grown {
    /// How many blocks there are.
    pub blocks: u64,
    /// Where the frame ends; what follows in its file was not finished.
    pub end: u64,
    /// The sum of the last index's footer.
    pub(crate) sum: u32,
}

/// The mark of an array that has grown so far; the header's first length says the rows.
#[cfg(feature = "std")]
pub(crate) fn encode_mark(header: &Header, grown: Grown) -> [u8; MARK] {
    let mut mark = [0; MARK];
    let (front, sum) = mark.split_at_mut(MARK - SUM);
    let rows = header.shape.first().map_or(0, |&rows| rows as u64);
    let numbers = [grown.blocks, rows, header.nbytes(), grown.end];
    let fields = (MAGIC.into_iter().chain([FORMAT_VERSION, 0, 0, 0]))
        .chain(header.sum.to_le_bytes())
        .chain(numbers.into_iter().flat_map(u64::to_le_bytes))
        .chain(grown.sum.to_le_bytes());
    front.iter_mut().zip(fields).for_each(|(to, byte)| *to = byte);
    sum.copy_from_slice(&crc32c(front).to_le_bytes());
    mark
}

/// Reads the mark behind a header, which then says the true shape.
///
/// # Errors
/// [`Checksum`](ErrorKind::Checksum) before any field is believed; [`Malformed`](ErrorKind::Malformed),
/// [`Unsupported`](ErrorKind::Unsupported), and [`Limit`](ErrorKind::Limit) for a size that overflows.
pub(super) fn parse_mark(bytes: &[u8; MARK], header: &mut Header) -> Result<()> {
    let start = header.len;
    let short = || malformed(start, "is too short");
    let (front, sum) = bytes.split_last_chunk::<SUM>().ok_or_else(short)?;
    if !holds(crc32c(front), u32::from_le_bytes(*sum)) {
        let end = start.saturating_add(MARK as u64);
        let message = format!(
            "the mark (bytes {start} to {end}) is damaged: its CRC-32C does not hold; if the array is being appended to, read it again"
        );
        let kind = ErrorKind::Checksum { block: None, range: start..end };
        return Err(Error::new(kind, message).at(start));
    }
    let mut fields = Fields(front);
    if fields.take().ok_or_else(short)? != MAGIC {
        return Err(malformed(start, "has no magic"));
    }
    let [version, flags, zero, also_zero] = fields.take().ok_or_else(short)?;
    let header_sum = fields.u32().ok_or_else(short)?;
    let mut number = || fields.u64().ok_or_else(short);
    let [blocks, rows, size, end] = [number()?, number()?, number()?, number()?];
    let sum = fields.u32().ok_or_else(short)?;
    let zeros: [u8; ZEROS] = fields.take().ok_or_else(short)?;
    if (version, flags, zero, also_zero, zeros) != (FORMAT_VERSION, 0, 0, 0, [0; ZEROS]) {
        let message = format!(
            "the mark has version {version} and flags {flags}, {zero}, {also_zero}, {zeros:?}; zeros are read: update ndbytes"
        );
        return Err(Error::unsupported(message).at(start));
    }
    if !holds(header.sum, header_sum) {
        let kind = ErrorKind::Checksum { block: None, range: 0..start };
        let message = "header and mark belong to different arrays: the mark names another header";
        return Err(Error::new(kind, message).at(0));
    }
    let length = usize::try_from(rows).map_err(|_| Error::overflow("the array's size"))?;
    header.shape.iter_mut().take(1).for_each(|axis| *axis = length);
    nbytes(&header.shape, header.dtype.itemsize()).map_err(|error| error.at(start))?;
    header.len = start.saturating_add(MARK as u64);
    if header.nbytes() != size {
        let expected = header.nbytes();
        let why = format!("says {size} bytes of data, {rows} rows have {expected}");
        return Err(malformed(start, &why));
    }
    if let Some(coding) = &mut header.coding {
        coding.grown = Some(Grown { blocks, end, sum });
    }
    // The other axes alone say how many blocks are in a band.
    let grid = header.grid()?;
    let (each, most) = (grid.per_band(), grid.block().first().map_or(1, |&rows| rows as u64));
    let bands = blocks / each;
    if !blocks.is_multiple_of(each) || rows < bands || rows > bands.saturating_mul(most) {
        let why = format!(
            "says {rows} rows in {blocks} blocks; bands of {each} have from 1 to {most} rows each"
        );
        return Err(malformed(start, &why));
    }
    // It may be more than any end.
    let least = match blocks {
        0 => u128::from(header.len),
        _ => u128::from(header.len) + u128::from(LEAST_BLOCK) * u128::from(blocks) + LEAST_STEP,
    };
    let end_at = u128::from(end);
    if blocks == 0 && sum != 0 {
        return Err(malformed(start, &format!("says {sum:#010x} of an index, and no blocks")));
    }
    if end_at < least || (blocks == 0 && end_at != least) {
        let why = format!("says that the frame ends at byte {end}, {blocks} blocks need {least}");
        return Err(malformed(start, &why));
    }
    Ok(())
}

fn malformed(start: u64, why: &str) -> Error {
    Error::malformed(format!("the mark {why}")).at(start)
}

/// The record in front of an index of so many rows.
#[cfg(feature = "std")]
pub(crate) fn encode_end(entries: u64) -> [u8; BLOCK_HEADER] {
    let mut record = [0; BLOCK_HEADER];
    let (front, sum) = record.split_at_mut(BLOCK_HEADER - SUM);
    let fields = [0, 0, 0, 0, 0, END].into_iter().chain([0; 6]).chain(entries.to_le_bytes());
    front.iter_mut().zip(fields).for_each(|(to, byte)| *to = byte);
    sum.copy_from_slice(&crc32c(front).to_le_bytes());
    record
}

/// How many rows the index behind an end record has; none for what is a block's header, if it is anything.
///
/// # Errors
/// [`Malformed`](ErrorKind::Malformed) for a record whose sum holds, and which has something where zeros must be.
pub(crate) fn parse_end(bytes: &[u8; BLOCK_HEADER], offset: u64) -> Result<Option<u64>> {
    let Some((front, sum)) = bytes.split_last_chunk::<SUM>() else { return Ok(None) };
    let mut fields = Fields(front);
    let zero = fields.u32();
    let Some([filter, END, flags, more_flags]) = fields.take() else { return Ok(None) };
    if !holds(crc32c(front), u32::from_le_bytes(*sum)) {
        return Ok(None);
    }
    let also_zero = fields.u32();
    if (zero, filter, flags, more_flags, also_zero) != (Some(0), 0, 0, 0, Some(0)) {
        return Err(Error::malformed("an end record has something where zeros must be").at(offset));
    }
    Ok(fields.u64())
}
