//! The memory of Python's arrays and buffers: one of the two rooms of this crate that may use unsafe code.
//!
//! What holds for all of it: a pointer is taken from an object that says how far its memory reaches, is held together
//! with that object, and is only used for bytes inside that reach. The memory may be written to by other threads while
//! it is read, as between any two threads of a program that share an array: so nothing is decided by a byte that is
//! read from it, and encoders copy it before they sum it ([`ndbytes::ArrayRef::shared`]).
#![expect(unsafe_code, reason = "NumPy's memory is reached through pointers")]

mod buffer;
mod capi;
mod door;
mod front;
mod memory;
mod region;
#[cfg(target_os = "linux")]
mod segment;
mod source;
mod target;
mod window;

pub(crate) use buffer::{Bytes, Out, front, new_bytes, part};
pub(crate) use capi::is_array;
pub(crate) use front::with_front;
pub(crate) use memory::{Memory, laid, over, to_array};
pub(crate) use region::FileRegion;
#[cfg(target_os = "linux")]
pub(crate) use segment::{Segment, reach};
pub(crate) use source::{Source, small};
pub(crate) use target::{Filling, Fresh, Target};
pub(crate) use window::{Mapped, Window};
