//! Memory that processes share: unnamed, sealed, and handed over a Unix socket by its descriptor (Linux).
//!
//! Who has it shares it: what one process writes, all of them see. It goes when the last one lets go, however that
//! ends.
//!
//! ```
//! use ndbytes::io::shm::{self, Segment};
//! use ndbytes::{Layout, Lent, Limits, Metadata, Order};
//! use std::os::unix::net::UnixStream;
//!
//! let mut segment = Segment::new(24)?;
//! segment.bytes_mut()?[..4].copy_from_slice(&1.5f32.to_le_bytes());
//! let (dtype, layout) = ("<f4".parse()?, Layout::contiguous(&[2, 3], 4, Order::C)?);
//! let lent = Lent { dtype, layout, metadata: Metadata::default(), size: 24, writable: true };
//!
//! let (here, there) = UnixStream::pair()?; // Or to another process.
//! shm::send(&here, &lent, &segment)?;
//! let handed = shm::recv(&there, &Limits::stream())?.expect("an array");
//! assert_eq!(handed.array()?.data()[..4], 1.5f32.to_le_bytes());
//! segment.bytes_mut()?[..4].copy_from_slice(&2.5f32.to_le_bytes());
//! assert_eq!(handed.array()?.data()[..4], 2.5f32.to_le_bytes());
//! # Ok::<(), ndbytes::Error>(())
//! ```

mod pass;
mod segment;

pub use pass::{Handed, kept, read_some, recv, send, write_some};
pub(crate) use pass::{peek_some, send_with};
pub use segment::Segment;
