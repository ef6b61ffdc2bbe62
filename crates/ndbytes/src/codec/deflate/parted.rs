//! Streams of blocks that are inflated each on its own, by several threads, though nothing says where they are.

use super::Container;
use super::pack::block_log;
use super::unpack::{FLUSH, unpack_block};
use crate::error::{Error, Result};
use crate::threads::Threads;
use memchr::memmem;
use std::sync::{Mutex, PoisonError};

/// Inflates a bare stream to memory of its exact size, if it is one of several blocks as [`Packer`](super::Packer) makes
/// them, and gives the sum of the bytes. None for any other: whatever came of it, all of the memory may have changed.
///
/// What ends a block can stand within one, too. Then some part is no block, or holds more or less than one.
pub(super) fn unpack(
    container: Container,
    packed: &[u8],
    out: &mut [u8],
    threads: Threads,
) -> Option<u32> {
    if threads == Threads::ONE {
        return None;
    }
    let size = 1 << block_log(out.len() as u64);
    let count = out.len().div_ceil(size);
    let ends = memmem::find_iter(packed, &FLUSH).map(|at| at + FLUSH.len());
    // One more than there should be shows that some are none.
    let mut ends: Vec<_> = ends.take(count).collect();
    if count < 2 || ends.len() != count - 1 {
        return None;
    }
    ends.push(packed.len());
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, (end, space)) in ends.into_iter().zip(out.chunks_mut(size)).enumerate() {
        parts.push((at, packed.get(start..end)?, space));
        start = end;
    }
    // Memory of blocks that are done: new memory costs more than the copy.
    let idle: Mutex<Vec<Vec<u8>>> = Mutex::default();
    let idle = || idle.lock().unwrap_or_else(PoisonError::into_inner);
    let work = |(at, packed, space): (usize, &[u8], &mut [u8])| -> Result<_> {
        let mut own = idle().pop().unwrap_or_default();
        own.clear();
        own.extend_from_slice(packed);
        unpack_block(&mut own, at + 1 == count, space)?;
        idle().push(own);
        Ok((at, container.sum(space)))
    };
    let mut sums = vec![0; count];
    let done = threads.run(parts, &work, &mut |(at, sum): (usize, u32)| {
        *sums.get_mut(at).ok_or_else(|| Error::argument("no such block"))? = sum;
        Ok(())
    });
    done.ok()?;
    let lens = out.chunks(size).map(|chunk| chunk.len() as u64);
    let first = container.sum(&[]);
    Some(
        sums.into_iter().zip(lens).fold(first, |sum, (next, len)| container.joined(sum, next, len)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Level, Packer};
    use super::*;

    const THREADS: [usize; 3] = [2, 3, 9];

    /// Numbers that shrink, with what ends a block among them now and then, as much as is asked for.
    fn sample(len: usize, ends: usize) -> Vec<u8> {
        let mut bytes: Vec<_> = (0..len).map(|i| u8::try_from(i * i / 7 % 199).unwrap()).collect();
        for place in (0..ends).map(|at| 1000 + at * len / ends.max(1)) {
            bytes[place..place + 4].copy_from_slice(&FLUSH);
        }
        bytes
    }

    /// The bare stream, and the sum behind it.
    fn packed(container: Container, level: u32, bytes: &[u8]) -> (Vec<u8>, u32) {
        let level = Level::new(level).unwrap();
        let size = Some(bytes.len() as u64);
        let mut packer = Packer::usual(Some(container), level, Threads::ONE, size);
        let mut out = Vec::new();
        let mut sink = |more: &[u8]| {
            out.extend_from_slice(more);
            Ok(())
        };
        packer.push(bytes, &mut sink).unwrap();
        packer.finish(&mut sink).unwrap();
        match container {
            Container::Zlib => (out[2..out.len() - 4].to_vec(), libdeflater::adler32(bytes)),
            Container::Gzip => (out[10..out.len() - 8].to_vec(), libdeflater::crc32(bytes)),
        }
    }

    #[test]
    fn our_own_streams_are_read_by_threads() {
        for container in [Container::Zlib, Container::Gzip] {
            for len in [300_000, (1 << 20) - 1, 1 << 20, 3_000_000] {
                let bytes = sample(len, 0);
                let (stream, sum) = packed(container, 6, &bytes);
                for threads in THREADS {
                    let mut out = vec![0; len];
                    let found = unpack(container, &stream, &mut out, Threads::new(threads));
                    assert_eq!(found, Some(sum), "{len} {threads}");
                    assert!(out == bytes);
                }
                assert_eq!(unpack(container, &stream, &mut vec![0; len], Threads::ONE), None);
            }
        }
    }

    #[test]
    fn others_are_left_to_one_thread() {
        let bytes = sample(3_000_000, 0);
        let mut engine = libdeflater::Compressor::new(libdeflater::CompressionLvl::default());
        let mut one = vec![0; engine.deflate_compress_bound(bytes.len())];
        engine.deflate_compress(&bytes, &mut one).unwrap();
        for stream in [one, Vec::new(), vec![0; 100], FLUSH.repeat(2)] {
            let found =
                unpack(Container::Zlib, &stream, &mut vec![0; bytes.len()], Threads::new(2));
            assert_eq!(found, None);
        }
        let (stream, _) = packed(Container::Zlib, 6, &bytes);
        for len in [0, 1, 100_000, bytes.len() - 1, bytes.len() + 1] {
            let found = unpack(Container::Zlib, &stream, &mut vec![0; len], Threads::new(2));
            assert_eq!(found, None, "{len}");
        }
    }

    #[test]
    fn what_ends_a_block_may_stand_within_one() {
        // Stored, so that it stands there as it is; once there are as many ends as there should be, but elsewhere.
        for (len, ends) in [(1_000_000, 1), (1_000_000, 7), (250_000, 1), (600_000, 2)] {
            let bytes = sample(len, ends);
            let (stream, _) = packed(Container::Zlib, 0, &bytes);
            let found = unpack(Container::Zlib, &stream, &mut vec![0; len], Threads::new(2));
            assert_eq!(found, None, "{len} {ends}");
        }
        let one = [[0, 0xa0, 0x0f, 0x5f, 0xf0].as_slice(), &sample(4000, 1), &[3, 0]].concat();
        assert_eq!(unpack(Container::Zlib, &one, &mut vec![0; 4000], Threads::new(2)), None);
    }
}
