//! Which recipe a level stands for.

use super::Level;
use super::pack_block::{Recipe, size};
use crate::error::Result;

/// The recipe for the bytes of these blocks, and of those that follow and are like them.
pub(super) fn choose(level: Level, blocks: &[&[u8]]) -> Result<Recipe> {
    match level.get() {
        0 => Ok(Recipe::Stored),
        6 => balanced(&samples(blocks)),
        9 => densest(&samples(blocks)),
        level => Ok(Recipe::Whole(i32::try_from(level).unwrap_or_default())),
    }
}

/// Bytes of one sample: twice the window, since what comes first has nothing to refer to.
const SAMPLE: usize = 1 << 16;
/// Bytes that one sample stands for.
const SHARE: usize = 1 << 22;
/// Samples are taken from this many bytes on: below, they would take longer than what they save.
const LEAST: usize = 1 << 18;

/// Pieces from all over some blocks; none of few bytes.
fn samples<'b>(blocks: &[&'b [u8]]) -> Vec<&'b [u8]> {
    let total: usize = blocks.iter().map(|block| block.len()).sum();
    if total < LEAST {
        return Vec::new();
    }
    let count = (total / SHARE).clamp(1, 4);
    let sample = |at: usize| {
        // In the middle of its share, or where the block that it is in ends.
        let mut place = (2 * at + 1) * (total / (2 * count));
        for block in blocks {
            if place < block.len() {
                let start = place.min(block.len().saturating_sub(SAMPLE));
                return block.get(start..block.len().min(start + SAMPLE));
            }
            place -= block.len();
        }
        None
    };
    (0..count).filter_map(sample).collect()
}

/// Sizes of the samples by recipe.
struct Trial<'s> {
    samples: &'s [&'s [u8]],
}

impl Trial<'_> {
    fn size(&self, recipe: Recipe) -> Result<u64> {
        self.samples.iter().try_fold(0, |sum, sample| Ok(sum + size(sample, recipe)? as u64))
    }
}

/// The fastest recipe whose size is about that of zlib's level 6.
///
/// How much that is, is estimated: where looking farther for matches gains nothing, as libdeflate's level 6; or else
/// between that and its level 7, which was up to 5 % denser than zlib on numbers with many matches.
fn balanced(samples: &[&[u8]]) -> Result<Recipe> {
    if samples.is_empty() {
        return Ok(Recipe::Whole(7));
    }
    let trial = Trial { samples };
    let (five, six) = (trial.size(Recipe::Whole(5))?, trial.size(Recipe::Whole(6))?);
    let is_deep = five * 1000 > six * 1003;
    let seven = if is_deep { trial.size(Recipe::Whole(7))? } else { six };
    let zlib = (six + seven).div_ceil(2).min(seven * 103 / 100);
    let most = zlib * 101 / 100;
    let mut best = (seven, Recipe::Whole(if is_deep { 7 } else { 6 }));
    // From fast to slow, as measured.
    for recipe in [
        Recipe::Whole(1),
        Recipe::Whole(4),
        Recipe::Whole(5),
        Recipe::Streamed(5),
        Recipe::Whole(6),
        Recipe::Streamed(6),
    ] {
        let size = match recipe {
            Recipe::Whole(5) => five,
            Recipe::Whole(6) => six,
            // A sample is short, which hides what level 1 does not find.
            Recipe::Whole(1) => trial.size(recipe)? * 1005 / 1000,
            _ => trial.size(recipe)?,
        };
        if size <= most {
            return Ok(recipe);
        }
        if size < best.0 {
            best = (size, recipe);
        }
    }
    Ok(best.1)
}

/// The recipe that makes the least.
fn densest(samples: &[&[u8]]) -> Result<Recipe> {
    let (trial, one, other) = (Trial { samples }, Recipe::Whole(9), Recipe::Streamed(9));
    Ok(if trial.size(one)? <= trial.size(other)? { one } else { other })
}
