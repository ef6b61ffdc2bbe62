//! Differences of neighbours, and their sums: plain loops over rows, which the compiler makes vectors of.
//!
//! All is inlined into its caller, to be built for that one's instructions.

use super::Predict;

/// An unsigned integer of `N` bytes.
pub(super) trait Unsigned<const N: usize>: Copy + Default {
    fn get(bytes: [u8; N]) -> Self;
    fn bytes(self) -> [u8; N];
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    /// 0, -1, 1, -2, 2, ... to 0, 1, 2, 3, 4, ...
    fn fold(self) -> Self;
    fn unfold(self) -> Self;
}

macro_rules! unsigned {
    ($($unsigned:ty, $bytes:literal);*) => {$(
        impl Unsigned<$bytes> for $unsigned {
            #[inline(always)]
            fn get(bytes: [u8; $bytes]) -> Self {
                Self::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn bytes(self) -> [u8; $bytes] {
                self.to_le_bytes()
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn fold(self) -> Self {
                (self << 1) ^ (self.cast_signed() >> (Self::BITS - 1)).cast_unsigned()
            }
            #[inline(always)]
            fn unfold(self) -> Self {
                (self >> 1) ^ (self & 1).wrapping_neg()
            }
        }
    )*};
}
unsigned!(u8, 1; u16, 2; u32, 4; u64, 8);

/// What the rows of a segment have for neighbours, and how many elements before them.
#[derive(Debug, Clone, Copy)]
enum Near {
    Nothing,
    /// One row.
    One(usize),
    /// The row before, the one of the plane before, and the one before that.
    Three([usize; 3]),
}

/// Rows, one behind the other, with neighbours at the same distances.
#[derive(Debug, Clone, Copy)]
struct Segment {
    start: usize,
    end: usize,
    near: Near,
}

/// A box without axes that change nothing.
#[derive(Debug, Clone, Copy)]
struct Plan {
    which: Predict,
    dims: [usize; 4],
}

impl Plan {
    /// All lengths are at least 1.
    fn new(mut which: Predict, mut dims: [usize; 4]) -> Self {
        loop {
            let [o, c, b, a] = dims;
            (which, dims) = match which {
                Predict::Last if a == 1 => (Predict::Nothing, dims),
                Predict::LastButOne if b == 1 => (Predict::Nothing, dims),
                Predict::LastButOne if a == 1 => (Predict::Last, [1, o, c, b]),
                Predict::LastTwo if a == 1 => (Predict::Last, [1, o, c, b]),
                Predict::LastTwo if b == 1 => (Predict::Last, dims),
                Predict::LastThree if a == 1 => (Predict::LastTwo, [1, o, c, b]),
                Predict::LastThree if b == 1 => (Predict::LastTwo, [1, o, c, a]),
                Predict::LastThree if c == 1 => (Predict::LastTwo, dims),
                _ => return Self { which, dims },
            }
        }
    }

    /// Elements of a row, where the first of each has no neighbour in it.
    fn row(&self) -> Option<usize> {
        let is_along = !matches!(self.which, Predict::Nothing | Predict::LastButOne);
        is_along.then_some(self.dims[3])
    }

    /// Calls for segments in order; the neighbours of each are in those before it or in itself.
    #[inline(always)]
    fn walk(&self, mut each: impl FnMut(Segment)) {
        let [outer, c, b, a] = self.dims;
        let plane = b * a;
        let len = outer * c * plane;
        if matches!(self.which, Predict::Nothing | Predict::Last) {
            return each(Segment { start: 0, end: len, near: Near::Nothing });
        }
        for (index, start) in (0..len).step_by(plane).enumerate() {
            let (body, end) = (start + a, start + plane);
            let is_first = self.which != Predict::LastThree || index.is_multiple_of(c);
            let [first, rest] = match is_first {
                true => [Near::Nothing, Near::One(a)],
                false => [Near::One(plane), Near::Three([a, plane, plane + a])],
            };
            each(Segment { start, end: body, near: first });
            each(Segment { start: body, end, near: rest });
        }
    }
}

/// See [`super::predict`].
#[inline(always)]
pub(super) fn predict(from: &[u8], to: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    if from.is_empty() {
        return;
    }
    let plan = Plan::new(which, dims);
    match width {
        1 => take::<u8, 1>(from.as_chunks().0, to.as_chunks_mut().0, plan),
        2 => take::<u16, 2>(from.as_chunks().0, to.as_chunks_mut().0, plan),
        4 => take::<u32, 4>(from.as_chunks().0, to.as_chunks_mut().0, plan),
        _ => take::<u64, 8>(from.as_chunks().0, to.as_chunks_mut().0, plan),
    }
}

#[inline(always)]
fn take<U: Unsigned<N>, const N: usize>(from: &[[u8; N]], to: &mut [[u8; N]], plan: Plan) {
    let row = plan.row();
    plan.walk(|Segment { start, end, near }| {
        let to = &mut to[start..end];
        let before = |by: usize| &from[start - by..end - by];
        let rows = &from[start..end];
        match near {
            Near::Nothing => differences::<U, N, 0>(rows, [], to, row),
            Near::One(by) => differences::<U, N, 1>(rows, [before(by)], to, row),
            Near::Three(by) => differences::<U, N, 3>(rows, by.map(before), to, row),
        }
    });
}

/// Differences across rows, and along them too where `row` is their length.
#[inline(always)]
fn differences<U: Unsigned<N>, const N: usize, const K: usize>(
    rows: &[[u8; N]],
    near: [&[[u8; N]]; K],
    to: &mut [[u8; N]],
    row: Option<usize>,
) {
    let Some(row) = row else {
        return level::<U, N, K>(rows, near, to);
    };
    sloped::<U, N, K>(rows, near, to);
    // That went on from one row to the next, so the first elements are done again.
    for first in (0..rows.len()).step_by(row) {
        to[first] = across::<U, N, K>(rows, near, first).fold().bytes();
    }
}

#[inline(always)]
fn level<U: Unsigned<N>, const N: usize, const K: usize>(
    rows: &[[u8; N]],
    near: [&[[u8; N]]; K],
    to: &mut [[u8; N]],
) {
    let rows = &rows[..to.len()];
    let near = near.map(|near| &near[..to.len()]);
    for (i, e) in to.iter_mut().enumerate() {
        *e = across::<U, N, K>(rows, near, i).fold().bytes();
    }
}

/// From the second element on.
#[inline(always)]
fn sloped<U: Unsigned<N>, const N: usize, const K: usize>(
    rows: &[[u8; N]],
    near: [&[[u8; N]]; K],
    to: &mut [[u8; N]],
) {
    let Some((_, to)) = to.split_first_mut() else { return };
    let (low, high) = (&rows[..to.len()], &rows[1..][..to.len()]);
    let (near_low, near_high) =
        (near.map(|near| &near[..to.len()]), near.map(|near| &near[1..][..to.len()]));
    for (i, e) in to.iter_mut().enumerate() {
        let before = across::<U, N, K>(low, near_low, i);
        *e = across::<U, N, K>(high, near_high, i).minus(before).fold().bytes();
    }
}

/// The difference of an element from those in the neighbouring rows.
#[inline(always)]
fn across<U: Unsigned<N>, const N: usize, const K: usize>(
    row: &[[u8; N]],
    near: [&[[u8; N]]; K],
    i: usize,
) -> U {
    U::get(row[i]).minus(neighbours(near, i))
}

/// What the neighbours of an element in other rows make of it.
#[inline(always)]
fn neighbours<U: Unsigned<N>, const N: usize, const K: usize>(
    near: [&[[u8; N]]; K],
    i: usize,
) -> U {
    let at = |k: usize| U::get(near[k][i]);
    match K {
        0 => U::default(),
        1 => at(0),
        _ => at(0).plus(at(1)).minus(at(2)),
    }
}

/// How elements are summed up that depend each on the one before.
pub(super) trait Chains {
    /// Unfolds a row, sums it up and adds what its neighbours make.
    fn row<U: Unsigned<N>, const N: usize, const K: usize>(
        &self,
        row: &mut [[u8; N]],
        near: [&[[u8; N]]; K],
    );

    /// Unfolds rows of `row` elements, [`SHORT`] bytes at most, and adds to each the one before.
    fn short_rows<U: Unsigned<N>, const N: usize>(&self, rows: &mut [[u8; N]], row: usize);
}

/// One after the other.
pub(super) struct Plain;

impl Chains for Plain {
    #[inline(always)]
    fn row<U: Unsigned<N>, const N: usize, const K: usize>(
        &self,
        row: &mut [[u8; N]],
        near: [&[[u8; N]]; K],
    ) {
        plain_row::<U, N, K>(U::default(), row, near);
    }

    #[inline(always)]
    fn short_rows<U: Unsigned<N>, const N: usize>(&self, rows: &mut [[u8; N]], row: usize) {
        match row {
            2 => short_rows::<U, N, 2>(rows),
            3 => short_rows::<U, N, 3>(rows),
            4 => short_rows::<U, N, 4>(rows),
            _ => {
                level_sums::<U, N, 0>(&mut rows[..row], []);
                for i in row..rows.len() {
                    rows[i] = U::get(rows[i]).unfold().plus(U::get(rows[i - row])).bytes();
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn plain_row<U: Unsigned<N>, const N: usize, const K: usize>(
    mut sum: U,
    row: &mut [[u8; N]],
    near: [&[[u8; N]]; K],
) {
    let near = near.map(|near| &near[..row.len()]);
    for (i, x) in row.iter_mut().enumerate() {
        sum = sum.plus(U::get(*x).unfold());
        *x = sum.plus(neighbours(near, i)).bytes();
    }
}

#[inline(always)]
fn short_rows<U: Unsigned<N>, const N: usize, const A: usize>(rows: &mut [[u8; N]]) {
    let mut sums = [U::default(); A];
    for row in rows.as_chunks_mut::<A>().0 {
        for (x, sum) in row.iter_mut().zip(&mut sums) {
            *sum = sum.plus(U::get(*x).unfold());
            *x = sum.bytes();
        }
    }
}

/// Bytes of a short row at most.
const SHORT: usize = 32;

/// See [`super::unpredict`].
pub(super) fn unpredict(data: &mut [u8], width: usize, dims: [usize; 4], which: Predict) {
    unpredict_with(&Plain, data, width, dims, which);
}

#[inline(always)]
pub(super) fn unpredict_with(
    chains: &impl Chains,
    data: &mut [u8],
    width: usize,
    dims: [usize; 4],
    which: Predict,
) {
    if data.is_empty() {
        return;
    }
    let plan = Plan::new(which, dims);
    match width {
        1 => give::<u8, 1>(chains, data.as_chunks_mut().0, plan),
        2 => give::<u16, 2>(chains, data.as_chunks_mut().0, plan),
        4 => give::<u32, 4>(chains, data.as_chunks_mut().0, plan),
        _ => give::<u64, 8>(chains, data.as_chunks_mut().0, plan),
    }
}

#[inline(always)]
fn give<U: Unsigned<N>, const N: usize>(chains: &impl Chains, data: &mut [[u8; N]], plan: Plan) {
    let [_, _, b, a] = plan.dims;
    if plan.which == Predict::LastButOne && a * N <= SHORT {
        return data.chunks_exact_mut(b * a).for_each(|plane| chains.short_rows::<U, N>(plane, a));
    }
    let Some(len) = plan.row() else {
        return plan.walk(|segment| match segment.near {
            Near::Nothing => level_sums::<U, N, 0>(&mut data[segment.start..segment.end], []),
            _ => {
                for start in (segment.start..segment.end).step_by(a) {
                    let (done, rest) = data.split_at_mut(start);
                    level_sums::<U, N, 1>(&mut rest[..a], [&done[start - a..]]);
                }
            }
        });
    };
    plan.walk(|segment| {
        for start in (segment.start..segment.end).step_by(len) {
            let (done, rest) = data.split_at_mut(start);
            let row = &mut rest[..len];
            let before = |by: usize| &done[start - by..][..len];
            match segment.near {
                Near::Nothing => chains.row::<U, N, 0>(row, []),
                Near::One(by) => chains.row::<U, N, 1>(row, [before(by)]),
                Near::Three(by) => chains.row::<U, N, 3>(row, by.map(before)),
            }
        }
    });
}

/// Unfolds a row that is not summed up itself.
#[inline(always)]
fn level_sums<U: Unsigned<N>, const N: usize, const K: usize>(
    row: &mut [[u8; N]],
    near: [&[[u8; N]]; K],
) {
    let near = near.map(|near| &near[..row.len()]);
    for (i, x) in row.iter_mut().enumerate() {
        *x = U::get(*x).unfold().plus(neighbours(near, i)).bytes();
    }
}
