//! LZ4 blocks, decoded: filtered bytes are runs, and short matches among noise, which want copies without branches.
//!
//! Copies go 16 bytes at a time and may write more than is wanted, within the output: what comes next is written over it.
#![allow(
    unsafe_code,
    reason = "functions built for a set of instructions are called where the processor has it"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

use super::isa::Isa;

/// Bytes of a lane.
const LANE: usize = 16;
/// What a token says itself is copied without a look at its length where both sides have so many bytes left: at most three lanes.
const ROOM: usize = 4 * LANE;
/// Copies up to this long go by lanes.
const SHORT: usize = 16 * LANE;
/// What a token says of a length that goes on behind it, and what is added to that of a match.
const MORE: usize = 15;
const LEAST: usize = 4;

/// For each distance below a lane: how far a lane that repeats so many bytes goes on by itself.
#[allow(clippy::cast_possible_truncation, reason = "places in a lane")]
const STEPS: [u8; LANE + 1] = {
    let mut steps = [0; LANE + 1];
    let mut near = 1;
    while near <= LANE {
        steps[near] = (LANE / near * near) as u8;
        near += 1;
    }
    steps
};

/// Bytes that are moved in one go.
trait Lanes {
    type Lane: Copy;
    fn load(&self, from: &[u8; LANE]) -> Self::Lane;
    fn store(&self, to: &mut [u8; LANE], lane: Self::Lane);
    /// The first `near` bytes, 1 to 16, over and over.
    fn repeated(&self, from: &[u8; LANE], near: usize) -> Self::Lane;
}

/// Decodes a block to the front of `to`, and gives how many bytes it makes; `None` if it is none, or makes more than there is room for.
/// What is behind these bytes may have changed.
pub(crate) fn decode(from: &[u8], to: &mut [u8]) -> Option<usize> {
    decode_by(Isa::detect(), from, to)
}

fn decode_by(isa: Isa, from: &[u8], to: &mut [u8]) -> Option<usize> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has it.
        Isa::Avx2 => unsafe { avx2::decode(from, to) },
        _ => portable::decode(from, to),
    }
}

#[inline(always)]
fn decode_with(lanes: &impl Lanes, from: &[u8], to: &mut [u8]) -> Option<usize> {
    let (mut at, mut done) = (0, 0);
    let (last_at, last_done) = (from.len().saturating_sub(ROOM), to.len().saturating_sub(ROOM));
    loop {
        let token = usize::from(*from.get(at)?);
        at += 1;
        let mut literals = token >> 4;
        // Most lengths are in the token: one branch for these, or processors guess wrong twice as often.
        if literals < MORE && at < last_at && done < last_done {
            lanes.store(place(to, done)?, lanes.load(part(from, at)?));
        } else {
            if literals == MORE {
                literals = more(from, &mut at, literals)?;
            }
            copy(lanes, from.get(at..)?, to.get_mut(done..)?, literals)?;
        }
        at += literals;
        done += literals;
        // Only the last sequence has no match.
        let Some(back) = part::<2>(from, at) else { return (at == from.len()).then_some(done) };
        at += 2;
        let back = usize::from(u16::from_le_bytes(*back));
        let start = done.checked_sub(back).filter(|_| back > 0)?;
        let mut len = token % 16;
        if len < MORE && done < last_done {
            let near = back.min(LANE);
            let step = usize::from(STEPS[near]);
            let first = lanes.repeated(part(to, start)?, near);
            lanes.store(place(to, done)?, first);
            // Out of the first lane where that repeats less than a lane.
            let next = lanes.load(part(to, done + step - back.max(step))?);
            lanes.store(place(to, done + step)?, next);
        } else {
            if len == MORE {
                len = more(from, &mut at, len)?;
            }
            repeat(lanes, to.get_mut(start..)?, back, len.checked_add(LEAST)?)?;
        }
        done += len + LEAST;
    }
}

/// A length that goes on behind its token.
#[inline(always)]
fn more(from: &[u8], at: &mut usize, mut len: usize) -> Option<usize> {
    loop {
        let byte = *from.get(*at)?;
        *at += 1;
        len = len.checked_add(byte.into())?;
        if byte != u8::MAX {
            return Some(len);
        }
    }
}

#[inline(always)]
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[inline(always)]
fn place<const N: usize>(bytes: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

#[inline(always)]
fn copy(lanes: &impl Lanes, from: &[u8], to: &mut [u8], len: usize) -> Option<()> {
    if len > SHORT || from.len().min(to.len()) < len.next_multiple_of(LANE) {
        to.get_mut(..len)?.copy_from_slice(from.get(..len)?);
        return Some(());
    }
    let whole = len.div_ceil(LANE);
    for (to, from) in to.as_chunks_mut().0.iter_mut().zip(from.as_chunks().0).take(whole) {
        lanes.store(to, lanes.load(from));
    }
    Some(())
}

/// Repeats the first `back` bytes of `space` for another `len`.
#[inline(always)]
fn repeat(lanes: &impl Lanes, space: &mut [u8], back: usize, len: usize) -> Option<()> {
    let end = back.checked_add(len)?;
    if len > SHORT || space.len() - back < len + LANE {
        repeat_far(space.get_mut(..end)?, back);
        return Some(());
    }
    let mut at = back;
    if back < LANE {
        let lane = lanes.repeated(part(space, 0)?, back);
        while at < end {
            lanes.store(place(space, at)?, lane);
            at += usize::from(STEPS[back]);
        }
    } else {
        while at < end {
            let lane = lanes.load(part(space, at - back)?);
            lanes.store(place(space, at)?, lane);
            at += LANE;
        }
    }
    Some(())
}

/// The same to the end of `space`, twice as much each time.
#[inline(never)]
fn repeat_far(space: &mut [u8], back: usize) {
    if back == 1 {
        let byte = space[0];
        return space.fill(byte);
    }
    let (mut have, len) = (back, space.len());
    while have < len {
        let more = have.min(len - have);
        space.copy_within(..more, have);
        have += more;
    }
}

#[cfg(test)]
mod tests;
