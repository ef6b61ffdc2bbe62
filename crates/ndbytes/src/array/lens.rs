//! Smaller lengths for a shape: of blocks to cut it into, and of samples to try things on.

use super::Layout;

/// Items to lie along the fastest axes before a block grows along the others: a whole row, where rows are short.
const ROW: usize = 1 << 12;
/// Items along each slower axis before one of them gets all the rest: one image of many is not decoded with dozens of others.
const FEW: usize = 8;
/// A sample has as many neighbours along an axis, or all there are.
const NEAR: usize = 64;
/// The runs that lie apart along the last axis of a sample.
const RUNS: usize = 4;

/// The lengths of blocks of at most so many items that serve a row of the array as well as a corner of it: along the fastest axes as far
/// as a row goes, then a few along each slower one, then on along the slower ones, then again along the faster ones. No axis gets more
/// than `line` items while there is another to get them.
pub(crate) fn block_lens(shape: &[usize], most: usize, line: usize) -> Vec<usize> {
    let mut block = vec![1; shape.len()];
    let mut items = 1;
    // Whether the axis is still cut.
    let mut grow = |axis: usize, most: usize, line: usize| {
        let (others, len) = (items / block[axis], shape[axis].min(line));
        block[axis] = (most / others).min(len).max(block[axis]);
        items = others * block[axis];
        block[axis] < len
    };
    let axes = || (0..shape.len()).rev();
    let cut = axes().find(|&axis| grow(axis, most.min(ROW), line));
    let slower = || (0..cut.unwrap_or(0)).rev();
    for axis in cut.into_iter().chain(slower()) {
        grow(axis, most, FEW);
    }
    for axis in slower().chain(cut).chain(slower()) {
        grow(axis, most, line);
    }
    for axis in axes() {
        grow(axis, most, usize::MAX);
    }
    block
}

impl Layout {
    /// About so many of the items or fewer, taken from all of its length but in neighbourhoods, and the lengths of the box that they make
    /// in C order.
    pub(crate) fn thinned(&self, most: usize) -> (Self, Vec<usize>) {
        let (mut part, mut shape) = (self.clone(), self.shape.clone());
        let mut items = self.len();
        // The last axis loses most, but short ones nothing; then the slower ones.
        for axis in (0..shape.len()).rev().filter(|&axis| self.shape[axis] > 0) {
            let others = items / shape[axis];
            if items > most {
                shape[axis] = (most / others.max(1)).clamp(shape[axis].min(NEAR), shape[axis]);
                items = others * shape[axis];
            }
        }
        // Where axes are many, neighbourhoods are smaller.
        while shape.iter().product::<usize>() > most.saturating_mul(4).max(1) {
            let Some(longest) = shape.iter_mut().max_by_key(|len| **len) else { break };
            *longest = longest.div_ceil(2);
        }
        part.shape.clone_from(&shape);
        let (Some(last), Some(&len)) = (shape.last_mut(), self.shape.last()) else {
            return (part, shape);
        };
        let run = *last / RUNS;
        if *last == len || run == 0 {
            return (part, shape);
        }
        // What is left of the last axis are a few runs that lie apart.
        *last = run * RUNS;
        let axis = part.shape.len() - 1;
        let (stride, step) = (part.strides[axis], (len / RUNS).cast_signed());
        part.shape[axis] = RUNS;
        part.strides[axis] = stride.wrapping_mul(step);
        part.shape.push(run);
        part.strides.push(stride);
        (part, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Order;

    #[test]
    fn samples_stay_inside_and_have_the_lengths_that_they_say() {
        for shape in [
            vec![],
            vec![0, 3],
            vec![7],
            vec![1000],
            vec![8, 16, 256],
            vec![300, 5],
            vec![3, 70, 1],
        ] {
            let layout = Layout::contiguous(&shape, 4, Order::C).unwrap();
            let span = layout.span(4).unwrap();
            for most in [1, 10, 64, 500, 5000, 100_000] {
                let (part, lens) = layout.thinned(most);
                assert_eq!(part.len(), lens.iter().product::<usize>(), "{shape:?} {most}");
                assert!(
                    part.is_empty() || part.span(4).unwrap().end <= span.end,
                    "{shape:?} {most}"
                );
                assert!(part.len() <= (4 * most).min(layout.len()), "{shape:?} {most}: {lens:?}");
                assert!(
                    lens.iter().zip(&shape).all(|(len, of)| len <= of && (*len > 0 || *of == 0)),
                    "{lens:?}"
                );
            }
        }
    }
}
