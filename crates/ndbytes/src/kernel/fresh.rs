//! Vectors that are made to be filled.
#![allow(unsafe_code, reason = "no safe call gives zeroed memory, or none and an error")]

use crate::error::{Error, Result};
use std::alloc::{Layout, alloc_zeroed};

/// `size` zero bytes, which large ones are without being touched: to be written to for the first time, in huge pages where
/// the system has them.
///
/// # Errors
/// [`Memory`](crate::ErrorKind::Memory).
pub(crate) fn zeroed(size: usize) -> Result<Vec<u8>> {
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
    let mut bytes = unsafe { Vec::from_raw_parts(start, size, size) };
    huge_pages(&mut bytes);
    Ok(bytes)
}

/// Asks for huge pages under memory that is about to be written to for the first time, where they pay: with large memory,
/// on Linux. It is advice: where there are none, nothing changes.
pub fn huge_pages(bytes: &mut [u8]) {
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    if bytes.len() >= crate::buffer::HUGE_FROM {
        let page = rustix::param::page_size();
        let lead = bytes.as_ptr().align_offset(page).min(bytes.len());
        let (start, len) = (bytes.as_mut_ptr().wrapping_add(lead), bytes.len() - lead);
        // SAFETY: whole pages inside memory that is the caller's alone; the advice changes how they are made, not what is
        // in them, and may be refused.
        let _ = unsafe {
            rustix::mm::madvise(start.cast(), len / page * page, rustix::mm::Advice::LinuxHugepage)
        };
    }
    let _ = bytes;
}

#[cfg(test)]
mod tests {
    use super::*;

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
