//! What the header of any self-describing format says.

use super::Metadata;
use super::frame::Coding;
use super::npy::Version;
use crate::array::{Layout, Order};
use crate::codec::BLOCK;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

/// The formats that describe themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// NumPy's `.npy`, bare or checked.
    Npy(Version),
    /// The frame: what a `.ndb` file is and a wire carries.
    Frame,
}

impl Format {
    /// What errors call its header.
    pub(super) fn header_name(self) -> &'static str {
        match self {
            Self::Npy(_) => "npy header",
            Self::Frame => "frame header",
        }
    }
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Which format it is the header of.
    pub format: Format,
    /// The type of the items, as the header can spell it.
    pub dtype: DType,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Whether the first axis is the fastest.
    pub fortran_order: bool,
    /// Name and attributes, where they stand before the data: in a frame.
    pub metadata: Metadata,
    /// How the data are kept in a coded frame; none where they lie in one piece.
    pub coding: Option<Coding>,
    /// Bytes of the header, magic included: where the data starts.
    pub len: u64,
    /// CRC-32C that a checksum tail repeats: of all its bytes, or of those before its own sum.
    pub sum: u32,
}

impl Header {
    /// Bytes of the data.
    #[must_use]
    pub fn nbytes(&self) -> u64 {
        self.shape.iter().map(|&len| len as u64).product::<u64>() * self.dtype.itemsize() as u64
    }

    /// Where the data ends, unless they are in compressed blocks.
    #[must_use]
    pub fn data_end(&self) -> u64 {
        self.len.saturating_add(self.nbytes())
    }

    /// How many blocks the data are in that are summed apart: those of the grid of a coded frame, else of 1 MiB each.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        match self.coding {
            Some(_) => self.grid().map_or(0, |grid| grid.len()),
            None => self.nbytes().div_ceil(BLOCK as u64),
        }
    }

    /// Where the items lie in the data.
    ///
    /// # Errors
    /// None for a header that was read: its size was counted then.
    pub fn layout(&self) -> Result<Layout> {
        let order = if self.fortran_order { Order::F } else { Order::C };
        Layout::contiguous(&self.shape, self.dtype.itemsize(), order)
    }

    /// That the array is no larger than `limits` allow.
    pub(super) fn check_size(&self, limits: &Limits) -> Result<()> {
        let (size, max) = (self.nbytes(), limits.array);
        if size <= max {
            return Ok(());
        }
        let message = format!(
            "{}: the array has {size} bytes, at most {max} are allowed (Limits.array)",
            self.format.header_name()
        );
        let kind = ErrorKind::Limit { name: "array", asked: size, max };
        Err(Error::new(kind, message).at(self.len))
    }
}

/// What a decoder makes of the bytes of a header so far.
#[derive(Debug)]
pub(super) enum Parsed {
    /// So many are needed, or more.
    Needs(usize),
    /// This is it.
    Header(Box<Header>),
}
