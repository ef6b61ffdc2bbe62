//! Archives made by hand.

use ndbytes::io::npz::Archive;
use ndbytes::{Deflater, Error, Level, Limits, Result, gzip};
use std::io::{Cursor, Read};

/// An archive by hand: every field that a header has can be any.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) name: &'static [u8],
    /// The name in front of the data.
    pub(crate) local_name: &'static [u8],
    pub(crate) needed: u16,
    pub(crate) flags: u16,
    pub(crate) local_flags: u16,
    pub(crate) method: u16,
    pub(crate) local_method: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) crc: u32,
    /// Sizes in both headers, the stored one first.
    pub(crate) sizes: [u32; 2],
    pub(crate) local_sizes: [u32; 2],
    pub(crate) extra: Vec<u8>,
    pub(crate) local_extra: Vec<u8>,
    pub(crate) behind: Vec<u8>,
    pub(crate) disk: u16,
    /// Attributes, of which the upper half is Unix's mode.
    pub(crate) attributes: u32,
    /// Instead of where it is.
    pub(crate) offset: Option<u32>,
}

impl Fake {
    pub(crate) fn stored(name: &'static [u8], data: &[u8]) -> Self {
        let size = u32::try_from(data.len()).unwrap();
        Self {
            name,
            local_name: name,
            needed: 20,
            flags: 0,
            local_flags: 0,
            method: 0,
            local_method: 0,
            data: data.to_vec(),
            crc: crc32(data),
            sizes: [size; 2],
            local_sizes: [size; 2],
            extra: Vec::new(),
            local_extra: Vec::new(),
            behind: Vec::new(),
            disk: 0,
            attributes: 0,
            offset: None,
        }
    }

    pub(crate) fn deflated(name: &'static [u8], data: &[u8]) -> Self {
        let gzip = gzip::compress(data, Level::default()).unwrap();
        // What stands between a gzip header and the sums behind it.
        let stream = &gzip[10..gzip.len() - 8];
        let sizes = [stream.len(), data.len()].map(|size| u32::try_from(size).unwrap());
        let (method, crc) = (8, crc32(data));
        let stored = Self::stored(name, stream);
        Self { method, local_method: method, sizes, local_sizes: sizes, crc, ..stored }
    }

    /// Deflated in blocks of 2^16 bytes, each on its own, with the index of them.
    pub(crate) fn in_blocks(name: &'static [u8], data: &[u8]) -> Self {
        let (mut stream, mut blocks) = (Vec::new(), Vec::new());
        let count = data.len().div_ceil(1 << 16);
        for (number, part) in data.chunks(1 << 16).enumerate() {
            let block = deflated(part, number + 1 == count);
            blocks.push((u32::try_from(block.len()).unwrap(), crc32(part)));
            stream.extend(block);
        }
        let sizes = [stream.len(), data.len()].map(|size| u32::try_from(size).unwrap());
        let (method, crc, extra) = (8, crc32(data), index(16, &blocks));
        let stored = Self::stored(name, &stream);
        Self { method, local_method: method, sizes, local_sizes: sizes, crc, extra, ..stored }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn local(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        put16(&mut out, &[self.needed, self.local_flags, self.local_method, 0, 0x21]);
        put32(&mut out, &[self.crc, self.local_sizes[0], self.local_sizes[1]]);
        put16(&mut out, &[len(self.local_name), len(&self.local_extra)]);
        [&out, self.local_name, &self.local_extra, &self.data, &self.behind].concat()
    }

    pub(crate) fn central(&self, at: usize) -> Vec<u8> {
        let mut out = b"PK\x01\x02".to_vec();
        put16(&mut out, &[20, self.needed, self.flags, self.method, 0, 0x21]);
        put32(&mut out, &[self.crc, self.sizes[0], self.sizes[1]]);
        put16(&mut out, &[len(self.name), len(&self.extra), 0, self.disk, 0]);
        let offset = self.offset.unwrap_or_else(|| u32::try_from(at).unwrap());
        put32(&mut out, &[self.attributes, offset]);
        [&out, self.name, &self.extra].concat()
    }
}

pub(crate) fn put16(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

pub(crate) fn put32(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

pub(crate) fn len(bytes: &[u8]) -> u16 {
    bytes.len().try_into().unwrap()
}

/// The CRC-32 of bytes: what a gzip stream of them has behind it.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let stream = gzip::compress(bytes, Level::default()).unwrap();
    let (_, sums) = stream.split_last_chunk::<8>().unwrap();
    u32::from_le_bytes(*sums.first_chunk().unwrap())
}

/// One block of a stream, which ends it or ends with an empty stored block.
pub(crate) fn deflated(bytes: &[u8], last: bool) -> Vec<u8> {
    let mut deflater = Deflater::bare(Level::default());
    let mut out = vec![0; bytes.len() + 1000];
    let step = deflater.step(bytes, &mut out).unwrap();
    assert_eq!(step.taken, bytes.len());
    let rest = &mut out[step.made..];
    let end = if last { deflater.finish(rest) } else { deflater.flush(rest) };
    let made = step.made + end.unwrap().made;
    out.truncate(made);
    out
}

/// The index of these blocks: stored lengths and sums.
pub(crate) fn index(log: u8, blocks: &[(u32, u32)]) -> Vec<u8> {
    let mut field = Vec::new();
    put16(&mut field, &[0x626e, u16::try_from(4 + 8 * blocks.len()).unwrap()]);
    field.extend([1, log, 0, 0]);
    blocks.iter().for_each(|&(stored, crc)| put32(&mut field, &[stored, crc]));
    field
}

/// What the end record says: members here and in all, bytes of the directory, where it is.
pub(crate) struct Said {
    pub(crate) disk: u16,
    pub(crate) counts: [u16; 2],
    pub(crate) size: u32,
    pub(crate) start: u32,
}

pub(crate) fn archive(members: &[Fake]) -> Vec<u8> {
    archive_with(members, |_| {})
}

pub(crate) fn archive_with(members: &[Fake], change: impl FnOnce(&mut Said)) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        directory.extend(member.central(file.len()));
        file.extend(member.local());
    }
    let [size, start] = [directory.len(), file.len()].map(|len| u32::try_from(len).unwrap());
    let count = u16::try_from(members.len()).unwrap();
    let mut said = Said { disk: 0, counts: [count; 2], size, start };
    change(&mut said);
    file.extend(directory);
    file.extend(b"PK\x05\x06");
    put16(&mut file, &[said.disk, 0, said.counts[0], said.counts[1]]);
    put32(&mut file, &[said.size, said.start]);
    put16(&mut file, &[0]);
    file
}

/// Opens and reads all: the bytes of the members.
pub(crate) fn read(file: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut archive = Archive::open(Cursor::new(file), &Limits::local())?;
    (0..archive.entries().len())
        .map(|index| {
            let mut bytes = Vec::new();
            archive.member(index)?.read_to_end(&mut bytes).map_err(Error::from)?;
            Ok(bytes)
        })
        .collect()
}
