//! The header of a `.npy` file: magic, version, length, and a Python dict of three keys.

use crate::array::nbytes;
use crate::codec::crc32c;
use crate::dtype::{DType, Mode, Parser, tuple};
use crate::error::{Error, ErrorKind, Result, quoted};
use crate::format::header::Parsed;
use crate::format::{Accept, Format, Header, Metadata};
use crate::limits::Limits;
use std::borrow::Cow;

/// The first six bytes of every `.npy` file.
pub const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// NumPy aligns the data to so many bytes.
const ALIGN: usize = 64;
/// NumPy leaves room for the growing axis to have so many digits.
const GROWTH_DIGITS: usize = 21;

/// The versions of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.0: a header up to 65,535 bytes, Latin-1.
    V1,
    /// 2.0: a header up to 4 GiB, Latin-1.
    V2,
    /// 3.0: a header up to 4 GiB, UTF-8.
    V3,
}

impl Version {
    /// The number of the version, `major.0`.
    #[must_use]
    pub fn major(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    /// Bytes of the field that holds the header's length.
    fn length_size(self) -> usize {
        if self == Self::V1 { 2 } else { 4 }
    }

    /// Bytes before the dict.
    fn prefix(self) -> usize {
        MAGIC.len() + 2 + self.length_size()
    }
}

/// The bytes of a header exactly as `np.save` writes them; without a version, the oldest that can hold it.
///
/// # Errors
/// [`Argument`](ErrorKind::Argument) if `dtype` has no `descr` or the version cannot hold the header.
pub fn encode_header(
    dtype: &DType,
    shape: &[usize],
    fortran_order: bool,
    version: Option<Version>,
) -> Result<Vec<u8>> {
    let dict = dict(dtype, shape, fortran_order)?;
    if let Some(version) = version {
        return wrap(&dict, version);
    }
    match wrap(&dict, Version::V1) {
        Ok(header) => Ok(header),
        Err(_) if dict.chars().all(|c| u32::from(c) < 256) => wrap(&dict, Version::V2),
        Err(_) => wrap(&dict, Version::V3),
    }
}

/// Reads a header that `bytes` begin and must not go beyond: magic, version, length, dict.
pub(in crate::format) fn parse(bytes: &[u8], lenient: bool, limits: &Limits) -> Result<Parsed> {
    let Some(([_, _, _, _, _, _, major, minor], rest)) = bytes.split_first_chunk() else {
        return Ok(Parsed::Needs(8));
    };
    let version = version(*major, *minor)?;
    let Some((length, text)) = rest.split_at_checked(version.length_size()) else {
        return Ok(Parsed::Needs(version.prefix()));
    };
    let length = length.iter().rev().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
    let max = limits.header;
    let Some(length) = usize::try_from(length).ok().filter(|&n| n <= max) else {
        return Err(Error::limit("npy header", length, max as u64).at(8));
    };
    if text.len() < length {
        return Ok(Parsed::Needs(version.prefix() + length));
    }
    let mut header = parse_text(version, text, lenient, limits)?;
    header.sum = crc32c(bytes);
    Ok(Parsed::Header(Box::new(header)))
}

/// Reads the dict that stands behind the prefix; `text` must be all of it.
fn parse_text(version: Version, text: &[u8], lenient: bool, limits: &Limits) -> Result<Header> {
    let start = version.prefix();
    let decoded = decode(version, text).map_err(|e| e.shifted(start as u64))?;
    // Latin-1 text grew when it became UTF-8: an offset in it counts characters of the file.
    let in_file = |offset: u64| {
        let text = decoded.get(..usize::try_from(offset).unwrap_or(usize::MAX)).unwrap_or(&decoded);
        let bytes = if version == Version::V3 { text.len() } else { text.chars().count() };
        (start + bytes) as u64
    };
    let mode = if lenient { Mode::NumPy } else { Mode::Strict };
    let (dtype, shape, fortran_order) =
        parse_dict(&decoded, mode, limits).map_err(|error| match error.offset() {
            Some(offset) => error.at(in_file(offset)).context("npy header"),
            None => error.context("npy header"),
        })?;
    nbytes(&shape, dtype.itemsize()).map_err(|e| e.context("npy header"))?;
    Ok(Header {
        format: Format::Npy(version),
        dtype,
        shape,
        fortran_order,
        coding: None,
        metadata: Metadata::default(),
        len: (start + text.len()) as u64,
        sum: 0,
    })
}

fn dict(dtype: &DType, shape: &[usize], fortran_order: bool) -> Result<String> {
    let order = if fortran_order { "True" } else { "False" };
    let mut dict = String::with_capacity(2 * ALIGN);
    for part in ["{'descr': ", &dtype.descr()?, ", 'fortran_order': ", order, ", 'shape': "] {
        dict.push_str(part);
    }
    dict.push_str(&tuple(shape));
    dict.push_str(", }");
    let growing = if fortran_order { shape.last() } else { shape.first() };
    if let Some(len) = growing {
        let digits = len.checked_ilog10().unwrap_or(0) as usize + 1;
        dict.extend(std::iter::repeat_n(' ', GROWTH_DIGITS.saturating_sub(digits)));
    }
    Ok(dict)
}

fn wrap(dict: &str, version: Version) -> Result<Vec<u8>> {
    let unfit =
        |why: String| Error::argument(format!("{why} for npy version {}.0", version.major()));
    let latin1 = |c: char| {
        u8::try_from(u32::from(c))
            .map_err(|_| unfit(format!("a field name with {c:?} is not Latin-1")))
    };
    let text: Cow<'_, [u8]> = match version == Version::V3 || dict.is_ascii() {
        true => dict.as_bytes().into(),
        false => dict.chars().map(latin1).collect::<Result<Vec<u8>>>()?.into(),
    };
    let used = version.prefix() + text.len() + 1;
    let padding = ALIGN - used % ALIGN;
    let length = text.len() + padding + 1;
    let mut header = Vec::with_capacity(version.prefix() + length);
    header.extend(MAGIC);
    header.extend([version.major(), 0]);
    let too_long = |_| unfit(format!("header length {length} too big"));
    match version {
        Version::V1 => header.extend(u16::try_from(length).map_err(too_long)?.to_le_bytes()),
        _ => header.extend(u32::try_from(length).map_err(too_long)?.to_le_bytes()),
    }
    header.extend_from_slice(&text);
    header.resize(header.len() + padding, b' ');
    header.push(b'\n');
    Ok(header)
}

