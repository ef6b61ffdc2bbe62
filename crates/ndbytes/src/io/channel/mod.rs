//! Channels: messages of named arrays between processes and machines, over connections that may be lost and made anew.
//!
//! A [`Channel`] is a connection, used in both directions; a [`Listener`] takes the messages of all peers that connect.
//! `spec/WIRE.md` says how they travel.
//!
//! ```
//! # #[cfg(unix)] {
//! use ndbytes::io::channel::{Channel, ChannelOptions, Keep, Listener};
//! use ndbytes::io::unwatched;
//! use ndbytes::{ArrayRef, frame};
//!
//! let listener = Listener::bind(&"tcp://:0".parse()?, Keep::All, ChannelOptions::default())?;
//! let channel = Channel::connect(listener.address(), ChannelOptions::default(), &mut unwatched)?;
//! let array = ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?;
//! channel.send(&[(array, frame::EncodeOptions::default())], &mut unwatched)?;
//! let message = listener.recv(None, &mut unwatched)?;
//! assert_eq!(message.arrays[0].header.shape, [2]);
//! # }
//! # Ok::<(), ndbytes::Error>(())
//! ```

mod acceptor;
mod address;
mod ahead;
#[cfg(unix)]
#[expect(clippy::module_inception, reason = "the room is named after what it is for")]
mod channel;
mod connection;
mod counts;
#[cfg(all(target_os = "linux", feature = "map"))]
mod handover;
mod ledger;
#[cfg(unix)]
mod line;
mod link;
#[cfg(unix)]
mod listener;
mod newest;
#[cfg(unix)]
mod outbox;
mod outgoing;
#[cfg(unix)]
mod receipts;
#[cfg(unix)]
mod ring;
mod target;
pub mod tls;
#[cfg(all(target_os = "linux", feature = "map"))]
mod uncopied;

pub use acceptor::Acceptor;
pub use address::Address;
#[cfg(unix)]
pub use channel::{Channel, ChannelOptions};
pub use connection::{Connection, wait_for_close};
pub use counts::{Counts, Stats};
pub use ledger::Ledger;
#[cfg(unix)]
pub use listener::{Keep, Listener};
pub use newest::{Newest, Next};
#[cfg(unix)]
pub use outbox::Outbox;
pub use outgoing::{Outgoing, Post};
pub use tls::TlsOptions;

use std::time::Duration;

/// How often somebody who waits looks up.
const TICK: Duration = Duration::from_millis(50);
