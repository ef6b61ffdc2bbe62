//! One file for each command.

mod checksum;
mod convert;
mod demo;
mod diff;
mod digest;
mod head;
mod info;
mod manifest;
mod recv;
mod send;
mod verify;

use crate::args::{Args, Command, Common};
use crate::exit::Exit;
use crate::session::Session;
use clap::CommandFactory as _;
use ndbytes::{Error, Result};
use std::io::Write as _;

/// Does what was asked for.
pub(crate) fn run(args: Args) -> Exit {
    let Some(command) = args.command else {
        let _ = Args::command().print_help();
        return Exit::OK;
    };
    let (common, jobs) = common(&command);
    let session = match Session::start(common, jobs) {
        Ok(session) => session,
        Err(error) => return refused(&error),
    };
    let done = dispatch(&session, &command);
    session.end(done.unwrap_or_else(|error| session.fail(&error)))
}

fn dispatch(session: &Session, command: &Command) -> Result<Exit> {
    match command {
        Command::Demo(args) => demo::run(session, args),
        Command::Info(args) => info::run(session, args),
        Command::Head(args) => head::run(session, args),
        Command::Convert(args) => convert::run(session, args),
        Command::Verify(args) => verify::run(session, args),
        Command::Checksum(args) => checksum::run(session, args),
        Command::Diff(args) => diff::run(session, args),
        Command::Digest(args) => digest::run(session, args),
        Command::Send(args) => send::run(session, args),
        Command::Recv(args) => recv::run(session, args),
    }
}

/// The options that all commands have, and how many files to work on at a time.
fn common(command: &Command) -> (&Common, usize) {
    match command {
        Command::Demo(args) => (&args.common, 1),
        Command::Info(args) => (&args.common, args.files.jobs),
        Command::Head(args) => (&args.common, args.files.jobs),
        Command::Convert(args) => (&args.common, args.files.jobs),
        Command::Verify(args) => (&args.common, args.jobs),
        Command::Checksum(args) => (&args.common, args.files.jobs),
        Command::Diff(args) => (&args.common, 1),
        Command::Digest(args) => (&args.common, args.files.jobs),
        Command::Send(args) => (&args.common, 1),
        Command::Recv(args) => (&args.common, 1),
    }
}

fn refused(error: &Error) -> Exit {
    let _ = writeln!(std::io::stderr(), "ndbytes: {error}");
    Exit::of(error)
}
