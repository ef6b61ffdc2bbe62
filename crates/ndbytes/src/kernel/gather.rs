//! Gathering the items of a layout into contiguous bytes.
//!
//! One driver: drop axes of length 1, merge axes that continue each other, take a contiguous last axis as one
//! larger item, then either copy runs, walk rows, or, where another axis lies closer in memory than the last
//! one, transpose in tiles.

use crate::array::{Layout, nbytes};
use crate::error::{Error, Result};

/// Items per side of a transposed tile: with 16-byte items it takes half of a level-1 cache of 32 KiB.
const TILE: usize = 32;
/// Bytes of a cache line: a last axis with smaller steps uses each line it touches more than once.
const LINE: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Axis {
    len: usize,
    stride: isize,
}

/// Copies the items of `layout` over `data` to `out`, in C order, without gaps.
///
/// # Errors
/// [`Argument`](crate::ErrorKind::Argument) if the layout leaves `data` or `out` has another size than the items.
pub fn gather(data: &[u8], layout: &Layout, itemsize: usize, out: &mut [u8]) -> Result<()> {
    let span = layout.span(itemsize)?;
    let size = nbytes(layout.shape(), itemsize)?;
    if span.end > data.len() || size != out.len() {
        return Err(Error::argument(format!(
            "items end at byte {} of {}, and fill {size} bytes of {}",
            span.end,
            data.len(),
            out.len()
        )));
    }
    if size == 0 {
        return Ok(());
    }
    let (mut axes, mut item) = (merged(layout), itemsize);
    if let Some(last) = axes.last().filter(|axis| axis.stride == item.cast_signed()) {
        item *= last.len;
        axes.pop();
    }
    let source = Source { data, start: layout.offset() };
    match item {
        1 => source.copy::<1>(&axes, out),
        2 => source.copy::<2>(&axes, out),
        4 => source.copy::<4>(&axes, out),
        8 => source.copy::<8>(&axes, out),
        16 => source.copy::<16>(&axes, out),
        _ => source.copy_runs(&axes, item, out),
    }
    Ok(())
}

/// The axes without those of length 1, neighbours merged where the outer one continues the inner one.
fn merged(layout: &Layout) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::with_capacity(layout.ndim());
    for (&len, &stride) in layout.shape().iter().zip(layout.strides()) {
        if len == 1 {
            continue;
        }
        match axes.last_mut() {
            Some(outer) if Some(outer.stride) == stride.checked_mul(len.cast_signed()) => {
                *outer = Axis { len: outer.len * len, stride };
            }
            _ => axes.push(Axis { len, stride }),
        }
    }
    axes
}

/// Bytes with the position of the first item; every position reached from it was proved to lie inside.
#[derive(Clone, Copy)]
struct Source<'a> {
    data: &'a [u8],
    start: usize,
}

impl Source<'_> {
    fn moved(self, index: usize, axis: Axis) -> Self {
        let skip = index.cast_signed().wrapping_mul(axis.stride);
        Self { start: self.start.wrapping_add_signed(skip), ..self }
    }

    /// Runs of `size` contiguous bytes.
    fn copy_runs(self, axes: &[Axis], size: usize, out: &mut [u8]) {
        let Some((&axis, inner)) = axes.split_first() else {
            out.copy_from_slice(&self.data[self.start..self.start + size]);
            return;
        };
        let rows = out.chunks_exact_mut(out.len() / axis.len);
        for (index, row) in rows.enumerate() {
            self.moved(index, axis).copy_runs(inner, size, row);
        }
    }

    /// Items of `N` bytes.
    fn copy<const N: usize>(self, axes: &[Axis], out: &mut [u8]) {
        match *axes {
            [] => out.copy_from_slice(&self.data[self.start..self.start + N]),
            [axis] => self.row::<N>(axis, out),
            [.., last] => {
                let near =
                    axes.iter().enumerate().min_by_key(|(_, axis)| axis.stride.unsigned_abs());
                match near {
                    Some((near, axis))
                        if last.stride.unsigned_abs() >= LINE
                            && axis.stride != 0
                            && near + 1 < axes.len() =>
                    {
                        self.transpose::<N>(axes, near, out);
                    }
                    _ => self.rows::<N>(axes, out),
                }
            }
        }
    }

    fn rows<const N: usize>(self, axes: &[Axis], out: &mut [u8]) {
        let Some((&axis, inner)) = axes.split_first() else { return };
        if inner.is_empty() {
            return self.row::<N>(axis, out);
        }
        for (index, row) in out.chunks_exact_mut(out.len() / axis.len).enumerate() {
            self.moved(index, axis).rows::<N>(inner, row);
        }
    }

    fn row<const N: usize>(self, axis: Axis, out: &mut [u8]) {
        let (items, _) = out.as_chunks_mut::<N>();
        match axis.stride {
            0 => items.fill(self.item(self.start)),
            stride if stride == N.cast_signed() => {
                let run = items.as_flattened_mut();
                run.copy_from_slice(&self.data[self.start..self.start + run.len()]);
            }
            stride if stride > N.cast_signed() => {
                let steps = self.data[self.start..].chunks(stride.unsigned_abs());
                for (item, step) in items.iter_mut().zip(steps) {
                    item.copy_from_slice(&step[..N]);
                }
            }
            stride => {
                let mut at = self.start;
                for item in items {
                    *item = self.item(at);
                    at = at.wrapping_add_signed(stride);
                }
            }
        }
    }

    fn item<const N: usize>(self, at: usize) -> [u8; N] {
        let mut item = [0; N];
        item.copy_from_slice(&self.data[at..at + N]);
        item
    }

    /// Walks all axes but the nearest and the last, and copies the plane of these two in tiles.
    fn transpose<const N: usize>(self, axes: &[Axis], near: usize, out: &mut [u8]) {
        let Some((&axis, inner)) = axes.split_first() else { return };
        if near > 0 {
            for (index, part) in out.chunks_exact_mut(out.len() / axis.len).enumerate() {
                self.moved(index, axis).transpose::<N>(inner, near - 1, part);
            }
            return;
        }
        // `axis` is the nearest one. The axes between it and the last are walked, with a pitch in `out`.
        let Some((&last, between)) = inner.split_last() else { return };
        let pitch = out.len() / axis.len;
        let mut plane = Plane::<N> { near: axis, last, pitch, out };
        plane.walk(self, between, pitch, 0);
    }
}

