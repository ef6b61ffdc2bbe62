//! Writing archives.

#[cfg(feature = "zstd")]
use crate::codec::ZstdPacker;
use crate::codec::{Crc32, Level, Packed, Packer};
use crate::error::{Error, Result, quoted};
use crate::format::Encode;
use crate::format::npz::{Blocks, Entry, Method, end};
use crate::io::Watch;
use crate::io::write_file::{PARALLEL, ROOM, make_room, write_summed};
use crate::threads::Threads;
use std::collections::HashSet;
use std::fs::File;
use std::io::{Result as IoResult, Seek, SeekFrom, Write};

/// How the members of an archive are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Style {
    /// The data of stored arrays starts at multiples of 64 bytes, so that they can be mapped.
    #[default]
    Aligned,
    /// Byte for byte what `np.savez` writes on Unix; but for deflated members, and the index of their blocks.
    NumPy,
}

/// How an archive is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// How its members are laid out.
    pub style: Style,
    /// How they are stored.
    pub method: Method,
    /// How hard deflate tries.
    pub level: Level,
    /// How hard zstd tries: from 1 to 19, 3 unless said otherwise.
    pub zstd_level: i32,
    /// How many threads compress one member; the bytes are the same for any number.
    pub threads: Threads,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            style: Style::default(),
            method: Method::default(),
            level: Level::default(),
            zstd_level: 3,
            threads: Threads::default(),
        }
    }
}

/// Writes an archive, member by member.
///
/// [`Writer::finish`] writes the directory: an archive that is dropped before has none, and is read by nobody. The same
/// arrays give the same bytes: all dates are 1980-01-01.
#[derive(Debug)]
#[must_use = "an archive that is not finished has no directory"]
pub struct Writer<W> {
    target: W,
    /// Goes back to a local header; none where the target cannot.
    seek: Option<fn(&mut W, SeekFrom) -> IoResult<u64>>,
    /// The file that the target is, if it is one.
    file: Option<fn(&W) -> &File>,
    options: WriteOptions,
    entries: Vec<Entry>,
    names: HashSet<String>,
    /// Where the next member begins.
    at: u64,
    /// Whether what was begun was not ended.
    broken: bool,
    /// The member whose bytes are being pushed, and their sum.
    pub(super) open: Option<(Entry, Crc32)>,
}

impl<W: Write + Seek> Writer<W> {
    /// An archive from the target's position on, of which it holds the absolute one, as Python's do. A target that
    /// does not know its position, as a pipe, is written to as by [`Writer::streamed`].
    pub fn new(mut target: W, options: WriteOptions) -> Self {
        match target.stream_position() {
            Ok(at) => Self { at, seek: Some(W::seek), ..Self::streamed(target, options) },
            Err(_) => Self::streamed(target, options),
        }
    }
}

impl<'f> Writer<&'f File> {
    /// The same in a file, in which room is made for what is large before it is written, by two threads if there may be.
    pub fn file(file: &'f File, options: WriteOptions) -> Self {
        Self { file: Some(|file| file), ..Self::new(file, options) }
    }
}

impl<W: Write> Writer<W> {
    /// An archive that is written from front to back: sums and sizes stand behind the data, too.
    pub fn streamed(target: W, options: WriteOptions) -> Self {
        let (entries, names) = (Vec::new(), HashSet::new());
        let (seek, file, open) = (None, None, None);
        Self { target, seek, file, options, entries, names, at: 0, broken: false, open }
    }

