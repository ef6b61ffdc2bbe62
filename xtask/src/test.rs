//! `cargo xtask test`: all that must pass, counted in one closing line.

use std::env::consts::EXE_SUFFIX;
use std::process::Command;

use crate::python::Venv;
use crate::report::Report;
use crate::workspace::{Workspace, stream, succeeds};
use crate::{python, wheel};

const TESTS: &str = "python/tests";
const LONG: &str = "NDBYTES_LONG";
const VENV: Venv = Venv { name: "venv", requirements: "python/tests/requirements.txt", all: true };

/// Runs every part, even after one failed, and prints the counts last.
pub(crate) fn test(workspace: &Workspace, args: &[String]) -> bool {
    let long = args.iter().any(|arg| arg == "--long");
    let pytest_args: Vec<&str> =
        args.iter().map(String::as_str).filter(|arg| *arg != "--long").collect();
    // First, so that who lacks a Python hears it before the build and not after it.
    let python = python::find(workspace);
    if let Err(error) = &python {
        eprintln!("error: {error}");
    }

    let mut report = rust(workspace, long);
    report.add(control(workspace));
    let built = build(workspace).and_then(|()| {
        let python = python::venv(workspace, python?, &VENV)?;
        Ok((wheel::install(workspace, &python, &VENV)?, python))
    });
    match built {
        Ok((wheel, python)) => {
            let mut pytest = workspace.command(python);
            pytest.args(["-m", "pytest", "-q", "-rfEs", "--color=no"]).env("NDBYTES_WHEEL", wheel);
            report.add(pytest_run(workspace, pytest, &pytest_args, long));
        }
        Err(error) => report.fail(format!("{TESTS}: not run: {error}")),
    }
    print!("{}", report.closing());
    report.failed == 0
}

fn rust(workspace: &Workspace, long: bool) -> Report {
    let args =
        ["test", "--workspace", "--no-fail-fast", "--features", "ndbytes/half,ndbytes/ndarray"];
    let mut command = workspace.cargo(&args);
    if long {
        command.env(LONG, "1");
    }
    count("cargo test", &mut command, Report::cargo_line)
}

/// The positive control: a build in which every checksum holds must fail the tests that no damage goes unseen.
fn control(workspace: &Workspace) -> Report {
    const TESTS: [&str; 8] = [
        "damage::every_flipped_bit_is_reported",
        "frame_damage::every_flipped_bit_is_reported",
        "npz::every_flipped_bit_is_an_error_or_changes_nothing",
        "frame_damage::blocks_swapped_dropped_repeated_and_spliced_are_reported",
        "coded_damage::every_flipped_bit_is_reported_with_its_block",
        "coded_damage::moved_blocks_are_reported",
        "parts::every_flipped_bit_is_reported_by_a_part_that_touches_it",
        "coded_damage::blocks_of_another_frame_are_reported_by_number",
    ];
    let mut report = Report::default();
    for test in TESTS {
        println!("== control: {test} without checks");
        let args = ["test", "-p", "ndbytes", "--test", "it", "--", "--exact", test];
        let mut command = workspace.cargo(&args);
        command.env("RUSTFLAGS", "--cfg ndbytes_unchecked").env("RUST_BACKTRACE", "0");
        command.env("CARGO_TARGET_DIR", workspace.target.join("control"));
        let mut caught = false;
        let failed = format!("test {test} ... FAILED");
        match stream(&mut command, |line| caught |= line == failed) {
            Ok(_) if caught => report.passed += 1,
            Ok(status) => {
                report.fail(format!("control: {test} did not fail without checks ({status})"));
            }
            Err(error) => report.fail(format!("control: {error}")),
        }
    }
    report
}

/// What the Python tests drive: the command line, the library behind the `oracle` example's pipe, and the channels of tokio behind `echo`.
fn build(workspace: &Workspace) -> Result<(), String> {
    let targets = [
        ["-pndbytes-cli", "--bin", "ndbytes"],
        ["-pndbytes", "--example", "oracle"],
        ["-pndbytes-net", "--example", "echo"],
    ];
    for target in targets {
        println!("== cargo build --release {}", target.join(" "));
        let args = [&["build", "--release"], &target[..]].concat();
        if !succeeds(&mut workspace.cargo(&args)) {
            return Err(format!("cargo {} failed: see its output above", args.join(" ")));
        }
    }
    Ok(())
}

fn pytest_run(workspace: &Workspace, mut pytest: Command, args: &[&str], long: bool) -> Report {
    // A path among the arguments narrows the run; options alone do not.
    if !args.iter().any(|arg| arg.starts_with(TESTS)) {
        pytest.arg(TESTS);
    }
    let release = workspace.target.join("release");
    pytest
        .args(args)
        .env("NDBYTES_BIN", release.join(format!("ndbytes{EXE_SUFFIX}")))
        .env("NDBYTES_ORACLE", release.join(format!("examples/oracle{EXE_SUFFIX}")))
        .env("NDBYTES_NET_ECHO", release.join(format!("examples/echo{EXE_SUFFIX}")));
    if long {
        pytest.env(LONG, "1");
    }
    count("pytest", &mut pytest, Report::pytest_line)
}

/// Runs one test runner, showing its output, and adds up what it says.
pub(crate) fn count(runner: &str, command: &mut Command, line: fn(&mut Report, &str)) -> Report {
    println!("== {runner}");
    let mut report = Report::default();
    match stream(command, |text| line(&mut report, text)) {
        Ok(status) => report.ended(runner, &status.to_string(), status.success()),
        Err(error) => report.fail(format!("{runner}: {error}")),
    }
    report
}
