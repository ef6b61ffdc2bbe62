//! Which recipe a level stands for.

use super::Level;
use super::pack_block::{Recipe, size};
use crate::error::Result;
use crate::threads::Threads;

/// The recipe for the bytes of these blocks, and of those that follow and are like them. It is the same for any number of
/// threads.
pub(super) fn choose(level: Level, blocks: &[&[u8]], threads: Threads) -> Result<Recipe> {
    match level.get() {
        0 => Ok(Recipe::Stored),
        6 => balanced(&Trial { samples: samples(blocks), threads }),
        9 => densest(&Trial { samples: samples(blocks), threads }),
        level => Ok(Recipe::Whole(i32::try_from(level).unwrap_or_default())),
    }
}

/// Bytes of one sample: more than the window, since what comes first has nothing to refer to.
const SAMPLE: usize = 3 << 14;
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

/// Samples, and the threads that try recipes on them.
struct Trial<'b> {
    samples: Vec<&'b [u8]>,
    threads: Threads,
}

impl Trial<'_> {
    fn size(&self, recipe: Recipe) -> Result<u64> {
        let mut sum = 0;
        self.threads.run(self.samples.clone(), &|sample| size(sample, recipe), &mut |size| {
            sum += size as u64;
            Ok(())
        })?;
        Ok(sum)
    }
}

/// The fastest recipe whose size is about that of zlib's level 6.
///
/// How much that is, is estimated: where looking farther for matches gains nothing, as libdeflate's level 6; or else
/// between that and its level 7, which was up to 5 % denser than zlib on numbers with many matches.
fn balanced(trial: &Trial<'_>) -> Result<Recipe> {
    if trial.samples.is_empty() {
        return Ok(Recipe::Whole(7));
    }
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
            Recipe::Whole(1) => trial.size(recipe)? * 1009 / 1000,
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
fn densest(trial: &Trial<'_>) -> Result<Recipe> {
    let (one, other) = (Recipe::Whole(9), Recipe::Streamed(9));
    Ok(if trial.size(one)? <= trial.size(other)? { one } else { other })
}
