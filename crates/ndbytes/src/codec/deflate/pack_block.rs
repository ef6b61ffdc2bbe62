//! One block of a stream that is compressed in blocks.

use super::walk::joinable;
use super::{Deflater, Level, Step};
use crate::error::{Error, Result};
use libdeflater::{CompressionLvl, Compressor};

/// What compresses a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipe {
    Stored,
    /// libdeflate at one of its levels: the fastest, and mostly the densest, where few matches are worth finding.
    Whole(i32),
    /// zlib-rs at one of its levels: denser in the same time where there are many matches.
    Streamed(u32),
}

/// The bare stream of `bytes` alone: with its end if it is the `last` of its stream, or else up to a byte, behind which
/// others may stand.
pub(super) fn pack_block(bytes: &[u8], last: bool, recipe: Recipe) -> Result<Vec<u8>> {
    match recipe {
        Recipe::Stored => Ok(stored(bytes, last)),
        _ if is_noise(bytes)? => Ok(stored(bytes, last)),
        Recipe::Streamed(level) => streamed(bytes, last, level),
        Recipe::Whole(level) => {
            let whole = whole(bytes, level)?;
            match last {
                true => Ok(whole),
                false => joinable(whole).map_or_else(|| streamed(bytes, false, STREAMED), Ok),
            }
        }
    }
}

/// The level of a block whose end was not found.
const STREAMED: u32 = 6;

/// How many bytes a recipe makes of `bytes`.
pub(super) fn size(bytes: &[u8], recipe: Recipe) -> Result<usize> {
    Ok(match recipe {
        Recipe::Stored => bytes.len(),
        Recipe::Whole(level) => whole(bytes, level)?.len(),
        Recipe::Streamed(level) => streamed(bytes, true, level)?.len(),
    })
}

/// Whether pieces of a block do not shrink, so that it is not worth the time.
fn is_noise(bytes: &[u8]) -> Result<bool> {
    const PIECE: usize = 1 << 13;
    const PIECES: usize = 4;
    if bytes.len() < 2 * PIECES * PIECE {
        return Ok(false);
    }
    for piece in bytes.chunks(bytes.len() / PIECES).take(PIECES) {
        let middle = piece.len() / 2;
        let piece = piece.get(middle..middle + PIECE).unwrap_or_default();
        if whole(piece, 1)?.len() < PIECE {
            return Ok(false);
        }
    }
    Ok(true)
}

fn stored(bytes: &[u8], last: bool) -> Vec<u8> {
    const MOST: usize = 0xffff;
    let mut out = Vec::with_capacity(bytes.len() + 5 * (bytes.len() / MOST + 2));
    let mut parts: Vec<_> = bytes.chunks(MOST).collect();
    if !last || bytes.is_empty() {
        parts.push(&[]);
    }
    let end = parts.len() - 1;
    for (at, part) in parts.into_iter().enumerate() {
        let len = u16::try_from(part.len()).unwrap_or_default();
        out.push(u8::from(last && at == end));
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(part);
    }
    out
}

fn whole(bytes: &[u8], level: i32) -> Result<Vec<u8>> {
    let no_memory = || Error::memory(bytes.len() as u64);
    let level = CompressionLvl::new(level).map_err(|_| Error::argument("no such level"))?;
    let mut engine = Compressor::new(level);
    let mut out = Vec::new();
    let most = engine.deflate_compress_bound(bytes.len());
    out.try_reserve_exact(most).map_err(|_| no_memory())?;
    out.resize(most, 0);
    let len = engine.deflate_compress(bytes, &mut out).map_err(|_| no_memory())?;
    out.truncate(len);
    Ok(out)
}

fn streamed(bytes: &[u8], last: bool, level: u32) -> Result<Vec<u8>> {
    let mut deflater = Deflater::bare(Level::new(level)?);
    let mut out = Vec::new();
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
