//! What takes the bytes of a member apart, piece by piece.

#[cfg(feature = "zstd")]
use crate::codec::ZstdUnpacker;
use crate::codec::{Inflater, Step};
use crate::error::Result;
use crate::format::npz::{Entry, Method};

/// A stream of one of the methods that are read.
#[derive(Debug)]
pub(super) enum Unpacker {
    Deflate(Inflater),
    #[cfg(feature = "zstd")]
    Zstd(ZstdUnpacker),
}

impl Unpacker {
    /// At the first byte of a member; none for one that is stored as it is.
    pub(super) fn new(entry: &Entry) -> Result<Option<Self>> {
        Ok(match entry.method()? {
            Method::Stored => None,
            Method::Deflated => Some(Self::Deflate(Inflater::bare())),
            #[cfg(feature = "zstd")]
            Method::Zstd => Some(Self::Zstd(ZstdUnpacker::new()?)),
            #[cfg(not(feature = "zstd"))]
            Method::Zstd => None,
        })
    }

    /// What errors call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Deflate(_) => "deflate stream",
            #[cfg(feature = "zstd")]
            Self::Zstd(_) => "zstd frame",
        }
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        match self {
            Self::Deflate(inflater) => inflater.step(input, output),
            #[cfg(feature = "zstd")]
            Self::Zstd(unpacker) => unpacker.step(input, output),
        }
    }

    pub(super) fn input_ended(&self) -> Result<()> {
        match self {
            Self::Deflate(inflater) => inflater.input_ended(),
            #[cfg(feature = "zstd")]
            Self::Zstd(unpacker) => unpacker.input_ended(),
        }
    }

    pub(super) fn total_in(&self) -> u64 {
        match self {
            Self::Deflate(inflater) => inflater.total_in(),
            #[cfg(feature = "zstd")]
            Self::Zstd(unpacker) => unpacker.total_in(),
        }
    }
}
