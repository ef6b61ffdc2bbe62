//! The checksum tail: a second, complete `.npy` array of bytes behind the first one.
//!
//! Its layout is specified in `spec/FORMAT.md`; the numbers here are that document's.

use super::{Header, Metadata, Version};
use crate::codec::{BLOCK, crc32c};
use crate::dtype::{DType, Scalar};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

/// The first eight bytes of a tail's content. The last bytes catch transfers in text mode, as in PNG.
pub const TAIL_MAGIC: [u8; 8] = *b"\x89NDBT\r\n\x1a";

const FORMAT_VERSION: u8 = 0;
/// [`BLOCK`] as the tail writes it.
const BLOCK_LEN: u32 = 1 << 20;
const _: () = assert!(BLOCK_LEN as usize == BLOCK);
/// Bytes of the content before the sums.
const FIXED: usize = 32;
/// Bytes of the tail's own header: `|u1` and one axis always fit 128.
pub(super) const TAIL_HEADER: usize = 128;

/// What a checksum tail says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tail {
    /// Whether a writer has marked the file as being changed: then the sums say nothing.
    pub open: bool,
    /// CRC-32C of the header, from its magic to its newline.
    pub header_sum: u32,
    /// Bytes of the data.
    pub data_len: u64,
    /// CRC-32C of each 1 MiB of data.
    pub sums: Vec<u32>,
    /// Name, attributes, true dtype.
    pub metadata: Metadata,
}

impl Tail {
    /// A sealed tail.
    #[must_use]
    pub fn new(header: &[u8], data_len: u64, sums: Vec<u32>, metadata: Metadata) -> Self {
        Self { open: false, header_sum: crc32c(header), data_len, sums, metadata }
    }

    /// The tail as a `.npy` array.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for attributes that are no JSON object;
    /// [`Limit`](ErrorKind::Limit) for metadata over 1 MiB.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let metadata = self.metadata.to_json()?;
        let max = 1u32 << 20;
        let size = u32::try_from(metadata.len()).ok().filter(|&n| n <= max);
        let size =
            size.ok_or_else(|| Error::limit("metadata", metadata.len() as u64, u64::from(max)))?;
        let content = FIXED + self.sums.len() * 4 + metadata.len() + 4;
        let mut tail =
            Header::encode(&DType::native(Scalar::UInt8), &[content], false, Some(Version::V1))?;
        tail.extend(TAIL_MAGIC);
        tail.extend([FORMAT_VERSION, u8::from(self.open), 0, 0]);
        tail.extend(self.header_sum.to_le_bytes());
        tail.extend(self.data_len.to_le_bytes());
        tail.extend(BLOCK_LEN.to_le_bytes());
        tail.extend(size.to_le_bytes());
        tail.extend(self.sums.iter().flat_map(|sum| sum.to_le_bytes()));
        tail.extend(metadata.as_bytes());
        tail.extend(crc32c(&tail).to_le_bytes());
        Ok(tail)
    }

    /// Bytes of the encoded tail of so much data, with metadata of so many bytes.
    pub(super) fn size(data_len: u64, metadata: usize) -> u64 {
        (TAIL_HEADER + FIXED + metadata + 4) as u64 + data_len.div_ceil(BLOCK as u64) * 4
    }

    /// Reads a whole tail, its own header included; `start` is where it stands in the file.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum) if its own sum does not hold; [`Malformed`](ErrorKind::Malformed) if it
    /// is no tail or does not fit the data before it; [`Unsupported`](ErrorKind::Unsupported) for another version.
    pub fn decode(bytes: &[u8], start: u64, data_len: u64, limits: &Limits) -> Result<Self> {
        let end = start.saturating_add(bytes.len() as u64);
        let content = bytes.get(TAIL_HEADER..).unwrap_or_default();
        let is_tail = content.starts_with(&TAIL_MAGIC);
        let (summed, sum) = bytes.split_last_chunk::<4>().ok_or_else(|| trailing(start))?;
        if !holds(crc32c(summed), u32::from_le_bytes(*sum)) {
            let range = start..end;
            let damaged = Error::new(
                ErrorKind::Checksum { block: None, range },
                format!(
                    "the checksum tail (bytes {start} to {end}) is damaged: its own CRC-32C does not hold"
                ),
            );
            return Err(if is_tail { damaged } else { trailing(start) }.at(start));
        }
        if !is_tail {
            return Err(trailing(start));
        }
        Fields(summed.get(TAIL_HEADER + TAIL_MAGIC.len()..).unwrap_or_default())
            .tail(data_len, limits)
            .map_err(|e| e.at(start))
    }

    /// Holds the sums of the data and its header against the tail's.
    ///
    /// # Errors
    /// [`Checksum`](ErrorKind::Checksum) with the first block that differs and its byte range.
    pub fn verify(&self, header: &Header, header_sum: u32, sums: &[u32]) -> Result<()> {
        if !holds(header_sum, self.header_sum) {
            let range = 0..header.len;
            let kind = ErrorKind::Checksum { block: None, range };
            return Err(Error::new(
                kind,
                format!(
                    "the header (bytes 0 to {}) is damaged: its CRC-32C does not hold",
                    header.len
                ),
            )
            .at(0));
        }
        if sums.len() != self.sums.len() {
            return Err(Error::argument(format!(
                "{} sums for a tail of {}",
                sums.len(),
                self.sums.len()
            )));
        }
        let differs = |(found, written): &(&u32, &u32)| !holds(**found, **written);
        let mut damaged = sums.iter().zip(&self.sums).enumerate().filter(|(_, pair)| differs(pair));
        let Some((block, (found, written))) = damaged.next() else { return Ok(()) };
        let start = header.len + block as u64 * BLOCK as u64;
        let end = (header.len + self.data_len).min(start + BLOCK as u64);
        let (last, more) = (self.sums.len() - 1, damaged.count());
        let more = if more > 0 { format!("; {more} more blocks too") } else { String::new() };
        let message = format!(
            "block {block} of 0 to {last} (bytes {start} to {end}) is damaged: \
             its CRC-32C is {found:08x}, the tail says {written:08x}{more}"
        );
        Err(Error::new(
            ErrorKind::Checksum { block: Some(block as u64), range: start..end },
            message,
        )
        .at(start))
    }
}

