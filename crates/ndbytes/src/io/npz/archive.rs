//! Opening archives: what is in them, and that it can be only that.

use super::{Member, is_npy};
use crate::error::{Error, Result, quoted};
use crate::format::npz::{CENTRAL, DESCRIPTOR, Directory, Entry, LOCAL, LONGEST_TAIL};
use crate::format::{DecodeOptions, Decoded, Dest, Header, npy};
use crate::io::Watch;
use crate::io::read::{read, read_array};
use crate::limits::Limits;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

/// An archive whose directory was read. Its members are read one at a time, from the reader it stands on.
#[derive(Debug)]
pub struct Archive<R> {
    reader: R,
    entries: Vec<Entry>,
    /// Up to where the bytes of each may go.
    bounds: Vec<u64>,
    by_name: Vec<usize>,
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
        let directory = find_directory(&mut reader)?;
        let entries = read_entries(&mut reader, directory, limits)?;
        let by_name = sorted_by_name(&entries)?;
        let bounds = bounds(&entries, directory.start)?;
        Ok(Self { reader, entries, bounds, by_name })
    }

    /// What the directory says of the members, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The index of the member with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let named = |&index: &usize| self.entries.get(index).map_or("", Entry::name).cmp(name);
        let place = self.by_name.binary_search_by(named).ok()?;
        self.by_name.get(place).copied()
    }

    /// A reader of the bytes of one member.
    ///
    /// # Errors
    /// As [`Archive::range`], [`Entry::method`], and, for one without bytes, the reader's.
    pub fn member(&mut self, index: usize) -> Result<Member<'_, R>> {
        self.entry(index)?.method()?;
        let range = self.range(index)?;
        self.reader.seek(SeekFrom::Start(range.start))?;
        match self.entries.get(index) {
            Some(entry) => Member::new(&mut self.reader, entry, range),
            None => Err(self.no_member(index)),
        }
    }

    /// Which bytes of the archive are those of one member, deflated if it is. What stands around them was held
    /// against the directory; its sum was not.
    ///
    /// # Errors
    /// [`Argument`](crate::ErrorKind::Argument) for no index of a member; [`Malformed`](crate::ErrorKind::Malformed)
    /// where its local header or data descriptor differs from the directory, or its bytes overlap others;
    /// [`Truncated`](crate::ErrorKind::Truncated) if the archive was cut meanwhile; [`Io`](crate::ErrorKind::Io).
    pub fn range(&mut self, index: usize) -> Result<Range<u64>> {
        let bound = self.bounds.get(index).copied().unwrap_or_default();
        let Some(entry) = self.entries.get(index) else { return Err(self.no_member(index)) };
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

    /// Whether a member is an array: whether it begins as a `.npy` file does.
    ///
    /// # Errors
    /// As [`Archive::member`], and those of reading its first bytes.
    pub fn is_array(&mut self, index: usize) -> Result<bool> {
        let mut front = [0; npy::MAGIC.len()];
        let mut member = self.member(index)?;
        let mut filled = 0;
        while let Some(space) = front.get_mut(filled..).filter(|space| !space.is_empty()) {
            match read(&mut member, space)? {
                0 => break,
                n => filled += n,
            }
        }
        Ok(is_npy(&front))
    }

    /// Reads one member as an array, to its end: its CRC-32 seals it. `choose` sees the header and says where the
    /// data goes, or refuses it; `watch` counts the member's bytes.
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
        let mut member = self.member(index)?;
        options.input_len = Some(member.entry().size());
        (options.whole, options.sealed) = (true, true);
        let decoded = read_array(&mut member, options, choose, watch);
        let decoded = decoded.map_err(|error| match member.failure() {
            // It has said whose bytes they are.
            Some(_) => error,
            None if error.offset().is_none() => error,
            None => error.context(format_args!("inside {}", member.entry().label())),
        })?;
        // Where nothing was to be checked, the reader has not come to the end yet.
        member.skip()?;
        Ok(decoded)
    }

    /// The reader, wherever it stands.
    pub fn into_inner(self) -> R {
        self.reader
    }

    fn entry(&self, index: usize) -> Result<&Entry> {
        self.entries.get(index).ok_or_else(|| self.no_member(index))
    }

    fn no_member(&self, index: usize) -> Error {
        let count = self.entries.len();
        Error::argument(format!("no member {index}: the archive has {count}, counted from 0"))
    }
}

