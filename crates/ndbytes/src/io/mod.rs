//! Drivers over `std`: readers, writers, and files that are replaced whole or not at all.

mod file;
#[cfg(feature = "map")]
pub mod map;
mod read;
mod replace;
mod seal;
pub mod stream;
mod temporary;
mod write;

pub use file::{Input, PATIENCE, load, open, open_watched};
pub use read::{from_reader, from_slice, read_array, read_to_end};
pub use replace::{SaveOptions, replace, save};
pub use seal::{seal, unseal};
pub use write::{to_vec, to_writer, write};

use crate::error::Result;

/// Called after each piece with the bytes moved so far; an error stops the work and undoes it.
pub type Watch<'w> = &'w mut dyn FnMut(u64) -> Result<()>;

/// A [`Watch`] that sees nothing.
///
/// # Errors
/// None.
pub fn unwatched(_: u64) -> Result<()> {
    Ok(())
}
