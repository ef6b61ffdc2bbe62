//! Datagrams to messages.

use super::numbers::Numbers;
use super::packet::{Kind, Packet, parse};
use super::partial::partial;
use super::pending::{Pending, Stored};
use crate::array::Array;
use crate::codec::ParityMender;
use crate::error::{Error, Result};
use crate::format::Received;
use crate::limits::Limits;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a receiver keeps, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct ReassemblyOptions {
    /// Bounds on the arrays of a message.
    pub limits: Limits,
    /// Bytes of memory of all messages that are not whole yet, and of one message.
    pub pending: u64,
    /// How many messages may be not whole yet.
    pub messages: usize,
    /// How many senders are told apart; of more, the one that was heard of the longest ago is forgotten.
    pub streams: usize,
    /// How long a message is kept behind its last datagram.
    pub timeout: Duration,
    /// Whether an array whose time is up is given as far as it has come.
    pub partial: bool,
}

impl Default for ReassemblyOptions {
    /// [`Limits::stream`], 256 MiB, 64 messages of 64 senders, 1 second, and no array but whole.
    fn default() -> Self {
        Self {
            limits: Limits::stream(),
            pending: 256 << 20,
            messages: 64,
            streams: 64,
            timeout: Duration::from_secs(1),
            partial: false,
        }
    }
}

/// What a receiver has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that came, whatever they were.
    pub datagrams: u64,
    /// Messages that came whole, every sum of theirs held.
    pub messages: u64,
    /// Arrays that were given in part.
    pub partial: u64,
    /// Messages that were given up, those in part not counted: their time was up, there was no room, they were damaged, or numbers are
    /// missing between those that came.
    pub lost: u64,
    /// Messages among the lost for which there was no room.
    pub dropped: u64,
    /// Messages among the lost whose datagrams all held, and whose frames did not.
    pub damaged: u64,
    /// Datagrams of data of a message that was given, or given up.
    pub late: u64,
    /// Datagrams of data that had come before, or were made again before they came.
    pub duplicates: u64,
    /// Parity, and headers that were sent again on purpose, that nothing needed.
    pub spare: u64,
    /// Datagrams that were damaged, are none of ours, or do not fit their message.
    pub corrupt: u64,
    /// Datagrams of messages that are longer than may be.
    pub refused: u64,
    /// Shards of data that were made again of parity.
    pub repaired: u64,
}

/// A message, as it was put together.
#[derive(Debug)]
#[non_exhaustive]
pub struct Arrival {
    /// Which sender's: the number that it drew when it started.
    pub stream: u32,
    /// Which of its messages.
    pub number: u64,
    /// Its arrays.
    pub received: Received,
    /// Of an array that is given in part, which items came whole: an array of bools of its shape. The other items are zeros, and none of
    /// its checksums vouches for it: see [`ChecksumState::Unchecked`](crate::ChecksumState::Unchecked).
    pub mask: Option<Array>,
}

/// Puts messages together again, of the datagrams of any number of senders. It answers nothing.
///
/// A sender is told by the number that it drew, not by its address: one that starts again is another one.
#[derive(Debug)]
pub struct Reassembler {
    options: ReassemblyOptions,
    streams: BTreeMap<u32, Stream>,
    pending: BTreeMap<(u32, u64), Pending>,
    /// Memory of all that is pending.
    held: u64,
    /// Nothing is over before.
    due: Option<Duration>,
    stats: Stats,
    mender: ParityMender,
}

#[derive(Debug, Default)]
struct Stream {
    numbers: Numbers,
    heard: Duration,
}

impl Reassembler {
    /// A receiver that has heard nothing yet.
    #[must_use]
    pub fn new(options: ReassemblyOptions) -> Self {
        Self {
            options,
            streams: BTreeMap::new(),
            pending: BTreeMap::new(),
            held: 0,
            due: None,
            stats: Stats::default(),
            mender: ParityMender::default(),
        }
    }

