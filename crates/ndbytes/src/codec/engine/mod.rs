//! The codecs of a block's segments, a closed table: whole segments in, whole segments out, of lengths that both sides know.

#[cfg(feature = "deflate")]
mod deflate;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "pco")]
mod pco;
#[cfg(feature = "zstd")]
mod zstd;

use super::block::Elements;
use crate::error::{Error, Result};
use std::fmt;

/// What compresses the segments of a block: numbers of `spec/FORMAT.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// Nothing: the items as they are.
    Stored,
    /// LZ4 blocks.
    Lz4,
    /// Zstandard frames.
    Zstd,
    /// Bare deflate streams.
    Deflate,
    /// pco standalone files.
    Pco,
}

impl Engine {
    /// All that there are; each stands at its number.
    pub const ALL: [Self; 5] = [Self::Stored, Self::Lz4, Self::Zstd, Self::Deflate, Self::Pco];

    /// Its number in a frame.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Lz4 => 1,
            Self::Zstd => 2,
            Self::Deflate => 3,
            Self::Pco => 4,
        }
    }

    /// The one of this number.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether this build has it.
    #[must_use]
    pub fn is_built(self) -> bool {
        match self {
            Self::Stored => true,
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Zstd => cfg!(feature = "zstd"),
            Self::Deflate => cfg!(feature = "deflate"),
            Self::Pco => cfg!(feature = "pco"),
        }
    }

    /// Its lowest and highest level, and the one that is meant where none is said.
    #[must_use]
    pub fn levels(self) -> Option<(i32, i32, i32)> {
        match self {
            Self::Stored | Self::Lz4 => None,
            Self::Zstd => Some((1, 19, 3)),
            Self::Deflate => Some((1, 9, 6)),
            Self::Pco => Some((0, 12, 8)),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stored => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Deflate => "deflate",
            Self::Pco => "pco",
        })
    }
}

/// How hard an engine tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Effort {
    /// What serves filtered bytes best at full speed: long matches only, and entropy coding.
    Quick,
    /// What finds more of what comes again, for bytes that are nearly all the same: at half the speed.
    Dense,
    /// The engine's own level.
    Level(i32),
}

/// The engines' state, kept from segment to segment; one for each thread.
#[derive(Default)]
pub(crate) struct Engines {
    #[cfg(feature = "lz4")]
    lz4: lz4::State,
    #[cfg(feature = "zstd")]
    zstd: zstd::State,
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Engines")
    }
}

impl Engines {
    /// Compresses `from` to the front of `to`, and gives the length; `None` if that is not shorter than `from`.
    #[allow(
        clippy::unnecessary_wraps,
        unused_variables,
        reason = "what is used depends on the codecs that are built"
    )]
    #[allow(unreachable_code, reason = "without any codec")]
    pub(crate) fn encode(
        &mut self,
        engine: Engine,
        effort: Effort,
        elements: Elements,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<Option<usize>> {
        let made: Option<usize> = match engine {
            #[cfg(feature = "lz4")]
            Engine::Lz4 => self.lz4.encode(from, to),
            #[cfg(feature = "zstd")]
            Engine::Zstd => self.zstd.encode(effort, from, to)?,
            #[cfg(feature = "deflate")]
            Engine::Deflate => deflate::encode(effort, from, to)?,
            #[cfg(feature = "pco")]
            Engine::Pco => pco::encode(effort, elements, from, to)?,
            _ => return Err(not_built(engine)),
        };
        Ok(made.filter(|&len| len < from.len()))
    }

    /// The reverse: fills all of `to` from all of `from`.
    ///
    /// # Errors
    /// [`Malformed`](crate::ErrorKind::Malformed) for bytes that give something else; [`Unsupported`](crate::ErrorKind::Unsupported)
    /// in a build without the codec.
    #[allow(unused_variables, reason = "what is used depends on the codecs that are built")]
    pub(crate) fn decode(
        &mut self,
        engine: Engine,
        elements: Elements,
        from: &[u8],
        to: &mut [u8],
    ) -> Result<()> {
        match engine {
            #[cfg(feature = "lz4")]
            Engine::Lz4 => lz4::decode(from, to),
            #[cfg(feature = "zstd")]
            Engine::Zstd => self.zstd.decode(from, to),
            #[cfg(feature = "deflate")]
            Engine::Deflate => deflate::decode(from, to),
            #[cfg(feature = "pco")]
            Engine::Pco => pco::decode(elements, from, to),
            _ => Err(not_built(engine)),
        }
    }
}

fn not_built(engine: Engine) -> Error {
    Error::unsupported(format!("this build of ndbytes has no codec {engine}"))
}

/// What an engine says of bytes that are not its own, or of another length.
#[cfg(any(feature = "lz4", feature = "zstd", feature = "deflate", feature = "pco"))]
fn undecodable(engine: Engine, what: impl fmt::Display) -> Error {
    Error::malformed(format!("{engine}: {what}"))
}
