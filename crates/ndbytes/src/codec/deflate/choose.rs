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
        6 => balanced(&Trial::new(blocks, threads)),
        9 => densest(&Trial::new(blocks, threads)),
        level => simple(&Trial::new(blocks, threads), i32::try_from(level).unwrap_or_default()),
    }
}

/// Bytes of one sample: more than the window, since what comes first has nothing to refer to.
const SAMPLE: usize = 3 << 14;
/// Bytes that one sample stands for.
const SHARE: usize = 1 << 22;
/// From this many bytes on all recipes are tried: of less, trying takes longer than what it saves.
const MUCH: usize = 1 << 20;
/// Below this many nothing is tried, and of less than much only what is quick, on a shorter sample.
const LEAST: usize = 1 << 16;

/// How many longer samples there are, but for one less of less than much: what one place is like says little of others.
const LONGER: usize = 3;
/// The most bytes of one, and of how many bytes one is in them: two recipes are tried on these, of which the slower one takes half as
/// long again as what is decided.
const LONG: usize = 1 << 18;
const PART: usize = 16;

/// Pieces from all over some blocks; none of few bytes.
fn samples<'b>(blocks: &[&'b [u8]], total: usize) -> Vec<&'b [u8]> {
    match total {
        0..LEAST => Vec::new(),
        LEAST..MUCH => pieces(blocks, total, 1, SAMPLE / 3),
        _ => pieces(blocks, total, (total / SHARE).clamp(1, 4), SAMPLE),
    }
}

/// So many pieces of so many bytes, each from the middle of its share, or where the block that this is in ends.
fn pieces<'b>(blocks: &[&'b [u8]], total: usize, count: usize, len: usize) -> Vec<&'b [u8]> {
    let piece = |at: usize| {
        let mut place = (2 * at + 1) * (total / (2 * count));
        for block in blocks {
            if place < block.len() {
                // Where an item begins.
                let start = place.min(block.len().saturating_sub(len)) & !7;
                return block.get(start..block.len().min(start + len));
            }
            place -= block.len();
        }
        None
    };
    (0..count).filter_map(piece).collect()
}

/// Samples, and the threads that try recipes on them.
struct Trial<'b> {
    samples: Vec<&'b [u8]>,
    /// Longer ones.
    longer: Vec<&'b [u8]>,
    /// Whether only what is quick may be tried.
    is_quick: bool,
    threads: Threads,
}

