//! Arrays over sockets, pipes and any other byte stream: many on one connection, each a frame of its own.
//!
//! `spec/WIRE.md` says how they travel. Nothing is answered, so one direction of a connection is enough.
//!
//! ```
//! use ndbytes::io::stream::{Receiver, Sender};
//! use ndbytes::ArrayRef;
//! use std::net::{TcpListener, TcpStream};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let sending = std::thread::spawn(move || -> ndbytes::Result<()> {
//!     let mut sender = Sender::over(TcpStream::connect(address)?)?;
//!     sender.send(&ArrayRef::from_slice(&[1.0f32, 2.0], &[2])?)?;
//!     sender.send(&ArrayRef::from_slice(&[3u8], &[])?)
//! });
//! let mut receiver = Receiver::over(listener.accept()?.0)?;
//! let first = receiver.recv()?.expect("an array").array.unwrap();
//! assert_eq!(first.into_vec::<f32>()?, [1.0, 2.0]);
//! let second = receiver.recv()?.expect("another one").array.unwrap();
//! assert!(second.shape().is_empty());
//! assert!(receiver.recv()?.is_none()); // The sender is done: a clean end.
//! sending.join().unwrap()?;
//! # Ok::<(), ndbytes::Error>(())
//! ```

mod awake;
mod clock;
mod recv;
mod send;
mod socket;

pub use crate::format::Received;
pub use awake::awake;
pub use clock::Clock;
pub use recv::{Incoming, Owned, Places, Receiver};
pub use send::{Outgoing, Sender};
pub use socket::{Pages, Socket, of_socket};

use crate::limits::Limits;
use std::time::Duration;

/// How many bytes at a time go between memory and a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// Made at once, to be sent.
    pub made: usize,
    /// Taken at once, of what has come.
    pub taken: usize,
}

impl Steps {
    /// What is made is still in the cache of the core that made it while the system takes it; and while the system hands out what has
    /// come, the word for the peer that there is room again waits.
    pub const TCP: Self = Self { made: 1 << 19, taken: 1 << 16 };
    /// There no word has to come, so that all is taken that there is.
    pub const UNIX: Self = Self { made: 1 << 18, taken: 1 << 20 };
}

/// How a connection is used; both sides must agree on `npy`.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Bounds on what a sender may ask for.
    pub limits: Limits,
    /// Speaks bare `.npy`, with peers that have only NumPy. Nothing is checked then.
    pub npy: bool,
    /// How long the peer may take for a header, and for each 64 KiB behind it. Between arrays there is no bound.
    pub timeout: Option<Duration>,
}

impl Default for StreamOptions {
    /// Frames, [`Limits::stream`], 30 seconds.
    fn default() -> Self {
        Self { limits: Limits::stream(), npy: false, timeout: Some(Duration::from_secs(30)) }
    }
}
