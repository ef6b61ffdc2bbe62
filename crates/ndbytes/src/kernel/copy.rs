//! Copying runs of bytes, past the cache where that is quicker.

/// From this many bytes on, memory that has been touched before is written past the cache: more than the last level
/// of it holds, so that lines would be read only to be overwritten and driven out again.
pub(crate) const LARGE: usize = 1 << 25;

/// How the bytes of a large copy are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stores {
    /// Through the cache: what is written is read soon, or its pages are fresh, and the system has just zeroed them.
    Cached,
    /// Past the cache.
    Streaming,
}

/// Copies all of `from` to `to`, which are of one length.
pub(crate) fn copy(from: &[u8], to: &mut [u8], stores: Stores) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if stores == Stores::Streaming {
        return x86::stream(from, to);
    }
    let _ = stores;
    to.copy_from_slice(from);
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86 {
    #![allow(unsafe_code, reason = "non-temporal stores are intrinsics")]
    use std::arch::x86_64::_MM_HINT_T0;
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_prefetch, _mm_sfence, _mm_stream_si128};

    /// Bytes of a cache line: written whole, it need not be read first.
    const LINE: usize = 64;

    pub(super) fn stream(from: &[u8], to: &mut [u8]) {
        assert_eq!(from.len(), to.len(), "a copy keeps the length");
        let lead = to.as_ptr().align_offset(LINE).min(to.len());
        let (front, lines) = to.split_at_mut(lead);
        front.copy_from_slice(&from[..lead]);
        let (lines, rest) = lines.as_chunks_mut::<LINE>();
        let (source, tail) = from[lead..].as_chunks::<LINE>();
        for (line, source) in lines.iter_mut().zip(source) {
            stream_line(source, line);
        }
        // SAFETY: an instruction without operands: it orders the stores above before whatever follows.
        unsafe { _mm_sfence() };
        rest.copy_from_slice(tail);
    }

    /// Copies a line to an address that is a multiple of 64.
    #[inline(always)]
    fn stream_line(from: &[u8; LINE], to: &mut [u8; LINE]) {
        const AHEAD: usize = 512;
        debug_assert_eq!(to.as_ptr().addr() % LINE, 0);
        let (from, to) = (from.as_ptr().cast::<__m128i>(), to.as_mut_ptr().cast::<__m128i>());
        // SAFETY: four times 16 bytes are the line's 64, of which the loads ask no alignment; the caller aligned the
        // stores. A prefetch may name any address: it reads nothing.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_byte_add(AHEAD).cast());
            let parts = [0, 1, 2, 3].map(|i| _mm_loadu_si128(from.add(i)));
            for (i, part) in parts.into_iter().enumerate() {
                _mm_stream_si128(to.add(i), part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_copy_every_length_at_every_alignment() {
        let from: Vec<u8> = (0..1000usize).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for stores in [Stores::Cached, Stores::Streaming] {
            for start in 0..if cfg!(miri) { 3 } else { 65 } {
                let lens = (0..300).step_by(if cfg!(miri) { 99 } else { 1 });
                for len in lens.chain([511, 900]).filter(|len| start + len <= 1000) {
                    let mut to = vec![0xAA; 1000];
                    copy(&from[start / 2..][..len], &mut to[start..start + len], stores);
                    assert_eq!(to[start..start + len], from[start / 2..][..len]);
                    let outside = to[..start].iter().chain(&to[start + len..]);
                    assert!(outside.into_iter().all(|&byte| byte == 0xAA));
                }
            }
        }
    }
}
