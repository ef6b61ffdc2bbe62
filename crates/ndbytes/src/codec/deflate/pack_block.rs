//! One block of a stream that is compressed in blocks.

use super::bits::Bits;
use super::items::items;
use super::runs::runs;
use super::walk::joinable;
use super::{Deflater, Level, Step};
use crate::error::{Error, Result};
use libdeflater::{CompressionLvl, Compressor};

/// What compresses a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipe {
    Stored,
    /// Literals and runs of one byte: the fastest, where no matches are worth finding. A block in which some are is compressed as
    /// [`Recipe::Whole`] at this level.
    Runs(i32),
    /// Matches of items of eight bytes: the fastest, where numbers come again. A block that becomes more than so many parts of 1024 is
    /// unlike the others, and compressed as [`Recipe::Whole`] at level 6, too.
    Items(usize),
    /// libdeflate at one of its levels: fast, and mostly the densest, where few matches are worth finding.
    Whole(i32),
    /// zlib-rs at one of its levels: denser in the same time where there are many matches.
    Streamed(u32),
}

/// The bare stream of `bytes` alone: with its end if it is the `last` of its stream, or else up to a byte, behind which
/// others may stand. It takes the place of whatever is in `out`, whose memory is used again.
pub(super) fn pack_block(
    bytes: &[u8],
    last: bool,
    recipe: Recipe,
    mut out: Vec<u8>,
) -> Result<Vec<u8>> {
    out.clear();
    match recipe {
        Recipe::Stored => stored(bytes, last, out),
        Recipe::Runs(level) => match has_matches(bytes)? {
            true => pack_block(bytes, last, Recipe::Whole(level), out),
            false => runs(bytes, last, out),
        },
        Recipe::Items(most) => {
            let packed = items(bytes, last, out)?;
            if packed.len() <= bytes.len() / 1024 * most + LITTLE {
                return Ok(packed);
            }
            let other = pack_block(bytes, last, Recipe::Whole(6), Vec::new())?;
            Ok(if other.len() < packed.len() { other } else { packed })
        }
        _ if is_noise(bytes)? => stored(bytes, last, out),
        Recipe::Streamed(level) => streamed(bytes, last, level, out),
        Recipe::Whole(level) => {
            let whole = whole(bytes, level, out)?;
            match last {
                true => Ok(whole),
                false => {
                    joinable(whole).map_or_else(|| streamed(bytes, false, STREAMED, Vec::new()), Ok)
                }
            }
        }
    }
}

/// Bytes that are not worth a second try.
const LITTLE: usize = 1 << 10;

/// The level of a block whose end was not found.
const STREAMED: u32 = 6;

/// How many bytes a recipe makes of `bytes`.
pub(super) fn size(bytes: &[u8], recipe: Recipe) -> Result<usize> {
    Ok(match recipe {
        Recipe::Stored => bytes.len(),
        Recipe::Runs(_) => runs(bytes, true, Vec::new())?.len(),
        Recipe::Items(_) => items(bytes, true, Vec::new())?.len(),
        Recipe::Whole(level) => whole(bytes, level, Vec::new())?.len(),
        Recipe::Streamed(level) => streamed(bytes, true, level, Vec::new())?.len(),
    })
}

/// Bytes of what is tried of a block, and how many times.
const PIECE: usize = 1 << 13;
const PIECES: usize = 4;

/// Pieces from the middle of each part of a block; none of a short one.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = bytes.chunks((bytes.len() / PIECES).max(1)).take(PIECES);
    let is_short = bytes.len() < 2 * PIECES * PIECE;
    parts.filter(move |_| !is_short).map(|part| {
        let middle = part.len() / 2;
        part.get(middle..middle + PIECE).unwrap_or_default()
    })
}

/// Whether pieces of a block do not shrink, so that it is not worth the time.
fn is_noise(bytes: &[u8]) -> Result<bool> {
    let mut seen = false;
    for piece in pieces(bytes) {
        if whole(piece, 1, Vec::new())?.len() < PIECE {
            return Ok(false);
        }
        seen = true;
    }
    Ok(seen)
}

/// Whether a search makes less of some piece of a block than none does: samples of others have not shown that.
fn has_matches(bytes: &[u8]) -> Result<bool> {
    for piece in pieces(bytes) {
        let piece = piece.get(..PIECE / 2).unwrap_or_default();
        // Level 1 finds less than there is in steps.
        let (searched, not) = (size(piece, Recipe::Whole(4))?, size(piece, Recipe::Runs(4))?);
        if searched * 103 < not * 100 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn stored(bytes: &[u8], last: bool, out: Vec<u8>) -> Result<Vec<u8>> {
    let mut bits = Bits::new(out);
    bits.stored(bytes, last)?;
    if !last && !bytes.is_empty() {
        bits.stored(&[], last)?;
    }
    Ok(bits.done())
}

fn whole(bytes: &[u8], level: i32, mut out: Vec<u8>) -> Result<Vec<u8>> {
    let no_memory = || Error::memory(bytes.len() as u64);
    let level = CompressionLvl::new(level).map_err(|_| Error::argument("no such level"))?;
    let mut engine = Compressor::new(level);
    let most = engine.deflate_compress_bound(bytes.len());
    out.try_reserve_exact(most).map_err(|_| no_memory())?;
    out.resize(most, 0);
    let len = engine.deflate_compress(bytes, &mut out).map_err(|_| no_memory())?;
    out.truncate(len);
    Ok(out)
}

fn streamed(bytes: &[u8], last: bool, level: u32, mut out: Vec<u8>) -> Result<Vec<u8>> {
    let mut deflater = Deflater::bare(Level::new(level)?);
    let mut rest = bytes;
    while !rest.is_empty() {
        let step = run(&mut out, |space| deflater.step(rest, space))?;
        rest = rest.get(step.taken..).unwrap_or_default();
    }
    loop {
        let step =
            run(
                &mut out,
                |space| if last { deflater.finish(space) } else { deflater.flush(space) },
            )?;
        if step.end || !last && step.made < ROOM {
            return Ok(out);
        }
    }
}

/// Bytes that one step may make.
const ROOM: usize = 1 << 16;

fn run(out: &mut Vec<u8>, step: impl FnOnce(&mut [u8]) -> Result<Step>) -> Result<Step> {
    let len = out.len();
    out.resize(len + ROOM, 0);
    let step = step(out.get_mut(len..).unwrap_or_default())?;
    out.truncate(len + step.made);
    Ok(step)
}
