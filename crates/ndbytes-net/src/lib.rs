//! Channels of arrays over tokio: what `ndbytes::io::channel` and `ndbytes::io::datagram` are for threads, for tasks.
//!
//! The formats' machines, the bytes on the wire (`spec/WIRE.md`), the limits and the errors are those of [`ndbytes`], and so is whoever is at the
//! other end: a channel of either kind, of Python, or of the command line. Only the waiting differs.
//!
//! A future that receives can be dropped at any time: what has come stays with its channel, and the next one goes on there. So there are no
//! time-outs for the wait between messages: put [`tokio::time::timeout`] around it. The runtime needs its drivers of io and time.
//!
//! ```
//! use ndbytes::{ArrayRef, frame};
//! use ndbytes_net::{Channel, ChannelOptions, Keep, Listener};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> ndbytes::Result<()> {
//! let listener = Listener::bind(&"tcp://:0".parse()?, Keep::All, ChannelOptions::default()).await?;
//! let channel = Channel::connect(listener.address(), ChannelOptions::default()).await?;
//! let array = ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?;
//! channel.send(&[(array, frame::EncodeOptions::default())]).await?;
//! let message = listener.recv().await?;
//! assert_eq!(message.arrays[0].header.shape, [2]);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::expect_used))]
#![cfg(unix)]

mod ahead;
mod channel;
mod datagram;
mod door;
mod input;
mod lines;
mod listener;
mod outbox;
mod output;
mod patience;
mod receipts;
mod ring;
mod socket;
mod tls;

pub use channel::Channel;
pub use datagram::{DatagramReceiver, DatagramSender};
pub use listener::Listener;
pub use ndbytes::io::channel::{Address, ChannelOptions, Keep, Post, Stats, TlsOptions};
pub use outbox::Outbox;

use std::time::Duration;

/// How often somebody who waits in the time of another looks at the clock.
const TICK: Duration = Duration::from_millis(100);
/// Bytes that are moved before other tasks have their turn.
const STEP: usize = 1 << 18;
