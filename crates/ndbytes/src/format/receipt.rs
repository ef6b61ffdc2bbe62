//! What a receiver says of the messages that it has.

use super::Fields;
use crate::codec::crc32c;

/// That a receiver has the messages of a stream, up to one: 32 bytes in the other direction (`spec/WIRE.md`, section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The number of the sender's stream.
    pub stream: u64,
    /// The number of the last message.
    pub seq: u64,
    /// Whether that was used: asked for the next one, whoever it was given to. Else it has arrived.
    pub used: bool,
}

impl Receipt {
    /// Bytes of a receipt.
    pub const LEN: usize = 32;
    /// What it begins with; no frame does.
    pub const MAGIC: [u8; 8] = *b"\x89NDBR\r\n\x1a";

    /// Its bytes.
    #[must_use]
    pub fn encode(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = Self::MAGIC
            .into_iter()
            .chain(self.stream.to_le_bytes())
            .chain(self.seq.to_le_bytes())
            .chain([u8::from(self.used)]);
        bytes.iter_mut().zip(fields).for_each(|(place, byte)| *place = byte);
        let sum = crc32c(bytes.get(..28).unwrap_or_default());
        bytes.iter_mut().skip(28).zip(sum.to_le_bytes()).for_each(|(place, byte)| *place = byte);
        bytes
    }

    /// The one that these bytes are; `None` for others, or where it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (front, mut sum) = (bytes.get(..28)?, Fields(bytes.get(28..)?));
        let mut fields = Fields(front);
        let magic: [u8; 8] = fields.take()?;
        let [stream, seq] = [fields.take()?, fields.take()?].map(u64::from_le_bytes);
        let [used, rest @ ..]: [u8; 4] = fields.take()?;
        let holds = u32::from_le_bytes(sum.take()?) == crc32c(front);
        let is_known = magic == Self::MAGIC && used <= 1 && rest == [0; 3];
        (is_known && holds).then_some(Self { stream, seq, used: used == 1 })
    }
}

/// What bytes that have come begin with, where receipts may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptFront {
    /// Too few to tell, or a part of a receipt.
    Part,
    /// A receipt: its 32 bytes.
    Receipt(Receipt),
    /// A receipt that is damaged: behind it nothing can be found.
    Damaged,
    /// No receipt.
    Other,
}

impl Receipt {
    /// What these bytes begin with.
    #[must_use]
    pub fn front(bytes: &[u8]) -> ReceiptFront {
        if bytes.iter().zip(Self::MAGIC).any(|(found, magic)| *found != magic) {
            return ReceiptFront::Other;
        }
        let Some(bytes) = bytes.first_chunk() else { return ReceiptFront::Part };
        Self::decode(bytes).map_or(ReceiptFront::Damaged, ReceiptFront::Receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_no_flipped_bit_is_taken() {
        let receipt = Receipt { stream: 0x0123_4567_89ab_cdef, seq: u64::MAX, used: true };
        let bytes = receipt.encode();
        assert_eq!(Receipt::decode(&bytes), Some(receipt));
        for bit in 0..8 * Receipt::LEN {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Receipt::decode(&flipped), None, "{bit}");
            let front = if bit < 64 { ReceiptFront::Other } else { ReceiptFront::Damaged };
            assert_eq!(Receipt::front(&flipped), front, "{bit}");
        }
    }

    #[test]
    fn its_front_is_told_from_that_of_a_frame() {
        let receipt = Receipt { stream: 1, seq: 2, used: false };
        let bytes = receipt.encode();
        for n in 0..Receipt::LEN {
            assert_eq!(Receipt::front(&bytes[..n]), ReceiptFront::Part, "{n}");
        }
        assert_eq!(Receipt::front(&[&bytes[..], b"more"].concat()), ReceiptFront::Receipt(receipt));
        assert_eq!(Receipt::front(b"\x89NDBF"), ReceiptFront::Other);
    }
}
