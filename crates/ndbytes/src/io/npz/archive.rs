//! Opening archives and reading their members.

use super::blocks::Inflating;
use super::members::{Members, fill, overlap};
use super::{Member, Parts, is_npy, once};
use crate::buffer::{Buffer, BufferMut};
use crate::error::{Error, Result};
use crate::format::npz::{DESCRIPTOR, Entry, LOCAL};
use crate::format::{DecodeOptions, Decoded, Dest, Header, HeaderDecoder, npy};
use crate::io::read::{fill_buffer, fill_header, read, read_array};
use crate::io::{Locked, Place, ReadAt, Watch};
use crate::limits::Limits;
use crate::threads::Threads;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

/// An archive whose directory was read. Its members are read one at a time, from the reader it stands on; for several at once clone
/// it, where its reader can be: clones share the directory.
///
/// ```
/// use ndbytes::{ArrayRef, DecodeOptions, Dest, Limits, npy};
/// use ndbytes::io::{self, npz};
/// let mut writer = npz::Writer::streamed(Vec::new(), npz::WriteOptions::default());
/// for name in ["a.npy", "b.npy"] {
///     let array = ArrayRef::from_slice(&[1u8, 2, 3], &[3])?;
///     let mut encoder = npy::Encoder::new(&array, &npy::EncodeOptions::bare())?;
///     writer.add(name, &mut encoder, &mut io::unwatched)?;
/// }
/// let file = writer.finish()?;
///
/// let place = io::Place::new(&file[..], file.len() as u64);
/// let archive = npz::Archive::open(place, &Limits::local())?;
/// std::thread::scope(|scope| {
///     for index in 0..archive.entries().len() {
///         let mut archive = archive.clone();
///         scope.spawn(move || {
///             let options = DecodeOptions::default();
///             archive.read_array(index, options, |_| Ok(Dest::Owned), &mut io::unwatched).unwrap()
///         });
///     }
/// });
/// # Ok::<(), ndbytes::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Archive<R> {
    reader: R,
    members: Arc<Members>,
    threads: Threads,
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of the archive that is all of `reader`; nothing is allocated before its bytes have come.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed), also for names that stand twice and members that overlap each other
    /// or the directory; [`Truncated`](crate::ErrorKind::Truncated) for what begins like an archive and has no end
    /// record; [`Unsupported`](crate::ErrorKind::Unsupported) for split archives, versions over 6.3 and members with
    /// two names; [`Limit`](crate::ErrorKind::Limit) for more than `limits.members`; [`Io`](crate::ErrorKind::Io).
    pub fn open(mut reader: R, limits: &Limits) -> Result<Self> {
        let members = Arc::new(Members::read(&mut reader, limits)?);
        Ok(Self { reader, members, threads: Threads::default() })
    }

    /// The same with so many threads for one member: those whose blocks the directory tells of are inflated by several.
    #[must_use]
    pub fn with_threads(mut self, threads: Threads) -> Self {
        self.threads = threads;
        self
    }

    /// The same archive through another reader of the same bytes.
    pub fn through<S>(&self, reader: S) -> Archive<S> {
        Archive { reader, members: Arc::clone(&self.members), threads: self.threads }
    }

    /// What the directory says of the members, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.members.entries
    }

    /// The index of the member with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        self.members.find(name)
    }

    /// A reader of the bytes of one member.
    ///
    /// # Errors
    /// As [`Archive::range`], [`Entry::method`], and, for one without bytes, the reader's.
    pub fn member(&mut self, index: usize) -> Result<Member<'_, R>> {
        let range = self.checked(index)?;
        self.member_in(index, range)
    }

    /// The same for one whose range is known.
    fn member_in(&mut self, index: usize, range: Range<u64>) -> Result<Member<'_, R>> {
        self.reader.seek(SeekFrom::Start(range.start))?;
        let (entry, _) = self.members.get(index)?;
        Member::new(&mut self.reader, entry, range)
    }

    /// Which bytes of the archive are those of one member, deflated if it is. What stands around them was held
    /// against the directory; its sum was not.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for no index of a member; [`Malformed`](crate::ErrorKind::Malformed)
    /// where its local header or data descriptor differs from the directory, or its bytes overlap others;
    /// [`Truncated`](crate::ErrorKind::Truncated) if the archive was cut meanwhile; [`Io`](crate::ErrorKind::Io).
    pub fn range(&mut self, index: usize) -> Result<Range<u64>> {
        let (entry, bound) = self.members.get(index)?;
        let start = check_local(&mut self.reader, entry)?;
        let range = match start.checked_add(entry.packed) {
            Some(end) if end <= bound => start..end,
            _ => return Err(overlap(entry, bound)),
        };
        if entry.has_descriptor() {
            let mut space = [0; DESCRIPTOR];
            let left = usize::try_from(bound - range.end).unwrap_or(usize::MAX).min(DESCRIPTOR);
            let space = space.get_mut(..left).unwrap_or_default();
            self.reader.seek(SeekFrom::Start(range.end))?;
            fill(&mut self.reader, space, range.end)?;
            entry.check_descriptor(space, range.end)?;
        }
        Ok(range)
    }

    /// The range of a member that can be read.
    fn checked(&mut self, index: usize) -> Result<Range<u64>> {
        let (entry, _) = self.members.get(index)?;
        entry.method()?;
        entry.check_ratio()?;
        self.range(index)
    }

    /// Whether a member is an array: whether it begins as a `.npy` file does.
    ///
    /// # Errors
    /// As [`Archive::member`], and those of reading its first bytes.
    pub fn is_array(&mut self, index: usize) -> Result<bool> {
        Ok(is_npy(&front_of(&mut self.member(index)?)?))
    }

    /// The reader, wherever it stands.
    pub fn into_inner(self) -> R {
        self.reader
    }

    pub(super) fn reader_mut(&mut self) -> &mut R {
        &mut self.reader
    }
}

