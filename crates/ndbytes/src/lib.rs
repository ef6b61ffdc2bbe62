//! Arrays to bytes and back: exact, self-describing, checked.
mod array; mod buffer; mod codec; mod dtype; mod error; mod kernel; mod limits;
pub use array::{Array, ArrayRef, Blocks, Element, Layout, Order, Slice, nbytes};
pub use buffer::{Buffer, BufferMut};
pub use dtype::*;
pub use error::{Error, ErrorKind, Result};
pub use kernel::*;
pub use limits::Limits;
