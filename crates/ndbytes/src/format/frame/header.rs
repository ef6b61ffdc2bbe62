//! The header of a frame: fixed numbers, a JSON object, and a sum over both.

use super::grid::Grid;
use super::mark::{Grown, MARK, parse_mark};
use super::record::BlockHeader;
use crate::array::nbytes;
use crate::codec::{Engine, Filter, crc32c};
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::format::header::Parsed;
use crate::format::metadata::dtype_of;
use crate::format::{Fields, Format, Header, Message, Metadata, holds, json};
use crate::limits::{Limits, MAX_NDIM};

/// The first eight bytes of a frame. The last bytes catch transfers in text mode, as in PNG.
pub const MAGIC: [u8; 8] = *b"\x89NDBF\r\n\x1a";

const FORMAT_VERSION: u8 = 0;
/// The flag of data in blocks.
const CODED: u8 = 1;
/// With the flag of rows that are appended.
const GROWING: u8 = 3;
/// The data starts at a multiple of so many bytes.
const ALIGN: usize = 64;
/// Bytes before the JSON object.
const FIXED: usize = 24;
/// Bytes of the sum at the end.
const SUM: usize = 4;
/// Where the header's length stands.
const LENGTH_AT: usize = 12;

/// How the data of a coded frame are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coding {
    /// What the writer chose for the array; a block may have another. In a frame that grows what its first block has, once that was read.
    pub filter: Filter,
    /// The same.
    pub engine: Engine,
    /// The lengths of a block along each axis of the shape.
    pub block: Vec<usize>,
    /// How far it has grown, if it is a frame to which rows are appended; blocks may have fewer of them then.
    pub grown: Option<Grown>,
}

/// The bytes of the header of a frame whose data lie in one piece, and the sum that the tail repeats.
///
/// # Errors
/// [`Argument`](ErrorKind::Argument) for attributes that are no JSON object;
/// [`Limit`](ErrorKind::Limit) for a header over 1 MiB, or a size that overflows.
pub fn encode_header(
    dtype: &DType,
    shape: &[usize],
    fortran_order: bool,
    metadata: &Metadata,
) -> Result<(Vec<u8>, u32)> {
    encode(dtype, shape, fortran_order, metadata, None)
}

/// The same, of a coded frame where it says how.
pub(super) fn encode(
    dtype: &DType,
    shape: &[usize],
    fortran_order: bool,
    metadata: &Metadata,
    coding: Option<&Coding>,
) -> Result<(Vec<u8>, u32)> {
    let grows = coding.is_some_and(|coding| coding.grown.is_some());
    let size = nbytes(shape, dtype.itemsize())? as u64;
    let mut lengths = list(shape);
    if grows {
        let others = shape.get(1..).unwrap_or_default();
        lengths = format!("null{}{}", if others.is_empty() { "" } else { "," }, list(others));
    }
    let mut members = vec![
        format!("\"dtype\":{}", json::quote(&dtype.to_string())?),
        format!("\"shape\":[{lengths}]"),
        format!("\"order\":\"{}\"", if fortran_order { 'F' } else { 'C' }),
    ];
    if let Some(coding) = coding {
        members.push(format!("\"block\":[{}]", list(&coding.block)));
    }
    members.extend(metadata.members()?);
    members.extend(metadata.message.map(|message| format!("\"message\":{}", message.to_json())));
    let text = format!("{{{}}}", members.join(","));
    let len = (FIXED + text.len() + SUM).next_multiple_of(ALIGN);
    let max = Limits::local().header;
    let written = u32::try_from(len).ok().filter(|_| len <= max);
    let written = written.ok_or_else(|| Error::limit("frame header", len as u64, max as u64))?;
    let mut header = MAGIC.to_vec();
    let flags = if grows { GROWING } else { CODED };
    let numbers =
        coding.map_or([0; 3], |coding| [flags, coding.filter.number(), coding.engine.number()]);
    header.push(FORMAT_VERSION);
    header.extend(numbers);
    header.extend(written.to_le_bytes());
    header.extend(if grows { 0 } else { size }.to_le_bytes());
    header.extend(text.as_bytes());
    header.resize(len - SUM, b' ');
    let sum = crc32c(&header);
    header.extend(sum.to_le_bytes());
    Ok((header, sum))
}

