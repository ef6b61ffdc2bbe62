//! Drivers over `std`: readers, writers, and files that are replaced whole or not at all.

mod append;
mod at;
pub mod channel;
#[cfg(feature = "deflate")]
mod compress;
#[cfg(feature = "datagram")]
pub mod datagram;
#[cfg(feature = "deflate")]
mod decompress;
mod digest;
mod file;
#[cfg(feature = "map")]
pub mod map;
#[cfg(feature = "deflate")]
pub mod npz;
mod parts;
#[cfg(feature = "deflate")]
mod peek;
mod read;
mod read_file;
mod recover;
mod recover_blocks;
mod replace;
mod seal;
#[cfg(all(feature = "map", target_os = "linux"))]
pub mod shm;
#[cfg(feature = "deflate")]
mod sniff;
pub mod stream;
mod temporary;
mod turns;
mod write;
mod write_file;

pub use append::Appender;
pub use at::{Locked, Place, ReadAt};
#[cfg(feature = "deflate")]
pub use compress::{Compressor, save_compressed, write_compressed};
#[cfg(feature = "deflate")]
pub use decompress::{Decompressor, decompress, decompress_into};
pub use digest::{Choose, digest_read};
pub use file::{Input, PATIENCE, load, open, open_watched};
pub use parts::Parts;
#[cfg(feature = "deflate")]
pub use peek::{Peeked, peek};
#[cfg(not(feature = "deflate"))]
pub use read::read_whole;
pub use read::{from_reader, from_slice, read_array, read_slice, read_to_end};
pub use read_file::read_file;
pub use recover::{Recovered, recover};
pub use replace::{Replacement, SaveOptions, replace, save};
pub use seal::{seal, unseal};
#[cfg(feature = "deflate")]
pub use sniff::{Sniffed, read_whole, sniff};
pub use turns::{Reading, Turn, Turns, Writing};
pub use write::{pieces, to_vec, to_writer, write};
pub use write_file::write_file;

use crate::error::Result;
use std::time::{SystemTime, UNIX_EPOCH};

/// Called after each piece with the bytes moved so far; an error stops the work and undoes it.
pub type Watch<'w> = &'w mut dyn FnMut(u64) -> Result<()>;

/// A [`Watch`] that sees nothing.
///
/// # Errors
/// None.
pub fn unwatched(_: u64) -> Result<()> {
    Ok(())
}

/// Nanoseconds since 1970, as a [`Message`](crate::Message) says when it was sent; 0 where the clock stands before that.
#[must_use]
pub fn now_ns() -> u64 {
    const MOST: u64 = u64::MAX >> 1;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(MOST).min(MOST)
}
