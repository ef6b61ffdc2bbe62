//! `.npz`: many arrays in one zip archive, as NumPy writes and reads them.
//!
//! ```
//! use ndbytes::{ArrayRef, DecodeOptions, Dest, Limits, npy};
//! use ndbytes::io::{npz, unwatched};
//! use std::io::Cursor;
//! let mut writer = npz::Writer::new(Cursor::new(Vec::new()), npz::WriteOptions::default());
//! for (key, values) in [("a", [1.0, 2.0]), ("b", [3.0, 4.0])] {
//!     let array = ArrayRef::from_slice(&values, &[2])?;
//!     let mut encoder = npy::Encoder::new(&array, &npy::EncodeOptions::bare())?;
//!     writer.add(&npz::member_name(key), &mut encoder, &mut unwatched)?;
//! }
//! let file = writer.finish()?;
//!
//! let mut archive = npz::Archive::open(file, &Limits::local())?;
//! let index = archive.find("b.npy").unwrap();
//! let options = DecodeOptions::default();
//! let read = archive.read_array(index, options, |_| Ok(Dest::Owned), &mut unwatched)?;
//! assert_eq!(read.array.unwrap().into_vec::<f64>()?, [3.0, 4.0]);
//! # Ok::<(), ndbytes::Error>(())
//! ```
//!
//! Members are summed by zip's CRC-32. What readers could take for different archives is refused: names that stand
//! twice, members that overlap, headers that differ. `spec/FORMAT.md` has the list.

mod archive;
mod blocks;
mod member;
mod members;
mod named;
mod once;
mod parts;
mod path;
mod peek;
mod push;
mod together;
mod unpacker;
mod write;

pub use crate::format::npz::{Blocks, Entry, Method};
pub use archive::Archive;
pub use member::Member;
pub use parts::Parts;
pub use path::{safe_path, safe_paths};
pub use write::{Style, WriteOptions, Writer};

use crate::format::npy;

/// What NumPy puts behind a key to name its member.
const SUFFIX: &str = ".npy";

/// The name of the member that holds the array of this key: `a.npy` for `a`.
#[must_use]
pub fn member_name(key: &str) -> String {
    format!("{key}{SUFFIX}")
}

/// The key of a member: its name without `.npy`, where it ends with that.
#[must_use]
pub fn key(name: &str) -> &str {
    name.strip_suffix(SUFFIX).unwrap_or(name)
}

/// Whether a member that begins with these bytes, six at least, is an array, whatever its name; as for NumPy.
#[must_use]
pub fn is_npy(front: &[u8]) -> bool {
    front.starts_with(&npy::MAGIC)
}
