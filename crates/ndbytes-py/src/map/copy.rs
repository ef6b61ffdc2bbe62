//! Copies out of a map: what they touch is brought into memory first, so that a file that was cut is an error.

use crate::array::Mapped;
use ndbytes::io::Watch;
use ndbytes::io::map::Map;
use ndbytes::{BLOCK, Error, Layout, Result, gather};
use std::ops::Range;

/// A part of the data: items of a size, where they lie.
pub(super) struct Part {
    pub(super) itemsize: usize,
    pub(super) layout: Layout,
}

impl Part {
    /// Bytes of its items.
    pub(super) fn nbytes(&self) -> Result<usize> {
        ndbytes::nbytes(self.layout.shape(), self.itemsize)
    }

    /// The same items, `by` bytes further on.
    fn moved(&self, by: usize) -> Result<Layout> {
        let offset = self.layout.offset().checked_add(by);
        let offset = offset.ok_or_else(|| Error::overflow("an offset"))?;
        Layout::new(self.layout.shape().to_vec(), self.layout.strides().to_vec(), offset)
    }
}

/// Copies a part in C order. Readers and writers take turns block by block.
pub(super) fn read(file: &Mapped, part: &Part, out: &mut [u8], watch: Watch<'_>) -> Result<()> {
    read_each(file, &[0], part, out, watch)
}

/// Copies the part at each of the offsets, one behind the other.
pub(super) fn read_each(
    file: &Mapped,
    offsets: &[usize],
    part: &Part,
    out: &mut [u8],
    watch: Watch<'_>,
) -> Result<()> {
    let mut out = out;
    let mut copy = |map: &Map, layout: &Layout, probed: &mut Probed| {
        let size = layout.len() * part.itemsize;
        let Some((space, rest)) = std::mem::take(&mut out).split_at_mut_checked(size) else {
            return Err(Error::argument("the items do not fit where they are to go"));
        };
        probed.probe(map, layout, part.itemsize)?;
        gather(map.bytes()?, layout, part.itemsize, space)?;
        out = rest;
        Ok(())
    };
    each_batch(file, offsets, part, &mut copy, watch)
}

/// Brings the part at each of the offsets into memory.
pub(super) fn probe(file: &Mapped, offsets: &[usize], part: &Part, watch: Watch<'_>) -> Result<()> {
    each_batch(
        file,
        offsets,
        part,
        &mut |map, layout, probed| probed.probe(map, layout, part.itemsize),
        watch,
    )
}

type Each<'e> = &'e mut dyn FnMut(&Map, &Layout, &mut Probed) -> Result<()>;

/// Calls `each` with blocks of the parts, about a mebibyte of them while the map is held.
fn each_batch(
    file: &Mapped,
    offsets: &[usize],
    part: &Part,
    each: Each<'_>,
    watch: Watch<'_>,
) -> Result<()> {
    let size = part.nbytes()?;
    let batch = (BLOCK / size.max(1)).clamp(1, 1 << 12);
    let (mut probed, mut done) = (Probed::default(), 0);
    for offsets in offsets.chunks(batch) {
        if size <= BLOCK {
            file.look(|map| {
                offsets.iter().try_for_each(|&by| {
                    let layout = part.moved(by)?;
                    layout.span(part.itemsize)?;
                    if size == 0 { Ok(()) } else { each(map, &layout, &mut probed) }
                })
            })?;
            done += (offsets.len() * size) as u64;
            watch(done)?;
            continue;
        }
        for &by in offsets {
            let layout = part.moved(by)?;
            layout.span(part.itemsize)?;
            for block in layout.blocks(part.itemsize, BLOCK) {
                file.look(|map| each(map, &block, &mut probed))?;
                done += (block.len() * part.itemsize) as u64;
                watch(done)?;
            }
        }
    }
    Ok(())
}

/// What was brought in last.
#[derive(Default)]
struct Probed(Range<usize>);

impl Probed {
    /// Brings in what the items of a layout touch, and little more.
    fn probe(&mut self, map: &Map, layout: &Layout, itemsize: usize) -> Result<()> {
        /// Bytes that are brought in with any byte among them: some pages.
        const AROUND: usize = 1 << 14;
        let span = layout.span(itemsize)?;
        let size = layout.len() * itemsize;
        if span.len() > (4 * size).max(AROUND) && layout.len() > 1 {
            for block in layout.blocks(itemsize, size / 2) {
                self.probe(map, &block, itemsize)?;
            }
            return Ok(());
        }
        if span.start >= self.0.start && span.end <= self.0.end {
            return Ok(());
        }
        let len = map.bytes()?.len();
        let end = span.end.checked_next_multiple_of(AROUND).unwrap_or(len).min(len);
        let around = span.start - span.start % AROUND..end.max(span.end);
        map.probe(around.clone())?;
        self.0 = around;
        Ok(())
    }
}
