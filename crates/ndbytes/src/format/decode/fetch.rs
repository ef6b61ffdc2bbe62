//! Data that any thread may fetch from where they are, such as a file's: straight to where they stay, and summed there.

use super::body::{BodyDecoder, Form};
use super::plain::{Plain, Stage, cut_data};
use super::store::{Place, Store};
use crate::codec::PartSums;
use crate::error::Result;
use crate::kernel::{Look as _, touch};
use crate::threads::Threads;

/// Reads bytes of the data, from this one on, to the front of the space; 0 at the end of the input.
pub(super) type Fetch<'f> = &'f (dyn Fn(u64, &mut [u8]) -> Result<usize> + Sync);

/// What threads fetch at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    /// Bytes of the first one.
    first: usize,
    /// Bytes of each other one, but the last.
    len: usize,
    /// Bytes to fetch and sum in turn.
    step: usize,
    /// From so many bytes in all on a second thread gains more than its start costs.
    parallel: usize,
    /// Whether all of it will be written, if anything: then huge pages are asked for where that is quick.
    sure: bool,
}

impl Default for Shares {
    /// For bytes that lie in one piece: steps are a part of a level-2 cache.
    fn default() -> Self {
        Self { first: 1 << 22, len: 1 << 22, step: 1 << 18, parallel: 1 << 23, sure: true }
    }
}

impl Shares {
    /// For bytes that come in blocks, of whose first one so many are wanted.
    #[cfg(feature = "deflate")]
    pub(crate) fn blocks(first: u64, len: u64) -> Self {
        let [first, len] = [first, len].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        Self { first, len, step: len, parallel: len, sure: false }
    }
}

impl BodyDecoder<'_> {
    /// Fetches the data from where any thread may read them, as [`BodyDecoder::filled`] those of the space, and gives how many bytes that
    /// were: none where they have no place of their own, or are in blocks, which several threads may then decode. `each` is told how
    /// many so far.
    ///
    /// # Errors
    /// [`Truncated`](crate::ErrorKind::Truncated), [`Memory`](crate::ErrorKind::Memory), and whatever `fetch` or `each` return.
    pub(crate) fn fetch(
        &mut self,
        fetch: Fetch<'_>,
        shares: Shares,
        threads: Threads,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        match &mut self.0 {
            Form::Plain(plain) => plain.fetch(fetch, shares, threads, each),
            Form::Coded(coded) => {
                coded.set_threads(threads);
                Ok(0)
            }
        }
    }
}

impl Plain<'_> {
    fn fetch(
        &mut self,
        fetch: Fetch<'_>,
        shares: Shares,
        threads: Threads,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<u64> {
        if self.stage != Stage::Data {
            return Ok(0);
        }
        let start = self.store.done();
        if !self.store.fetch(fetch, shares, threads, each)? {
            return Err(cut_data(&self.header, self.store.done() as u64));
        }
        self.check_data_end();
        Ok((self.store.done() - start) as u64)
    }
}

impl Store<'_> {
    /// Fetches all that is missing, if it has a place of its own; false if the input has ended before.
    pub(super) fn fetch(
        &mut self,
        fetch: Fetch<'_>,
        cut: Shares,
        threads: Threads,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        let (start, size) = (self.done, self.size);
        let (space, fresh) = match &mut self.place {
            Place::Owned(buffer) => (buffer.space(start, size)?, true),
            Place::Fill(buffer) => (buffer.space(start, size)?, true),
            Place::Into(memory) => (memory.get_mut(start..size).unwrap_or_default(), false),
            Place::Sink(_) | Place::Discard => return Ok(true),
        };
        let threads = if space.len() >= cut.parallel { threads } else { Threads::ONE };
        let (mut at, mut shares) = (start, Vec::new());
        let first = cut.first.min(space.len());
        let (first, others) = space.split_at_mut_checked(first).unwrap_or_default();
        for share in std::iter::once(first).chain(others.chunks_mut(cut.len.max(1))) {
            let len = share.len();
            shares.push((at, share));
            at += len;
        }
        let fresh = fresh && cut.sure;
        let summed = self.sums.is_some();
        let work = |(at, share)| fetched(fetch, at, share, cut.step, fresh, summed);
        let (mut parts, mut seen, mut end) = (Vec::new(), 0, size);
        threads.run(shares, &work, &mut |share: Fetched| {
            seen += share.len as u64;
            if let Some(cut) = share.cut {
                end = end.min(cut);
            }
            parts.extend(share.sums);
            each(seen)
        })?;
        if let Some(sums) = &mut self.sums {
            sums.join(parts);
        }
        self.done = end;
        Ok(end == size)
    }
}

/// What came of a share.
struct Fetched {
    len: usize,
    sums: Option<PartSums>,
    /// The byte of the data at which the input has ended.
    cut: Option<usize>,
}

/// Fills a share, whose first byte is byte `at` of the data, of memory that may be fresh.
fn fetched(
    fetch: Fetch<'_>,
    at: usize,
    share: &mut [u8],
    step: usize,
    fresh: bool,
    summed: bool,
) -> Result<Fetched> {
    let mut sums = summed.then(|| PartSums::from(at));
    let (mut rest, mut len) = (share, 0);
    while !rest.is_empty() {
        let step = rest.len().min(step);
        if fresh {
            touch(rest, step);
        }
        let n = match rest.get_mut(..step) {
            Some(space) => fetch((at + len) as u64, space)?,
            None => 0,
        };
        let Some((came, after)) = std::mem::take(&mut rest).split_at_mut_checked(n) else { break };
        if n == 0 {
            return Ok(Fetched { len, sums, cut: Some(at + len) });
        }
        if let Some(sums) = &mut sums {
            sums.see(came);
        }
        len += n;
        rest = after;
    }
    Ok(Fetched { len, sums, cut: None })
}