fn list(lengths: &[usize]) -> String {
    lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Reads a header that `bytes` begin, and must not go beyond. Nothing but its length is believed before its sum holds.
pub(in crate::format) fn parse(bytes: &[u8], limits: &Limits) -> Result<Parsed> {
    let Some(length) = bytes.get(LENGTH_AT..).and_then(|bytes| Fields(bytes).u32()) else {
        return Ok(Parsed::Needs(FIXED));
    };
    let (len, max) = (length as usize, limits.header);
    if len > max {
        return Err(
            Error::limit("frame header", u64::from(length), max as u64).at(LENGTH_AT as u64)
        );
    }
    if len < ALIGN || !len.is_multiple_of(ALIGN) {
        let message = format!("frame header: its length is {len}, which is no multiple of {ALIGN}");
        return Err(Error::malformed(message).at(LENGTH_AT as u64));
    }
    let Some((header, mark)) = bytes.split_at_checked(len) else {
        return Ok(Parsed::Needs(len));
    };
    let Some((front, sum)) = header.split_last_chunk() else { return Ok(Parsed::Needs(len)) };
    let sum = u32::from_le_bytes(*sum);
    if !holds(crc32c(front), sum) {
        let kind = ErrorKind::Checksum { block: None, range: 0..u64::from(length) };
        let message =
            format!("the frame's header (bytes 0 to {len}) is damaged: its CRC-32C does not hold");
        return Err(Error::new(kind, message).at(0));
    }
    let mut header = parse_fields(front, limits).map_err(|e| e.context("frame header"))?;
    (header.len, header.sum) = (u64::from(length), sum);
    if header.grown().is_some() {
        let Some(mark) = mark.first_chunk() else { return Ok(Parsed::Needs(len + MARK)) };
        parse_mark(mark, &mut header)?;
    }
    Ok(Parsed::Header(Box::new(header)))
}

fn parse_fields(front: &[u8], limits: &Limits) -> Result<Header> {
    let mut fields = Fields(front.get(MAGIC.len()..).unwrap_or_default());
    let short = || Error::malformed("it is too short for its fields");
    let [version, flags, filter, codec] = fields.take().ok_or_else(short)?;
    let _length = fields.u32();
    let size = fields.u64().ok_or_else(short)?;
    let unsupported = |what: &str, found: u8, at: u64| {
        // What may stand there: in a frame without blocks neither filter nor codec.
        let known = match (what, flags) {
            ("flags", _) => "0, 1 and 3 are read",
            ("version", _) | (_, 0) => "0 is read",
            _ => "it is not known",
        };
        let message = format!("{what} {found}; {known}: update ndbytes");
        Err(Error::unsupported(message).at(at))
    };
    let coding = match (version, flags, Filter::of_number(filter), Engine::of_number(codec)) {
        (FORMAT_VERSION, 0, Some(Filter::NONE), Some(Engine::Stored)) => None,
        (FORMAT_VERSION, CODED | GROWING, Some(filter), Some(engine)) => Some((filter, engine)),
        (FORMAT_VERSION, 0, Some(Filter::NONE), _)
        | (FORMAT_VERSION, CODED | GROWING, Some(_), None) => {
            return unsupported("codec", codec, 11);
        }
        (FORMAT_VERSION, 0 | CODED | GROWING, _, _) => return unsupported("filter", filter, 10),
        (FORMAT_VERSION, _, _, _) => return unsupported("flags", flags, 9),
        _ => return unsupported("version", version, 8),
    };
    let text = std::str::from_utf8(fields.0).map_err(|error| {
        Error::malformed("its JSON is not UTF-8").at((FIXED + error.valid_up_to()) as u64)
    })?;
    let grown = (flags == GROWING).then_some(Grown::default());
    let (mut header, block) =
        parse_json(text, flags, limits).map_err(|error| error.at(FIXED as u64))?;
    if let Some((filter, engine)) = coding {
        header.coding = Some(Coding { filter, engine, block, grown });
        header.grid().and_then(|_| check_growing(&header)).map_err(|e| e.at(FIXED as u64))?;
    }
    if header.nbytes() != size {
        let expected = header.nbytes();
        let message = format!("it says {size} bytes of data, dtype and shape make {expected}");
        return Err(Error::malformed(message).at(16));
    }
    Ok(header)
}

/// That rows can be appended, if the header says so.
fn check_growing(header: &Header) -> Result<()> {
    let others = header.shape.iter().skip(1);
    let why = match &header.shape[..] {
        _ if header.grown().is_none() => return Ok(()),
        [] => "an array without axes",
        _ if header.fortran_order => "an array in order \"F\"",
        _ if header.dtype.itemsize() == 0 => "items of no bytes",
        _ if others.clone().any(|&len| len == 0) => "rows of no items",
        _ => return Ok(()),
    };
    Err(Error::malformed(format!("{why} cannot grow")))
}

/// Whether bytes begin as a coded frame does; nothing vouches for that yet.
#[must_use]
pub fn is_coded(front: &[u8]) -> bool {
    front.starts_with(&MAGIC) && front.get(MAGIC.len() + 1).is_some_and(|flags| flags & CODED != 0)
}

fn missing(key: &str) -> Error {
    Error::malformed(format!("the key {key:?} is missing"))
}

/// What the JSON object says, and the lengths of a block, which are there in a coded frame.
fn parse_json(text: &str, flags: u8, limits: &Limits) -> Result<(Header, Vec<usize>)> {
    let [dtype, shape, order, block, name, attrs, message] =
        json::members(text, ["dtype", "shape", "order", "block", "name", "attrs", "message"])?;
    let dtype = dtype_of(dtype.ok_or_else(|| missing("dtype"))?, limits)?;
    if matches!(dtype, DType::Sub(_)) {
        return Err(Error::malformed("a subarray dtype stands only inside a record"));
    }
    let lengths = |key: &str, text: Option<&str>, parse: fn(&str, usize) -> Result<Vec<u64>>| {
        let text = text.ok_or_else(|| missing(key))?;
        let lengths = parse(text, MAX_NDIM).map_err(|error| error.context(key))?;
        let fit = |len| usize::try_from(len).map_err(|_| Error::overflow("the array's size"));
        lengths.into_iter().map(fit).collect::<Result<Vec<_>>>()
    };
    let of_shape = if flags == GROWING { json::open_lengths } else { json::lengths };
    let shape = lengths("shape", shape, of_shape)?;
    let block = match flags {
        0 => Vec::new(),
        _ => lengths("block", block, json::lengths)?,
    };
    nbytes(&shape, dtype.itemsize())?;
    let fortran_order = match order.map(json::string).transpose()?.as_deref() {
        None | Some("C") => false,
        Some("F") => true,
        Some(other) => {
            let found = crate::error::quoted(other);
            return Err(Error::malformed(format!("order: expected \"C\" or \"F\", found {found}")));
        }
    };
    let message = message.map(Message::of).transpose()?;
    let metadata = Metadata { message, ..Metadata::of(name, attrs)? };
    let (format, coding) = (Format::Frame, None);
    Ok((Header { format, dtype, shape, fortran_order, metadata, coding, len: 0, sum: 0 }, block))
}

impl Header {
    /// How far a frame has grown to which rows are appended.
    pub(crate) fn grown(&self) -> Option<Grown> {
        self.coding.as_ref().and_then(|coding| coding.grown)
    }

    /// Says of a frame that grows, whose writer has chosen nothing for all of it, what its first block has.
    pub(crate) fn name_method(&mut self, first: &BlockHeader) {
        if let Some(coding) = self.coding.as_mut().filter(|coding| coding.grown.is_some()) {
            (coding.filter, coding.engine) = (first.filter, first.engine);
        }
    }

    /// The grid of a coded frame.
    ///
    /// # Errors
    /// [`Malformed`](ErrorKind::Malformed) where its blocks break the rules of `spec/FORMAT.md`, and for a header without blocks.
    pub(crate) fn grid(&self) -> Result<Grid> {
        let Some(coding) = &self.coding else {
            return Err(Error::malformed("the data are not in blocks"));
        };
        let (mut shape, mut block) = (self.shape.clone(), coding.block.clone());
        if self.fortran_order {
            shape.reverse();
            block.reverse();
        }
        match coding.grown {
            None => Grid::new(shape, block, self.dtype.itemsize()),
            Some(grown) => Grid::growing(shape, block, self.dtype.itemsize(), grown.blocks),
        }
    }
}
