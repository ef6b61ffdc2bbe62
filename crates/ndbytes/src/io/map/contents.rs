//! What a mapped file holds, found by the rules of reading and without touching its data.

use crate::array::Layout;
use crate::codec::BLOCK;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::format::raw::Raw;
use crate::format::{DecodeOptions, Dest, Header, HeaderDecoder, Metadata, Tail};
use crate::io::at::At;
use crate::io::read::{fill_header, read, run_body};
use crate::io::unwatched;
use std::fs::File;
use std::ops::Range;

/// How a file is to be understood.
#[derive(Debug, Clone)]
pub(super) enum How {
    /// Its header says.
    Described(DecodeOptions),
    /// The caller says.
    Raw(Raw),
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) dtype: DType,
    /// Where the items lie in the data.
    pub(super) layout: Layout,
    /// Where the data lie in the file.
    pub(super) data: Range<u64>,
    pub(super) form: Form,
}

#[derive(Debug)]
pub(super) enum Form {
    Raw(Raw),
    Described { header: Box<Header>, metadata: Metadata, tail: Option<Box<FileTail>> },
}

/// The tail of a file.
#[derive(Debug)]
pub(super) struct FileTail {
    pub(super) tail: Tail,
    /// As it stands in the file: others may spell its metadata in other ways than we do.
    pub(super) bytes: Vec<u8>,
}

impl Contents {
    /// Holds the size of the file against what is said of it.
    pub(super) fn read(file: &File, how: &How) -> Result<Self> {
        let len = file.metadata()?.len();
        match how {
            How::Raw(raw) => {
                let layout = raw.layout(&raw.shape(len)?, 0)?;
                let form = Form::Raw(raw.clone());
                Ok(Self { dtype: raw.spec.dtype.clone(), layout, data: raw.offset..len, form })
            }
            How::Described(options) => {
                let options =
                    DecodeOptions { input_len: Some(len), whole: true, ..options.clone() };
                Self::read_described(file, options)
            }
        }
    }

    fn read_described(file: &File, options: DecodeOptions) -> Result<Self> {
        let mut machine = HeaderDecoder::new(options);
        let mut front = At::new(file, 0);
        let header = fill_header(&mut |space| read(&mut front, space), &mut machine)?;
        if header.coding.is_some() {
            return Err(in_blocks());
        }
        let mut machine = machine.body(Dest::Discard)?;
        machine.skip_data();
        let mut behind = At::new(file, header.data_end());
        run_body(&mut |space| read(&mut behind, space), &mut machine, &mut unwatched)?;
        let (decoded, tail, bytes) = machine.finish_with_tail()?;
        let (header, metadata) = (Box::new(decoded.header), decoded.metadata);
        Ok(Self {
            dtype: header.dtype.clone(),
            layout: header.layout()?,
            data: header.len..header.data_end(),
            form: Form::Described {
                header,
                metadata,
                tail: tail.map(|tail| Box::new(FileTail { tail, bytes })),
            },
        })
    }

    /// The tail, with the header that it vouches for.
    pub(super) fn tail(&self) -> Option<(&Header, &FileTail)> {
        match &self.form {
            Form::Described { header, tail: Some(tail), .. } => Some((header, tail)),
            _ => None,
        }
    }

    /// Bytes of the file.
    pub(super) fn end(&self) -> u64 {
        self.data.end + self.tail().map_or(0, |(_, tail)| tail.bytes.len() as u64)
    }

    /// Blocks of 1 MiB that the data make.
    pub(super) fn blocks(&self) -> u64 {
        (self.data.end - self.data.start).div_ceil(BLOCK as u64)
    }

    /// Shows `each` these bytes of the file in pieces, never touching the map: a file may be cut.
    pub(super) fn pieces(
        file: &File,
        range: Range<u64>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut input = At::new(file, range.start);
        let mut scratch = vec![0; BLOCK];
        while input.offset() < range.end {
            let left = usize::try_from(range.end - input.offset()).unwrap_or(BLOCK).min(BLOCK);
            let n = read(&mut input, scratch.get_mut(..left).unwrap_or_default())?;
            if n == 0 {
                return Err(cut(input.offset(), range.end));
            }
            each(scratch.get(..n).unwrap_or_default())?;
        }
        Ok(())
    }
}

/// The error of a file that was long enough once.
pub(super) fn cut(found: u64, needed: u64) -> Error {
    let message =
        format!("the file was cut under its map: it ends at byte {found}, {needed} are needed");
    Error::truncated(message).at(found)
}

/// The error of a coded frame.
fn in_blocks() -> Error {
    Error::argument(
        "the data are in blocks, which must be decoded: load it without mmap, or save it with codec=\"none\"",
    )
}
