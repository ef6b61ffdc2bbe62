//! The command line of ndbytes.
#![forbid(unsafe_code)]
fn main() {}
