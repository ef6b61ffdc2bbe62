//! The filter of a block: which changes of its elements, in which order. What each does is in `kernel::filter`.

use super::decimal::{Decimal, Finder};
use super::elements::{Elements, Kind};
use crate::array::{Layout, Order};
use crate::error::{Error, Result, quoted};
use crate::kernel::filter::{
    Digits, Predict, predict, shuffle, shuffle_bits, unpredict, unshuffle, unshuffle_bits,
};
use crate::kernel::{fit, gather, scatter};
use std::fmt;
use std::str::FromStr;

/// How the bytes of the elements are arranged in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Arrange {
    Nothing,
    Bytes,
    Bits,
}

/// What is done to the items of a block before they are compressed: reversible changes, by name in the order in which they are made.
///
/// ```
/// use ndbytes::Filter;
/// let filter: Filter = "planes+delta2+bits".parse()?;
/// assert_eq!(Filter::of_number(filter.number()), Some(filter));
/// assert_eq!(Filter::NONE.to_string(), "none");
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter {
    pub(crate) planes: bool,
    pub(crate) decimal: bool,
    pub(crate) predict: Predict,
    pub(crate) arrange: Arrange,
}

impl Filter {
    /// None: the elements as they are.
    pub const NONE: Self = Self {
        planes: false,
        decimal: false,
        predict: Predict::Nothing,
        arrange: Arrange::Nothing,
    };

    /// Its number in a frame.
    #[must_use]
    pub fn number(self) -> u8 {
        self.arrange as u8
            | (self.predict as u8) << 2
            | u8::from(self.planes) << 5
            | u8::from(self.decimal) << 6
    }

    /// The one of this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        let arrange = match number & 3 {
            0 => Arrange::Nothing,
            1 => Arrange::Bytes,
            2 => Arrange::Bits,
            _ => return None,
        };
        let predict = match number >> 2 & 7 {
            0 => Predict::Nothing,
            1 => Predict::Last,
            2 => Predict::LastTwo,
            3 => Predict::LastThree,
            4 => Predict::LastButOne,
            _ => return None,
        };
        let (planes, decimal) = (number & 1 << 5 != 0, number & 1 << 6 != 0);
        (number < 1 << 7).then_some(Self { planes, decimal, predict, arrange })
    }

    /// Whether it can be applied to such elements in a box of these lengths.
    pub(super) fn fits(self, elements: Elements, shape: &[usize]) -> bool {
        (!self.planes || shape.len() >= 2)
            && (!self.decimal || elements.may_be_decimal())
            && shape.len() >= self.predict.ndim()
    }

    /// How many of its parts move bytes from one memory to another when it is undone.
    fn moves(self) -> usize {
        usize::from(self.planes)
            + usize::from(self.decimal)
            + usize::from(self.arrange != Arrange::Nothing)
    }
}

/// The names of a filter's parts, in the order in which they are applied.
const PLANES: &str = "planes";
const DECIMAL: &str = "decimal";
const PREDICTS: [(&str, Predict); 4] = [
    ("delta", Predict::Last),
    ("delta2", Predict::LastTwo),
    ("delta3", Predict::LastThree),
    ("rowdelta", Predict::LastButOne),
];
const ARRANGES: [(&str, Arrange); 2] = [("bytes", Arrange::Bytes), ("bits", Arrange::Bits)];

impl fmt::Display for Filter {
    /// The parts in their order: `planes+decimal+delta+bits`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let predict = PREDICTS.into_iter().find(|(_, predict)| *predict == self.predict);
        let arrange = ARRANGES.into_iter().find(|(_, arrange)| *arrange == self.arrange);
        let parts = [
            self.planes.then_some(PLANES),
            self.decimal.then_some(DECIMAL),
            predict.map(|(name, _)| name),
            arrange.map(|(name, _)| name),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join("+"))
    }
}

impl FromStr for Filter {
    type Err = Error;

