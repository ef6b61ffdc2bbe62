//! Which vector instructions the kernels may use.

/// A set of instructions that this processor has: no other value is ever made.
///
/// What it is passed to may run functions built for these instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Isa {
    /// Only what every processor of the target has, without intrinsics.
    #[cfg_attr(target_arch = "x86_64", allow(dead_code, reason = "only tests choose it there"))]
    Portable,
    /// The base of x86-64.
    #[cfg(target_arch = "x86_64")]
    Sse2,
    /// 32-byte vectors of integers on x86-64, and the byte shuffles that come with them.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Isa {
    /// The largest set that this processor has.
    #[inline]
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        return if std::arch::is_x86_feature_detected!("avx2") { Self::Avx2 } else { Self::Sse2 };
        #[cfg(not(target_arch = "x86_64"))]
        Self::Portable
    }

    /// Every set that this processor has, for tests to run through.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        all.extend([Self::Sse2, Self::Avx2]);
        all.retain(|&isa| isa <= Self::detect());
        all
    }
}

/// Has the line at an address fetched, wherever that is: it is only a hint.
#[inline(always)]
#[allow(unsafe_code, reason = "hints are intrinsics")]
pub(super) fn prefetch(line: *const u8) {
    // Miri knows no hints.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: it reads nothing, so it may name any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    let _ = line;
}
