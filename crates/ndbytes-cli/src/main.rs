//! The command line of ndbytes: what was typed, made into ready objects, handed to the library.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a command line prints")]

mod args;
mod batch;
mod called;
mod commands;
mod exit;
mod formats;
mod input;
mod manifest;
mod names;
mod net;
mod print;
mod progress;
mod report;
mod session;
mod sources;
mod values;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(args::Args::parse()).into()
}
