//! The command line as a process: each test has a folder of its own and starts the real binary in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod checksum;
mod compressed;
mod convert;
mod demo;
mod digest;
mod errors;
mod frames;
mod info;
mod many;
mod room;
#[cfg(unix)]
mod unix;
mod values;
mod verify;
