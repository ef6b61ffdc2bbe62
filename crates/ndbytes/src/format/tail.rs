//! The checksum tail: what stands behind the data and vouches for it.
//!
//! Its layout is specified in `spec/FORMAT.md`; the numbers here are that document's. A frame ends with it as it is;
//! behind a `.npy` array it is itself a complete `.npy` array of bytes.

use super::{Fields, Format, Header, Metadata, holds, put};
use crate::codec::{BLOCK, crc32c};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use std::cmp::Ordering;
use std::ops::Range;

/// The first eight bytes of a tail's content. The last bytes catch transfers in text mode, as in PNG.
pub const TAIL_MAGIC: [u8; 8] = *b"\x89NDBT\r\n\x1a";

const FORMAT_VERSION: u8 = 0;
/// [`BLOCK`] as the tail writes it.
const BLOCK_LEN: u32 = 1 << 20;
const _: () = assert!(BLOCK_LEN as usize == BLOCK);
/// Where the state stands in the content, and the length of the metadata.
const STATE_AT: usize = 9;
const SIZE_AT: usize = 28;
/// Bytes of the content before the metadata.
const FIXED: usize = 32;
/// Bytes of the two sums that the tail holds of itself.
const OWN_SUMS: usize = 8;
/// Bytes of the npy header of a tail behind a `.npy` array: `|u1` and one axis always fit 128.
pub(super) const TAIL_HEADER: usize = 128;

/// What a checksum tail says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tail {
    /// Whether a writer has marked the array as being changed: then the sums say nothing.
    pub open: bool,
    /// [`Header::sum`] of the array's header.
    pub header_sum: u32,
    /// Bytes of the data.
    pub data_len: u64,
    /// CRC-32C of each 1 MiB of data.
    pub sums: Vec<u32>,
    /// Name, attributes, true dtype; nothing in a frame, whose header has them.
    pub metadata: Metadata,
}

impl Tail {
    /// A sealed tail.
    #[must_use]
    pub fn new(header_sum: u32, data_len: u64, sums: Vec<u32>, metadata: Metadata) -> Self {
        Self { open: false, header_sum, data_len, sums, metadata }
    }

    /// The whole tail: [`Tail::encode_front`], then [`Tail::encode_sums`].
    ///
    /// # Errors
    /// As [`Tail::encode_front`].
    pub fn encode(&self, format: Format) -> Result<Vec<u8>> {
        let mut tail = self.encode_front(format)?;
        tail.extend(self.encode_sums());
        Ok(tail)
    }

    /// Everything before the sums of the data, closed by a sum of its own. Marking a tail open, or sealing it,
    /// rewrites this part alone.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for attributes that are no JSON object;
    /// [`Limit`](ErrorKind::Limit) for metadata over 1 MiB.
    pub fn encode_front(&self, format: Format) -> Result<Vec<u8>> {
        let metadata =
            if format == Format::Frame { String::new() } else { self.metadata.to_json()? };
        let max = 1u32 << 20;
        let size = u32::try_from(metadata.len()).ok().filter(|&n| n <= max);
        let size =
            size.ok_or_else(|| Error::limit("metadata", metadata.len() as u64, u64::from(max)))?;
        let content = FIXED + metadata.len() + self.sums_len() + OWN_SUMS;
        let mut front = Vec::with_capacity(TAIL_HEADER + content);
        if format != Format::Frame {
            front.extend_from_slice(&tail_header(content));
        }
        front.extend(TAIL_MAGIC);
        front.extend([FORMAT_VERSION, u8::from(self.open), 0, 0]);
        front.extend(self.header_sum.to_le_bytes());
        front.extend(self.data_len.to_le_bytes());
        front.extend(BLOCK_LEN.to_le_bytes());
        front.extend(size.to_le_bytes());
        front.extend(metadata.as_bytes());
        front.extend(crc32c(&front).to_le_bytes());
        Ok(front)
    }

