//! Copying runs of bytes: past the cache where that is quicker, and with a look at what was copied.

#[cfg(target_arch = "x86_64")]
mod x86;

use super::isa::prefetch;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{fence, store_past_cache};

/// From this many bytes on they are written past the cache: more than the last level of it holds, so that lines would be
/// read only to be overwritten and driven out again.
pub(crate) const LARGE: usize = 1 << 25;
/// Bytes that are copied and looked at in turn. Small enough for the next ones to arrive meanwhile: the look then costs little
/// beside the copy, where a look at 256 KiB at a time costs a third of it.
const STEP: usize = 1 << 11;
/// Bytes of a line of cache.
const LINE: usize = 64;
/// Bytes of one turn of a folding copy.
const TURN: usize = 4 * LINE;

/// How the bytes of a copy are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stores {
    /// Through the cache.
    Cached,
    /// Past the cache.
    Streaming,
}

/// Sees bytes as they are written; its parts come one behind the other.
pub(crate) trait Look: Send {
    /// Whether it wants to.
    const WANTED: bool = true;

    /// Sees bytes that have just been written, while they are in cache.
    fn see(&mut self, bytes: &[u8]);

    /// Copies all of `from` to `to`, which are of one length, and sees the copy.
    fn copy(&mut self, from: &[u8], to: &mut [u8], _: Stores) {
        copy_by_steps(from, to, |copied| self.see(copied));
    }
}

/// Nothing to look for.
impl Look for () {
    const WANTED: bool = false;

    fn see(&mut self, _: &[u8]) {}

    fn copy(&mut self, from: &[u8], to: &mut [u8], stores: Stores) {
        match stores {
            #[cfg(target_arch = "x86_64")]
            Stores::Streaming if x86::stream(from, to) => {}
            _ => to.copy_from_slice(from),
        }
    }
}

/// Copies in short steps, and has each of them looked at.
pub(crate) fn copy_by_steps(from: &[u8], to: &mut [u8], mut see: impl FnMut(&[u8])) {
    assert_eq!(from.len(), to.len(), "a copy keeps the length");
    for (from, to) in from.chunks(STEP).zip(to.chunks_mut(STEP)) {
        to.copy_from_slice(from);
        (0..STEP).step_by(LINE).for_each(|line| prefetch(from.as_ptr().wrapping_add(STEP + line)));
        see(to);
    }
}

/// What a folding copy has moved.
pub(crate) struct Folded {
    /// Bytes in front of those that were folded: what the first line of cache lacks.
    pub(crate) lead: usize,
    /// Bytes that were folded.
    pub(crate) len: usize,
    /// Bytes that have the same CRC-32C, from a state of 0, as those that were folded have from the state they were given.
    pub(crate) bytes: [u8; TURN],
}

/// Copies all of `from` to `to`, which are of one length, and folds the most of it by the polynomial of CRC-32C, on its way
/// through the registers: while memory is waited for, that costs nothing. `state` gives the CRC's state behind the lead.
///
/// `None`, and nothing is copied, where the processor can't or there is too little.
pub(crate) fn copy_folded(
    from: &[u8],
    to: &mut [u8],
    stores: Stores,
    state: impl FnOnce(&[u8]) -> u32,
) -> Option<Folded> {
    #[cfg(target_arch = "x86_64")]
    return x86::copy_folded(from, to, stores, state);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (from, to, stores, state);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects what it sees.
    impl Look for Vec<u8> {
        fn see(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    const BOTH: [Stores; 2] = [Stores::Cached, Stores::Streaming];

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i * i % 251).unwrap()).collect()
    }

    #[test]
    fn every_way_copies_every_length_at_every_alignment() {
        let from = bytes(6000);
        for stores in BOTH {
            for start in 0..if cfg!(miri) { 2 } else { 130 } {
                let lens = (0..300).step_by(if cfg!(miri) { 37 } else { 1 });
                for len in lens.chain([2047, 2048, 2049, 5000]) {
                    let mut to = vec![0xAA; 6000];
                    let mut expected = to.clone();
                    let (from, space) = (&from[start / 2..][..len], start..start + len);
                    if start % 2 == 0 {
                        ().copy(from, &mut to[space.clone()], stores);
                    } else {
                        let mut seen = Vec::new();
                        seen.copy(from, &mut to[space.clone()], stores);
                        assert_eq!(seen, from);
                    }
                    expected[space].copy_from_slice(from);
                    assert!(to == expected, "{len} bytes to {start}, {stores:?}");
                }
            }
        }
    }

    /// The CRC-32C's state behind these bytes, a bit at a time.
    fn crc(state: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(state, |state, &byte| {
            (0..8).fold(state ^ u32::from(byte), |state, _| {
                state >> 1 ^ if state & 1 == 1 { 0x82F6_3B78 } else { 0 }
            })
        })
    }

    #[test]
    fn what_is_folded_has_the_sum_of_what_was_copied() {
        let from = bytes(6000);
        let lens = [0, 1, 255, 256, 319, 320, 383, 384, 511, 512, 575, 576, 700, 5000];
        for (stores, start) in BOTH.into_iter().flat_map(|stores| {
            (0..if cfg!(miri) { 3 } else { 70 }).map(move |start| (stores, start))
        }) {
            for len in lens {
                let mut to = vec![0xAA; 6000];
                let mut expected = to.clone();
                let (from, space) = (&from[start / 2..][..len], start..start + len);
                let mut before = Vec::new();
                let folded = copy_folded(from, &mut to[space.clone()], stores, |lead| {
                    before = lead.to_vec();
                    crc(0x1234_5678, lead)
                });
                let Some(Folded { lead, len: n, bytes }) = folded else {
                    assert!(to == expected, "nothing is copied");
                    continue;
                };
                expected[space].copy_from_slice(from);
                assert!(to == expected, "{len} bytes to {start}, {stores:?}");
                assert_eq!(before, from[..lead]);
                assert_eq!(crc(0, &bytes), crc(0x1234_5678, &from[..lead + n]));
                assert!(len - lead - n < TURN);
            }
        }
    }

    #[cfg(all(target_arch = "x86_64", not(miri)))]
    #[test]
    fn a_processor_that_can_fold_does() {
        let able = std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("vpclmulqdq");
        let mut to = vec![0; TURN + LINE];
        let folded = copy_folded(&bytes(TURN + LINE), &mut to, Stores::Cached, |_| 0);
        assert_eq!(folded.map(|folded| folded.len), able.then_some(TURN));
    }
}
