//! Trials: of many filters by the entropy of what they make, of the best few by compressing.

use super::entropy;
use super::{Codec, Plan, Sample};
use crate::codec::block::{Arrange, Block, BlockCoder, Elements, Filter, Method, Scratch};
use crate::codec::engine::{Effort, Engine};
use crate::error::Result;
use crate::kernel::filter::{Digits, Predict};

/// A last axis up to this long may be moved to the front: channels, columns, bytes of a record.
const MOST_PLANES: usize = 64;
/// How many ways to predict are tried, apart from none.
const FINALISTS: usize = 2;
/// The part of the least entropy that the others may have more.
const CLOSE: u64 = 32;
/// On how many samples every method is tried, and how many methods on the others: of those each block may get, where size is all that counts.
const FIRST: usize = 2;
const SECOND: usize = 2;
const THOROUGH: usize = 3;
/// The part of the least size that a method may make more on a sample, to be tried on the next.
const NEAR: u64 = 4;
/// From this ratio on the bytes are nearly all the same.
const DENSE: u64 = 32;
/// What an array must gain to be compressed at all, in thousandths.
const LEAST_GAIN: u64 = 10;
/// Digits of decimal numbers that are looked for.
const MOST_DIGITS: u8 = 6;

const PREDICTIONS: [Predict; 5] =
    [Predict::Nothing, Predict::Last, Predict::LastTwo, Predict::LastThree, Predict::LastButOne];

pub(super) fn choose(
    codec: Codec,
    filter: Option<Filter>,
    tries: &[(Engine, Effort)],
    elements: Elements,
    samples: &[Sample],
) -> Result<Plan> {
    if tries.is_empty() || samples.iter().all(|sample| sample.items.is_empty()) {
        return Ok(Plan::default());
    }
    let (scratch, coder, space) = Default::default();
    let mut trial = Trial { elements, samples, scratch, coder, space };
    let digits = trial.digits()?;
    let mut methods = Vec::new();
    if let Some(filter) = filter {
        let method = |&(engine, effort): &_| Method::new(filter, digits, engine, effort);
        methods.extend(tries.iter().map(method));
        return Ok(Plan { methods, ..Plan::default() });
    }
    let finalists = trial.finalists(digits)?;
    for &(engine, effort) in tries {
        for filter in finals(&finalists, engine, digits.is_some(), elements) {
            methods.push(Method::new(filter, digits, engine, effort));
        }
    }
    // All on the first sample, and those that were near the best there, or the best, on the others.
    let mut tried: Vec<Tried> = methods.into_iter().map(Tried::new).collect();
    let is_thorough = codec == Codec::Small;
    let second = if is_thorough { THOROUGH } else { SECOND };
    for (number, sample) in samples.iter().enumerate() {
        for tried in &mut tried {
            trial.score(codec, tried, sample)?;
        }
        tried.sort_by_key(|tried| tried.score);
        let least = tried.first().map_or(0, |best| best.score);
        tried.retain(|tried| is_thorough || tried.score - least <= least / NEAR);
        if number + 1 >= FIRST {
            tried.truncate(second);
        }
    }
    let size: usize = samples.iter().map(|sample| sample.items.len()).sum();
    let Some(&Tried { score, method: mut best, noise }) =
        tried.first().filter(|best| best.score < size as u64 * (1000 - LEAST_GAIN))
    else {
        return Ok(Plan::default());
    };
    let is_dense = score * DENSE < size as u64 * 1000;
    if is_dense && codec == Codec::Auto {
        best.effort = Effort::Dense;
    }
    // Where speed counts, no time is lost with planes of noise; those of decimal numbers may be others in each block.
    if matches!(codec, Codec::Auto | Codec::Fast) && !best.filter.decimal {
        best.noise = noise;
    }
    let mut methods = vec![best];
    if is_thorough {
        methods.extend(tried.iter().skip(1).take(second - 1).map(|tried| tried.method));
    }
    if best.filter.decimal {
        methods.push(best.without_decimal());
    }
    Ok(Plan { methods, is_dense, is_thorough })
}

/// What a filter costs in time, in thousandths of the size: measured beside the codec behind it.
fn cost(codec: Codec, filter: Filter) -> u64 {
    if codec == Codec::Small {
        return 0;
    }
    // Bits compress fastest: they are zeros or noise in long runs.
    let arrange = match filter.arrange {
        Arrange::Bits => 0,
        Arrange::Bytes => 15,
        Arrange::Nothing => 25,
    };
    let predict = if filter.predict == Predict::Nothing { 0 } else { 3 };
    arrange + predict + if filter.planes { 5 } else { 0 }
}