/// Rows of `last` items, `pitch` bytes apart in `out`, one for each item of `near`.
struct Plane<'o, const N: usize> {
    near: Axis,
    last: Axis,
    pitch: usize,
    out: &'o mut [u8],
}

impl<const N: usize> Plane<'_, N> {
    fn walk(&mut self, source: Source<'_>, between: &[Axis], size: usize, at: usize) {
        let Some((&axis, inner)) = between.split_first() else { return self.tiles(source, at) };
        let step = size / axis.len;
        for index in 0..axis.len {
            self.walk(source.moved(index, axis), inner, step, at + index * step);
        }
    }

    fn tiles(&mut self, source: Source<'_>, at: usize) {
        let mut tile = [[0; N]; TILE * TILE];
        for top in (0..self.near.len).step_by(TILE) {
            let height = TILE.min(self.near.len - top);
            for left in (0..self.last.len).step_by(TILE) {
                let width = TILE.min(self.last.len - left);
                let corner = source.moved(top, self.near).moved(left, self.last);
                // Along the near axis first, so that a line is read once, even where the pitch of the last axis is
                // a power of two and all its lines compete for the same few places in the cache.
                for (index, column) in tile.chunks_exact_mut(TILE).take(width).enumerate() {
                    let near = Axis { len: height, ..self.near };
                    corner
                        .moved(index, self.last)
                        .row::<N>(near, column[..height].as_flattened_mut());
                }
                for row in 0..height {
                    let start = at + (top + row) * self.pitch + left * N;
                    let (items, _) = self.out[start..start + width * N].as_chunks_mut::<N>();
                    for (item, column) in items.iter_mut().zip(tile.chunks_exact(TILE)) {
                        *item = column[row];
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Item by item, with no cleverness: the oracle.
    fn naive(data: &[u8], layout: &Layout, itemsize: usize) -> Vec<u8> {
        let mut positions = vec![layout.offset().cast_signed()];
        for (&len, &stride) in layout.shape().iter().zip(layout.strides()) {
            let steps = 0..len.cast_signed();
            positions =
                positions.iter().flat_map(|p| steps.clone().map(move |i| p + i * stride)).collect();
        }
        positions.iter().flat_map(|&p| data[p.unsigned_abs()..][..itemsize].to_vec()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn gathers_what_the_naive_loop_gathers(
            axes in prop::collection::vec((0usize..40, -60isize..60), 0..4),
            itemsize in prop::sample::select(vec![0usize, 1, 2, 3, 4, 6, 8, 12, 16, 32]),
            contiguous in 0usize..4,
        ) {
            let (shape, mut strides): (Vec<usize>, Vec<isize>) = axes.into_iter().unzip();
            let ordered = Layout::contiguous(&shape, itemsize, if contiguous % 2 == 0 { Order::C } else { Order::F }).unwrap();
            if contiguous < 3 {
                for (axis, stride) in ordered.strides().iter().enumerate() {
                    // Some axes keep the contiguous stride, some run backwards, some are free.
                    strides[axis] = match axis % (contiguous + 1) { 0 => *stride, 1 => -stride, _ => strides[axis] };
                }
            }
            let low: isize = strides.iter().zip(&shape).map(|(&s, &n)| s.min(0) * n.saturating_sub(1).cast_signed()).sum();
            let layout = Layout::new(shape, strides, low.unsigned_abs()).unwrap();
            let span = layout.span(itemsize).unwrap();
            let data: Vec<u8> = (0..span.end).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect();
            let mut out = vec![0xAA; layout.len() * itemsize];
            gather(&data, &layout, itemsize, &mut out).unwrap();
            prop_assert_eq!(out, naive(&data, &layout, itemsize));
        }
    }

    use crate::array::Order;

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        let layout = Layout::contiguous(&[4], 2, Order::C).unwrap();
        assert_eq!(
            gather(&[0; 7], &layout, 2, &mut [0; 8]).unwrap_err().message(),
            "items end at byte 8 of 7, and fill 8 bytes of 8"
        );
        assert!(gather(&[0; 8], &layout, 2, &mut [0; 7]).is_err());
    }
}
