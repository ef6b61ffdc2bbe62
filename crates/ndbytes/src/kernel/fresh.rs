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
    advise(start, size);
    // SAFETY: the global allocator gave so many bytes there for this layout, all of them zero, and nobody else has them.
    Ok(unsafe { Vec::from_raw_parts(start, size, size) })
}

/// Asks for huge pages where they pay.
fn advise(start: *mut u8, size: usize) {
    #[cfg(all(feature = "std", target_os = "linux", not(miri)))]
    if size >= crate::buffer::HUGE_FROM {
        let page = rustix::param::page_size();
        let lead = start.align_offset(page).min(size);
        // SAFETY: whole pages inside memory that was just allocated; the advice changes how they are made, not what is
        // in them, and may be refused.
        let _ = unsafe {
            rustix::mm::madvise(
                start.add(lead).cast(),
                (size - lead) / page * page,
                rustix::mm::Advice::LinuxHugepage,
            )
        };
    }
    let _ = (start, size);
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
