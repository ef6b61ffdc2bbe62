//! Planes whose fast axis is another one on either side: blocks that stay in cache, transposed in registers.

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::mem::MaybeUninit;

use super::super::copy::Stores;
use super::super::isa::Isa;
use super::super::row;
use super::plan::Axis;
use super::runs;
use super::walk::{AHEAD, at, at_mut, fetch};

/// Rows of the destination that are a multiple of this apart compete for the same few places of a cache.
const PAGE: usize = 1 << 12;
/// Bytes of a line of cache.
const LINE: usize = 64;
/// Bytes of a run along the near axis from which on it is worth packing.
const PACKED: usize = 64;
/// Items of a row of the destination from which on it is.
const WIDE: usize = 32;
/// Items of 8 bytes from which on tiles of them gain more than they cost.
const EIGHTS: usize = 128;

/// How a plane is copied, and the memory for it: `near` lies closer in the source, `last` in the destination.
pub(super) struct Plane<const N: usize> {
    isa: Isa,
    near: Axis,
    last: Axis,
    /// From the first item to the one at the start of both axes here, on either side.
    start: (isize, isize),
    way: Way,
    /// Items of a block along both axes.
    sides: (usize, usize),
    scratch: Vec<MaybeUninit<u8>>,
}

/// What a block is transposed from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    /// To scratch, and from there past the cache, a row at a time.
    Streamed,
    /// From scratch to scratch, since items have gaps on one side or both.
    Packed,
    /// Item by item, since a tile is not filled, or gains nothing.
    Single,
}

impl<const N: usize> Plane<N> {
    pub(super) fn new(isa: Isa, mut near: Axis, last: Axis, stores: Stores) -> Self {
        let start = if near.src < 0 { near.turn() } else { (0, 0) };
        let far = near.dst.unsigned_abs().is_multiple_of(PAGE);
        let dense = (near.src, last.dst) == (N.cast_signed(), N.cast_signed());
        let way = match stores {
            _ if is_single(N, near, last) => Way::Single,
            #[cfg(target_arch = "x86_64")]
            Stores::Streaming if dense && far && isa == Isa::Avx2 => Way::Streamed,
            _ if dense => Way::Direct,
            _ => Way::Packed,
        };
        // Measured. Long runs of the source are read best, and rows of the destination may not drive each other out.
        let (high, wide) = match way {
            Way::Direct if !far => (2048, 512),
            Way::Streamed => (2048.min(512 * N), 256),
            Way::Packed => (1024, 256),
            _ => (256, 256),
        };
        let sides = (high / N, wide / N);
        let longest = |side: usize, axis: Axis| axis.len.min(side + rest::<N>());
        let (height, width) = (longest(sides.0, near), longest(sides.1, last));
        let size = (height * pitch::<N>(width)).max(width * pitch::<N>(height));
        let scratch = Vec::with_capacity(match way {
            Way::Direct | Way::Single => 0,
            Way::Streamed => size,
            Way::Packed => 2 * size,
        });
        Self { isa, near, last, start, way, sides, scratch }
    }

    /// Copies all items of the two axes.
    ///
    /// # Safety
    /// As [`copy`](super::walk::copy), for these two axes.
    pub(super) unsafe fn copy(&mut self, src: *const u8, dst: *mut u8) {
        let (src, dst) = (src.wrapping_offset(self.start.0), dst.wrapping_offset(self.start.1));
        if self.way == Way::Single {
            // SAFETY: the caller's promise; planes are copied in no order, so their items share no bytes.
            return unsafe { runs::blocks(N, self.near, self.last, src, dst) };
        }
        let lead = if self.way == Way::Streamed { self.lead(dst) } else { 0 };
        for (top, height) in blocks(self.near.len, self.sides.0, 0, rest::<N>()) {
            let (src, dst) = (at(src, top, self.near.src), at_mut(dst, top, self.near.dst));
            for (left, width) in blocks(self.last.len, self.sides.1, lead, rest::<N>()) {
                let (src, dst) = (at(src, left, self.last.src), at_mut(dst, left, self.last.dst));
                // SAFETY: a part of the caller's two axes, of no more items than `new` made room for.
                unsafe { self.block(height, width, src, dst) }
            }
        }
    }

    /// Items of a row that lie in the same line as those before it, if all rows start at the same place of a line.
    fn lead(&self, dst: *mut u8) -> usize {
        let over = dst.addr() % LINE;
        if over.is_multiple_of(N) { over / N } else { 0 }
    }

