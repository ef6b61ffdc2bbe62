//! Deflate blocks of items of eight bytes: matches are looked for where an item begins, and nowhere else.
//!
//! Numbers that come again come again whole, and mostly with the one behind them: places are kept by pairs. A search at each byte looks
//! eight times as often. In tables of measured values this makes as little as zlib's level 6.

use super::block::{LITERALS, PARTS, Part, stream};
use crate::error::Result;

/// The bare stream of `bytes`, as [`stream`] makes it.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub(super) fn items(bytes: &[u8], last: bool, out: Vec<u8>) -> Result<Vec<u8>> {
    let mut search = Search::new(bytes);
    stream(bytes, last, out, |_, parts| search.split(parts))
}

/// Bytes of an item.
const ITEM: usize = 8;
type Item = [u8; ITEM];
/// Items that a match may reach back, of which deflate's window has so many.
const WINDOW: usize = (1 << 15) / ITEM;
/// Items of a match: the most that stay within the longest.
const MOST: usize = 32;
/// Places that are looked at for a pair: more find little more.
const LOOKS: usize = 8;
/// Bytes of a block, after which the codes are made anew.
const BLOCK: usize = 1 << 17;
/// Bytes at an item's front that are a match of their own, where nothing before is the same in all of them.
const FRONT: usize = 4;

/// The base-2 logarithms of how many places the tables have.
const PAIRS: u32 = 14;
const SINGLE: u32 = 12;

/// What was seen, by what it begins with. A place is a number of an item, from 1 on; 0 is none.
struct Search<'b> {
    items: &'b [Item],
    tail: usize,
    /// The item that is next.
    at: usize,
    /// The last place of each hash of two items, and of each place the one before of the same hash.
    pairs: Box<[u32; 1 << PAIRS]>,
    before: Box<[u32; WINDOW]>,
    /// The last place of each hash of an item, and of an item's front.
    whole: Box<[u32; 1 << SINGLE]>,
    fronts: Box<[u32; 1 << SINGLE]>,
}

impl<'b> Search<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        let (items, tail) = bytes.as_chunks();
        Self {
            items,
            tail: tail.len(),
            at: 0,
            pairs: Box::new([0; 1 << PAIRS]),
            before: Box::new([0; WINDOW]),
            whole: Box::new([0; 1 << SINGLE]),
            fronts: Box::new([0; 1 << SINGLE]),
        }
    }

    /// The parts of the next block, and how many bytes they are of.
    fn split(&mut self, parts: &mut Vec<Part>) -> usize {
        let start = self.at;
        let end = self.items.len().min(start + BLOCK / ITEM);
        // Literals of the part that is not there yet, and of all.
        let (mut literals, mut total) = (0, 0);
        while self.at < end && parts.len() < PARTS && total <= LITERALS - ITEM {
            let Some((repeats, distance)) = self.find() else {
                (literals, total) = (literals + ITEM, total + ITEM);
                self.step(1);
                continue;
            };
            parts.push(Part { literals, repeats, distance });
            // What an item has behind its front.
            literals = repeats.next_multiple_of(ITEM) - repeats;
            total += literals;
            self.step(repeats.div_ceil(ITEM));
        }
        let mut len = (self.at - start) * ITEM;
        if self.at == self.items.len() {
            literals += self.tail;
            len += std::mem::take(&mut self.tail);
        }
        parts.push(Part { literals, repeats: 0, distance: 1 });
        len
    }

    /// Bytes that are the same a distance before: of whole items, or of the front of one.
    fn find(&self) -> Option<(usize, usize)> {
        let here = self.items.get(self.at..)?;
        let here = here.get(..MOST).unwrap_or(here);
        if let Some(found) = self.find_pair(here) {
            return Some(found);
        }
        let item = here.first()?;
        if let Some((there, distance)) = self.place(self.whole[whole(item)])
            && let same @ 1.. = same(here, there)
        {
            return Some((same * ITEM, distance * ITEM));
        }
        let (there, distance) = self.place(self.fronts[front(item)])?;
        let same = same(item, there.first()?);
        (same >= FRONT).then_some((same, distance * ITEM))
    }

    /// The longest match of two items or more.
    fn find_pair(&self, here: &[Item]) -> Option<(usize, usize)> {
        let (mut count, mut found) = (1, None);
        let mut next = self.pairs[pair(here.first_chunk()?)];
        for _ in 0..LOOKS {
            let Some((there, distance)) = self.place(next) else { break };
            // Longer than the longest, or not worth a closer look.
            if there.get(count) == here.get(count) {
                let same = same(here, there);
                if same > count {
                    (count, found) = (same, Some((same * ITEM, distance * ITEM)));
                    if same == here.len() {
                        break;
                    }
                }
            }
            next = self.before[(self.at - distance) % WINDOW];
        }
        found
    }

    /// The items from a place on, and how many before the next one it is; None where no match may reach it.
    fn place(&self, place: u32) -> Option<(&'b [Item], usize)> {
        let at = (place as usize).checked_sub(1)?;
        let distance =
            self.at.checked_sub(at).filter(|distance| (1..=WINDOW).contains(distance))?;
        Some((self.items.get(at..)?, distance))
    }

    /// Goes on behind so many items, and remembers them.
    fn step(&mut self, count: usize) {
        for at in self.at..self.at + count {
            let Some((item, rest)) = self.items.get(at..).and_then(|rest| rest.split_first())
            else {
                break;
            };
            let place = u32::try_from(at + 1).unwrap_or_default();
            if let Some(second) = rest.first() {
                let newest = &mut self.pairs[pair(&[*item, *second])];
                self.before[at % WINDOW] = *newest;
                *newest = place;
            }
            self.whole[whole(item)] = place;
            self.fronts[front(item)] = place;
        }
        self.at += count;
    }
}

