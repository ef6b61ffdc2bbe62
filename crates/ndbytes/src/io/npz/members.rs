//! What is in an archive, and that it can be only that.

use crate::error::{Error, Result, quoted};
use crate::format::npz::{CENTRAL, Directory, Entry, LOCAL, LONGEST_TAIL};
use crate::io::read::read;
use crate::limits::Limits;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// The members of an archive.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) entries: Vec<Entry>,
    /// Up to where the bytes of each may go.
    bounds: Vec<u64>,
    by_name: Vec<usize>,
}

impl Members {
    /// Reads the directory; nothing is allocated before its bytes have come.
    pub(super) fn read(reader: &mut (impl Read + Seek), limits: &Limits) -> Result<Self> {
        let directory = find_directory(reader)?;
        let entries = read_entries(reader, directory, limits)?;
        let by_name = sorted_by_name(&entries)?;
        let bounds = bounds(&entries, directory.start)?;
        Ok(Self { entries, bounds, by_name })
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let named = |&index: &usize| self.entries.get(index).map_or("", Entry::name).cmp(name);
        let place = self.by_name.binary_search_by(named).ok()?;
        self.by_name.get(place).copied()
    }

    /// A member, and up to where its bytes may go.
    ///
    /// # Errors
    /// Argument for no index of one.
    pub(super) fn get(&self, index: usize) -> Result<(&Entry, u64)> {
        let found = self.entries.get(index).zip(self.bounds.get(index).copied());
        found.ok_or_else(|| {
            let count = self.entries.len();
            Error::argument(format!("no member {index}: the archive has {count}, counted from 0"))
        })
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

pub(super) fn overlap(entry: &Entry, bound: u64) -> Error {
    let message = format!(
        "{} has {} bytes in the archive, and at byte {bound} another member or the directory begins",
        entry.label(),
        entry.packed
    );
    Error::malformed(message).at(entry.start)
}

/// Fills all of `space` with the bytes from `at` on.
pub(super) fn fill(reader: &mut impl Read, mut space: &mut [u8], at: u64) -> Result<()> {
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
