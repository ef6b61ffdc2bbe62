//! How a message lies in shards, and these in groups.

use crate::error::{Error, Result};

/// Shards of data of a group, at most.
pub(super) const GROUP: usize = 384;
/// Shards of data of a window: eight groups, among which they take turns, so that a burst of losses hits all of them.
pub(super) const WINDOW: u64 = 8 * GROUP as u64;
/// Groups of a window that is full.
const FULL: u64 = 8;
/// Shards of parity of a group, at most.
pub(super) const MAX_PARITY: usize = 1024;
/// The size of a shard is a multiple of it.
pub(super) const UNIT: usize = 64;

/// How a message is cut: said by each of its datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of the message.
    pub(super) total: u64,
    /// Bytes of a shard.
    pub(super) shard: usize,
    /// Shards of parity of each group.
    pub(super) parity: usize,
}

/// Shards of data that lie behind one another, and their groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Its number in the message.
    pub(super) at: u64,
    /// Its first shard of data.
    pub(super) first: u64,
    /// Shards of data: at least 1.
    pub(super) len: usize,
    /// At least 1.
    pub(super) groups: usize,
}

/// Where in a message a shard lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) window: Window,
    /// Which group of the window.
    pub(super) group: usize,
    /// Which one of the group's shards of data, or of parity.
    pub(super) index: usize,
}

impl Geometry {
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed).
    pub(super) fn new(total: u64, shard: usize, parity: usize) -> Result<Self> {
        if shard == 0 || !shard.is_multiple_of(UNIT) {
            let message = format!("a shard of {shard} bytes, which are no multiple of {UNIT}");
            return Err(Error::malformed(message));
        }
        if total == 0 {
            return Err(Error::malformed("a message of no bytes"));
        }
        if parity > MAX_PARITY {
            let message = format!("groups with {parity} shards of parity; at most {MAX_PARITY}");
            return Err(Error::malformed(message));
        }
        let geometry = Self { total, shard, parity };
        let most = u64::from(u32::MAX);
        if geometry.shards() > most || geometry.parity_shards() > most {
            let message = format!("a message of {total} bytes in shards of {shard}; too many");
            return Err(Error::malformed(message));
        }
        Ok(geometry)
    }

    /// Shards of data.
    pub(super) fn shards(self) -> u64 {
        self.total.div_ceil(self.shard as u64)
    }

    pub(super) fn windows(self) -> u64 {
        self.shards().div_ceil(WINDOW)
    }

    /// Shards of parity in all groups together.
    pub(super) fn parity_shards(self) -> u64 {
        let last = self.window(self.windows().saturating_sub(1)).map_or(0, |last| last.groups);
        let before = self.windows().saturating_sub(1).saturating_mul(FULL);
        (before + last as u64).saturating_mul(self.parity as u64)
    }

    pub(super) fn window(self, at: u64) -> Option<Window> {
        let first = at.checked_mul(WINDOW)?;
        let left = self.shards().checked_sub(first).filter(|&left| left > 0)?;
        let len = usize::try_from(left.min(WINDOW)).ok()?;
        Some(Window { at, first, len, groups: len.div_ceil(GROUP) })
    }

    /// All groups of all windows.
    pub(super) fn groups(self) -> u64 {
        let last = self.window(self.windows().saturating_sub(1)).map_or(0, |last| last.groups);
        self.windows().saturating_sub(1) * FULL + last as u64
    }

    /// Where shard `number` of data lies.
    pub(super) fn data(self, number: u64) -> Option<Place> {
        let window = self.window(number / WINDOW)?;
        let at = usize::try_from(number - window.first).ok().filter(|&at| at < window.len)?;
        Some(Place { window, group: at % window.groups, index: at / window.groups })
    }

    /// Where shard `number` of parity lies.
    pub(super) fn parity(self, number: u64) -> Option<Place> {
        let per_window = FULL * self.parity as u64;
        let window = self.window(number.checked_div(per_window)?)?;
        let at = usize::try_from(number % per_window).ok()?;
        let place = Place { window, group: at % window.groups, index: at / window.groups };
        (place.index < self.parity).then_some(place)
    }

    /// The number of the first shard of parity of a window.
    pub(super) fn first_parity(self, window: Window) -> u64 {
        window.at * FULL * self.parity as u64
    }

    /// Where in the message the bytes of a shard lie; the last one may have fewer than others.
    pub(super) fn bytes(self, number: u64) -> std::ops::Range<u64> {
        let start = number.saturating_mul(self.shard as u64).min(self.total);
        start..start.saturating_add(self.shard as u64).min(self.total)
    }
}

impl Window {
    /// Shards of data of one of its groups: at least 1.
    pub(super) fn data(self, group: usize) -> usize {
        self.len.saturating_sub(group).div_ceil(self.groups)
    }

    /// The number of a shard of data.
    pub(super) fn shard(self, group: usize, index: usize) -> u64 {
        self.first + (index * self.groups + group) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_shard_has_one_place_and_every_place_one_shard() {
        for shards in [1, 2, 383, 384, 385, 767, 768, 769, 3071, 3072, 3073, 3456, 3457, 9300] {
            for parity in [0, 1, 7] {
                let geometry = Geometry::new(shards * 64 - 5, 64, parity).unwrap();
                assert_eq!(geometry.shards(), shards);
                let mut places = BTreeSet::new();
                for number in 0..shards {
                    let Place { window, group, index } = geometry.data(number).unwrap();
                    assert!(group < window.groups && index < window.data(group));
                    assert!(window.data(group) <= GROUP);
                    assert_eq!(window.shard(group, index), number);
                    assert!(places.insert((window.at, group, index)));
                }
                assert_eq!(geometry.data(shards), None);
                let windows: Vec<_> =
                    (0..geometry.windows()).map(|at| geometry.window(at).unwrap()).collect();
                assert_eq!(geometry.window(geometry.windows()), None);
                let groups: usize = windows.iter().map(|window| window.groups).sum();
                assert_eq!(geometry.groups(), groups as u64);
                assert_eq!(geometry.parity_shards(), (groups * parity) as u64);
                let mut places = BTreeSet::new();
                for number in 0..geometry.parity_shards() {
                    let place = geometry.parity(number).unwrap();
                    assert!(number >= geometry.first_parity(place.window));
                    assert!(place.index < parity && place.group < place.window.groups);
                    assert!(places.insert((place.window.at, place.group, place.index)));
                }
                assert_eq!(geometry.parity(geometry.parity_shards()), None);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_malformed() {
        let error = |total, shard, parity| Geometry::new(total, shard, parity).unwrap_err();
        assert_eq!(error(0, 64, 0).message(), "a message of no bytes");
        assert_eq!(error(1, 0, 0).message(), "a shard of 0 bytes, which are no multiple of 64");
        assert_eq!(error(1, 96, 0).message(), "a shard of 96 bytes, which are no multiple of 64");
        let many = "groups with 1025 shards of parity; at most 1024";
        assert_eq!(error(1, 64, 1025).message(), many);
        let long = "a message of 274877906944 bytes in shards of 64; too many";
        assert_eq!(error(64 << 32, 64, 0).message(), long);
        assert!(Geometry::new(u64::MAX, 1408, 1024).is_err());
        Geometry::new((64 << 32) - 64, 64, 0).unwrap();
        assert!(Geometry::new((64 << 32) - 64, 64, 1024).is_err());
    }
}