/// Finds the end record, and what it says.
fn find_directory(reader: &mut (impl Read + Seek)) -> Result<Directory> {
    let len = reader.seek(SeekFrom::End(0))?;
    let from = len.saturating_sub(LONGEST_TAIL as u64);
    let mut tail = vec![0; usize::try_from(len - from).unwrap_or(LONGEST_TAIL)];
    reader.seek(SeekFrom::Start(from))?;
    fill(reader, &mut tail, from)?;
    if let Some(directory) = Directory::find(&tail, from)? {
        return Ok(directory);
    }
    let mut front = [0; 2];
    reader.seek(SeekFrom::Start(0))?;
    Err(match fill(reader, &mut front, 0) {
        _ if len == 0 => Error::truncated("no zip archive: the input is empty").at(0),
        Ok(()) if front == *b"PK" => {
            Error::truncated("the zip archive is cut: it has no end record").at(len)
        }
        _ => Error::malformed("no zip archive: neither its start nor its end is one").at(0),
    })
}

/// Reads the records of the directory, which take exactly the bytes that the end record says.
fn read_entries(
    reader: &mut (impl Read + Seek),
    directory: Directory,
    limits: &Limits,
) -> Result<Vec<Entry>> {
    let Directory { start, size, count } = directory;
    let max = limits.members as u64;
    if count > max {
        return Err(Error::limit("npz members", count, max).at(start));
    }
    reader.seek(SeekFrom::Start(start))?;
    let mut reader = BufReader::new(reader.take(size));
    let (mut entries, mut at) = (Vec::new(), start);
    let mut rest = Vec::new();
    for _ in 0..count {
        let mut fixed = [0; CENTRAL];
        fill(&mut reader, &mut fixed, at)?;
        let lengths = Entry::central_rest(&fixed, at)?;
        rest.resize(lengths.iter().sum(), 0);
        fill(&mut reader, &mut rest, at)?;
        let [name, extra, _comment] = lengths;
        let (name, behind) = rest.split_at_checked(name).unwrap_or_default();
        let extra = behind.get(..extra).unwrap_or_default();
        entries.push(Entry::parse(&fixed, name, extra).map_err(|error| error.at(at))?);
        at += (CENTRAL + rest.len()) as u64;
    }
    if at != start.saturating_add(size) {
        let found = entries.len();
        let message =
            format!("the {found} records of the zip directory do not fill its {size} bytes");
        return Err(Error::malformed(message).at(at));
    }
    Ok(entries)
}

/// The indices of all entries in the order of their names, of which none stands twice.
fn sorted_by_name(entries: &[Entry]) -> Result<Vec<usize>> {
    let name = |index: usize| entries.get(index).map_or("", Entry::name);
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&index| name(index));
    let twice = order.array_windows().find(|[one, two]| name(*one) == name(*two));
    match twice.and_then(|[_, two]| entries.get(*two)) {
        None => Ok(order),
        Some(entry) => {
            let message = format!("two members are called {}", quoted(entry.name()));
            Err(Error::malformed(message).at(entry.start))
        }
    }
}

/// Up to where each entry may go: the next one, or the directory. How long the extra fields of its local header are is
/// not known here; without them, at least, all fit.
fn bounds(entries: &[Entry], directory: u64) -> Result<Vec<u64>> {
    let mut order: Vec<(u64, usize)> =
        entries.iter().enumerate().map(|(index, entry)| (entry.start, index)).collect();
    order.sort_unstable();
    let mut bounds = vec![0; entries.len()];
    let mut bound = directory;
    for (start, index) in order.into_iter().rev() {
        let Some((entry, place)) = entries.get(index).zip(bounds.get_mut(index)) else { continue };
        let header = (LOCAL + entry.name_len) as u64;
        match start.checked_add(header).and_then(|data| data.checked_add(entry.packed)) {
            Some(end) if end <= bound => {}
            _ => return Err(overlap(entry, bound)),
        }
        *place = bound;
        bound = start;
    }
    Ok(bounds)
}

fn overlap(entry: &Entry, bound: u64) -> Error {
    let message = format!(
        "{} has {} bytes in the archive, and at byte {bound} another member or the directory begins",
        entry.label(),
        entry.packed
    );
    Error::malformed(message).at(entry.start)
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

/// Fills all of `space` with the bytes from `at` on.
fn fill(reader: &mut impl Read, mut space: &mut [u8], at: u64) -> Result<()> {
    let wanted = space.len();
    while !space.is_empty() {
        let n = read(reader, space)?;
        if n == 0 {
            let message = format!("the zip archive ends within {wanted} bytes that should be here");
            return Err(Error::truncated(message).at(at));
        }
        space = space.split_at_mut_checked(n).unwrap_or_default().1;
    }
    Ok(())
}
