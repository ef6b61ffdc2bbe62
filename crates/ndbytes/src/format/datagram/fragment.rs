//! A message to datagrams.

use super::geometry::{Geometry, UNIT, Window};
use super::loss::{check_loss, parity_for};
use super::packet::{Kind, MOST, MOST_48, OVERHEAD, encode};
use crate::codec::{GroupSize, ParityEncoder};
use crate::error::{Error, Result};
use crate::format::{Piece, frame};

/// A message of so many shards has those with its first header sent again.
const REPEATED_FROM: u64 = 32;
/// As long as these are no more than so many.
const REPEATED: u64 = 16;

/// How a message is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct FragmentOptions {
    /// Which part of the datagrams may be lost, from 0 to below 0.5: a group of them fails once in a million times then. 0 is no parity.
    pub loss: f64,
    /// Bytes of a datagram at most: from 96 to 1,440, with which IP never cuts it.
    pub datagram: usize,
}

impl Default for FragmentOptions {
    /// No loss, 1,440 bytes.
    fn default() -> Self {
        Self { loss: 0.0, datagram: MOST }
    }
}

impl FragmentOptions {
    /// Bytes of a shard, at most.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument).
    fn shard(&self) -> Result<usize> {
        check_loss(self.loss)?;
        let least = OVERHEAD + UNIT;
        if !(least..=MOST).contains(&self.datagram) {
            let found = self.datagram;
            let message = format!("datagrams of {found} bytes; they have {least} to {MOST}");
            return Err(Error::argument(message));
        }
        Ok((self.datagram - OVERHEAD) / UNIT * UNIT)
    }
}

/// Cuts a message, the bytes of one or more frames, into datagrams of one length, and adds parity.
///
/// ```
/// use ndbytes::datagram::{FragmentOptions, Fragmenter, Reassembler, ReassemblyOptions};
/// use ndbytes::{ArrayRef, frame};
/// use std::time::Duration;
///
/// let values: Vec<f32> = (0..10_000u16).map(f32::from).collect();
/// let array = ArrayRef::from_slice(&values, &[100, 100])?;
/// let mut encoder = frame::Encoder::new(&array, &frame::EncodeOptions::default())?;
/// let options = FragmentOptions { loss: 0.05, ..Default::default() };
/// let mut fragmenter = Fragmenter::of(&mut encoder, 7, 0, &options)?;
/// let mut reassembler = Reassembler::new(ReassemblyOptions::default());
/// let mut datagram = [0; 1440];
/// let mut sent = 0;
/// let mut arrived = None;
/// while let Some(len) = fragmenter.next(&mut datagram)? {
///     sent += 1;
///     if sent % 20 > 0 {
///         arrived = arrived.or(reassembler.accept(&datagram[..len], Duration::ZERO)?);
///     }
/// }
/// let array = arrived.unwrap().received.arrays.remove(0).array.unwrap();
/// assert_eq!(array.into_vec::<f32>()?, values);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Fragmenter<'a> {
    message: Message<'a>,
    stream: u32,
    number: u64,
    geometry: Geometry,
    /// Shards of data that are repeated.
    head: u64,
    /// The window whose turn it is, and the next of its datagrams.
    window: u64,
    at: u64,
    encoder: ParityEncoder,
    /// The parity of the window, in the order in which it goes.
    parity: Vec<u8>,
    /// A shard.
    scratch: Vec<u8>,
}

/// A datagram of a window.
enum Turn {
    Data(u64),
    Repeated(u64),
    /// Its number among those of the window.
    Parity(usize),
}