    /// # Safety
    /// As [`Plane::copy`], for a part of both axes that is not longer than a block.
    unsafe fn block(&mut self, height: usize, width: usize, src: *const u8, dst: *mut u8) {
        let (near, last, isa) = (self.near, self.last, self.isa);
        let half = if self.way == Way::Packed { self.scratch.capacity() / 2 } else { 0 };
        let first = self.scratch.as_mut_ptr().cast::<u8>();
        let second = first.wrapping_add(half);
        let (high, wide) = (pitch::<N>(height).cast_signed(), pitch::<N>(width).cast_signed());
        // SAFETY: every row is one of the caller's axes on one side, and in the scratch on the other, where there is room
        // for as many rows of either length.
        unsafe {
            match self.way {
                Way::Direct | Way::Single => {
                    transpose::<N>(isa, src, last.src, dst, near.dst, width, height);
                }
                #[cfg(target_arch = "x86_64")]
                Way::Streamed if N == 8 && x86::has_whole_lines(dst, near.dst, height, width) => {
                    let (src_pitch, dst_pitch, rows, cols) = (last.src, near.dst, width, height);
                    x86::stream_lines(&Block { src, src_pitch, dst, dst_pitch, rows, cols });
                }
                Way::Streamed => {
                    transpose::<N>(isa, src, last.src, second, wide, width, height);
                    #[cfg(target_arch = "x86_64")]
                    x86::stream((second, wide), (dst, near.dst), height, width * N);
                }
                Way::Packed => {
                    let run = Axis { len: height, ..near };
                    for index in 0..width {
                        fetch(run, at(src, index + AHEAD, last.src));
                        let (row, place) = (at(src, index, last.src), at_mut(first, index, high));
                        row::gather_row::<N>(isa, row, near.src, place, height);
                    }
                    transpose::<N>(isa, first, high, second, wide, width, height);
                    for index in 0..height {
                        let (row, place) = (at(second, index, wide), at_mut(dst, index, near.dst));
                        row::scatter_row::<N>(isa, row, place, last.dst, width);
                    }
                }
            }
        }
    }
}

/// Whether items of `size` bytes go one by one, since a tile is not filled, or gains nothing.
pub(super) fn is_single(size: usize, near: Axis, last: Axis) -> bool {
    let tiled = matches!(size, 1 | 2 | 4 | 8) && near.len.min(last.len) >= 16 / size;
    let (step, far) = (near.src.unsigned_abs(), last.src.unsigned_abs());
    if !tiled || size == 8 && near.len.saturating_mul(last.len) < EIGHTS {
        return true;
    }
    let dense = (step, last.dst) == (size, size.cast_signed());
    // Items are taken out of each run first where that is done by shuffles, and the plane is so wide that vectors gain what it costs.
    let packed = size <= 2 && step <= 4 * size && step < far;
    !(dense || packed && near.len >= PACKED / size && last.len >= WIDE)
}

/// Starts and lengths of the blocks of an axis, the first of which is shorter by `lead`. The last one may be longer by less
/// than `rest`, so that few items are not left to a block of their own.
fn blocks(
    len: usize,
    side: usize,
    lead: usize,
    rest: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let (mut start, mut size) = (0, side - lead);
    std::iter::from_fn(move || {
        let at = start;
        start = if len - at < size + rest { len } else { at + size };
        size = side;
        (start > at).then_some((at, start - at))
    })
}

/// Items of the widest vector.
const fn rest<const N: usize>() -> usize {
    32 / N
}

/// Bytes from one row of a scratch to the next: whole vectors, and no power of two.
const fn pitch<const N: usize>(len: usize) -> usize {
    (len * N).next_multiple_of(LINE) + LINE / 2
}

/// Copies `rows` rows of `cols` contiguous items to `cols` rows of `rows` contiguous items.
///
/// # Safety
/// All items can be read, all places be written, and the two share no byte.
unsafe fn transpose<const N: usize>(
    isa: Isa,
    src: *const u8,
    src_pitch: isize,
    dst: *mut u8,
    dst_pitch: isize,
    rows: usize,
    cols: usize,
) {
    let block = Block { src, src_pitch, dst, dst_pitch, rows, cols };
    // SAFETY: the caller's promise, and the processor has the instructions of its `Isa`.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::avx2::<N>(&block),
            #[cfg(target_arch = "x86_64")]
            Isa::Sse2 => x86::sse2::<N>(&block),
            Isa::Portable => portable::transpose::<N>(&block),
        }
    }
}

/// `rows` rows of `cols` items, `src_pitch` bytes apart, which become `cols` rows of `rows` items.
#[derive(Debug, Clone, Copy)]
struct Block {
    src: *const u8,
    src_pitch: isize,
    dst: *mut u8,
    dst_pitch: isize,
    rows: usize,
    cols: usize,
}
