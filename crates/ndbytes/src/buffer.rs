//! Bytes that an array stands on: immutable and shared ([`Buffer`]), or being filled ([`BufferMut`]).

use crate::error::{Error, Result};
use bytes::Bytes;
use std::ops::Deref;

/// From this size on a buffer of known length is one lazy anonymous map: its pages cost nothing until they are written.
#[cfg(all(feature = "map", unix))]
const MAP_FROM: usize = 1 << 20;

/// From this size on huge pages make the first touch several times as quick.
#[cfg_attr(
    not(any(feature = "map", feature = "std")),
    allow(dead_code, reason = "needs one of them")
)]
pub(crate) const HUGE_FROM: usize = 4 << 20;
/// Bytes of a huge page where that is the usual one; where another is, less is gained.
pub(crate) const HUGE: usize = if cfg!(miri) { 1 << 12 } else { 2 << 20 };

/// So many bytes stand in small pages: a promise and ten bytes must not commit a huge one. Those behind them begin one.
pub(crate) const FRONT: usize = HUGE / 16;

/// Immutable shared bytes: a vector, a memory map, a Python object or a network read, all alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buffer(Bytes);

impl Buffer {
    /// The owner itself, to share or slice further.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Buffer {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

/// Bytes aligned to 16 that are being filled: `capacity` is promised, only what is asked for is touched.
#[derive(Debug)]
pub struct BufferMut {
    store: Store,
    capacity: usize,
}

#[derive(Debug)]
enum Store {
    /// `u128` words, so that every item up to 16 bytes is aligned.
    Words(Vec<u128>),
    /// A map, and where in it the bytes begin.
    #[cfg(all(feature = "map", unix))]
    Map(memmap2::MmapMut, usize),
}

impl BufferMut {
    /// A buffer of `capacity` zero bytes, none of them touched before it is asked for.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if `capacity` does not fit this machine.
    pub fn new(capacity: u64) -> Result<Self> {
        Self::with_front(capacity, FRONT)
    }

    /// The same for bytes that are known to be there, and of which all will come.
    ///
    /// # Errors
    /// As [`BufferMut::new`].
    pub fn known(capacity: u64) -> Result<Self> {
        Self::with_front(capacity, 0)
    }

    /// The same with so many bytes in small pages.
    fn with_front(capacity: u64, front: usize) -> Result<Self> {
        let capacity = usize::try_from(capacity)
            .ok()
            .filter(|&n| n <= isize::MAX.unsigned_abs())
            .ok_or_else(|| Error::overflow("the array's size"))?;
        Ok(Self { store: Store::new(capacity, front), capacity })
    }

    /// The same for bytes that come in any order, of which few may come: what is touched stays near them.
    ///
    /// # Errors
    /// As [`BufferMut::new`].
    #[cfg(feature = "datagram")]
    pub(crate) fn scattered(capacity: u64) -> Result<Self> {
        let buffer = Self::known(capacity)?;
        // One byte in a huge page would commit all of it.
        #[cfg(all(feature = "map", target_os = "linux"))]
        if let Store::Map(map, _) = &buffer.store {
            let _ = map.advise(memmap2::Advice::NoHugePage);
        }
        Ok(buffer)
    }

    /// Whether only the pages are touched that were asked for, wherever they lie.
    #[cfg(feature = "datagram")]
    pub(crate) fn is_lazy(&self) -> bool {
        match &self.store {
            #[cfg(all(feature = "map", unix))]
            Store::Map(..) => true,
            Store::Words(_) => false,
        }
    }

    /// How many bytes it was made for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The bytes from `start` up to `end`, for writing.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory) if the system has none left;
    /// [`Argument`](crate::ErrorKind::Argument) for a range outside the capacity.
    pub fn space(&mut self, start: usize, end: usize) -> Result<&mut [u8]> {
        let outside = || Error::argument(format!("bytes {start} to {end} are outside the buffer"));
        if end > self.capacity {
            return Err(outside());
        }
        self.store.bytes(start, end, self.capacity)?.get_mut(start..end).ok_or_else(outside)
    }

    /// All of it, for writing.
    ///
    /// # Errors
    /// As [`BufferMut::space`].
    pub fn all(&mut self) -> Result<&mut [u8]> {
        self.space(0, self.capacity)
    }

    /// The finished bytes; what was never written is zero.
    ///
    /// # Errors
    /// As [`BufferMut::space`].
    pub fn freeze(mut self) -> Result<Buffer> {
        self.all()?;
        let owner = Owner { store: self.store, len: self.capacity };
        Ok(Buffer(Bytes::from_owner(owner)))
    }
}

impl Store {
    fn new(capacity: usize, front: usize) -> Self {
        #[cfg(all(feature = "map", unix))]
        if capacity >= MAP_FROM {
            // Unreserved: a header may promise a terabyte and send ten bytes.
            // Where even that is refused, the vector grows with what arrives.
            // The system puts what is whole huge pages to where one begins; the front is the end of one that stays empty.
            let lead = if front > 0 { HUGE } else { 0 };
            let len = (capacity - front).next_multiple_of(HUGE).saturating_add(lead);
            let map = memmap2::MmapOptions::new().len(len).no_reserve_swap().map_anon();
            if let Ok(map) = map {
                let whole = front + map.as_ptr().wrapping_add(front).align_offset(HUGE);
                let start = (whole - front).min(map.len() - capacity);
                #[cfg(target_os = "linux")]
                advise(&map, start + front, capacity - front);
                return Self::Map(map, start);
            }
        }
        let _ = (capacity, front);
        Self::Words(Vec::new())
    }

