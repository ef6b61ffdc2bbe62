//! The blocks of a coded frame: items to stored bytes and back. Their layout is specified in `spec/FORMAT.md`.

mod decimal;
mod elements;
mod filter;
mod segments;

pub(crate) use elements::Elements;
#[cfg(feature = "pco")]
pub(crate) use elements::Kind;
pub use filter::Filter;
pub(crate) use filter::{Arrange, Block, Scratch};

use super::engine::{Effort, Engine, Engines};
use crate::error::{Error, Result};
use crate::kernel::filter::Digits;
use decimal::Decimal;

/// Whether a codec takes what a filter makes.
fn suits(engine: Engine, filter: Filter, elements: Elements) -> bool {
    engine != Engine::Pco || (filter.arrange == Arrange::Nothing && elements.is_pco())
}

/// How a block is coded, where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) filter: Filter,
    /// The digits to look for with a decimal filter.
    pub(crate) digits: Option<Digits>,
    pub(crate) engine: Engine,
    pub(crate) effort: Effort,
    /// The segments that are not tried where they look like noise, a bit for each.
    pub(crate) noise: u8,
}

impl Method {
    /// The items as they are.
    pub(crate) const STORED: Self = Self::new(Filter::NONE, None, Engine::Stored, Effort::Quick);

    pub(crate) const fn new(
        filter: Filter,
        digits: Option<Digits>,
        engine: Engine,
        effort: Effort,
    ) -> Self {
        Self { filter, digits, engine, effort, noise: 0 }
    }
}

/// What codes blocks, with the memory it works in: one for each thread.
#[derive(Debug, Default)]
pub(crate) struct BlockCoder {
    engines: Engines,
    scratch: Scratch,
    /// The segments of what was encoded last that gained nearly nothing.
    pub(crate) noise: u8,
}

impl BlockCoder {
    /// Codes items to the front of `to`, which has their size, and gives the length; `None` if the method does not suit them, or does
    /// not make them shorter.
    pub(crate) fn encode(
        &mut self,
        method: Method,
        block: Block<'_>,
        items: &[u8],
        to: &mut [u8],
    ) -> Result<Option<usize>> {
        let Method { filter, digits, engine, effort, noise } = method;
        self.noise = 0;
        if engine == Engine::Stored || items.is_empty() || !filter.fits(block.elements, block.shape)
        {
            return Ok(None);
        }
        let Some((filtered, decimal)) = self.scratch.apply(filter, digits, block, items)? else {
            return Ok(None);
        };
        let elements = block.filtered(filter, decimal);
        if !suits(engine, filter, elements) {
            return Ok(None);
        }
        let most = items.len().saturating_sub(1).min(to.len());
        let Some(mut space) = to.get_mut(..most) else { return Ok(None) };
        let room = space.len();
        if let Some(decimal) = decimal {
            let Some(rest) = decimal.encode(space, block.elements.width) else { return Ok(None) };
            space = rest;
        }
        let front = room - space.len();
        let cut = segments::cut(filter, engine, elements, filtered.len());
        let encode = &mut |from: &[u8], to: &mut [u8]| {
            self.engines.encode(engine, effort, elements, from, to)
        };
        let made = segments::encode(filtered, cut, noise, space, encode)?;
        self.noise = made.as_ref().map_or(0, |made| made.noise);
        Ok(made.map(|made| front + made.len))
    }

    /// Decodes what is stored of a block to its items, which have the block's size.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed); [`Unsupported`](crate::ErrorKind::Unsupported) in a build without the codec.
    pub(crate) fn decode(
        &mut self,
        filter: Filter,
        engine: Engine,
        block: Block<'_>,
        stored: &[u8],
        items: &mut [u8],
    ) -> Result<()> {
        #[cfg(test)]
        DECODED.with(|decoded| decoded.set(decoded.get() + 1));
        if engine == Engine::Stored {
            if filter != Filter::NONE || stored.len() != items.len() {
                return Err(Error::malformed(
                    "bytes that are stored have no filter and the block's size",
                ));
            }
            items.copy_from_slice(stored);
            return Ok(());
        }
        let is_wrong = || {
            Error::malformed(format!(
                "the filter {filter} does not fit its items or the codec {engine}"
            ))
        };
        if !filter.fits(block.elements, block.shape) {
            return Err(is_wrong());
        }
        let (mut rest, mut decimal) = (stored, None);
        if filter.decimal {
            let (found, after) = Decimal::parse(stored, block.len(), block.elements.width)?;
            (rest, decimal) = (after, Some(found));
        }
        let elements = block.filtered(filter, decimal);
        if !suits(engine, filter, elements) {
            return Err(is_wrong());
        }
        let engines = &mut self.engines;
        self.scratch.undo(filter, decimal, block, items, |filtered| {
            segments::decode(rest, filtered, &mut |from, to| {
                engines.decode(engine, elements, from, to)
            })
        })
    }
}

#[cfg(test)]
thread_local! {
    /// How often this thread has decoded a block: a spy for tests of what comes before.
    pub(crate) static DECODED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
