//! What stands for an array whose items lie in memory that two processes share: which of its bytes they are.

#[cfg(all(target_os = "linux", feature = "map"))]
use super::Format;
use super::header::Parsed;
use super::{Fields, Header, Metadata, frame, holds};
use crate::array::Layout;
use crate::codec::crc32c;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::{Limits, MAX_NDIM};

/// The first eight bytes of such a record.
pub const MAGIC: [u8; 8] = *b"\x89NDBS\r\n\x1a";
/// Bytes that say how many there are: enough to begin with.
pub const FRONT: usize = 16;

const VERSION: u8 = 0;
/// Bytes before the strides.
const FIXED: usize = 32;
/// Bytes of the sum behind them.
const SUM: usize = 4;
/// The most bytes before the header.
const MOST: usize = FIXED + MAX_NDIM * 8 + SUM;

/// An array in memory that is handed over: the record that goes with the descriptor (`spec/WIRE.md`, section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
    /// The type of the items.
    pub dtype: DType,
    /// Where they lie in the memory.
    pub layout: Layout,
    /// Name and attributes.
    pub metadata: Metadata,
    /// Bytes of the memory, of which the array may be a part.
    pub size: u64,
    /// Whether the receiver may write to it.
    pub writable: bool,
}

impl Lent {
    /// The record, and the header of a frame behind it.
    ///
    /// # Errors
    /// [`Argument`](ErrorKind::Argument) for items outside the memory, and as [`frame::encode_header`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.check().map_err(|error| error.of_kind(ErrorKind::Argument))?;
        let shape = self.layout.shape();
        let (header, _) = frame::encode_header(&self.dtype, shape, false, &self.metadata)?;
        let strides = self.layout.strides();
        let before = FIXED + strides.len() * 8 + SUM;
        let overflow = || Error::overflow("the header's size");
        let len = u32::try_from(before + header.len()).map_err(|_| overflow())?;
        let axes = u8::try_from(strides.len()).map_err(|_| overflow())?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, self.writable.into(), axes, 0]);
        bytes.extend(len.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        bytes.extend((self.layout.offset() as u64).to_le_bytes());
        for &stride in strides {
            bytes.extend((stride as i64).to_le_bytes());
        }
        bytes.extend(crc32c(&bytes).to_le_bytes());
        bytes.extend(header);
        Ok(bytes)
    }

    /// How many bytes the record has that begins so, header and all. Nothing vouches for that yet.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) for what is none; [`Unsupported`](ErrorKind::Unsupported) for another version;
    /// [`Limit`](ErrorKind::Limit) for more bytes than are allowed.
    pub fn len(front: &[u8; FRONT], limits: &Limits) -> Result<usize> {
        let mut fields = Fields(front);
        let (magic, rest) = (fields.take::<8>(), fields.take::<4>());
        let (Some(MAGIC), Some([version, ..])) = (magic, rest) else {
            let message = "no array is handed over here: the bytes begin otherwise";
            return Err(Error::malformed(message).at(0));
        };
        if version != VERSION {
            let message =
                format!("handed-over memory: version {version}; 0 is read: update ndbytes");
            return Err(Error::unsupported(message).at(8));
        }
        let len = fields.u32().unwrap_or_default();
        let max = limits.header.saturating_add(MOST) as u64;
        if u64::from(len) > max {
            return Err(Error::limit("frame header", len.into(), max).at(12));
        }
        match len as usize {
            len if len >= FIXED + SUM => Ok(len),
            len => Err(malformed(format!("its length is {len}, which is too short"), 12)),
        }
    }

    /// Reads a record, of all of its bytes.
    ///
    /// # Errors
    /// As [`Lent::len`]; [`Checksum`](ErrorKind::Checksum) if one of its two sums does not hold;
    /// [`Malformed`](ErrorKind::Malformed) for items outside the memory, and for anything that cannot be;
    /// [`Limit`](ErrorKind::Limit).
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let short = || malformed(format!("{} bytes are too few", bytes.len()), 0);
        let front = bytes.first_chunk().ok_or_else(short)?;
        if Self::len(front, limits)? != bytes.len() {
            return Err(short());
        }
        let axes = usize::from(front.get(10).copied().unwrap_or_default());
        let split = bytes.split_at_checked(FIXED + axes * 8);
        let (record, rest) = split.ok_or_else(short)?;
        let (sum, header) = rest.split_first_chunk().ok_or_else(short)?;
        if !holds(crc32c(record), u32::from_le_bytes(*sum)) {
            let len = record.len() + SUM;
            let kind = ErrorKind::Checksum { block: None, range: 0..len as u64 };
            let message = format!(
                "handed-over memory (bytes 0 to {len}) is damaged: its CRC-32C does not hold"
            );
            return Err(Error::new(kind, message).at(0));
        }
        let at = (record.len() + SUM) as u64;
        let header = read_header(header, limits).map_err(|error| error.shifted(at))?;
        let found = Self::of_fields(record, header)?;
        found.check()?;
        if found.size > limits.array {
            return Err(Error::limit("array", found.size, limits.array).at(16));
        }
        Ok(found)
    }

    fn of_fields(record: &[u8], header: Header) -> Result<Self> {
        let short = || malformed("it is too short for its fields".to_owned(), 0);
        let mut fields = Fields(record.get(9..).unwrap_or_default());
        let [access, axes, zero] = fields.take().ok_or_else(short)?;
        if access > 1 || zero != 0 {
            let message = format!(
                "handed-over memory: access {access}, {zero}; 0 and 1 are read, and 0: update ndbytes"
            );
            return Err(Error::unsupported(message).at(9));
        }
        if usize::from(axes) != header.shape.len() {
            let axes = format!("{axes} strides for {} axes", header.shape.len());
            return Err(malformed(axes, 10));
        }
        let _length = fields.u32();
        let (size, offset) = (fields.u64().ok_or_else(short)?, fields.u64().ok_or_else(short)?);
        let overflow =
            |_| malformed("an offset or a stride that this machine has not".to_owned(), 24);
        let offset = usize::try_from(offset).map_err(overflow)?;
        let mut strides = Vec::with_capacity(axes.into());
        while let Some(stride) = fields.take() {
            strides.push(isize::try_from(i64::from_le_bytes(stride)).map_err(overflow)?);
        }
        let layout = Layout::new(header.shape, strides, offset)?;
        let (dtype, metadata) = (header.dtype, header.metadata);
        Ok(Self { dtype, layout, metadata, size, writable: access == 1 })
    }

    /// The header of a frame with the same array, in C order.
    #[cfg(all(target_os = "linux", feature = "map"))]
    pub(crate) fn header(&self) -> Header {
        Header {
            format: Format::Frame,
            dtype: self.dtype.clone(),
            shape: self.layout.shape().to_vec(),
            fortran_order: false,
            metadata: self.metadata.clone(),
            coding: None,
            len: 0,
            sum: 0,
        }
    }

    /// That every item lies in the memory.
    fn check(&self) -> Result<()> {
        let outside = |what| malformed(format!("{what}, the memory has {} bytes", self.size), 16);
        let span = self.layout.span(self.dtype.itemsize());
        let span = span.map_err(|error| outside(error.message().to_owned()))?;
        if span.end as u64 > self.size {
            return Err(outside(format!("items reach byte {}", span.end)));
        }
        Ok(())
    }
}

