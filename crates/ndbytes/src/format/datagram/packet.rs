//! One datagram: fixed numbers, a shard, and a sum over both.

use super::geometry::{Geometry, Place, UNIT};
use crate::codec::crc32c;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Fields, holds};

/// The first four bytes of a datagram.
pub(super) const MAGIC: [u8; 4] = *b"\x89NDD";
const VERSION: u8 = 0;
/// Flags: the shard is one of parity; it was sent before, on purpose.
const PARITY: u8 = 1;
const REPEATED: u8 = 2;
/// Bytes before the shard.
pub(super) const FRONT: usize = 28;
/// Bytes of the sum behind it.
const SUM: usize = 4;
/// Bytes of a datagram beside its shard.
pub(super) const OVERHEAD: usize = FRONT + SUM;
/// Bytes of a datagram, at least and at most: with the headers of UDP and IPv6 the longest stays under 1,500.
const LEAST: usize = OVERHEAD + UNIT;
pub(super) const MOST: usize = 1440;
/// Numbers of 48 bits.
pub(super) const MOST_48: u64 = (1 << 48) - 1;

/// What a datagram says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Which sender's.
    pub(super) stream: u32,
    /// Which of its messages.
    pub(super) message: u64,
    pub(super) geometry: Geometry,
    pub(super) kind: Kind,
    /// The number of the shard among those of its kind.
    pub(super) number: u64,
    pub(super) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    /// Data that were sent before.
    Repeated,
    Parity,
}

/// Writes a datagram to the front of memory, with `fill` for its shard, and gives its length; `None` if the memory is too small.
pub(super) fn encode(
    into: &mut [u8],
    stream: u32,
    message: u64,
    geometry: Geometry,
    (kind, number): (Kind, u64),
    fill: impl FnOnce(&mut [u8]),
) -> Option<usize> {
    let len = OVERHEAD + geometry.shard;
    let (front, rest) = into.get_mut(..len)?.split_at_mut_checked(FRONT)?;
    let (shard, _) = rest.split_at_mut_checked(geometry.shard)?;
    let flags = match kind {
        Kind::Data => 0,
        Kind::Parity => PARITY,
        Kind::Repeated => REPEATED,
    };
    let parity = u16::try_from(geometry.parity).ok()?;
    let number = u32::try_from(number).ok()?;
    let fields = MAGIC
        .into_iter()
        .chain([VERSION, flags])
        .chain(parity.to_le_bytes())
        .chain(stream.to_le_bytes())
        .chain(number.to_le_bytes())
        .chain(message.to_le_bytes().into_iter().take(6))
        .chain(geometry.total.to_le_bytes().into_iter().take(6));
    front.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    fill(shard);
    let (summed, sum) = into.get_mut(..len)?.split_last_chunk_mut::<SUM>()?;
    *sum = crc32c(summed).to_le_bytes();
    Some(len)
}

/// Reads a datagram: what it says, and its shard. Nothing but the magic is believed before the sum holds.
///
/// # Errors
/// [`Malformed`](ErrorKind::Malformed), [`Checksum`](ErrorKind::Checksum), [`Unsupported`](ErrorKind::Unsupported).
pub(super) fn parse(datagram: &[u8]) -> Result<(Packet, &[u8])> {
    let len = datagram.len();
    if !(LEAST..=MOST).contains(&len) {
        let message = format!("a datagram of {len} bytes; it has {LEAST} to {MOST}");
        return Err(Error::malformed(message));
    }
    if !datagram.starts_with(&MAGIC) {
        return Err(Error::malformed("not a datagram of ndbytes: its magic is missing").at(0));
    }
    let (summed, sum) = datagram.split_last_chunk::<SUM>().unwrap_or((datagram, &[0; SUM]));
    if !holds(crc32c(summed), u32::from_le_bytes(*sum)) {
        let kind = ErrorKind::Checksum { block: None, range: 0..len as u64 };
        let message = format!("the datagram ({len} bytes) is damaged: its CRC-32C does not hold");
        return Err(Error::new(kind, message));
    }
    let (front, shard) = summed.split_at_checked(FRONT).unwrap_or((summed, &[]));
    let packet = fields(front, shard.len()).map_err(|error| error.context("datagram"))?;
    check_padding(&packet, shard).map_err(|error| error.context("datagram"))?;
    Ok((packet, shard))
}

fn fields(front: &[u8], shard: usize) -> Result<Packet> {
    let short = || Error::malformed("it is too short for its fields");
    let mut fields = Fields(front.get(MAGIC.len()..).unwrap_or_default());
    let [version, flags] = fields.take().ok_or_else(short)?;
    if version != VERSION {
        let message = format!("version {version}; 0 is read: update ndbytes");
        return Err(Error::unsupported(message).at(4));
    }
    let kind = match flags {
        0 => Kind::Data,
        PARITY => Kind::Parity,
        REPEATED => Kind::Repeated,
        _ => {
            let message = format!("flags {flags}; 0, 1 and 2 are read: update ndbytes");
            return Err(Error::unsupported(message).at(5));
        }
    };
    let parity = fields.take().map(u16::from_le_bytes).ok_or_else(short)?;
    let stream = fields.u32().ok_or_else(short)?;
    let number = u64::from(fields.u32().ok_or_else(short)?);
    let message = wide(fields.take().ok_or_else(short)?);
    let total = wide(fields.take().ok_or_else(short)?);
    let geometry = Geometry::new(total, shard, usize::from(parity)).map_err(|error| error.at(6))?;
    let (place, what, count) = match kind {
        Kind::Parity => (geometry.parity(number), "parity", geometry.parity_shards()),
        _ => (geometry.data(number), "data", geometry.shards()),
    };
    let place = place.ok_or_else(|| {
        let message = format!("shard {number} of {what}; the message has {count} from 0 on");
        Error::malformed(message).at(12)
    })?;
    Ok(Packet { stream, message, geometry, kind, number, place })
}

fn wide(bytes: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = bytes;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
}

/// Behind the end of the message the last shard has zeros: others would make other parity.
fn check_padding(packet: &Packet, shard: &[u8]) -> Result<()> {
    if packet.kind == Kind::Parity {
        return Ok(());
    }
    let bytes = packet.geometry.bytes(packet.number);
    let used = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
    match shard.get(used..).unwrap_or_default().iter().position(|&byte| byte != 0) {
        None => Ok(()),
        Some(at) => {
            let message = "bytes behind the end of the message that are not 0";
            Err(Error::malformed(message).at((FRONT + used + at) as u64))
        }
    }
}