    /// As [`Filter`] is displayed.
    fn from_str(text: &str) -> Result<Self> {
        let mut filter = Self::NONE;
        for part in text.split('+').filter(|_| text != "none") {
            match part {
                PLANES => filter.planes = true,
                DECIMAL => filter.decimal = true,
                _ => {
                    let predict = PREDICTS.into_iter().find(|(name, _)| *name == part);
                    let arrange = ARRANGES.into_iter().find(|(name, _)| *name == part);
                    predict.iter().for_each(|(_, predict)| filter.predict = *predict);
                    arrange.iter().for_each(|(_, arrange)| filter.arrange = *arrange);
                }
            }
        }
        // One spelling for one filter.
        if filter.to_string() == text {
            return Ok(filter);
        }
        let found = quoted(text);
        Err(Error::argument(format!(
            "there is no filter {found}; its parts, joined by +, are planes, decimal, one of delta, delta2, delta3 and rowdelta, \
             and one of bytes and bits, in this order; or it is none"
        )))
    }
}

/// A block's items and how they lie: a box, whose last lengths are those of the elements in an item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'b> {
    pub(crate) elements: Elements,
    pub(crate) shape: &'b [usize],
    /// Bytes of all items.
    pub(crate) size: usize,
}

impl Block<'_> {
    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        self.size / self.elements.width
    }

    /// The box as it is once planes have been moved.
    fn moved(&self, filter: Filter) -> Vec<usize> {
        let mut shape = self.shape.to_vec();
        if filter.planes {
            shape.rotate_right(1);
        }
        shape
    }

    /// The box as four lengths, those of all slower axes in one.
    fn dims(&self, filter: Filter) -> [usize; 4] {
        let shape = self.moved(filter);
        let mut lens = shape.iter().rev().copied();
        let [a, b, c] = [(); 3].map(|()| lens.next().unwrap_or(1));
        [lens.product(), c, b, a]
    }

    /// Where the elements lie among the items, in the order of the planes.
    fn planes(&self) -> Result<Layout> {
        // Only the last axis moves: the others are one.
        let last = self.shape.last().copied().unwrap_or(1);
        let shape = [self.len().checked_div(last).unwrap_or(0), last];
        let mut layout = Layout::contiguous(&shape, self.elements.width, Order::C)?;
        layout.shape.reverse();
        layout.strides.reverse();
        Ok(layout)
    }

    /// Whether a filter that fits has an axis of several elements to go along, for each that it goes along.
    pub(crate) fn moves_along(&self, filter: Filter) -> bool {
        let shape = self.moved(filter);
        let is_long =
            |back: usize| shape.len().checked_sub(back).is_some_and(|axis| shape[axis] > 1);
        filter.fits(self.elements, self.shape)
            && match filter.predict {
                Predict::Nothing => true,
                Predict::Last => is_long(1),
                Predict::LastTwo => is_long(1) && is_long(2),
                Predict::LastThree => is_long(1) && is_long(2) && is_long(3),
                Predict::LastButOne => is_long(2),
            }
    }

    /// What elements a codec gets from this filter.
    pub(crate) fn filtered(&self, filter: Filter, decimal: Option<Decimal<'_>>) -> Elements {
        let width = decimal.map_or(self.elements.width, |decimal| decimal.width);
        match filter.decimal || filter.predict != Predict::Nothing {
            true => self.elements.unsigned(width),
            false if self.elements.kind == Kind::Other => self.elements.unsigned(1),
            false => self.elements,
        }
    }
}

/// Two memories that filters work in by turns.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    from: Vec<u8>,
    to: Vec<u8>,
    /// Bytes of what was made last, at the front of `from`.
    len: usize,
    finder: Finder,
}

/// A part of a filter, from one memory to another.
type Part<'p> = &'p mut dyn FnMut(&[u8], &mut [u8]);

impl Scratch {
    /// Makes room, for what is of `len` bytes first. Not a byte of it is touched: what is stored of a block may be a lie.
    fn begin(&mut self, room: usize, len: usize) -> Result<()> {
        for space in [&mut self.from, &mut self.to] {
            fit(space, room)?;
        }
        self.len = len;
        Ok(())
    }

    /// Makes something from what was made last.
    fn step(&mut self, len: usize, part: Part<'_>) {
        part(&self.from[..self.len], &mut self.to[..len]);
        std::mem::swap(&mut self.from, &mut self.to);
        self.len = len;
    }

