//! The items of blocks on their way to where they belong.

use super::block::Decoder;
use super::store::Place;
use crate::array::{Layout, Order};
use crate::error::Result;
use crate::format::frame::BlockHeader;
use crate::kernel::{fit, scatter};
use crate::threads::Threads;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Bytes that a function takes at a time.
const PIECE: usize = 1 << 20;

/// A block that has come whole.
pub(super) struct Job<'i> {
    pub(super) number: u64,
    pub(super) header: BlockHeader,
    pub(super) stored: &'i [u8],
}

/// Where items go.
#[derive(Debug)]
pub(super) struct Target<'d> {
    pub(super) place: Place<'d>,
    /// Rows of blocks on their way to a function, which takes items in their order.
    band: Vec<u8>,
}

impl<'d> Target<'d> {
    pub(super) fn new(place: Place<'d>) -> Self {
        Self { place, band: Vec::new() }
    }

    /// Decodes blocks, and puts their items where they belong.
    pub(super) fn run(
        &mut self,
        decoder: &Decoder,
        jobs: Vec<Job<'_>>,
        threads: Threads,
    ) -> Result<()> {
        let Self { place, band } = self;
        // A function is told of the items in their order.
        let threads = if let Place::Sink(_) = place { Threads::ONE } else { threads };
        if threads == Threads::ONE {
            let mut space = Vec::new();
            for job in jobs {
                let part = decoder.grid.place(job.number)?;
                match straight(place, decoder, &part)? {
                    Some(items) => decoder.decode(job.number, &job.header, job.stored, items)?,
                    None => {
                        let items = fit(&mut space, decoder.grid.size(job.number))?;
                        decoder.decode(job.number, &job.header, job.stored, items)?;
                        put(place, band, decoder, job.number, items)?;
                    }
                }
            }
            return Ok(());
        }
        if let Some(pieces) = pieces(place, decoder, &jobs)? {
            let jobs = jobs.into_iter().zip(pieces).collect();
            let decode = |(job, items): (Job<'_>, &mut [u8])| {
                decoder.decode(job.number, &job.header, job.stored, items)
            };
            return threads.run(jobs, &decode, &mut |()| Ok(()));
        }
        let used = Mutex::new(Vec::new());
        let used = || used.lock().unwrap_or_else(PoisonError::into_inner);
        let decode = |Job { number, header, stored }: Job<'_>| {
            let (mut space, size) = (used().pop().unwrap_or_default(), decoder.grid.size(number));
            decoder.decode(number, &header, stored, fit(&mut space, size)?)?;
            Ok((number, space, size))
        };
        threads.run(jobs, &decode, &mut |(number, space, size)| {
            put(place, band, decoder, number, space.get(..size).unwrap_or_default())?;
            used().push(space);
            Ok(())
        })
    }
}

/// The memory of a block whose items follow each other where they stay.
fn straight<'p>(
    place: &'p mut Place<'_>,
    decoder: &Decoder,
    part: &Layout,
) -> Result<Option<&'p mut [u8]>> {
    match range(decoder, part) {
        Some(range) => memory(place, range),
        None => Ok(None),
    }
}

/// The memories of blocks which, all together, follow each other where they stay.
fn pieces<'p>(
    place: &'p mut Place<'_>,
    decoder: &Decoder,
    jobs: &[Job<'_>],
) -> Result<Option<Vec<&'p mut [u8]>>> {
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let range = range(decoder, &decoder.grid.place(job.number)?);
        let Some(range) =
            range.filter(|range| ranges.last().is_none_or(|last| last.end == range.start))
        else {
            return Ok(None);
        };
        ranges.push(range);
    }
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(None) };
    let Some(mut rest) = memory(place, first.start..last.end)? else { return Ok(None) };
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in ranges {
        let Some((piece, behind)) = rest.split_at_mut_checked(range.len()) else {
            return Ok(None);
        };
        pieces.push(piece);
        rest = behind;
    }
    Ok(Some(pieces))
}

/// Where the items of a block stay, if they follow each other there.
fn range(decoder: &Decoder, part: &Layout) -> Option<Range<usize>> {
    let itemsize = decoder.grid.itemsize();
    let (start, len) = (part.offset(), part.len() * itemsize);
    part.is_c_contiguous(itemsize).then_some(start..start + len)
}

fn memory<'p>(
    place: &'p mut Place<'_>,
    Range { start, end }: Range<usize>,
) -> Result<Option<&'p mut [u8]>> {
    match place {
        Place::Owned(buffer) => buffer.space(start, end).map(Some),
        Place::Fill(buffer) => buffer.space(start, end).map(Some),
        Place::Into(memory) => Ok(memory.get_mut(start..end)),
        Place::Sink(_) | Place::Discard => Ok(None),
    }
}

/// Puts the items of a block where they belong.
fn put(
    place: &mut Place<'_>,
    band: &mut Vec<u8>,
    decoder: &Decoder,
    number: u64,
    items: &[u8],
) -> Result<()> {
    let (grid, itemsize) = (&decoder.grid, decoder.grid.itemsize());
    let part = grid.place(number)?;
    let memory = match place {
        Place::Owned(buffer) => buffer.space(0, part.span(itemsize)?.end)?,
        Place::Fill(buffer) => buffer.space(0, part.span(itemsize)?.end)?,
        Place::Into(memory) => memory,
        Place::Discard => return Ok(()),
        Place::Sink(sink) => {
            // The items of some rows of the array come in several blocks.
            let shape = grid.band(number);
            let size = shape.iter().product::<usize>() * itemsize;
            if size == items.len() {
                return items.chunks(PIECE).try_for_each(sink);
            }
            let band = fit(band, size)?;
            let mut slices = grid.slices(number);
            slices.iter_mut().take(1).for_each(|rows| rows.start = 0);
            let part = Layout::contiguous(&shape, itemsize, Order::C)?.sliced(&slices)?;
            scatter(items, band, &part, itemsize)?;
            return if grid.ends_band(number) {
                band.chunks(PIECE).try_for_each(sink)
            } else {
                Ok(())
            };
        }
    };
    scatter(items, memory, &part, itemsize)
}
