//! Parts of coded frames: only the blocks that they touch are read and decoded.

mod chain;
mod fetch;

use super::read::{fill_body, fill_header, read, read_array, settled};
use super::{ReadAt, Watch};
use crate::array::{Order, nbytes};
use crate::error::{Error, ErrorKind, Result};
use crate::format::frame::Coding;
use crate::format::{
    Band, ChecksumState, DecodeOptions, Dest, Header, HeaderDecoder, Plan, Selection, Touched,
};
use crate::kernel::zeroed;
use crate::threads::Threads;
pub(in crate::io) use chain::{Chain, chain, name_method};
#[cfg(feature = "deflate")]
pub(in crate::io) use fetch::ending;
use fetch::{Blocks, From};
use std::sync::{Mutex, PoisonError};

/// Bytes of items that are worth a thread of their own.
const SHARE: u64 = 1 << 18;
/// Bytes of items, and blocks, that are decoded before the caller hears of it, for each thread.
const BATCH: usize = 1 << 22;
const MOST: usize = 1 << 12;
/// Room for blocks of up to so many bytes is kept between reads.
const KEPT: usize = 1 << 22;
/// Rows of blocks that have more bytes of items are not left to one thread as a whole.
const BAND: u64 = 1 << 25;

/// A coded frame, of which parts are read. Any number of threads may read at once.
///
/// ```
/// use ndbytes::{ArrayRef, Codec, DecodeOptions, Order, Selection, Slice, Threads, frame, io};
/// let values: Vec<u32> = (0..1000).collect();
/// let array = ArrayRef::from_slice(&values, &[100, 10])?;
/// let mut options = frame::EncodeOptions::default();
/// (options.codec, options.block) = (Codec::Auto, Some(vec![7, 10]));
/// let mut bytes = Vec::new();
/// io::write(&mut frame::Encoder::new(&array, &options)?, &mut bytes, &mut io::unwatched)?;
///
/// let parts = io::Parts::open(&bytes[..], bytes.len() as u64, DecodeOptions::default())?;
/// let part = [Selection::List(vec![99, 3]), Selection::Slice(Slice { start: 4, len: 1, step: 1 })];
/// let mut found = [0; 8];
/// parts.read(&part, Order::C, Threads::ONE, &mut found, &mut io::unwatched)?;
/// assert_eq!(found, [994u32, 34].map(u32::to_le_bytes).concat()[..]);
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug)]
pub struct Parts<S> {
    blocks: Blocks<S>,
    header: Header,
    coding: Coding,
    len: u64,
    options: DecodeOptions,
    /// What threads work in, and do not at the moment.
    idle: Mutex<Vec<Space>>,
}

/// Room for a block: as it is stored, as items, and for those that are taken.
#[derive(Debug, Default)]
struct Space {
    stored: Vec<u8>,
    items: Vec<u8>,
    taken: Vec<u8>,
}

/// Bytes of what selections take of an array.
pub(super) fn part_size(header: &Header, selections: &[Selection]) -> Result<usize> {
    let shape: Vec<usize> = selections.iter().map(Selection::len).collect();
    let itemsize = header.dtype.itemsize();
    nbytes(&shape, itemsize)?;
    Ok(shape.iter().product::<usize>() * itemsize)
}

/// Reads the header, and the mark of a frame that grows.
fn front(source: &impl ReadAt, options: &DecodeOptions) -> Result<Header> {
    settled(|| {
        let (mut front, mut machine) = (From(source, 0), HeaderDecoder::new(options.clone()));
        fill_header(&mut |space| read(&mut front, space), &mut machine)
    })
}

