//! What a member says of itself, without reading its data.

use super::archive::front_of;
use super::{Archive, is_npy};
use crate::error::{Error, Result};
use crate::format::npz::Method;
use crate::format::{DecodeOptions, Dest, Header};
use crate::io::{Peeked, peek, read_array, unwatched};
use std::io::{Error as IoError, ErrorKind, Read, Result as IoResult, Seek, SeekFrom};
use std::ops::Range;

impl<R: Read + Seek> Archive<R> {
    /// Header and tail of a stored member; of a compressed one the header only, since its end is not known before all
    /// is unpacked. The CRC-32 of the member is not compared.
    ///
    /// # Errors
    /// As [`Archive::member`], and [`peek`](crate::io::peek) about bytes of the member.
    pub fn peek_member(&mut self, index: usize, options: DecodeOptions) -> Result<Peeked> {
        let range = self.range(index)?;
        let entry = self.entries().get(index);
        let (stored, label) = match entry {
            Some(entry) => (entry.method()? == Method::Stored, entry.label()),
            None => (false, String::new()), // Which `range` has refused.
        };
        let peeked = match stored {
            true => peek(
                Section::new(self.reader_mut(), range.clone()),
                range.end - range.start,
                options,
            ),
            false => self.header_of(index, options),
        };
        peeked.map_err(|error| error.context(format_args!("inside {label}")))
    }

    /// The same of a compressed member that is an array; None for one that holds other bytes.
    ///
    /// # Errors
    /// As [`Archive::peek_member`].
    pub fn peek_packed(&mut self, index: usize, options: DecodeOptions) -> Result<Option<Peeked>> {
        let mut member = self.member(index)?;
        let (label, size) = (member.entry().label(), member.entry().size());
        let front = front_of(&mut member)?;
        if !is_npy(&front) {
            return Ok(None);
        }
        let peeked = header_of(front.chain(member), size, options);
        peeked.map(Some).map_err(|error| error.context(format_args!("inside {label}")))
    }

    fn header_of(&mut self, index: usize, options: DecodeOptions) -> Result<Peeked> {
        let member = self.member(index)?;
        let size = member.entry().size();
        header_of(member, size, options)
    }
}

/// The header of a member of so many bytes.
fn header_of(mut member: impl Read, size: u64, options: DecodeOptions) -> Result<Peeked> {
    let mut found = None;
    let seen = |header: &Header| -> Result<Dest<'static>> {
        found = Some(header.clone());
        Err(Error::argument("no more is wanted"))
    };
    let options = DecodeOptions { input_len: Some(size), whole: true, ..options };
    let stopped = read_array(&mut member, options, seen, &mut unwatched);
    match (found, stopped) {
        (Some(header), _) => Ok(Peeked { header, container: None, tail: None }),
        (None, Err(error)) => Err(error),
        (None, Ok(decoded)) => Ok(Peeked { header: decoded.header, container: None, tail: None }),
    }
}

/// A part of a reader, as a reader of its own.
struct Section<'r, R> {
    reader: &'r mut R,
    range: Range<u64>,
    /// Where in the reader the next byte is read.
    at: u64,
}

impl<'r, R> Section<'r, R> {
    fn new(reader: &'r mut R, range: Range<u64>) -> Self {
        let at = range.start;
        Self { reader, range, at }
    }
}

impl<R: Read + Seek> Read for Section<'_, R> {
    fn read(&mut self, space: &mut [u8]) -> IoResult<usize> {
        let left = usize::try_from(self.range.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let most = left.min(space.len());
        self.reader.seek(SeekFrom::Start(self.at))?;
        let n = self.reader.read(space.get_mut(..most).unwrap_or_default())?;
        self.at = self.at.saturating_add(n as u64);
        Ok(n)
    }
}

impl<R: Seek> Seek for Section<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        let at = match to {
            SeekFrom::Start(offset) => self.range.start.checked_add(offset),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.range.end.checked_add_signed(by),
        };
        let at = at.filter(|&at| at >= self.range.start);
        self.at = at.ok_or_else(|| IoError::from(ErrorKind::InvalidInput))?;
        Ok(self.at - self.range.start)
    }
}
