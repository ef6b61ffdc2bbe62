//! The command line of ndbytes.
#![forbid(unsafe_code)]
mod print;
mod values;
fn main() {}
