//! What is taken of one axis, block by block.

use crate::array::Slice;
use crate::error::{Error, Result};
use crate::format::frame::Cuts;
use std::ops::Range;

/// What is taken of one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every `step`-th position.
    Slice(Slice),
    /// These positions, in any order; some may be repeated.
    List(Vec<usize>),
}

impl Selection {
    /// How many positions it takes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Slice(slice) => slice.len,
            Self::List(list) => list.len(),
        }
    }

    /// Whether it takes none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// That it stays on an axis of this length.
    pub(super) fn check(&self, axis: usize, len: usize) -> Result<()> {
        let what = match self {
            Self::Slice(slice) if slice.is_inside(len) => return Ok(()),
            Self::Slice(Slice { start, len, step }) => {
                format!("{len} items from {start} by {step} leave")
            }
            Self::List(list) => match list.iter().find(|&&at| at >= len) {
                None => return Ok(()),
                Some(at) => format!("position {at} is outside"),
            },
        };
        Err(Error::argument(format!("axis {axis}: {what} an axis of length {len}")))
    }
}

/// Positions of one axis that lie in one block, one step apart, and follow each other in the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The block along this axis.
    pub(super) block: usize,
    /// The first position, counted from the block's own.
    pub(super) from: usize,
    pub(super) step: isize,
    pub(super) len: usize,
    /// The first position in the result.
    pub(super) to: usize,
}

/// One axis: its runs by block, and those of each block that is touched.
#[derive(Debug)]
pub(super) struct Axis {
    runs: Vec<Run>,
    pub(super) blocks: Vec<Range<usize>>,
}

impl Axis {
    pub(super) fn new(selection: &Selection, cuts: Cuts<'_>) -> Self {
        let mut runs = match selection {
            Selection::Slice(slice) => slice_runs(*slice, cuts),
            Selection::List(list) => list_runs(list, cuts),
        };
        // Stable: those of a block stay in the order of the result.
        runs.sort_by_key(|run| run.block);
        let mut start = 0;
        let blocks = runs.chunk_by(|one, next| one.block == next.block).map(|runs| {
            start += runs.len();
            start - runs.len()..start
        });
        let blocks = blocks.collect();
        Self { runs, blocks }
    }

    /// The runs of the `at`-th block that is touched.
    pub(super) fn of(&self, at: usize) -> &[Run] {
        let range = self.blocks.get(at).cloned().unwrap_or_default();
        self.runs.get(range).unwrap_or_default()
    }
}

fn slice_runs(slice: Slice, cuts: Cuts<'_>) -> Vec<Run> {
    let (mut runs, mut to) = (Vec::new(), 0);
    while to < slice.len {
        // Inside its axis, as was checked.
        let at = slice.start.wrapping_add_signed(to.cast_signed().wrapping_mul(slice.step));
        let (block, has) = cuts.find(at);
        let from = at - has.start;
        let room = if slice.step < 0 { from } else { has.end - 1 - at };
        let more = room.checked_div(slice.step.unsigned_abs()).unwrap_or(slice.len);
        let len = more.saturating_add(1).min(slice.len - to);
        runs.push(Run { block, from, step: slice.step, len, to });
        to += len;
    }
    runs
}

fn list_runs(list: &[usize], cuts: Cuts<'_>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (to, &at) in list.iter().enumerate() {
        let (number, has) = cuts.find(at);
        let from = at - has.start;
        if let Some(run) = runs.last_mut().filter(|run| run.block == number) {
            if run.len == 1 {
                run.step = from.wrapping_sub(run.from).cast_signed();
            }
            if run.from.wrapping_add_signed(run.len.cast_signed().wrapping_mul(run.step)) == from {
                run.len += 1;
                continue;
            }
        }
        runs.push(Run { block: number, from, step: 1, len: 1, to });
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_make_the_longest_runs_within_a_block() {
        let run = |block, from, step, len, to| Run { block, from, step, len, to };
        assert_eq!(
            list_runs(&[1, 2, 3, 4, 9, 9, 8, 6, 4, 0], Cuts::Even(4)),
            [
                run(0, 1, 1, 3, 0),
                run(1, 0, 1, 1, 3),
                run(2, 1, 0, 2, 4),
                run(2, 0, 1, 1, 6),
                run(1, 2, -2, 2, 7),
                run(0, 0, 1, 1, 9),
            ]
        );
        let slice = |start, len, step| slice_runs(Slice { start, len, step }, Cuts::Even(4));
        assert_eq!(slice(3, 4, 2), [run(0, 3, 2, 1, 0), run(1, 1, 2, 2, 1), run(2, 1, 2, 1, 3)]);
        assert_eq!(
            slice(9, 3, -4),
            [run(2, 1, -4, 1, 0), run(1, 1, -4, 1, 1), run(0, 1, -4, 1, 2)]
        );
        assert_eq!(slice(6, 5, 0), [run(1, 2, 0, 5, 0)]);
        assert_eq!(slice(6, 0, 1), []);
    }
}