    /// Takes a datagram that came at `now`, counted from any moment on; gives the message that it makes whole.
    ///
    /// # Errors
    /// Those of a wrong datagram, which is counted and leaves everything as it was: [`Malformed`](crate::ErrorKind::Malformed),
    /// [`Checksum`](crate::ErrorKind::Checksum), [`Unsupported`](crate::ErrorKind::Unsupported), and
    /// [`Limit`](crate::ErrorKind::Limit) for a message longer than may be. Those of the frames of a message that is whole, as of
    /// [`HeaderDecoder::filled`](crate::HeaderDecoder::filled) and [`BodyDecoder::filled`](crate::BodyDecoder::filled): it is lost.
    /// [`Memory`](crate::ErrorKind::Memory).
    pub fn accept(&mut self, datagram: &[u8], now: Duration) -> Result<Option<Arrival>> {
        self.stats.datagrams += 1;
        let (packet, shard) = parse(datagram).inspect_err(|_| self.stats.corrupt += 1)?;
        let (total, max) = (packet.geometry.total, self.options.pending);
        if total > max {
            self.stats.refused += 1;
            return Err(Error::limit("message", total, max).context("datagram"));
        }
        let key = (packet.stream, packet.message);
        if !self.pending.contains_key(&key) && !self.begin(&packet, now)? {
            return Ok(None);
        }
        self.heard(packet.stream, now);
        self.check_geometry(&packet)?;
        if !self.make_room(key, &packet) {
            return Ok(None);
        }
        let Some(pending) = self.pending.get_mut(&key) else { return Ok(None) };
        let before = pending.cost();
        pending.heard = now;
        let stored = pending.store(&packet, shard, &mut self.mender);
        self.held = (self.held + pending.cost()).saturating_sub(before);
        let is_whole = pending.is_whole();
        self.count(&packet, stored?);
        if is_whole { self.finish(key).map(Some) } else { Ok(None) }
    }

    /// Gives up what has been waited for long enough at `now`; to be called several times a second until it gives nothing. What it gives
    /// is an array in part.
    pub fn expire(&mut self, now: Duration) -> Option<Arrival> {
        let timeout = self.options.timeout;
        let is_over = |since: Duration| since.saturating_add(timeout) <= now;
        while self.due.is_some_and(is_over) {
            let oldest = self
                .oldest(None)
                .filter(|key| self.pending.get(key).is_some_and(|pending| is_over(pending.heard)));
            if let Some(key) = oldest {
                if let Some(arrival) = self.give_in_part(key) {
                    return Some(arrival);
                }
                continue;
            }
            for stream in self.streams.values_mut() {
                let lost = stream.numbers.expire(is_over);
                self.stats.lost = self.stats.lost.saturating_add(lost);
            }
            let heard = self.pending.values().map(|pending| pending.heard);
            let gaps = self.streams.values().filter_map(|stream| stream.numbers.oldest());
            self.due = heard.chain(gaps).min();
        }
        None
    }

