//! A message that is being put together.

use super::geometry::{GROUP, Geometry, Place, Window};
use super::packet::{Kind, Packet};
use crate::buffer::{Buffer, BufferMut};
use crate::codec::{GroupSize, ParityMender};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

/// Memory that one shard may touch: two pages.
const TOUCHED: u64 = 2 << 12;
/// Memory that a message takes beside its shards, and each window beside its groups.
const OWN: u64 = 1 << 13;
const WINDOW: u64 = 128;

/// What has come of a message.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) geometry: Geometry,
    /// When something of it came last.
    pub(super) heard: Duration,
    buffer: BufferMut,
    windows: BTreeMap<u64, Vec<Group>>,
    /// Groups that lack data.
    lacking: u64,
    /// Shards of data that are there; of parity that are kept; groups that are kept.
    data: u64,
    parity: u64,
    groups: u64,
}

#[derive(Debug, Clone, Default)]
struct Group {
    /// A bit for each shard of data that is there, and their number.
    there: [u64; GROUP / 64],
    count: usize,
    /// Until all data are there.
    parity: Vec<(usize, Box<[u8]>)>,
}

/// What became of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is kept; so many others were made again with it.
    Kept(u64),
    /// It is there already.
    Duplicate,
    /// It is parity that nothing needs any more.
    Spare,
}

impl Pending {
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) for a message that does not fit this machine.
    pub(super) fn new(geometry: Geometry, now: Duration) -> Result<Self> {
        Ok(Self {
            geometry,
            heard: now,
            buffer: BufferMut::scattered(geometry.total)?,
            windows: BTreeMap::new(),
            lacking: geometry.groups(),
            data: 0,
            parity: 0,
            groups: 0,
        })
    }

    /// Bytes of memory that it may have touched.
    pub(super) fn cost(&self) -> u64 {
        let windows = self.windows.len() as u64 * WINDOW + self.groups * size_of::<Group>() as u64;
        let data = match self.buffer.is_lazy() {
            true => self.geometry.total.min(self.data * TOUCHED),
            false => self.geometry.total,
        };
        // What is made again of parity touches no more than this.
        OWN + windows + data + self.parity * TOUCHED
    }

    /// How much more it may have touched behind this datagram.
    pub(super) fn growth(&self, packet: &Packet) -> u64 {
        let window = packet.place.window;
        let groups = if self.windows.contains_key(&window.at) { 0 } else { window.groups as u64 };
        TOUCHED + WINDOW + groups * size_of::<Group>() as u64
    }

    /// Takes a shard that fits the geometry, and makes others of its group again where that can be.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn store(
        &mut self,
        packet: &Packet,
        shard: &[u8],
        mender: &mut ParityMender,
    ) -> Result<Stored> {
        let Place { window, group, index } = packet.place;
        let groups = self.windows.entry(window.at).or_insert_with(|| {
            self.groups += window.groups as u64;
            vec![Group::default(); window.groups]
        });
        let Some(found) = groups.get_mut(group) else { return Ok(Stored::Spare) };
        let needed = window.data(group);
        if packet.kind == Kind::Parity {
            if found.count == needed {
                return Ok(Stored::Spare);
            }
            if found.parity.iter().any(|(at, _)| *at == index) {
                return Ok(Stored::Duplicate);
            }
            found.parity.push((index, shard.into()));
            self.parity += 1;
        } else {
            if found.has(index) {
                return Ok(Stored::Duplicate);
            }
            write(&mut self.buffer, self.geometry, packet.number, shard)?;
            found.set(index);
            self.data += 1;
        }
        let mut mended = 0;
        if found.count < needed && found.count + found.parity.len() >= needed {
            mended = (needed - found.count) as u64;
            mend(&mut self.buffer, self.geometry, (window, group), found, mender)?;
            self.data += mended;
        }
        if found.count == needed {
            self.lacking -= 1;
            self.parity -= found.parity.len() as u64;
            found.parity = Vec::new();
        }
        Ok(Stored::Kept(mended))
    }

    pub(super) fn is_whole(&self) -> bool {
        self.lacking == 0
    }

    /// Its bytes; what has not come is zeros.
    ///
    /// # Errors
    /// [`Memory`](crate::ErrorKind::Memory).
    pub(super) fn finish(self) -> Result<Buffer> {
        self.buffer.freeze()
    }

    /// The bytes of the message that are there, in order; what lies side by side is one.
    pub(super) fn runs(&self) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for (&at, groups) in &self.windows {
            let Some(window) = self.geometry.window(at) else { continue };
            for number in window.first..window.first + window.len as u64 {
                let there = self.geometry.data(number).is_some_and(|place| {
                    groups.get(place.group).is_some_and(|group| group.has(place.index))
                });
                let bytes = self.geometry.bytes(number);
                match runs.last_mut() {
                    _ if !there => {}
                    Some(last) if last.end == bytes.start => last.end = bytes.end,
                    _ => runs.push(bytes),
                }
            }
        }
        runs
    }

    /// Bytes that are there, to read or to change.
    ///
    /// # Errors
    /// As [`BufferMut::space`].
    pub(super) fn bytes(&mut self, range: Range<u64>) -> Result<&mut [u8]> {
        bytes(&mut self.buffer, range)
    }
}

impl Group {
    fn has(&self, index: usize) -> bool {
        self.there.get(index / 64).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }

    fn set(&mut self, index: usize) {
        if let Some(bits) = self.there.get_mut(index / 64) {
            *bits |= 1 << (index % 64);
            self.count += 1;
        }
    }
}

fn bytes(buffer: &mut BufferMut, range: Range<u64>) -> Result<&mut [u8]> {
    let fits = |at| usize::try_from(at).map_err(|_| Error::overflow("the message's size"));
    buffer.space(fits(range.start)?, fits(range.end)?)
}

/// Writes what the message has of a shard.
fn write(buffer: &mut BufferMut, geometry: Geometry, number: u64, shard: &[u8]) -> Result<()> {
    let place = bytes(buffer, geometry.bytes(number))?;
    place.iter_mut().zip(shard).for_each(|(to, from)| *to = *from);
    Ok(())
}

/// Makes the data again that a group lacks.
fn mend(
    buffer: &mut BufferMut,
    geometry: Geometry,
    (window, at): (Window, usize),
    group: &mut Group,
    mender: &mut ParityMender,
) -> Result<()> {
    let Geometry { shard, parity, .. } = geometry;
    let data = window.data(at);
    mender.begin(GroupSize { data, parity, shard })?;
    for index in (0..data).filter(|&index| group.has(index)) {
        let there = bytes(buffer, geometry.bytes(window.shard(at, index)))?;
        if there.len() == shard {
            mender.add_data(index, there)?;
        } else {
            // The last one of the message.
            let mut whole = there.to_vec();
            whole.resize(shard, 0);
            mender.add_data(index, &whole)?;
        }
    }
    for (index, made) in &group.parity {
        mender.add_parity(*index, made)?;
    }
    mender.finish(|index, made| {
        group.set(index);
        write(buffer, geometry, window.shard(at, index), made)
    })
}
