//! NumPy-style arrays to bytes and back: exact, self-describing, checked.
//!
//! An array is a dtype, a layout and shared bytes. A format is a machine that turns these into pieces and
//! back without touching the outside. A short driver per medium carries the pieces.
//!
//! ```
//! use ndbytes::{ArrayRef, Limits};
//! let values = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
//! let array = ArrayRef::from_slice(&values, &[2, 3])?;
//!
//! // A checked .npy: NumPy reads it, and a flipped bit or a cut is an error that says where.
//! let mut bytes = ndbytes::to_vec(&array)?;
//! let back = ndbytes::from_slice(&bytes, &Limits::local())?;
//! assert_eq!(back.shape(), [2, 3]);
//! assert_eq!(back.into_vec::<f32>()?, values);
//!
//! bytes[140] ^= 1;
//! let error = ndbytes::from_slice(&bytes, &Limits::local()).unwrap_err();
//! assert!(error.to_string().starts_with("block 0 of 0 to 0 (bytes 128 to 152) is damaged"));
//! # Ok::<(), ndbytes::Error>(())
//! ```

mod array;
mod buffer;
mod codec;
mod digest;
mod dtype;
mod error;
mod format;
#[cfg(feature = "deflate")]
pub mod gzip;
#[cfg(feature = "std")]
pub mod io;
mod kernel;
mod limits;
mod threads;
pub mod values;
#[cfg(feature = "deflate")]
pub mod zlib;

pub use array::{Array, ArrayRef, Blocks, Element, Layout, Order, Slice, nbytes};
pub use buffer::{Buffer, BufferMut};
pub use codec::{BLOCK, BlockSums, Codec, Crc32c, Engine, Filter, crc32c};
#[cfg(feature = "deflate")]
pub use codec::{Container, Deflater, Inflater, Level, Step};
pub use digest::{Digest, Digester, digest, digest_with};
pub use dtype::{DType, Dim, Endian, Field, Record, Scalar, Spec, TimeKind, TimeUnit, Unit};
pub use error::{Error, ErrorKind, Result};
#[cfg(feature = "datagram")]
pub use format::datagram;
pub use format::{
    Accept, BodyDecoder, Checks, ChecksumState, DecodeOptions, Decoded, Dest, Encode, Event,
    Format, Header, HeaderDecoder, MEDIA_TYPE, Message, MessageDecoder, Metadata, Piece, Progress,
    Received, TAIL_MAGIC, Tail, frame, npy, raw,
};
#[cfg(feature = "std")]
pub use format::{LENT_FRONT, LENT_MAGIC, Lent, Receipt, ReceiptFront, Selection};
#[cfg(feature = "std")]
pub use io::{from_reader, from_slice, to_vec, to_writer};
pub use kernel::{Copying, GapPlan, SwapPlan, copy_to, gather, huge_pages, scatter, to_bytes};
pub use limits::{Limits, MAX_DEPTH, MAX_NDIM};
pub use threads::Threads;
