//! The project's own chores, run as `cargo xtask COMMAND`. Standard library only, so that it builds in seconds.

// What these commands find out is printed: that is their whole output.
#![allow(clippy::print_stdout)]

mod bench;
mod check;
mod memory;
mod python;
mod report;
mod test;
mod tidy;
mod wheel;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const HELP: &str = "\
Chores of the ndbytes workspace

Usage: cargo xtask COMMAND

Commands:
  check                        formatting, clippy, docs and tidy, all without a warning;
                               the core for wasm32-unknown-unknown where that target is installed
  test [--long] [PYTEST ARGS]  all that must pass: Rust tests and doc tests, then the release build
                               and the wheel of python/ under the Python tests (needs Python 3.11 or
                               newer; makes its own venv);
                               --long adds the long runs, other arguments go to pytest
  miri [--target TARGET]       the tests of the kernels under Miri, which sees any undefined behaviour
                               (needs a nightly toolchain with miri and rust-src)
  asan                         the same tests with AddressSanitizer, on all sets of instructions
                               that this machine has
  bench [--quick] [--only P,A,…]  ndbytes and its peers side by side (makes a venv of its own with the
                               peers, builds the wheel); the record goes to bench/record/;
                               --only takes sections or `goals`, --no-build the wheel that is installed,
                               --readme puts the newest record into README.md and measures nothing
  tidy                         only the checks of the text: imports, unsafe, io, file length, names

Exit codes: 0 all is well, 1 something failed, 2 the command line is wrong
";

const FAILED: u8 = 1;
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let Some((command, rest)) = args.split_first() else { return usage("no command given") };
    if is_help(command) || rest.first().is_some_and(|arg| is_help(arg)) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let workspace = match Workspace::find() {
        Ok(workspace) => workspace,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let clean = match (command.as_str(), rest) {
        ("check", []) => check::check(&workspace),
        ("test", rest) => test::test(&workspace, rest),
        ("bench", rest) => bench::bench(&workspace, rest),
        ("tidy", []) => tidy::tidy(&workspace),
        ("miri", []) => memory::miri(&workspace, None),
        ("miri", [option, target]) if option == "--target" => {
            memory::miri(&workspace, Some(target))
        }
        ("miri", _) => return usage("miri takes nothing but --target TARGET"),
        ("asan", []) => memory::asan(&workspace),
        ("check" | "tidy" | "asan", [arg, ..]) => {
            return usage(&format!("{command} takes no arguments, found {arg}"));
        }
        _ => return usage(&format!("unknown command {command}")),
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn is_help(arg: &str) -> bool {
    matches!(arg, "-h" | "--help" | "help")
}

fn usage(what: &str) -> ExitCode {
    eprintln!("error: {what}\n\n{HELP}");
    ExitCode::from(USAGE)
}