    /// The sums of the data, closed by a sum of their own.
    #[must_use]
    pub fn encode_sums(&self) -> Vec<u8> {
        let mut part: Vec<u8> = self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        part.resize(self.sums_len(), 0); // An open tail may have none yet.
        part.extend(crc32c(&part).to_le_bytes());
        part
    }

    /// Marks the bytes of a whole tail open or sealed, and gives the range that has changed: from the state to the sum
    /// behind the metadata. The metadata stay as they were spelled. `None` if the bytes are too few for a tail.
    ///
    /// Before data are changed in place, write the range of an open tail and wait for the disk; see `spec/FORMAT.md`.
    pub fn mark(bytes: &mut [u8], format: Format, open: bool) -> Option<Range<usize>> {
        let start = if format == Format::Frame { 0 } else { TAIL_HEADER };
        let size = Fields(bytes.get(start + SIZE_AT..)?).u32()?;
        let end = (start + FIXED).checked_add(size as usize)?;
        *bytes.get_mut(start + STATE_AT)? = u8::from(open);
        let (front, rest) = bytes.split_at_mut_checked(end)?;
        *rest.first_chunk_mut()? = crc32c(front).to_le_bytes();
        Some(start + STATE_AT..end + size_of::<u32>())
    }

    fn sums_len(&self) -> usize {
        usize::try_from(self.data_len.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX) * 4
    }

    /// Bytes of the encoded tail of so much data, with metadata of so many bytes.
    #[must_use]
    pub(crate) fn size(format: Format, data_len: u64, metadata: usize) -> u64 {
        let lead = if format == Format::Frame { 0 } else { TAIL_HEADER };
        (lead + FIXED + metadata + OWN_SUMS) as u64 + data_len.div_ceil(BLOCK as u64) * 4
    }

    /// Reads the whole tail behind the data that `header` describes; `limits.header` bounds its metadata.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum) if one of its own sums does not hold; [`Malformed`](ErrorKind::Malformed)
    /// if it is no tail or does not fit the data before it; [`Unsupported`](ErrorKind::Unsupported) for another version.
    pub fn decode(bytes: &[u8], header: &Header, limits: &Limits) -> Result<Self> {
        let start = header.data_end();
        let at_start = |error: Error| error.at(start);
        if header.format == Format::Frame {
            frame_length(header, bytes.len() as u64)?;
        }
        let content = match header.format {
            Format::Frame => Some(bytes),
            Format::Npy(_) => bytes.get(TAIL_HEADER..).filter(|c| c.starts_with(&TAIL_MAGIC)),
        };
        let content = content.ok_or_else(|| trailing(start))?;
        let metadata_len = content.get(SIZE_AT..FIXED).and_then(|bytes| Fields(bytes).u32());
        let front = metadata_len
            .and_then(|len| (bytes.len() - content.len()).checked_add(FIXED + len as usize));
        let parts = front.and_then(|len| bytes.split_at_checked(len));
        let (front, rest) = parts.ok_or_else(|| damaged(header, bytes.len()))?;
        let (sum, rest) = rest.split_first_chunk().ok_or_else(|| damaged(header, bytes.len()))?;
        if !holds(crc32c(front), u32::from_le_bytes(*sum)) {
            return Err(damaged(header, bytes.len()));
        }
        let content = front.get(bytes.len() - content.len()..).unwrap_or_default();
        let mut tail = Self::decode_front(content, header, limits).map_err(at_start)?;
        let (sums, sum) = rest
            .split_last_chunk()
            .filter(|(sums, _)| sums.len() == tail.sums_len())
            .ok_or_else(|| {
                at_start(Error::malformed(
                    "the checksum tail has another length than its fields say",
                ))
            })?;
        if !tail.open && !holds(crc32c(sums), u32::from_le_bytes(*sum)) {
            return Err(damaged(header, bytes.len()));
        }
        tail.sums = sums.as_chunks().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect();
        Ok(tail)
    }