impl<'a> Fragmenter<'a> {
    /// A message of these pieces, number `number` of the sender that calls itself `stream`: a number drawn at random when it starts.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a message of no bytes, and for options and numbers that cannot be meant;
    /// [`Limit`](crate::ErrorKind::Limit) for one that is too long for the number of its shards.
    pub fn new(
        pieces: Vec<Piece<'a>>,
        stream: u32,
        number: u64,
        options: &FragmentOptions,
    ) -> Result<Self> {
        let message = Message::new(pieces);
        let (total, most) = (message.total, options.shard()?);
        if total == 0 {
            return Err(Error::argument("a message of no bytes: there is nothing to send"));
        }
        if number > MOST_48 {
            return Err(Error::argument(format!("message {number}; the last is {MOST_48}")));
        }
        let count = total.div_ceil(most as u64);
        // As many shards as are needed, and none longer than that takes.
        let even = usize::try_from(total.div_ceil(count)).unwrap_or(most);
        let shard = even.next_multiple_of(UNIT).min(most);
        let mut geometry = Geometry { total, shard, parity: 0 };
        let largest = geometry.window(0).map_or(1, |window| window.data(0));
        geometry.parity = parity_for(largest, options.loss)?;
        if total > MOST_48 || Geometry::new(total, shard, geometry.parity).is_err() {
            let max = (most as u64).saturating_mul(u64::from(u32::MAX)).min(MOST_48);
            return Err(Error::limit("message", total, max));
        }
        let head = head(&message).div_ceil(shard as u64);
        let repeats = geometry.shards() >= REPEATED_FROM && head <= REPEATED;
        Ok(Self {
            message,
            stream,
            number,
            geometry,
            head: if repeats { head } else { 0 },
            window: 0,
            at: 0,
            encoder: ParityEncoder::default(),
            parity: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// A message of what a machine gives: one frame.
    ///
    /// # Errors
    /// As [`Fragmenter::new`], and whatever the machine returns.
    pub fn of(
        encoder: &mut dyn crate::format::Encode<'a>,
        stream: u32,
        number: u64,
        options: &FragmentOptions,
    ) -> Result<Self> {
        let mut pieces = Vec::new();
        while let Some(piece) = encoder.next()? {
            pieces.push(piece);
        }
        Self::new(pieces, stream, number, options)
    }

    /// Bytes of each of its datagrams.
    #[must_use]
    pub fn datagram_len(&self) -> usize {
        OVERHEAD + self.geometry.shard
    }

    /// Bytes of the message.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.geometry.total
    }

    /// How many datagrams it makes.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        let repeats = if self.geometry.parity > 0 { 2 } else { 1 };
        let repeated = self.geometry.windows() * repeats * self.head;
        self.geometry.shards() + self.geometry.parity_shards() + repeated
    }

    /// Writes the next datagram to the front of memory, of at least [`Fragmenter::datagram_len`] bytes, and gives its length; `None`
    /// behind the last.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for too little memory.
    pub fn next(&mut self, into: &mut [u8]) -> Result<Option<usize>> {
        let Some(window) = self.geometry.window(self.window) else { return Ok(None) };
        let Some(turn) = self.turn(window) else {
            (self.window, self.at) = (self.window + 1, 0);
            return self.next(into);
        };
        let (kind, number) = match turn {
            Turn::Data(number) => (Kind::Data, number),
            Turn::Repeated(number) => (Kind::Repeated, number),
            Turn::Parity(index) => {
                if index == 0 {
                    self.make_parity(window)?;
                }
                (Kind::Parity, self.geometry.first_parity(window) + index as u64)
            }
        };
        let shard = self.geometry.shard;
        let found = into.len();
        let len =
            encode(
                into,
                self.stream,
                self.number,
                self.geometry,
                (kind, number),
                |space| match turn {
                    Turn::Parity(index) => {
                        let parity = self.parity.get(index * shard..).unwrap_or_default();
                        space.iter_mut().zip(parity).for_each(|(to, from)| *to = *from);
                    }
                    _ => self.message.read(number * shard as u64, space),
                },
            );
        let wanted = self.datagram_len();
        let len = len.ok_or_else(|| {
            Error::argument(format!("a datagram has {wanted} bytes, the memory {found}"))
        })?;
        self.at += 1;
        Ok(Some(len))
    }

    /// Which datagram of the window comes next; `None` behind its last. The first header goes again behind data and parity.
    fn turn(&self, window: Window) -> Option<Turn> {
        let (len, parity) = (window.len as u64, (window.groups * self.geometry.parity) as u64);
        let mut at = self.at;
        if at < len {
            return Some(Turn::Data(window.first + at));
        }
        at -= len;
        if at < self.head {
            return Some(Turn::Repeated(at));
        }
        at -= self.head;
        if at < parity {
            return usize::try_from(at).ok().map(Turn::Parity);
        }
        at -= parity;
        (parity > 0 && at < self.head).then_some(Turn::Repeated(at))
    }

    /// Makes the parity of a window, group by group.
    fn make_parity(&mut self, window: Window) -> Result<()> {
        let Geometry { shard, parity, .. } = self.geometry;
        self.scratch.resize(shard, 0);
        self.parity.resize(window.groups * parity * shard, 0);
        for group in 0..window.groups {
            let data = window.data(group);
            self.encoder.begin(GroupSize { data, parity, shard })?;
            for index in 0..data {
                let start = window.shard(group, index) * shard as u64;
                self.message.read(start, &mut self.scratch);
                self.encoder.add(&self.scratch)?;
            }
            let places = self.parity.chunks_exact_mut(shard).skip(group).step_by(window.groups);
            let mut places = places.into_iter();
            self.encoder.finish(|made| {
                if let Some(place) = places.next() {
                    place.copy_from_slice(made);
                }
            })?;
        }
        Ok(())
    }
}

/// Bytes of the header that the message begins with.
fn head(message: &Message<'_>) -> u64 {
    let mut front = [0; 16];
    message.read(0, &mut front);
    let [.., a, b, c, d] = front;
    let is_frame = front.starts_with(&frame::MAGIC);
    if is_frame { u64::from(u32::from_le_bytes([a, b, c, d])).min(message.total) } else { 0 }
}

/// The bytes of a message, piece by piece.
#[derive(Debug)]
struct Message<'a> {
    /// Each with where it begins.
    pieces: Vec<(u64, Piece<'a>)>,
    total: u64,
}

impl<'a> Message<'a> {
    fn new(pieces: Vec<Piece<'a>>) -> Self {
        let mut total = 0;
        let start = |piece: Piece<'a>| {
            let start = total;
            total += piece.len() as u64;
            (start, piece)
        };
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).map(start).collect();
        Self { pieces, total }
    }

    /// Copies what begins at byte `start`; behind the end there are zeros.
    fn read(&self, start: u64, out: &mut [u8]) {
        let first = self.pieces.partition_point(|(at, _)| *at <= start).saturating_sub(1);
        let mut rest = out;
        let mut skip = start - self.pieces.get(first).map_or(start, |(at, _)| *at);
        for (_, piece) in self.pieces.get(first..).unwrap_or_default() {
            let from = usize::try_from(skip).ok().and_then(|skip| piece.get(skip..));
            let from = from.unwrap_or_default();
            let n = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(from.get(..n).unwrap_or_default());
            (rest, skip) = (later, 0);
            if rest.is_empty() {
                return;
            }
        }
        rest.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn pieces_are_read_as_one() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cuts in [vec![256], vec![0, 1, 0, 255], vec![100, 100, 56], vec![1; 256]] {
            let (mut pieces, mut at) = (Vec::new(), 0);
            for len in cuts {
                pieces.push(Piece::Owned(Bytes::copy_from_slice(&bytes[at..at + len])));
                at += len;
            }
            let message = Message::new(pieces);
            assert_eq!(message.total, 256);
            for start in 0..=256usize {
                for len in [0, 1, 3, 64, 300] {
                    let mut out = vec![9; len];
                    message.read(start as u64, &mut out);
                    let mut expected = bytes[start..256.min(start + len)].to_vec();
                    expected.resize(len, 0);
                    assert_eq!(out, expected, "{start}, {len}");
                }
            }
        }
        let mut out = [9; 4];
        Message::new(Vec::new()).read(0, &mut out);
        assert_eq!(out, [0; 4]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let error = |pieces: &[&'static [u8]], number, options: FragmentOptions| {
            let pieces = pieces.iter().map(|piece| Piece::Run(piece)).collect();
            Fragmenter::new(pieces, 0, number, &options).unwrap_err().to_string()
        };
        let options = FragmentOptions::default;
        assert_eq!(error(&[], 0, options()), "a message of no bytes: there is nothing to send");
        assert_eq!(
            error(&[b"a"], 0, FragmentOptions { loss: 0.5, ..options() }),
            "a loss of 0.5; from 0 to below 0.5 can be made up for (0.05 is 5 %)"
        );
        for bytes in [0, 95, 1441] {
            assert_eq!(
                error(&[b"a"], 0, FragmentOptions { datagram: bytes, ..options() }),
                format!("datagrams of {bytes} bytes; they have 96 to 1440")
            );
        }
        assert_eq!(
            error(&[b"a"], 1 << 48, options()),
            "message 281474976710656; the last is 281474976710655"
        );
        let mut one = Fragmenter::new(vec![Piece::Run(b"a")], 0, 0, &options()).unwrap();
        let short = one.next(&mut [0; 95]).unwrap_err();
        assert_eq!(short.message(), "a datagram has 96 bytes, the memory 95");
        assert_eq!(one.next(&mut [0; 96]).unwrap(), Some(96));
        assert_eq!(one.next(&mut [0; 96]).unwrap(), None);
        assert_eq!(one.next(&mut []).unwrap(), None);
    }
}
