//! Messages as datagrams, for networks that lose, repeat, reorder and damage: with parity, and without a clock or a socket.
//!
//! A [`Fragmenter`] cuts a message, one or more frames, into datagrams that each say all that places them; a [`Reassembler`] puts
//! messages together again, and gives only what every checksum vouches for; a [`Pacer`] says when the next may go. `spec/WIRE.md` says
//! what the bytes mean. Datagrams are neither secret nor authenticated, and nothing is answered.

mod fragment;
mod geometry;
mod loss;
mod numbers;
mod pace;
mod packet;
mod partial;
mod pending;
mod reassemble;

pub use fragment::{FragmentOptions, Fragmenter};
pub use loss::parity_for;
pub use pace::Pacer;
pub use reassemble::{Arrival, Reassembler, ReassemblyOptions, Stats};

/// Bytes of a datagram, at most: with the headers of UDP and IPv6 it stays under 1,500, so that no link on the way cuts it.
pub const MAX_DATAGRAM: usize = packet::MOST;