/// How many are the same from the first on.
fn same<T: PartialEq>(here: &[T], there: &[T]) -> usize {
    here.iter().zip(there).take_while(|(here, there)| here == there).count()
}

/// An odd number whose multiples have no pattern.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

fn table<const LOG: u32>(hash: u64) -> usize {
    usize::try_from(hash.wrapping_mul(MIX) >> (u64::BITS - LOG)).unwrap_or_default()
}

/// Where two items stand in a table.
fn pair([first, second]: &[Item; 2]) -> usize {
    let first = u64::from_le_bytes(*first).wrapping_mul(MIX);
    table::<PAIRS>((first ^ first >> 29).wrapping_add(u64::from_le_bytes(*second)))
}

/// Where one does.
fn whole(item: &Item) -> usize {
    table::<SINGLE>(u64::from_le_bytes(*item))
}

/// The same by its front.
fn front([a, b, c, d, ..]: &Item) -> usize {
    table::<SINGLE>(u32::from_le_bytes([*a, *b, *c, *d]).into())
}

#[cfg(test)]
mod tests {
    use super::super::{unpack, unpack_block};
    use super::*;
    use proptest::prelude::*;

    fn back(bytes: &[u8]) -> usize {
        let mut out = vec![1; bytes.len()];
        let stream = items(bytes, true, Vec::new()).unwrap();
        unpack(&stream, &mut out).unwrap();
        assert!(out == bytes, "{}", bytes.len());
        out.fill(1);
        let mut joined = items(bytes, false, Vec::new()).unwrap();
        unpack_block(&mut joined, false, &mut out).unwrap();
        assert!(out == bytes, "{}", bytes.len());
        stream.len()
    }

    fn numbers(count: usize, of: impl FnMut(usize) -> u64) -> Vec<u8> {
        (0..count).map(of).flat_map(u64::to_le_bytes).collect()
    }

    #[test]
    fn any_length_comes_back() {
        for len in (0..100).chain([BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 7, 2 * BLOCK + 8, 400_003])
        {
            for of in [0, 3, 40, 5000] {
                let mut bytes = numbers(len / ITEM + 1, |at| {
                    ((at % (of + 1)) as u64).wrapping_mul(0x0102_0304_0506_0708)
                });
                bytes.truncate(len);
                back(&bytes);
            }
        }
    }

    #[test]
    fn what_is_as_far_away_as_the_window_reaches_is_found_and_nothing_behind() {
        for (distance, is_found) in [(WINDOW - 1, true), (WINDOW, true), (WINDOW + 1, false)] {
            let bytes = numbers(3 * distance, |at| {
                ((at % distance + 1) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            });
            let len = back(&bytes);
            // A third of it is new.
            assert_eq!(len < bytes.len() * 4 / 10, is_found, "{distance} {len}");
        }
    }

    #[test]
    fn fronts_that_come_again_are_found_where_the_rest_does_not() {
        let mut state = 1_u64;
        let bytes = numbers(50_000, |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 40 << 40 | 0x99_9999_9999
        });
        let len = back(&bytes);
        assert!(len < 50_000 * 5, "{len}");
    }

    #[test]
    fn noise_is_stored() {
        let mut state = 1_u64;
        let bytes = numbers(100_000, |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        });
        assert!(back(&bytes) < bytes.len() + bytes.len() / 1000);
    }

    proptest! {
        #[test]
        fn any_items_come_back(
            few in proptest::collection::vec(any::<u64>(), 1..20),
            order in proptest::collection::vec((0_usize..20, any::<bool>(), any::<u8>()), 0..2000),
            cut in 0_usize..8,
        ) {
            let mut bytes = numbers(order.len(), |at| {
                let (one, is_new, byte) = order[at];
                few[one % few.len()] ^ if is_new { u64::from(byte) << 56 } else { 0 }
            });
            bytes.truncate(bytes.len().saturating_sub(cut));
            back(&bytes);
        }
    }
}