    /// At least the bytes up to `end`, of which those up to `start` have been filled.
    fn bytes(&mut self, start: usize, end: usize, capacity: usize) -> Result<&mut [u8]> {
        match self {
            #[cfg(all(feature = "map", unix))]
            Self::Map(map, first) => Ok(map.get_mut(*first..).unwrap_or_default()),
            Self::Words(words) => {
                let needed = end.div_ceil(size_of::<u128>());
                if needed > words.len() {
                    let full = capacity.div_ceil(size_of::<u128>());
                    // Twice what has come, not twice what is there: ten bytes and a claim earn no second mebibyte.
                    let twice = start.div_ceil(size_of::<u128>()).saturating_mul(2);
                    let target = twice.clamp(needed, full.max(needed));
                    words
                        .try_reserve_exact(target - words.len())
                        .map_err(|_| Error::memory(target as u64 * 16))?;
                    words.resize(target, 0);
                }
                Ok(bytemuck::must_cast_slice_mut(words))
            }
        }
    }
}

/// Asks for huge pages from byte `start` on, for so many bytes, which is advice: where there are none, nothing changes.
#[cfg(all(feature = "map", target_os = "linux"))]
fn advise(map: &memmap2::MmapMut, start: usize, bytes: usize) {
    let len = huge(bytes).min(map.len() - start);
    if len > 0 {
        let _ = map.advise_range(memmap2::Advice::HugePage, start, len);
    }
}

/// Bytes of the huge pages for so many: the last one is not used in full only where that takes no more than half as much again.
#[cfg(any(test, all(feature = "map", target_os = "linux")))]
fn huge(capacity: usize) -> usize {
    let up = capacity.next_multiple_of(HUGE);
    if up - capacity <= capacity / 2 { up } else { up - HUGE }
}

struct Owner {
    store: Store,
    len: usize,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        let bytes = match &self.store {
            #[cfg(all(feature = "map", unix))]
            Store::Map(map, start) => &map[*start..],
            Store::Words(words) => bytemuck::must_cast_slice(words),
        };
        bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_are_zeroed_aligned_and_exact() {
        for n in [0, 1, 15, 16, 17, (1 << 20) - 1, 1 << 20, (1 << 20) + 5] {
            let mut buffer = BufferMut::new(n).unwrap();
            let n = usize::try_from(n).unwrap();
            assert!(buffer.space(0, n + 1).is_err());
            buffer.space(n / 2, n).unwrap().fill(7);
            let bytes = buffer.freeze().unwrap();
            assert_eq!(bytes.len(), n);
            assert_eq!(bytes.as_ptr().align_offset(16), 0);
            assert!(
                bytes[..n / 2].iter().all(|&b| b == 0) && bytes[n / 2..].iter().all(|&b| b == 7)
            );
        }
    }

    #[test]
    #[cfg(all(feature = "map", unix))]
    fn the_front_of_what_may_come_stands_in_small_pages() {
        for capacity in [MAP_FROM, HUGE, HUGE + FRONT, HUGE + FRONT + 1, 3 * HUGE + 5] {
            for (front, store) in
                [(FRONT, BufferMut::new(capacity as u64)), (0, BufferMut::known(capacity as u64))]
            {
                let mut buffer = store.unwrap();
                let bytes = buffer.all().unwrap();
                assert_eq!(bytes.len(), capacity);
                // Where the system puts maps to huge pages, one begins behind the front.
                let behind = bytes.as_ptr().wrapping_add(front).align_offset(HUGE);
                let Store::Map(map, start) = &buffer.store else { unreachable!() };
                let is_aligned = map.as_ptr().align_offset(HUGE) == 0;
                assert!(behind == 0 || !is_aligned, "{capacity} {front} {start}");
            }
        }
    }

    #[test]
    fn huge_pages_take_no_more_than_half_as_much_again() {
        let tenths = |n: usize| n * (HUGE / 10);
        for (capacity, pages) in [(0, 0), (tenths(6), 0), (tenths(7), 1), (HUGE, 1)] {
            assert_eq!(huge(capacity), pages * HUGE, "{capacity}");
        }
        for (capacity, pages) in [(tenths(13), 1), (tenths(14), 2), (2 * HUGE, 2), (tenths(21), 3)]
        {
            assert_eq!(huge(capacity), pages * HUGE, "{capacity}");
        }
    }

    #[test]
    fn a_promise_of_petabytes_costs_nothing() {
        let mut buffer = BufferMut::new(1 << 55).unwrap();
        buffer.space(0, 10).unwrap().fill(1);
        assert_eq!(
            BufferMut::new(u64::MAX).unwrap_err().to_string(),
            "the array's size overflows; at most 9223372036854775807 bytes are allowed"
        );
    }

    #[test]
    fn where_no_map_is_had_memory_follows_what_has_come() {
        let mut buffer = BufferMut { store: Store::Words(Vec::new()), capacity: 1 << 40 };
        let step = 1 << 20;
        for (start, most) in
            [(0, step), (10, step + 16), (step, 2 * step), (step + 1, 2 * step + 16)]
        {
            buffer.space(start, start + step).unwrap();
            #[allow(
                irrefutable_let_patterns,
                reason = "without the feature `map` there is no other"
            )]
            let Store::Words(words) = &buffer.store else { unreachable!() };
            assert!(words.len() * 16 <= most + 16, "{} for {start}", words.len() * 16);
        }
    }
}