/// The tail's own header: as `np.save` writes it for so many bytes.
pub(super) fn tail_header(content: usize) -> Result<Vec<u8>> {
    Header::encode(&DType::native(Scalar::UInt8), &[content], false, Some(Version::V1))
}

/// Whether a sum is the one that was written. The tests' positive control builds with `--cfg ndbytes_unchecked`.
fn holds(found: u32, written: u32) -> bool {
    cfg!(ndbytes_unchecked) || found == written
}

/// An error for bytes behind the array that are not a tail.
pub(super) fn trailing(start: u64) -> Error {
    Error::malformed("bytes behind the array that are no checksum tail; only ndbytes.numpy.load passes over them").at(start)
}

/// Little-endian fields, read from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (field, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| Error::malformed("the checksum tail is too short"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    /// Everything between the magic and the last sum.
    fn tail(mut self, data_len: u64, limits: &Limits) -> Result<Tail> {
        let [version, state, zero, also_zero] = self.take()?;
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
        let header_sum = self.u32()?;
        let summed = u64::from_le_bytes(self.take()?);
        let block = self.u32()?;
        let metadata_len = self.u32()? as usize;
        if summed != data_len || block != BLOCK_LEN {
            return Err(Error::malformed(format!(
                "the checksum tail is for {summed} bytes in blocks of {block}, the array has {data_len} in blocks of {BLOCK}"
            )));
        }
        let blocks = usize::try_from(data_len.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX);
        let sums = self.0.as_chunks::<4>().0.get(..blocks);
        let sums =
            sums.ok_or_else(|| Error::malformed("the checksum tail is too short for its sums"))?;
        let metadata = self.0.get(sums.len() * 4..).filter(|text| text.len() == metadata_len);
        let metadata = metadata.ok_or_else(|| {
            Error::malformed("the checksum tail has another length than its fields say")
        })?;
        let text = std::str::from_utf8(metadata)
            .map_err(|_| Error::malformed("the checksum tail's metadata is not UTF-8"))?;
        Ok(Tail {
            open: state == 1,
            header_sum,
            data_len,
            sums: sums.iter().map(|sum| u32::from_le_bytes(*sum)).collect(),
            metadata: Metadata::from_json(text, limits)?,
        })
    }
}