/// The filters that are compressed with: each way to predict with each arrangement.
fn finals(
    finalists: &[Filter],
    engine: Engine,
    is_decimal: bool,
    elements: Elements,
) -> Vec<Filter> {
    let arranges: &[Arrange] = match engine {
        Engine::Pco => &[Arrange::Nothing],
        _ if elements.width == 1 && !is_decimal => &[Arrange::Nothing, Arrange::Bits],
        _ => &[Arrange::Bytes, Arrange::Bits],
    };
    let mut all = Vec::new();
    for finalist in finalists {
        all.extend(arranges.iter().map(|&arrange| Filter { arrange, ..*finalist }));
    }
    if engine == Engine::Pco && is_decimal {
        // It finds decimal numbers itself, and more kinds of them.
        all.push(Filter::NONE);
    } else if elements.width > 1 {
        // Whole elements that come again.
        all.push(Filter { decimal: is_decimal, ..Filter::NONE });
    }
    all
}

struct Trial<'s> {
    elements: Elements,
    samples: &'s [Sample],
    scratch: Scratch,
    coder: BlockCoder,
    space: Vec<u8>,
}

impl Trial<'_> {
    fn block<'b>(&self, sample: &'b Sample) -> Block<'b> {
        Block { elements: self.elements, shape: &sample.shape, size: sample.items.len() }
    }

    /// The digits with which all elements are decimal numbers, if they are.
    fn digits(&mut self) -> Result<Option<Digits>> {
        if !self.elements.may_be_decimal() {
            return Ok(None);
        }
        let decimal = Filter { decimal: true, ..Filter::NONE };
        'digits: for digits in (0..=MOST_DIGITS).filter_map(Digits::new) {
            for sample in self.samples {
                let block = self.block(sample);
                if self.scratch.apply(decimal, Some(digits), block, &sample.items)?.is_none() {
                    continue 'digits;
                }
            }
            return Ok(Some(digits));
        }
        Ok(None)
    }

    /// The ways to predict that leave least, and none.
    fn finalists(&mut self, digits: Option<Digits>) -> Result<Vec<Filter>> {
        let Some(first) = self.samples.first() else { return Ok(Vec::new()) };
        let may_move = first.is_whole_row
            && first.shape.len() >= 2
            && first.shape.last().is_some_and(|last| (2..=MOST_PLANES).contains(last));
        let mut scores = Vec::new();
        for planes in [false, true].into_iter().take(1 + usize::from(may_move)) {
            for predict in PREDICTIONS {
                let filter = Filter {
                    planes,
                    decimal: digits.is_some(),
                    predict,
                    arrange: Arrange::Nothing,
                };
                if let Some(bits) = self.entropy(filter, digits)? {
                    scores.push((bits, filter));
                }
            }
        }
        scores.sort();
        let Some(&(least, _)) = scores.first() else { return Ok(Vec::new()) };
        let close = |bits: u64, parts: u64| bits - least <= least / parts;
        let is_plain = |filter: &Filter| filter.predict == Predict::Nothing;
        let predicted =
            scores.iter().filter(|(bits, filter)| !is_plain(filter) && close(*bits, CLOSE));
        // Without prediction there may be repeats, which entropy does not see.
        let plain = scores.iter().filter(|(bits, filter)| is_plain(filter) && close(*bits, 1));
        Ok(predicted.take(FINALISTS).chain(plain).map(|(_, filter)| *filter).collect())
    }

    /// The bits of what a filter makes of the samples; `None` where it does not suit them, or does nothing more than another one.
    fn entropy(&mut self, filter: Filter, digits: Option<Digits>) -> Result<Option<u64>> {
        let mut total = 0;
        for sample in self.samples.iter().take(FIRST) {
            let block = self.block(sample);
            if !block.moves_along(filter) {
                return Ok(None);
            }
            let Some((made, decimal)) = self.scratch.apply(filter, digits, block, &sample.items)?
            else {
                return Ok(None);
            };
            let width = block.filtered(filter, decimal).width;
            total += entropy::bits(made, width);
        }
        Ok(Some(total))
    }

    /// Adds the bytes that a method makes of a sample and what it costs in time, in thousandths of a byte.
    fn score(&mut self, codec: Codec, tried: &mut Tried, sample: &Sample) -> Result<()> {
        let method = tried.method;
        // Of a named codec's levels the trial takes the quickest: filters rank alike.
        let effort = if codec == Codec::Small { method.effort } else { Effort::Quick };
        self.space.resize(sample.items.len(), 0);
        let (method, block) = (Method { effort, ..method }, self.block(sample));
        let made = self.coder.encode(method, block, &sample.items, &mut self.space)?;
        let made = made.unwrap_or(sample.items.len()) as u64;
        tried.score += made * (1000 + cost(codec, method.filter));
        tried.noise &= self.coder.noise;
        Ok(())
    }
}

/// A method, and what it has made of samples so far.
#[derive(Debug, Clone, Copy)]
struct Tried {
    score: u64,
    method: Method,
    /// The segments that gained nothing on any of them.
    noise: u8,
}

impl Tried {
    fn new(method: Method) -> Self {
        Self { score: 0, method, noise: u8::MAX }
    }
}
