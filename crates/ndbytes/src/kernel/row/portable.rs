//! Rows item by item: what every processor can do, and the ends of rows elsewhere.

/// Items of one turn of a loop.
const TURN: usize = 8;

/// Copies one item.
///
/// # Safety
/// `N` bytes can be read at `src` and written at `dst`, and they share none.
#[inline(always)]
unsafe fn copy<const N: usize>(src: *const u8, dst: *mut u8) {
    // SAFETY: the caller's promise; neither address need be aligned.
    unsafe { dst.cast::<[u8; N]>().write_unaligned(src.cast::<[u8; N]>().read_unaligned()) }
}

/// # Safety
/// As [`gather_row`](super::gather_row).
#[inline(always)]
pub(in crate::kernel) unsafe fn gather<const N: usize>(
    mut src: *const u8,
    stride: isize,
    dst: *mut u8,
    len: usize,
) {
    let whole = len - len % TURN;
    let steps: [isize; TURN] = std::array::from_fn(|i| stride.wrapping_mul(i.cast_signed()));
    for i in (0..whole).step_by(TURN) {
        for (at, step) in steps.iter().enumerate() {
            // SAFETY: so many items lie where the caller says, and so do their places.
            unsafe { copy::<N>(src.wrapping_offset(*step), dst.add((i + at) * N)) }
        }
        src = src.wrapping_offset(stride.wrapping_mul(TURN.cast_signed()));
    }
    for i in whole..len {
        // SAFETY: item `i` lies where the caller says, and so does its place.
        unsafe { copy::<N>(src, dst.add(i * N)) }
        src = src.wrapping_offset(stride);
    }
}

/// # Safety
/// As [`scatter_row`](super::scatter_row).
#[inline(always)]
pub(super) unsafe fn scatter<const N: usize>(
    src: *const u8,
    dst: *mut u8,
    stride: isize,
    len: usize,
) {
    for i in 0..len {
        // SAFETY: item `i` lies where the caller says, and so does its place.
        unsafe {
            copy::<N>(src.add(i * N), dst.wrapping_offset(stride.wrapping_mul(i.cast_signed())))
        }
    }
}

/// The item at `src`, `len` times.
///
/// # Safety
/// As [`gather_row`](super::gather_row) with a stride of 0.
#[inline]
pub(super) unsafe fn fill<const N: usize>(src: *const u8, dst: *mut u8, len: usize) {
    // SAFETY: the caller's promise; an array of bytes needs no alignment, and any bytes are one.
    unsafe {
        if N == 1 {
            return dst.write_bytes(src.read(), len);
        }
        let item = src.cast::<[u8; N]>().read();
        for i in 0..len {
            dst.cast::<[u8; N]>().add(i).write(item);
        }
    }
}

/// # Safety
/// As [`deinterleave`](super::deinterleave).
#[inline(always)]
pub(super) unsafe fn deinterleave<const N: usize, const C: usize>(
    src: *const u8,
    len: usize,
    dst: [*mut u8; C],
) {
    for i in 0..len {
        for (c, row) in dst.iter().enumerate() {
            // SAFETY: item `c` of group `i`, and place `i` of row `c`.
            unsafe { copy::<N>(src.add((i * C + c) * N), row.add(i * N)) }
        }
    }
}

/// # Safety
/// As [`interleave`](super::interleave).
#[inline(always)]
pub(super) unsafe fn interleave<const N: usize, const C: usize>(
    src: [*const u8; C],
    len: usize,
    dst: *mut u8,
) {
    for i in 0..len {
        for (c, row) in src.iter().enumerate() {
            // SAFETY: item `i` of row `c`, and place `c` of group `i`.
            unsafe { copy::<N>(row.add(i * N), dst.add((i * C + c) * N)) }
        }
    }
}