    /// The next moment at which [`Reassembler::expire`] may have something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.due.map(|due| due.saturating_add(self.options.timeout))
    }

    /// What has been seen so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many messages are not whole yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Bytes of memory that they may have touched: no more than the options allow.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Begins a message, unless it was given or given up before.
    fn begin(&mut self, packet: &Packet, now: Duration) -> Result<bool> {
        let stream = self.streams.get(&packet.stream);
        if stream.is_some_and(|stream| !stream.numbers.is_open(packet.message)) {
            match packet.kind {
                Kind::Data => self.stats.late += 1,
                Kind::Parity | Kind::Repeated => self.stats.spare += 1,
            }
            return Ok(false);
        }
        while self.pending.len() >= self.options.messages.max(1) {
            let Some(oldest) = self.oldest(None) else { break };
            self.drop_for_room(oldest);
        }
        self.heard(packet.stream, now);
        if let Some(stream) = self.streams.get_mut(&packet.stream) {
            self.stats.lost =
                self.stats.lost.saturating_add(stream.numbers.begin(packet.message, now));
        }
        let pending = Pending::new(packet.geometry, now).inspect_err(|_| self.stats.lost += 1)?;
        self.held += pending.cost();
        self.pending.insert((packet.stream, packet.message), pending);
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
        Ok(true)
    }

    /// Something of this sender came; the one that was silent the longest may be forgotten for it.
    fn heard(&mut self, id: u32, now: Duration) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.heard = now;
            return;
        }
        while self.streams.len() >= self.options.streams.max(1) {
            let silent = self.streams.iter().min_by_key(|(_, stream)| stream.heard);
            let Some(silent) = silent.map(|(id, _)| *id) else { break };
            let keys: Vec<_> =
                self.pending.range((silent, 0)..=(silent, u64::MAX)).map(|(key, _)| *key).collect();
            keys.into_iter().for_each(|key| self.drop_for_room(key));
            let gone = self.streams.remove(&silent);
            let missing = gone.map_or(0, |stream| stream.numbers.missing());
            self.stats.lost = self.stats.lost.saturating_add(missing);
        }
        self.streams.insert(id, Stream { numbers: Numbers::default(), heard: now });
    }

    /// That a datagram says of its message what those before it said.
    fn check_geometry(&mut self, packet: &Packet) -> Result<()> {
        let key = (packet.stream, packet.message);
        let (found, pending) = (packet.geometry, self.pending.get(&key));
        let Some(said) = pending.map(|pending| pending.geometry).filter(|said| *said != found)
        else {
            return Ok(());
        };
        self.stats.corrupt += 1;
        let message = format!(
            "datagram: it says of message {} that it has {} bytes, in shards of {} with {} of parity in a group; one before \
             said {}, {} and {}",
            packet.message,
            found.total,
            found.shard,
            found.parity,
            said.total,
            said.shard,
            said.parity
        );
        Err(Error::malformed(message).at(6))
    }

    /// Makes room for a datagram of a message, from which others give way, and at last itself.
    fn make_room(&mut self, key: (u32, u64), packet: &Packet) -> bool {
        let Some(growth) = self.pending.get(&key).map(|pending| pending.growth(packet)) else {
            return false;
        };
        while self.held.saturating_add(growth) > self.options.pending {
            match self.oldest(Some(key)) {
                Some(oldest) => self.drop_for_room(oldest),
                None => {
                    self.drop_for_room(key);
                    return false;
                }
            }
        }
        true
    }

    /// The message, other than this one, of which something came the longest ago.
    fn oldest(&self, other_than: Option<(u32, u64)>) -> Option<(u32, u64)> {
        let others = self.pending.iter().filter(|(key, _)| Some(**key) != other_than);
        others.min_by_key(|(_, pending)| pending.heard).map(|(key, _)| *key)
    }

    fn take(&mut self, key: (u32, u64)) -> Option<Pending> {
        let pending = self.pending.remove(&key)?;
        self.held = self.held.saturating_sub(pending.cost());
        Some(pending)
    }

    fn drop_for_room(&mut self, key: (u32, u64)) {
        if self.take(key).is_some() {
            self.stats.lost = self.stats.lost.saturating_add(1);
            self.stats.dropped += 1;
        }
    }

    fn count(&mut self, packet: &Packet, stored: Stored) {
        match (stored, packet.kind) {
            (Stored::Kept(mended), _) => self.stats.repaired += mended,
            (Stored::Spare, _) | (Stored::Duplicate, Kind::Repeated) => self.stats.spare += 1,
            (Stored::Duplicate, _) => self.stats.duplicates += 1,
        }
    }

    /// Reads the frames of a message that is whole.
    fn finish(&mut self, key: (u32, u64)) -> Result<Arrival> {
        let (stream, number) = key;
        let whole = self.take(key).ok_or_else(|| Error::argument("no such message"))?;
        let bytes = whole.finish();
        let received = bytes.and_then(|bytes| Received::of(&bytes, &self.options.limits));
        let received = received.map_err(|error| {
            self.stats.damaged += 1;
            self.stats.lost = self.stats.lost.saturating_add(1);
            error.context(format!("message {number}"))
        })?;
        self.stats.messages += 1;
        Ok(Arrival { stream, number, received, mask: None })
    }

    /// Gives up a message, and gives what has come of it where that is wanted and known.
    fn give_in_part(&mut self, key: (u32, u64)) -> Option<Arrival> {
        let pending = self.take(key)?;
        let part = match self.options.partial {
            true => partial(pending, &self.options.limits).ok().flatten(),
            false => None,
        };
        let Some((received, mask)) = part else {
            self.stats.lost = self.stats.lost.saturating_add(1);
            return None;
        };
        self.stats.partial += 1;
        let (stream, number) = key;
        Some(Arrival { stream, number, received, mask: Some(mask) })
    }
}