/// The header of a frame whose data lie in one piece, which is all of the bytes.
fn read_header(bytes: &[u8], limits: &Limits) -> Result<Header> {
    let whole = |len: u64| len == bytes.len() as u64;
    if !bytes.starts_with(&frame::MAGIC) {
        return Err(malformed("no header of a frame follows".to_owned(), 0));
    }
    match frame::parse(bytes, limits)? {
        Parsed::Header(header) if header.coding.is_none() && whole(header.len) => Ok(*header),
        Parsed::Header(_) => {
            Err(malformed("its header is of data in blocks, or more follows".to_owned(), 0))
        }
        Parsed::Needs(len) => {
            Err(malformed(format!("its header has {} bytes, {len} are needed", bytes.len()), 0))
        }
    }
}

fn malformed(message: String, at: u64) -> Error {
    Error::malformed(format!("handed-over memory: {message}")).at(at)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn lent() -> Lent {
        let layout = Layout::new(vec![2, 3], vec![-32, 8], 40).unwrap();
        let metadata = Metadata::new(Some("left".to_owned()), None);
        Lent { dtype: "<f8".parse().unwrap(), layout, metadata, size: 4096, writable: true }
    }

    #[test]
    fn what_is_written_comes_back() {
        let limits = Limits::stream();
        let changes: [fn(&mut Lent); 5] = [
            |lent| lent.writable = false,
            |lent| lent.size = 64,
            |lent| lent.dtype = ">i2".parse().unwrap(),
            |lent| lent.layout = Layout::new(vec![], vec![], 4088).unwrap(),
            |lent| lent.layout = Layout::new(vec![0, 7], vec![0, 0], 0).unwrap(),
        ];
        for change in changes {
            let mut lent = lent();
            change(&mut lent);
            let bytes = lent.encode().unwrap();
            assert_eq!(Lent::len(bytes.first_chunk().unwrap(), &limits).unwrap(), bytes.len());
            assert_eq!(Lent::decode(&bytes, &limits).unwrap(), lent);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_an_error() {
        let (limits, good) = (Limits::stream(), lent().encode().unwrap());
        for len in 0..good.len() {
            assert!(Lent::decode(&good[..len], &limits).is_err(), "{len} bytes");
        }
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Lent::decode(&bad, &limits).is_err(), "bit {bit}");
        }
    }

    /// A record with a sum that holds, whatever it says.
    fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Error {
        let good = lent().encode().unwrap();
        let (record, header) = good.split_at(FIXED + 16 + SUM);
        let mut record = record[..FIXED + 16].to_vec();
        change(&mut record);
        record.extend(crc32c(&record).to_le_bytes());
        record.extend(header);
        Lent::decode(&record, &Limits::stream().with_array(1 << 20)).unwrap_err()
    }

    #[test]
    fn lies_under_a_sum_that_holds_are_refused() {
        let put = |at: usize, value: i64| {
            move |bytes: &mut Vec<u8>| bytes[at..at + 8].copy_from_slice(&value.to_le_bytes())
        };
        for (error, kind, message) in [
            (forged(put(16, 63)), ErrorKind::Malformed, "items reach byte 64, the memory has 63"),
            (forged(put(24, 4090)), ErrorKind::Malformed, "items reach byte 4114"),
            (forged(put(24, 31)), ErrorKind::Malformed, "the memory has 4096 bytes"),
            (forged(put(32, i64::MIN)), ErrorKind::Malformed, "the memory has 4096 bytes"),
            (forged(put(24, -1)), ErrorKind::Malformed, "the memory has 4096 bytes"),
            (forged(|bytes| bytes[10] = 1), ErrorKind::Checksum { block: None, range: 0..44 }, ""),
            (forged(|bytes| bytes[9] = 2), ErrorKind::Unsupported, "access 2"),
            (forged(|bytes| bytes[8] = 1), ErrorKind::Unsupported, "version 1; 0 is read"),
            (
                forged(|bytes| bytes[15] = 1),
                ErrorKind::Limit { name: "frame header", asked: 0, max: 0 },
                "",
            ),
            (forged(put(16, 1 << 40)), ErrorKind::Limit { name: "array", asked: 0, max: 0 }, ""),
        ] {
            let same = std::mem::discriminant(error.kind()) == std::mem::discriminant(&kind);
            assert!(same && error.message().contains(message), "{error}");
        }
    }

    #[test]
    fn items_outside_the_memory_are_not_handed_over() {
        let lent = Lent { size: 40, ..lent() };
        assert_eq!(*lent.encode().unwrap_err().kind(), ErrorKind::Argument);
    }
}