    /// Applies a filter that fits, and gives the filtered bytes; `None` where it is decimal and the elements are not.
    pub(crate) fn apply<'s>(
        &'s mut self,
        filter: Filter,
        digits: Option<Digits>,
        block: Block<'_>,
        items: &'s [u8],
    ) -> Result<Option<(&'s [u8], Option<Decimal<'s>>)>> {
        if filter == Filter::NONE && !block.elements.is_big {
            return Ok(Some((items, None)));
        }
        self.begin(block.size, block.size)?;
        let mut width = block.elements.width;
        // The first part reads the items themselves.
        let mut begun = false;
        let mut step = |scratch: &mut Self, len: usize, part: Part<'_>| {
            if std::mem::replace(&mut begun, true) {
                return scratch.step(len, part);
            }
            part(items, &mut scratch.from[..len]);
            scratch.len = len;
        };
        if block.elements.is_big {
            step(self, block.size, &mut |from, to| swap(from, to, width));
        }
        if filter.planes {
            let (layout, mut done) = (block.planes()?, Ok(()));
            step(self, block.size, &mut |from, to| done = gather(from, &layout, width, to));
            done?;
        }
        let mut is_decimal = None;
        if filter.decimal {
            let Some(digits) = digits else { return Ok(None) };
            let (mut finder, mut least) = (std::mem::take(&mut self.finder), None);
            step(self, block.size, &mut |from, to| least = finder.find(from, to, width, digits));
            self.finder = finder;
            let Some(least) = least else { return Ok(None) };
            (width, is_decimal) = (least, Some(digits));
            self.len = block.len() * width;
        }
        let len = block.len() * width;
        if filter.predict != Predict::Nothing {
            let dims = block.dims(filter);
            step(self, len, &mut |from, to| predict(from, to, width, dims, filter.predict));
        }
        match filter.arrange {
            Arrange::Nothing => {}
            Arrange::Bytes => step(self, len, &mut |from, to| shuffle(from, to, width)),
            Arrange::Bits => step(self, len, &mut |from, to| shuffle_bits(from, to, width)),
        }
        let decimal = is_decimal.map(|digits| self.finder.found(digits, width));
        Ok(Some((&self.from[..self.len], decimal)))
    }

    /// Undoes a filter that fits: `fill` writes the filtered bytes to memory of their size, and the items are put to `items`.
    pub(super) fn undo(
        &mut self,
        filter: Filter,
        decimal: Option<Decimal<'_>>,
        block: Block<'_>,
        items: &mut [u8],
        fill: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        let float = block.elements.width;
        let width = decimal.map_or(float, |decimal| decimal.width);
        let len = block.len() * width;
        let mut chain = Chain { scratch: self, items, moves: filter.moves() };
        if chain.moves > 0 {
            chain.scratch.begin(block.size, len)?;
        }
        fill(chain.made())?;
        match filter.arrange {
            Arrange::Nothing => {}
            Arrange::Bytes => chain.step(len, &mut |from, to| unshuffle(from, to, width)),
            Arrange::Bits => chain.step(len, &mut |from, to| unshuffle_bits(from, to, width)),
        }
        if filter.predict != Predict::Nothing {
            unpredict(chain.made(), width, block.dims(filter), filter.predict);
        }
        if let Some(decimal) = decimal {
            chain.step(block.size, &mut |from, to| decimal.undo(from, to, float));
        }
        if filter.planes {
            let (layout, mut done) = (block.planes()?, Ok(()));
            chain.step(block.size, &mut |from, to| done = scatter(from, to, &layout, float));
            done?;
        }
        if block.elements.is_big {
            items.chunks_exact_mut(float).for_each(<[u8]>::reverse);
        }
        Ok(())
    }
}

/// The memories that a filter is undone in: the scratch, and for what moves last the items' own.
struct Chain<'c> {
    scratch: &'c mut Scratch,
    items: &'c mut [u8],
    /// How many parts are still to move.
    moves: usize,
}

impl Chain<'_> {
    /// What was made last.
    fn made(&mut self) -> &mut [u8] {
        match self.moves {
            0 => self.items,
            _ => &mut self.scratch.from[..self.scratch.len],
        }
    }

    fn step(&mut self, len: usize, part: Part<'_>) {
        self.moves -= 1;
        match self.moves {
            0 => part(&self.scratch.from[..self.scratch.len], self.items),
            _ => self.scratch.step(len, part),
        }
    }
}

/// The elements with their bytes turned round.
fn swap(from: &[u8], to: &mut [u8], width: usize) {
    to.copy_from_slice(from);
    to.chunks_exact_mut(width).for_each(<[u8]>::reverse);
}