impl<S: ReadAt> Parts<S> {
    /// Reads header and footer of a coded frame that is all of an input of `len` bytes.
    ///
    /// # Errors
    /// As for [`HeaderDecoder::filled`]; [`Argument`](crate::ErrorKind::Argument) for an array in one piece;
    /// [`Truncated`](crate::ErrorKind::Truncated), [`Checksum`](crate::ErrorKind::Checksum), [`Malformed`](crate::ErrorKind::Malformed) and
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for the footer; [`Io`](crate::ErrorKind::Io).
    pub fn open(source: S, len: u64, mut options: DecodeOptions) -> Result<Self> {
        (options.input_len, options.whole) = (Some(len), true);
        let mut header = front(&source, &options)?;
        let mut fetch = |space: &mut [u8], offset| read(&mut From(&source, offset), space);
        if header.coding.is_some() {
            name_method(&mut fetch, &mut header)?;
        }
        let Some(coding) = header.coding.clone() else {
            return Err(Error::argument(
                "the data are in one piece, not in blocks; map or load them",
            ));
        };
        let blocks = Blocks::open(source, len, &header)?;
        Ok(Self { blocks, header, coding, len, options, idle: Mutex::default() })
    }

    /// What its header says.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How its writer kept the data.
    #[must_use]
    pub fn coding(&self) -> &Coding {
        &self.coding
    }

