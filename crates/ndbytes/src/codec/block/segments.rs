//! The segments of a block's filtered bytes: a table of lengths, and what is stored of each.

use super::{Arrange, Elements, Filter};
use crate::codec::engine::Engine;
use crate::error::{Error, Result};

/// Bytes of the number of segments, and of each one's row in the table.
const COUNT: usize = 2;
const ROW: usize = 8;
/// Where the bytes of all elements that lie together are fewer, it pays to compress all in one.
const LEAST: usize = 1 << 10;

/// Bytes of a segment to look at, to see whether it is noise.
const LOOK: usize = 1024;
/// A gain of less than this part of a segment is none.
const LEAST_GAIN: usize = 256;

/// What a codec does to one segment.
type Work<'w, T> = &'w mut dyn FnMut(&[u8], &mut [u8]) -> Result<T>;

/// At how many bytes the filtered bytes are cut: what lies together has its own statistics, and noise among it is seen by itself.
pub(super) fn cut(filter: Filter, engine: Engine, elements: Elements, len: usize) -> usize {
    let plane = len / elements.width.max(1);
    let arranged = filter.arrange != Arrange::Nothing && elements.width > 1;
    if arranged && engine != Engine::Pco && plane >= LEAST { plane } else { len }
}

/// What is made of filtered bytes.
pub(super) struct Made {
    pub(super) len: usize,
    /// The segments that gained nearly nothing, a bit for each of the first eight.
    pub(super) noise: u8,
}

/// Compresses `filtered`, which is not empty, in segments of `cut` bytes to the front of `to`; `None` if there is no room. Neighbours
/// that do not become shorter are one. Of several, those in `noise` are not tried where they look like it.
pub(super) fn encode(
    filtered: &[u8],
    cut: usize,
    noise: u8,
    to: &mut [u8],
    encode: Work<'_, Option<usize>>,
) -> Result<Option<Made>> {
    let parts = filtered.len().div_ceil(cut);
    let Some((head, space)) = to.split_at_mut_checked(COUNT + ROW * parts) else { return Ok(None) };
    let (mut rows, mut len): (Vec<(usize, usize)>, usize) = (Vec::with_capacity(parts), 0);
    let (mut bit, mut found) = (u8::from(parts > 1), 0);
    for part in filtered.chunks(cut) {
        let Some(room) = space.get_mut(len..) else { return Ok(None) };
        let skipped = noise & bit != 0 && is_noise(part);
        let coded = if skipped { None } else { encode(part, room)? };
        if coded.is_none_or(|made| part.len() - made < part.len() / LEAST_GAIN) {
            found |= bit;
        }
        bit <<= 1;
        let made = match coded {
            Some(made) => {
                rows.push((part.len(), made));
                made
            }
            None => {
                let Some(room) = room.get_mut(..part.len()) else { return Ok(None) };
                room.copy_from_slice(part);
                match rows.last_mut().filter(|(whole, stored)| whole == stored) {
                    Some((whole, stored)) => {
                        (*whole, *stored) = (*whole + part.len(), *stored + part.len())
                    }
                    None => rows.push((part.len(), part.len())),
                }
                part.len()
            }
        };
        len += made;
    }
    // Rows that were not needed are closed up.
    let front = COUNT + ROW * rows.len();
    let table = rows.iter().flat_map(|&(whole, stored)| [whole, stored]).map(u32::try_from);
    let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
    let Some(table) =
        table.collect::<std::result::Result<Vec<_>, _>>().ok().filter(|_| count < u16::MAX)
    else {
        return Ok(None);
    };
    let moved = head.len();
    for (place, byte) in head
        .iter_mut()
        .zip(count.to_le_bytes().into_iter().chain(table.into_iter().flat_map(u32::to_le_bytes)))
    {
        *place = byte;
    }
    if front < moved {
        to.copy_within(moved..moved + len, front);
    }
    Ok(Some(Made { len: front + len, noise: found }))
}

/// Whether bytes from all over are equal as seldom as chance makes them: what a codec could gain shows in that.
fn is_noise(part: &[u8]) -> bool {
    let (mut counts, mut all) = ([0u32; 256], 0);
    let step = (part.len() / LOOK).max(1);
    for &byte in part.iter().step_by(step).take(LOOK) {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
            all += 1;
        }
    }
    let equal: u32 = counts.iter().map(|&count| count * count.saturating_sub(1)).sum();
    // Chance makes a 256th of all pairs, and a sixteenth more in one of hundreds of times.
    equal <= all * (all - all.min(1)) / 256 * 17 / 16
}

/// Fills `filtered` from the segments that `stored` is.
///
/// # Errors
/// [`Malformed`](crate::ErrorKind::Malformed), and those of `decode`.
pub(super) fn decode(stored: &[u8], filtered: &mut [u8], decode: Work<'_, ()>) -> Result<()> {
    let lie = |what: &str| Error::malformed(format!("its segments {what}"));
    let cut = || lie("are cut");
    let (count, rest) = stored.split_first_chunk().ok_or_else(cut)?;
    let count = usize::from(u16::from_le_bytes(*count));
    let (table, mut stored) = rest.split_at_checked(count * ROW).ok_or_else(cut)?;
    let mut filtered = filtered;
    for row in table.as_chunks::<ROW>().0 {
        let [whole, len] = [0, 4].map(|at| {
            row.get(at..)
                .and_then(|row| row.first_chunk())
                .map_or(0, |n| u32::from_le_bytes(*n) as usize)
        });
        if len == 0 || len > whole {
            return Err(lie(&format!("have one of {whole} bytes in {len}")));
        }
        let (from, after) =
            stored.split_at_checked(len).ok_or_else(|| lie("are longer than the block"))?;
        let parts = std::mem::take(&mut filtered).split_at_mut_checked(whole);
        let (to, rest) = parts.ok_or_else(|| lie("hold more than the block"))?;
        if len == whole {
            to.copy_from_slice(from);
        } else {
            decode(from, to)?;
        }
        (stored, filtered) = (after, rest);
    }
    match (filtered.len(), stored.len()) {
        (0, 0) => Ok(()),
        (0, more) => Err(lie(&format!("leave {more} bytes of the block over"))),
        (missing, _) => Err(lie(&format!("hold {missing} bytes less than the block"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes by chance, out of so many values.
    fn chance(len: usize, values: u64, mut seed: u64) -> Vec<u8> {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            u8::try_from((seed >> 16) % values).unwrap()
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn noise_is_told_from_what_gains_a_little() {
        let told =
            |values| (1..500).filter(|&seed| is_noise(&chance(1 << 14, values, seed))).count();
        assert!(told(256) > 480, "{}", told(256));
        // Values of 7.8 bits.
        assert!(told(224) < 20, "{}", told(224));
        assert!(!is_noise(&[7; 5000]));
        assert!(is_noise(&[]));
    }

    #[test]
    fn segments_in_the_mask_are_left_where_they_are_noise() {
        let (noise, plain) = (chance(4096, 256, 3), chance(4096, 16, 3));
        let filtered = [&noise[..], &plain, &plain].concat();
        let mut seen = Vec::new();
        let mut to = vec![0; filtered.len()];
        let mut half = |from: &[u8], to: &mut [u8]| {
            seen.push(from == noise);
            to[..2].copy_from_slice(&from[..2]);
            Ok(Some(from.len() / 2))
        };
        let made = encode(&filtered, 4096, 0b011, &mut to, &mut half).unwrap().unwrap();
        assert_eq!((seen, made.noise), (vec![false, false], 0b001));
    }
}
