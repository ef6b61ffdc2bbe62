//! Bytes to an array: machines that hand out the space they want filled. They tell the formats apart by the magic.

mod block;
mod blocks;
mod body;
#[cfg(feature = "std")]
mod fetch;
mod header;
mod plain;
mod settle;
mod steps;
mod store;

#[cfg(feature = "std")]
pub(crate) use block::Decoder;
pub use body::{BodyDecoder, Decoded};
#[cfg(feature = "std")]
pub(crate) use fetch::Shares;
pub use header::HeaderDecoder;

use crate::limits::Limits;

/// Which formats are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// Any that describes itself.
    #[default]
    Any,
    /// `.npy` only.
    Npy,
    /// Frames only.
    Frame,
}

/// Whether a checksum tail must be there. A frame always has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Checks {
    /// The input must be checked, and is read to the end of its tail.
    Required,
    /// A `.npy` is checked if it has a tail; the input must end behind it or behind the data.
    #[default]
    Optional,
    /// Reading stops behind the data of a `.npy`, whatever follows.
    Ignored,
}

/// How bytes are read.
#[derive(Debug, Clone, Default)]
pub struct DecodeOptions {
    /// Bounds on what the input may ask for.
    pub limits: Limits,
    /// Which formats are read.
    pub accept: Accept,
    /// Whether a checksum tail must be there.
    pub checks: Checks,
    /// Reads what `np.load` reads: Python 2 headers, duplicate keys, aliases of dtypes.
    pub lenient: bool,
    /// Bytes of the whole input, where they are known: then a short file is refused before memory is taken.
    pub input_len: Option<u64>,
    /// Whether the input must end behind a required tail (with [`Checks::Optional`] it always must).
    pub whole: bool,
    /// Whether the input's own container has a checksum, and ends only after it held: a `.npy` is checked then
    /// without a tail of its own, if it is read to that end.
    pub sealed: bool,
}