impl<R: Read + Seek + Send> Archive<R> {
    /// Reads one member as an array, to its end: its CRC-32 seals it. `choose` sees the header and says where the
    /// data goes, or refuses it; `watch` counts the member's bytes. A member whose blocks are known is inflated by several threads, to
    /// where it stays; another one, for [`Dest::Owned`], at once.
    ///
    /// # Errors
    /// As [`Archive::member`] and [`Member`]; as [`read_array`](crate::io::read_array), about bytes of the member.
    pub fn read_array<'d>(
        &mut self,
        index: usize,
        mut options: DecodeOptions,
        choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
        watch: Watch<'_>,
    ) -> Result<Decoded> {
        let range = self.checked(index)?;
        let members = Arc::clone(&self.members);
        let (entry, _) = members.get(index)?;
        options.input_len = Some(entry.size);
        (options.whole, options.sealed) = (true, true);
        if entry.blocks.is_none() && !once::suits(entry) {
            return self.stream(index, range, options, choose, watch);
        }
        let Some(header) = self.peek(index, &range, &options) else {
            return self.stream(index, range, options, choose, watch);
        };
        let dest = choose(&header)?;
        if matches!(dest, Dest::Owned) && once::suits_array(entry, &header) {
            if let Some(bytes) = self.whole(entry, &range, watch)? {
                return once::array(bytes.freeze()?, header, &options);
            }
        } else if entry.blocks.is_some() {
            let source = Locked::new(&mut self.reader);
            let member = Inflating::new(&source, entry, range.start)?;
            return member.read_array(options, |_| Ok(dest), self.threads, watch);
        }
        // It says where the fault is, if there is one.
        self.stream(index, range, options, |_| Ok(dest), watch)
    }

    /// All bytes of a member that has blocks, or is inflated in one go; None where the latter is not possible.
    fn whole(
        &mut self,
        entry: &Entry,
        range: &Range<u64>,
        watch: Watch<'_>,
    ) -> Result<Option<BufferMut>> {
        if entry.blocks.is_some() {
            let source = Locked::new(&mut self.reader);
            return Inflating::new(&source, entry, range.start)?
                .read_all(self.threads, watch)
                .map(Some);
        }
        if !once::suits(entry) {
            return Ok(None);
        }
        self.reader.seek(SeekFrom::Start(range.start))?;
        once::read(&mut self.reader, entry, watch)
    }

    /// All bytes of one member, whatever they are, as [`Archive::read_array`] reads an array.
    ///
    /// # Errors
    /// As [`Archive::member`] and [`Member`]; [`Limit`](crate::ErrorKind::Limit) beyond `limits.array`;
    /// [`Memory`](crate::ErrorKind::Memory), and whatever `watch` returns.
    pub fn read(&mut self, index: usize, limits: &Limits, watch: Watch<'_>) -> Result<Buffer> {
        self.read_mut(index, limits, watch)?.freeze()
    }

    /// The same, in memory that can be written to.
    ///
    /// # Errors
    /// As [`Archive::read`].
    pub fn read_mut(
        &mut self,
        index: usize,
        limits: &Limits,
        watch: Watch<'_>,
    ) -> Result<BufferMut> {
        let range = self.checked(index)?;
        let members = Arc::clone(&self.members);
        let (entry, _) = members.get(index)?;
        let (size, max) = (entry.size, limits.array);
        if size > max {
            return Err(Error::limit("array", size, max).context(entry.label()));
        }
        if let Some(bytes) = self.whole(entry, &range, watch)? {
            return Ok(bytes);
        }
        let mut bytes = BufferMut::new(size)?;
        // A member that ends early says so itself.
        fill_buffer(&mut self.member_in(index, range)?, &mut bytes, watch)?;
        Ok(bytes)
    }

    /// The header of an array, if it can be read.
    fn peek(
        &mut self,
        index: usize,
        range: &Range<u64>,
        options: &DecodeOptions,
    ) -> Option<Header> {
        let mut member = self.member_in(index, range.clone()).ok()?;
        let mut machine = HeaderDecoder::new(options.clone());
        fill_header(&mut |space| read(&mut member, space), &mut machine).ok()
    }

    /// Reads one member piece by piece.
    fn stream<'d>(
        &mut self,
        index: usize,
        range: Range<u64>,
        options: DecodeOptions,
        choose: impl FnOnce(&Header) -> Result<Dest<'d>>,
        watch: Watch<'_>,
    ) -> Result<Decoded> {
        let mut member = self.member_in(index, range)?;
        let decoded = read_array(&mut member, options, choose, watch);
        let decoded = decoded.map_err(|error| member.explain(error))?;
        // Where nothing was to be checked, the reader has not come to the end yet.
        member.skip()?;
        Ok(decoded)
    }
}

