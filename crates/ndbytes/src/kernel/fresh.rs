//! Vectors that are made to be filled.
#![allow(unsafe_code, reason = "no safe call gives zeroed memory, or none and an error")]

use crate::buffer::HUGE;
use crate::error::{Error, Result};
use std::alloc::{Layout, alloc_zeroed};

/// `size` zero bytes, which large ones are without being touched: to be written to for the first time, in huge pages where
/// the system has them.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub(crate) fn zeroed(size: usize) -> Result<Vec<u8>> {
    let mut bytes = untouched(size)?;
    huge_pages(&mut bytes);
    Ok(bytes)
}

/// The same with none of it touched, however little of it will be.
///
/// # Errors
/// As [`zeroed`].
fn untouched(size: usize) -> Result<Vec<u8>> {
    let no_memory = || Error::memory(size as u64);
    let layout = Layout::array::<u8>(size).map_err(|_| no_memory())?;
    if size == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the layout has a size.
    let start = unsafe { alloc_zeroed(layout) };
    if start.is_null() {
        return Err(no_memory());
    }
    // SAFETY: the global allocator gave so many bytes there for this layout, all of them zero, and nobody else has them.
    Ok(unsafe { Vec::from_raw_parts(start, size, size) })
}

/// The first `size` bytes of memory that is used again and again; where it must grow, nothing of it is touched.
///
/// # Errors
/// As [`zeroed`].
pub(crate) fn fit(space: &mut Vec<u8>, size: usize) -> Result<&mut [u8]> {
    if space.len() < size {
        *space = untouched(size)?;
    }
    Ok(&mut space[..size])
}

/// Asks for huge pages under memory that is about to be written to for the first time, where they pay: with large memory,
/// on Linux. It is advice: where there are none, nothing changes.
pub fn huge_pages(bytes: &mut [u8]) {
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    if bytes.len() >= crate::buffer::HUGE_FROM {
        use rustix::mm::Advice;
        let (_, whole, _) = pages(bytes, rustix::param::page_size());
        advise(whole, Advice::LinuxHugepage);
        // The small pages of both ends are made in one go, which is quicker than one by one.
        let (front, _, back) = pages(whole, HUGE);
        advise(front, Advice::LinuxPopulateWrite);
        advise(back, Advice::LinuxPopulateWrite);
    }
    let _ = bytes;
}

/// The whole pages in memory, and what lies before and behind them.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
fn pages(bytes: &mut [u8], page: usize) -> (&mut [u8], &mut [u8], &mut [u8]) {
    let lead = bytes.as_ptr().align_offset(page).min(bytes.len());
    let (front, rest) = bytes.split_at_mut(lead);
    let (whole, back) = rest.split_at_mut(rest.len() / page * page);
    (front, whole, back)
}

/// Advises the system about whole pages, if there are any.
#[cfg(all(feature = "std", target_os = "linux", not(miri)))]
fn advise(pages: &mut [u8], advice: rustix::mm::Advice) {
    if !pages.is_empty() {
        // SAFETY: the memory is the caller's alone; the advice changes how its pages are made, not what is in them, and may
        // be refused.
        let _ = unsafe { rustix::mm::madvise(pages.as_mut_ptr().cast(), pages.len(), advice) };
    }
}

/// Touches the last byte of each huge page that the next `len` bytes of fresh memory reach into, none of which has a value
/// yet; those bytes are what is written next.
///
/// Linux zeroes a huge page towards the byte that asked for it. Upwards, to its last byte, that takes half as long as
/// downwards, to its first, which is the one that a copy asks for (64 MiB: 2.3 ms and 5.0 ms).
pub(crate) fn touch(fresh: &mut [u8], len: usize) {
    if len == 0 {
        return;
    }
    let first = fresh.as_ptr().align_offset(HUGE);
    let first = if first == 0 { HUGE } else { first };
    for end in (first..len.saturating_add(HUGE)).step_by(HUGE) {
        if let Some(last) = end.min(fresh.len()).checked_sub(1).and_then(|last| fresh.get_mut(last))
        {
            *last = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_of_every_page_is_touched_and_no_other() {
        let mut memory = vec![1; 3 * HUGE + 100];
        let start = memory.as_ptr().align_offset(HUGE);
        for (len, from, to) in
            [(0, 3, 0), (1, 0, 1), (HUGE, 0, 1), (HUGE + 1, 0, 2), (HUGE, 7, 2), (5, HUGE - 5, 1)]
        {
            memory.fill(1);
            let fresh = &mut memory[start..][from..2 * HUGE];
            touch(fresh, len);
            let zeros = memory.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(at, _)| at);
            let ends: Vec<_> = (1..=to).map(|page| start + page * HUGE - 1).collect();
            assert_eq!(zeros.collect::<Vec<_>>(), ends, "{len} bytes from {from}");
        }
        let mut short = [1; 10];
        touch(&mut short, 4);
        assert_eq!((short[9], short.iter().sum::<u8>()), (0, 9));
        touch(&mut [], 0);
    }

    #[test]
    fn all_sizes_are_zero_and_none_is_too_much() {
        for size in [0, 1, 4095, 1 << 20, (16 << 20) + 5] {
            assert!(zeroed(size).unwrap() == vec![0; size]);
        }
        // Miri ends there itself.
        if !cfg!(miri) {
            assert!(zeroed(isize::MAX.unsigned_abs()).is_err());
        }
        assert!(zeroed(usize::MAX).is_err());
    }
}