impl<'b> Trial<'b> {
    fn new(blocks: &[&'b [u8]], threads: Threads) -> Self {
        let total: usize = blocks.iter().map(|block| block.len()).sum();
        let is_quick = total < MUCH;
        let count = if is_quick { LONGER - 1 } else { LONGER };
        let long = (total / PART / count).clamp(SAMPLE, LONG).min(total / count);
        let longer = pieces(blocks, total, count, long);
        Self { samples: samples(blocks, total), longer, is_quick, threads }
    }

    /// Whether many matches make it so much shorter.
    fn is_deep(&self, size: u64) -> bool {
        const DEEP: u64 = 3;
        let total: usize = self.samples.iter().map(|sample| sample.len()).sum();
        size * DEEP <= total as u64
    }

    /// How many bytes each recipe makes of all samples.
    fn sizes<const N: usize>(&self, recipes: [Recipe; N]) -> Result<[u64; N]> {
        self.sizes_of(&self.samples, recipes)
    }

    fn sizes_of<const N: usize>(
        &self,
        samples: &[&[u8]],
        recipes: [Recipe; N],
    ) -> Result<[u64; N]> {
        let tries = recipes.iter().enumerate();
        let tries =
            tries.flat_map(|(at, recipe)| samples.iter().map(move |sample| (at, *recipe, *sample)));
        let mut sizes = [0; N];
        let work =
            |(at, recipe, sample): (usize, Recipe, &[u8])| Ok((at, size(sample, recipe)? as u64));
        self.threads.run(tries.collect(), &work, &mut |(at, size): (usize, u64)| {
            sizes.get_mut(at).into_iter().for_each(|sum| *sum += size);
            Ok(())
        })?;
        Ok(sizes)
    }
}

/// The recipe of items, where that makes no more than `most` of all samples.
///
/// It remembers longer than a sample is, so that it is tried on longer ones, beside what makes `four` of the samples.
fn of_items(trial: &Trial<'_>, four: u64, most: u64) -> Result<Option<Recipe>> {
    const ITEMS: Recipe = Recipe::Items(1 << 10);
    // Where little comes again, longer samples would take a third of the time of all.
    if !trial.is_deep(four) {
        return Ok(None);
    }
    let [short] = trial.sizes([ITEMS])?;
    let total = |samples: &[&[u8]]| samples.iter().map(|sample| sample.len() as u64).sum();
    let recipe = |size: u64, total: u64| {
        let parts = usize::try_from(size * 3 / 2 * 1024 / total.max(1));
        Some(Recipe::Items(parts.unwrap_or(1 << 10)))
    };
    // What is short enough before there is much to remember is so behind it.
    if short <= most {
        return Ok(recipe(short, total(&trial.samples)));
    }
    if short * 4 > most * 5 {
        return Ok(None);
    }
    let [long, long_four] = trial.sizes_of(&trial.longer, [ITEMS, Recipe::Whole(4)])?;
    // A block is longer still, by which it gains some hundredths more than others do.
    let gain = if trial.longer.iter().all(|piece| piece.len() == LONG) { 101 } else { 102 };
    let is_short = u128::from(long) * u128::from(four) * 100
        <= u128::from(long_four) * u128::from(most) * gain;
    Ok(recipe(long, total(&trial.longer)).filter(|_| is_short))
}

/// What a level is named after, or runs where those are hardly longer.
fn simple(trial: &Trial<'_>, level: i32) -> Result<Recipe> {
    let named = Recipe::Whole(level);
    if trial.samples.is_empty() {
        return Ok(named);
    }
    let [runs, other] = trial.sizes([Recipe::Runs(level), named])?;
    Ok(if runs * 100 <= other * 101 { Recipe::Runs(level) } else { named })
}

/// The fastest recipe whose size is about that of zlib's level 6.
///
/// How much that is, is estimated: where looking farther for matches gains nothing, as libdeflate's level 6; or else
/// between that and its level 7, which was up to 5 % denser than zlib on numbers with many matches.
fn balanced(trial: &Trial<'_>) -> Result<Recipe> {
    if trial.samples.is_empty() {
        return Ok(Recipe::Whole(7));
    }
    if trial.is_quick {
        return quick(trial);
    }
    let [runs, one, five] = trial.sizes([Recipe::Runs(6), Recipe::Whole(1), Recipe::Whole(5)])?;
    // Where searching finds nothing, searching longer is not tried.
    if is_as_short(runs, one.min(five)) {
        return Ok(Recipe::Runs(6));
    }
    let [six] = trial.sizes([Recipe::Whole(6)])?;
    let is_deep = five * 1000 > six * 1003;
    let [seven] = if is_deep { trial.sizes([Recipe::Whole(7)])? } else { [six] };
    let zlib = (six + seven).div_ceil(2).min(seven * 103 / 100);
    let most = zlib * 101 / 100;
    let [four] = trial.sizes([Recipe::Whole(4)])?;
    if let Some(items) = of_items(trial, four, most)? {
        return Ok(items);
    }
    let mut best = (seven, Recipe::Whole(if is_deep { 7 } else { 6 }));
    // From fast to slow, as measured.
    let known = [
        (Recipe::Runs(6), Some(runs)),
        // A sample is short, which hides what level 1 does not find.
        (Recipe::Whole(1), Some(one * 1009 / 1000)),
        (Recipe::Whole(4), Some(four)),
        (Recipe::Whole(5), Some(five)),
        (Recipe::Streamed(5), None),
        (Recipe::Whole(6), Some(six)),
        (Recipe::Streamed(6), None),
    ];
    for (recipe, size) in known {
        let size = match size {
            Some(size) => size,
            None => trial.sizes([recipe])?[0],
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

/// The same of little, with less trying: libdeflate's level 6 is that of zlib where few matches are found.
fn quick(trial: &Trial<'_>) -> Result<Recipe> {
    let [runs, four] = trial.sizes([Recipe::Runs(6), Recipe::Whole(4)])?;
    if is_as_short(runs, four) {
        return Ok(Recipe::Runs(6));
    }
    if !trial.is_deep(four) {
        let [six] = trial.sizes([Recipe::Whole(6)])?;
        return Ok(if is_as_short(four, six) { Recipe::Whole(4) } else { Recipe::Whole(6) });
    }
    let [six, seven] = trial.sizes([Recipe::Whole(6), Recipe::Whole(7)])?;
    // What zlib makes is between the two, as above.
    let zlib = (six + seven) / 2;
    if let Some(items) = of_items(trial, four, zlib * 101 / 100)? {
        return Ok(items);
    }
    let [five] = trial.sizes([Recipe::Streamed(5)])?;
    Ok(if five <= zlib { Recipe::Streamed(5) } else { Recipe::Whole(7) })
}

/// Whether a recipe makes hardly more than another.
fn is_as_short(size: u64, other: u64) -> bool {
    size * 1000 <= other * 1005
}

/// The recipe that makes the least.
fn densest(trial: &Trial<'_>) -> Result<Recipe> {
    let recipes = [Recipe::Whole(9), Recipe::Streamed(9), Recipe::Runs(9)];
    let sizes = trial.sizes(recipes)?.into_iter().zip(recipes);
    Ok(sizes.min_by_key(|(size, _)| *size).map_or(Recipe::Whole(9), |(_, recipe)| recipe))
}