impl<S: ReadAt + Clone + Send> Archive<Place<S>> {
    /// Opens one member to read parts of it: see [`Parts`].
    ///
    /// # Errors
    /// As [`Archive::member`] and [`Parts`].
    pub fn parts(&self, index: usize, options: DecodeOptions) -> Result<Parts<S>> {
        let mut own = self.clone();
        let range = own.checked(index)?;
        let (entry, _) = self.members.get(index)?;
        Parts::open(own, index, entry.clone(), range, options)
    }
}

impl<S: ReadAt> Archive<Place<S>> {
    /// Where its bytes come from.
    pub(super) fn source(&self) -> &S {
        self.reader.source()
    }
}

/// The first bytes of a member, which say what it is; zeros where there are fewer.
pub(super) fn front_of(member: &mut impl Read) -> Result<[u8; npy::MAGIC.len()]> {
    let mut front = [0; npy::MAGIC.len()];
    let mut filled = 0;
    while let Some(space) = front.get_mut(filled..).filter(|space| !space.is_empty()) {
        match read(member, space)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(front)
}

/// An error about bytes of a member.
pub(super) fn inside(error: Error, entry: &Entry) -> Error {
    match error.offset() {
        None => error,
        Some(_) => error.context(format_args!("inside {}", entry.label())),
    }
}

/// Holds the local header of an entry against it, and says where its data starts.
fn check_local(reader: &mut (impl Read + Seek), entry: &Entry) -> Result<u64> {
    reader.seek(SeekFrom::Start(entry.start))?;
    let mut fixed = [0; LOCAL];
    fill(reader, &mut fixed, entry.start)?;
    let (name, extra) = entry.local_rest(&fixed)?;
    let mut rest = vec![0; name + extra];
    let behind = entry.start.saturating_add(LOCAL as u64);
    fill(reader, &mut rest, behind)?;
    let (name, extra) = rest.split_at_checked(name).unwrap_or_default();
    entry.check_local(&fixed, name, extra)?;
    Ok(behind.saturating_add(rest.len() as u64))
}