fn decode(version: Version, text: &[u8]) -> Result<Cow<'_, str>> {
    if version != Version::V3 && !text.is_ascii() {
        let wide = text.iter().filter(|byte| !byte.is_ascii()).count();
        let mut decoded = String::with_capacity(text.len() + wide);
        decoded.extend(text.iter().map(|&byte| char::from(byte)));
        return Ok(decoded.into());
    }
    match std::str::from_utf8(text) {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            let at = error.valid_up_to() as u64;
            Err(Error::malformed("npy header: version 3.0 is UTF-8, this is not").at(at))
        }
    }
}

/// `'{' key ':' value { ',' key ':' value } '}'`, each of the three keys once.
fn parse_dict(text: &str, mode: Mode, limits: &Limits) -> Result<(DType, Vec<usize>, bool)> {
    let mut parser = Parser::new(text, mode, limits);
    let (mut dtype, mut shape, mut order) = (None, None, None);
    parser.expect('{', "dict")?;
    let mut more = !parser.eat('}');
    while more {
        parser.peek();
        let at = parser.offset();
        let key = parser.string("key")?;
        parser.expect(':', "dict")?;
        let again = match key.as_str() {
            "descr" => dtype.replace(parser.descr()?).is_some(),
            "fortran_order" => order.replace(boolean(&mut parser)?).is_some(),
            "shape" => shape.replace(parser.shape("shape")?).is_some(),
            _ => return Err(Error::malformed(format!("unknown key {}", quoted(&key))).at(at)),
        };
        if again && !parser.is_lenient() {
            let why = "ndbytes.numpy.load takes the last one, as np.load does";
            return Err(Error::malformed(format!("duplicate key {key:?}; {why}")).at(at));
        }
        more = parser.more('}', "dict")?;
    }
    if mode == Mode::Strict && !text.ends_with('\n') {
        return Err(Error::malformed("no newline at the end").at(text.len() as u64));
    }
    parser.end("dict")?;
    match (dtype, shape, order) {
        (Some(dtype), Some(shape), Some(order)) => Ok((dtype, shape, order)),
        (dtype, shape, _) => {
            let missing = if dtype.is_none() {
                "descr"
            } else if shape.is_none() {
                "shape"
            } else {
                "fortran_order"
            };
            Err(parser.error(format!("the key {missing:?} is missing")))
        }
    }
}

fn boolean(parser: &mut Parser<'_>) -> Result<bool> {
    if parser.eat_word("True") {
        return Ok(true);
    }
    if parser.eat_word("False") {
        return Ok(false);
    }
    Err(parser.error("fortran_order: expected True or False"))
}

/// Why the first bytes are not those of a format that is read, with a guess at what they are.
pub(in crate::format) fn wrong_magic(found: &[u8], accept: Accept) -> Error {
    let guess = match found {
        [b'P', b'K', ..] => "; this looks like a zip or .npz archive",
        [0x1f, 0x8b, ..] => "; this looks like gzip: unpack it first",
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => "; this looks like a zlib stream",
        [0x89, b'H', b'D', b'F', ..] => "; this looks like HDF5",
        [0x80, 2..=5, ..] => "; this looks like a pickle, which is never read: it can run code",
        [0x93, b'N', b'U', b'M', ..] if accept == Accept::Frame => {
            "; this looks like .npy: a sender that has only NumPy needs npy=True here"
        }
        [0x89, b'N', b'D', b'B', b'F', ..] if accept == Accept::Npy => {
            "; this looks like a frame of ndbytes"
        }
        [0x89, b'N', b'D', b'B', b'F', ..] => {
            "; its magic is damaged, as by a transfer in text mode"
        }
        _ => "; for bytes without a header, declare dtype and shape",
    };
    let wanted = match accept {
        Accept::Npy => "not a .npy file: expected \\x93NUMPY",
        Accept::Frame => "not a frame of ndbytes: expected \\x89NDBF",
        Accept::Any => "not a .npy or .ndb file: expected \\x93NUMPY or \\x89NDBF",
    };
    let found: String = found
        .iter()
        .take(6)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    Error::malformed(format!("{wanted}, found {found}{guess}")).at(0)
}

/// The version of these two bytes.
fn version(major: u8, minor: u8) -> Result<Version> {
    match (major, minor) {
        (1, 0) => Ok(Version::V1),
        (2, 0) => Ok(Version::V2),
        (3, 0) => Ok(Version::V3),
        _ => {
            let message = format!("npy version {major}.{minor}; 1.0, 2.0 and 3.0 are read");
            Err(Error::new(ErrorKind::Unsupported, message).at(6))
        }
    }
}