    /// Reads what stands between the npy header and the sums.
    fn decode_front(content: &[u8], header: &Header, limits: &Limits) -> Result<Self> {
        let short = || Error::malformed("the checksum tail is too short");
        let mut fields = Fields(content);
        let magic: [u8; 8] = fields.take().ok_or_else(short)?;
        if magic != TAIL_MAGIC {
            return Err(Error::malformed("the checksum tail does not start with its magic"));
        }
        let [version, state, zero, also_zero] = fields.take().ok_or_else(short)?;
        if version != FORMAT_VERSION {
            return Err(Error::unsupported(format!(
                "checksum tail of version {version}; 0 is read: update ndbytes"
            )));
        }
        if state > 1 || zero != 0 || also_zero != 0 {
            return Err(Error::unsupported(format!(
                "checksum tail with state {state} and flags {zero}, {also_zero}; 0 or 1 and zeros are read"
            )));
        }
        let header_sum = fields.u32().ok_or_else(short)?;
        let data_len = fields.u64().ok_or_else(short)?;
        let block = fields.u32().ok_or_else(short)?;
        let size = fields.u32().ok_or_else(short)?;
        let expected = header.nbytes();
        if data_len != expected || block != BLOCK_LEN {
            return Err(Error::malformed(format!(
                "the checksum tail is for {data_len} bytes in blocks of {block}, the array has {expected} in blocks of {BLOCK}"
            )));
        }
        if size > 0 && header.format == Format::Frame {
            let message = format!(
                "the tail of a frame has {size} bytes of metadata; they stand in its header"
            );
            return Err(Error::malformed(message));
        }
        let text = std::str::from_utf8(fields.0)
            .map_err(|_| Error::malformed("the checksum tail's metadata is not UTF-8"))?;
        let metadata = Metadata::from_json(text, limits)?;
        Ok(Self { open: state == 1, header_sum, data_len, sums: Vec::new(), metadata })
    }

    /// Holds the sums of the data and its header against the tail's.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum) with the first block that differs and its byte range;
    /// [`Argument`](ErrorKind::Argument) for another number of sums.
    pub fn verify(&self, header: &Header, sums: &[u32]) -> Result<()> {
        self.verify_header(header)?;
        if sums.len() != self.sums.len() {
            let (found, expected) = (sums.len(), self.sums.len());
            return Err(Error::argument(format!("{found} sums for a tail of {expected}")));
        }
        let mut damaged =
            sums.iter().enumerate().filter_map(|(at, sum)| self.differing(header, at, *sum));
        let Some(first) = damaged.next() else { return Ok(()) };
        let message = match damaged.count() {
            0 => return Err(first),
            more => format!("{}; {more} more blocks too", first.message()),
        };
        Err(first.with_message(message))
    }

    /// Holds the sum of one block against the tail's.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum) with its byte range; [`Argument`](ErrorKind::Argument) where there is no
    /// such block.
    pub fn verify_block(&self, header: &Header, block: usize, sum: u32) -> Result<()> {
        if block >= self.sums.len() {
            let blocks = self.sums.len();
            return Err(Error::argument(format!("block {block} of an array of {blocks}")));
        }
        self.differing(header, block, sum).map_or(Ok(()), Err)
    }

    /// The error of a block whose sum differs from the tail's.
    fn differing(&self, header: &Header, block: usize, found: u32) -> Option<Error> {
        let written = *self.sums.get(block).filter(|written| !holds(found, **written))?;
        let start = header.len + block as u64 * BLOCK as u64;
        let end = header.data_end().min(start + BLOCK as u64);
        let last = self.sums.len() - 1;
        let message = format!(
            "block {block} of 0 to {last} (bytes {start} to {end}) is damaged: \
             its CRC-32C is {found:08x}, the tail says {written:08x}"
        );
        let kind = ErrorKind::Checksum { block: Some(block as u64), range: start..end };
        Some(Error::new(kind, message).at(start))
    }

