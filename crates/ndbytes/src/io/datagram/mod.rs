//! Arrays over UDP: whole or not at all, or in part with a mask.
//!
//! `spec/WIRE.md` says how they travel. Datagrams are neither secret nor authenticated: who can reach a receiver can send to it, who is on
//! the way can read and change them. Nothing is ever answered.
//!
//! ```
//! use ndbytes::ArrayRef;
//! use ndbytes::io::datagram::{DatagramReceiver, DatagramSender, SendOptions};
//! use ndbytes::io::unwatched;
//! use std::time::Duration;
//!
//! let mut receiver = DatagramReceiver::bind("127.0.0.1:0")?;
//! let options = SendOptions { loss: 0.01, ..SendOptions::default() };
//! let mut sender = DatagramSender::connect(receiver.local_addr()?)?.with(options)?;
//! sender.send(&ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?)?;
//! let arrival = receiver.recv(Some(Duration::from_secs(10)), &mut unwatched)?.expect("an array");
//! let array = arrival.received.arrays.into_iter().next().unwrap().array.unwrap();
//! assert_eq!(array.into_vec::<f32>()?, [1.0, 2.0]);
//! assert_eq!(receiver.stats().messages, 1);
//! # Ok::<(), ndbytes::Error>(())
//! ```

mod recv;
mod send;
mod socket;

pub use recv::{Came, DatagramReceiver};
pub use send::{DatagramSender, Flight, Next, SendOptions};