    /// Writes one member. `watch` counts its bytes, as they are before compression.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for a name that is there already, is empty, has a NUL or more than
    /// 65,535 bytes; after an error of an earlier member; [`Io`](crate::ErrorKind::Io) from the target, and whatever
    /// the machine or `watch` return.
    pub fn add<'a>(
        &mut self,
        name: &str,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let mut entry = self.begin(name)?;
        self.data(&mut entry, encoder, watch)?;
        self.end(entry)
    }

    pub(super) fn options(&self) -> WriteOptions {
        self.options
    }

    /// Writes what stands in front of the data of a member.
    pub(super) fn begin(&mut self, name: &str) -> Result<Entry> {
        self.check()?;
        let entry = Entry::new(name, self.options.method, self.at, self.seek.is_none())?;
        if self.names.contains(name) {
            let message = format!("the archive has a member {} already", quoted(name));
            return Err(Error::argument(message));
        }
        self.broken = true;
        let header = entry.local(self.is_aligned());
        self.put(&header)?;
        Ok(entry)
    }

    /// Writes what tells of the data of a member, behind them or in front.
    pub(super) fn end(&mut self, entry: Entry) -> Result<()> {
        match self.seek {
            Some(seek) => self.patch(seek, &entry)?,
            None => self.put(&entry.descriptor())?,
        }
        self.broken = false;
        self.names.insert(entry.name().to_owned());
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the directory, flushes, and gives the target back.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) after an error of a member; [`Io`](crate::ErrorKind::Io) from the target.
    pub fn finish(mut self) -> Result<W> {
        self.check()?;
        let start = self.at;
        let mut records = Vec::new();
        for entry in std::mem::take(&mut self.entries) {
            records.extend(entry.central());
            if records.len() >= BUFFER {
                self.put(&records)?;
                records.clear();
            }
        }
        self.put(&records)?;
        let count = self.names.len() as u64;
        self.put(&end(count, self.at - start, start))?;
        self.target.flush()?;
        Ok(self.target)
    }

    /// Where the target stands.
    pub fn position(&self) -> u64 {
        self.at
    }

    fn is_aligned(&self) -> bool {
        self.options.style == Style::Aligned && self.options.method == Method::Stored
    }

    fn check(&self) -> Result<()> {
        match self.broken {
            true => Err(Error::argument("the archive has an unfinished member: begin a new one")),
            false => Ok(()),
        }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.target.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Writes the data of a member, and notes what it was.
    fn data<'a>(
        &mut self,
        entry: &mut Entry,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        match self.options.method {
            Method::Stored => self.stored(entry, encoder, watch),
            Method::Deflated => self.deflated(entry, encoder, watch),
            Method::Zstd => self.zstd(entry, encoder, watch),
        }
    }

    fn stored<'a>(
        &mut self,
        entry: &mut Entry,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let (start, total) = (self.at, encoder.total().unwrap_or_default());
        let file = self.file.map(|file| file(&self.target)).filter(|_| total >= ROOM);
        if let Some(file) = file {
            make_room(file, start, total)?;
            if total >= PARALLEL && self.options.threads.get() > 1 && cfg!(unix) {
                let (size, crc) = write_summed(encoder, file, start, watch)?;
                (entry.crc, entry.size, entry.packed) = (crc, size, size);
                self.at += size;
                return Ok(());
            }
        }
        let mut crc = Crc32::default();
        while let Some(piece) = encoder.next()? {
            crc.update(&piece);
            self.put(&piece)?;
            watch(self.at - start)?;
        }
        (entry.crc, entry.size, entry.packed) = (crc.value(), self.at - start, self.at - start);
        Ok(())
    }

    fn deflated<'a>(
        &mut self,
        entry: &mut Entry,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let options = self.options;
        entry.set_packed(pack(encoder, options, &mut |bytes| self.put(bytes), watch)?);
        Ok(())
    }

    #[cfg(not(feature = "zstd"))]
    fn zstd<'a>(&mut self, _: &mut Entry, _: &mut dyn Encode<'a>, _: Watch<'_>) -> Result<()> {
        Err(Error::unsupported("this build of ndbytes has no codec zstd"))
    }

    #[cfg(feature = "zstd")]
    fn zstd<'a>(
        &mut self,
        entry: &mut Entry,
        encoder: &mut dyn Encode<'a>,
        watch: Watch<'_>,
    ) -> Result<()> {
        let mut packer = ZstdPacker::new(self.options.zstd_level, encoder.total())?;
        let (start, mut crc, mut seen) = (self.at, Crc32::default(), 0);
        let mut space = vec![0; BUFFER];
        while let Some(piece) = encoder.next()? {
            crc.update(&piece);
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let step = packer.step(rest, &mut space)?;
                rest = rest.get(step.taken..).unwrap_or_default();
                self.put(space.get(..step.made).unwrap_or_default())?;
            }
            seen += piece.len() as u64;
            watch(seen)?;
        }
        loop {
            let step = packer.finish(&mut space)?;
            self.put(space.get(..step.made).unwrap_or_default())?;
            if step.end {
                break;
            }
        }
        (entry.crc, entry.size, entry.packed) = (crc.value(), seen, self.at - start);
        Ok(())
    }

    /// Writes the local header again, now that all is known.
    fn patch(&mut self, seek: fn(&mut W, SeekFrom) -> IoResult<u64>, entry: &Entry) -> Result<()> {
        let header = entry.local(self.is_aligned());
        seek(&mut self.target, SeekFrom::Start(entry.start))?;
        self.target.write_all(&header)?;
        seek(&mut self.target, SeekFrom::Start(self.at))?;
        Ok(())
    }
}

/// Deflates a member to `sink`, and tells the base-2 logarithm of how long its blocks are.
pub(super) fn pack<'a>(
    encoder: &mut dyn Encode<'a>,
    options: WriteOptions,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    watch: Watch<'_>,
) -> Result<(Packed, u8)> {
    let log = Blocks::usual(encoder.total().unwrap_or_default());
    let block = usize::try_from(1u64 << log).map_err(|_| Error::overflow("a block"))?;
    let mut packer = Packer::new(None, options.level, options.threads, block);
    let mut seen = 0;
    while let Some(piece) = encoder.next()? {
        packer.push(&piece, sink)?;
        seen += piece.len() as u64;
        watch(seen)?;
    }
    Ok((packer.finish(sink)?, log))
}

/// Bytes of the directory, and of what zstd makes, that are written at a time.
const BUFFER: usize = 1 << 16;