    /// Holds the header's sum against the tail's.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum).
    pub fn verify_header(&self, header: &Header) -> Result<()> {
        if holds(header.sum, self.header_sum) {
            return Ok(());
        }
        let kind = ErrorKind::Checksum { block: None, range: 0..header.len };
        let message = match header.format {
            Format::Frame => {
                "header and tail belong to different arrays: the tail names another header"
                    .to_owned()
            }
            Format::Npy(_) => format!(
                "the header (bytes 0 to {}) is damaged: its CRC-32C does not hold",
                header.len
            ),
        };
        Err(Error::new(kind, message).at(0))
    }
}

/// That so many bytes behind the data of a frame are its tail, which says nothing of its own length.
pub(super) fn frame_length(header: &Header, found: u64) -> Result<()> {
    let (start, size) = (header.data_end(), Tail::size(Format::Frame, header.nbytes(), 0));
    match found.cmp(&size) {
        Ordering::Less => Err(Error::truncated(format!(
            "the checksum tail is cut: the input ends {found} bytes into it, it has {size}"
        ))
        .at(start.saturating_add(found))),
        Ordering::Equal => Ok(()),
        Ordering::Greater => {
            let message = "bytes behind the end of the frame; a file holds one";
            Err(Error::malformed(message).at(start.saturating_add(size)))
        }
    }
}

fn damaged(header: &Header, len: usize) -> Error {
    let start = header.data_end();
    let end = start.saturating_add(len as u64);
    let message = format!(
        "the checksum tail (bytes {start} to {end}) is damaged: its own CRC-32C does not hold"
    );
    Error::new(ErrorKind::Checksum { block: None, range: start..end }, message).at(start)
}

/// The npy header of a tail up to the number of its bytes.
const TAIL_FRONT: &[u8] =
    b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, 'shape': (";

/// What stands behind that number.
const TAIL_CLOSE: &[u8] = b",), }";

/// The npy header of a tail: as `np.save` writes it for so many bytes.
pub(super) fn tail_header(content: usize) -> [u8; TAIL_HEADER] {
    let mut header = [b' '; TAIL_HEADER];
    let digits = content.checked_ilog10().unwrap_or(0) as usize + 1;
    let parts = header.split_at_mut_checked(TAIL_FRONT.len());
    if let Some((front, (number, rest))) =
        parts.and_then(|(front, rest)| Some((front, rest.split_at_mut_checked(digits)?)))
    {
        front.copy_from_slice(TAIL_FRONT);
        let mut left = content;
        for digit in number.iter_mut().rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        put(rest, TAIL_CLOSE);
    }
    if let Some(last) = header.last_mut() {
        *last = b'\n';
    }
    header
}

/// How many bytes stand behind these, if they are the npy header of a tail.
pub(super) fn tail_content(header: &[u8]) -> Option<usize> {
    let rest = header.strip_prefix(TAIL_FRONT)?;
    let digits = rest.split(|&byte| byte == b',').next()?;
    let content = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (header == tail_header(content)).then_some(content)
}

/// An error for bytes behind the array that are not a tail.
pub(super) fn trailing(start: u64) -> Error {
    Error::malformed("bytes behind the array that are no checksum tail; only ndbytes.numpy.load passes over them").at(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{DType, Scalar};
    use crate::format::npy::{Version, encode_header};

    #[test]
    fn the_header_of_a_tail_is_the_one_that_npy_has_and_no_other() {
        let bytes = DType::native(Scalar::UInt8);
        for content in (0..300).chain((0..64).map(|bit| (1usize << bit) - 1)).chain([usize::MAX]) {
            let header = tail_header(content);
            let wanted = encode_header(&bytes, &[content], false, Some(Version::V1)).unwrap();
            assert_eq!(header[..], wanted);
            assert_eq!(tail_content(&header), Some(content));
            for at in 0..TAIL_HEADER {
                let mut other = header;
                other[at] ^= 0x10;
                assert_eq!(tail_content(&other), None, "byte {at}");
            }
        }
        let signed = [TAIL_FRONT, b"+44,), }"].concat();
        assert_eq!(tail_content(&signed), None);
    }
}