    /// Where the bytes come from.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.blocks.source
    }

    /// Reads all of it in order, and compares every sum; nothing is kept. Of a frame that has grown since it was opened that is what
    /// there was then.
    ///
    /// # Errors
    /// As [`read_array`], and whatever `watch` returns.
    pub fn verify(&self, watch: Watch<'_>) -> Result<ChecksumState> {
        let mut options = DecodeOptions { input_len: Some(self.len), ..self.options.clone() };
        let Some(grown) = self.header.grown() else {
            let reader = From(&self.blocks.source, 0);
            return Ok(read_array(reader, options, |_| Ok(Dest::Discard), watch)?.state);
        };
        let now = front(&self.blocks.source, &options)?;
        if now.sum != self.header.sum {
            let kind = ErrorKind::Checksum { block: None, range: 0..now.len };
            let message = "the header is another one than when it was opened";
            return Err(Error::new(kind, message).at(0));
        }
        // It may have grown in the moment between its length and its mark.
        options.input_len = Some(self.len.max(grown.end));
        let start = self.header.len;
        let mut reader = From(&self.blocks.source, start);
        let body = HeaderDecoder::behind(options, self.header.clone()).body(Dest::Discard)?;
        let mut read = |space: &mut [u8]| read(&mut reader, space);
        Ok(fill_body(&mut read, body, &mut |seen| watch(start + seen))?.state)
    }

    /// Bytes of a part: of one selection for each axis.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if they overflow.
    pub fn size(&self, selections: &[Selection]) -> Result<usize> {
        part_size(&self.header, selections)
    }

    /// Reads the part that the selections take, one for each axis, all of each with all of the others: the items come into `out` without
    /// gaps, [`Order::F`] with the first axis fastest, else the last. Each block that is touched is read once.
    ///
    /// `watch` is told the bytes of items that were decoded.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a selection that leaves its axis, or memory of another size;
    /// [`Checksum`](crate::ErrorKind::Checksum), [`Malformed`](crate::ErrorKind::Malformed),
    /// [`Unsupported`](crate::ErrorKind::Unsupported) and [`Truncated`](crate::ErrorKind::Truncated) for what is read, with the block;
    /// [`Memory`](crate::ErrorKind::Memory), [`Io`](crate::ErrorKind::Io), and whatever `watch` returns.
    pub fn read(
        &self,
        selections: &[Selection],
        order: Order,
        threads: Threads,
        out: &mut [u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        let grid = &self.blocks.decoder.grid;
        let mut storage: Vec<&Selection> = selections.iter().collect();
        if self.header.fortran_order {
            storage.reverse();
        }
        let order =
            if (order == Order::F) == self.header.fortran_order { Order::C } else { Order::F };
        let plan = Plan::new(grid, &storage, order)?;
        if plan.size() != out.len() {
            let (size, found) = (plan.size(), out.len());
            return Err(Error::argument(format!(
                "the part has {size} bytes, the destination {found}"
            )));
        }
        let decoded = plan.count().saturating_mul(grid.largest() as u64);
        let most = usize::try_from(decoded / SHARE).unwrap_or(usize::MAX);
        let threads = Threads::new(threads.get().min(most));
        if threads == Threads::ONE {
            let mut seen = 0;
            return self.with_space(|space| {
                plan.blocks(grid).try_for_each(|touched| {
                    self.put(&plan, &touched, space, out, 0)?;
                    seen += grid.size(touched.number) as u64;
                    watch(seen)
                })
            });
        }
        let bands = plan.bands().filter(|bands| {
            bands.len() >= 2 * threads.get() && decoded / (bands.len() as u64) <= BAND
        });
        match bands {
            Some(bands) => self.read_bands(&plan, bands, threads, out, watch),
            None => self.read_mixed(&plan, threads, out, watch),
        }
    }

    /// Each thread fills parts of the result of its own.
    fn read_bands(
        &self,
        plan: &Plan,
        bands: Vec<Band>,
        threads: Threads,
        out: &mut [u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        let grid = &self.blocks.decoder.grid;
        let (mut rest, mut jobs) = (out, Vec::with_capacity(bands.len()));
        for band in bands {
            let len = band.range.end - band.range.start;
            let (part, behind) =
                rest.split_at_mut_checked(len).ok_or_else(|| Error::overflow("a part"))?;
            rest = behind;
            jobs.push((band, part));
        }
        let work = |(band, part): (Band, &mut [u8])| {
            self.with_space(|space| {
                plan.blocks_of(grid, &band).try_fold(0, |seen, touched| {
                    self.put(plan, &touched, space, part, band.range.start)?;
                    Ok(seen + grid.size(touched.number) as u64)
                })
            })
        };
        let mut seen = 0;
        threads.run(jobs, &work, &mut |more: u64| {
            seen += more;
            watch(seen)
        })
    }

    /// Threads take out of blocks what is wanted of them, and the caller's own puts it where it belongs.
    fn read_mixed(
        &self,
        plan: &Plan,
        threads: Threads,
        out: &mut [u8],
        watch: Watch<'_>,
    ) -> Result<()> {
        let grid = &self.blocks.decoder.grid;
        let most = (BATCH / grid.largest().max(1)).clamp(1, MOST) * threads.get();
        let (mut blocks, mut seen) = (plan.blocks(grid), 0);
        loop {
            let jobs: Vec<Touched> = blocks.by_ref().take(most).collect();
            if jobs.is_empty() {
                return Ok(());
            }
            let work = |touched: Touched| {
                let mut taken = zeroed(plan.taken(&touched))?;
                self.with_space(|space| {
                    let items = self.items(touched.number, space)?;
                    plan.gather(grid, &touched, items, &mut taken)
                })?;
                Ok((touched, taken))
            };
            threads.run(jobs, &work, &mut |(touched, taken)| {
                plan.scatter(&touched, &taken, out, 0)?;
                seen += grid.size(touched.number) as u64;
                watch(seen)
            })?;
        }
    }

    /// Reads a block, and puts what is taken of it where it belongs in a part of the result that begins at `base`.
    fn put(
        &self,
        plan: &Plan,
        touched: &Touched,
        space: &mut Space,
        result: &mut [u8],
        base: usize,
    ) -> Result<()> {
        let grid = &self.blocks.decoder.grid;
        if let Some(range) = plan.straight(grid, touched)? {
            let (start, end) = (range.start.wrapping_sub(base), range.end.wrapping_sub(base));
            let items = result.get_mut(start..end).ok_or_else(|| Error::overflow("a part"))?;
            return self.blocks.decode(touched.number, &mut space.stored, items);
        }
        self.items(touched.number, space)?;
        let Space { items, taken, .. } = space;
        let items = items.get(..grid.size(touched.number)).unwrap_or_default();
        plan.put(grid, touched, items, taken, result, base)
    }

    /// The items of a block.
    fn items<'s>(&self, number: u64, space: &'s mut Space) -> Result<&'s [u8]> {
        let size = self.blocks.decoder.grid.size(number);
        if space.items.len() < size {
            space.items = zeroed(size)?;
        }
        let items = space.items.get_mut(..size).unwrap_or_default();
        self.blocks.decode(number, &mut space.stored, items)?;
        Ok(items)
    }

    fn with_space<T>(&self, work: impl FnOnce(&mut Space) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut space = idle().pop().unwrap_or_default();
        let done = work(&mut space);
        if space.stored.len().max(space.items.len()).max(space.taken.len()) <= KEPT {
            idle().push(space);
        }
        done
    }
}
