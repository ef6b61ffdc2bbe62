//! `cargo xtask miri` and `cargo xtask asan`: the tests of the kernels, with every access to memory watched.

use std::process::Stdio;

use crate::report::Report;
use crate::test::count;
use crate::workspace::Workspace;

/// The tests that are watched: where unsafe code moves bytes.
const KERNELS: &str = "kernel::";
/// Without maps and files, which Miri does not know.
const TESTS: [&str; 8] =
    ["test", "-p", "ndbytes", "--no-default-features", "--features", "lz4", "--lib", KERNELS];
const NIGHTLY: &str =
    "rustup toolchain install nightly --profile minimal --component miri,rust-src";

/// Interprets the tests on `target`, or on this machine's: undefined behaviour of any kind ends them. On x86-64 a second run has
/// AVX2 and VPCLMULQDQ.
pub(crate) fn miri(workspace: &Workspace, target: Option<&str>) -> bool {
    if !rustup_has(workspace, &["miri", "--version"]) {
        eprintln!("error: Miri needs a nightly toolchain that has it: {NIGHTLY}");
        return false;
    }
    let Some(host) = host(workspace) else { return false };
    let target = target.unwrap_or(&host);
    let mut report = run_miri(workspace, target, "");
    if target.starts_with("x86_64-") {
        report.add(run_miri(workspace, target, "-Ctarget-feature=+avx2,+vpclmulqdq"));
    }
    close(&report)
}

fn run_miri(workspace: &Workspace, target: &str, flags: &str) -> Report {
    let mut command = workspace.command("rustup");
    command
        .args(["run", "nightly", "cargo", "miri"])
        .args(TESTS)
        .args(["--target", target])
        // The harness asks for the time, and proptest would look for the cases that once failed.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", workspace.target.join("miri"));
    let name = ["miri", target, flags].join(" ");
    count(name.trim_end(), &mut command, Report::cargo_line)
}

/// Runs the tests on this machine, on every set of instructions that it has, with AddressSanitizer.
pub(crate) fn asan(workspace: &Workspace) -> bool {
    let Some(host) = host(workspace) else { return false };
    const HAVE_IT: [&str; 4] = [
        "x86_64-unknown-linux-gnu",
        "aarch64-unknown-linux-gnu",
        "x86_64-apple-darwin",
        "aarch64-apple-darwin",
    ];
    if !HAVE_IT.contains(&&*host) {
        eprintln!(
            "error: rustc has AddressSanitizer on {}, and this is {host}",
            HAVE_IT.join(", ")
        );
        return false;
    }
    // A target that is named keeps build scripts and macros free of the flags.
    let mut command = workspace.cargo(&[&TESTS[..], &["--target", &host]].concat());
    command
        // The pinned stable compiler can do it, and says so only if told that it may.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // More memory than there is, which tests ask for, is refused as the system does.
        .env("ASAN_OPTIONS", "allocator_may_return_null=1")
        .env("CARGO_TARGET_DIR", workspace.target.join("asan"));
    close(&count("asan", &mut command, Report::cargo_line))
}

fn close(report: &Report) -> bool {
    print!("{}", report.closing());
    report.failed == 0
}

/// Whether the nightly cargo knows these arguments; rustup itself may be missing.
fn rustup_has(workspace: &Workspace, args: &[&str]) -> bool {
    let mut command = workspace.command("rustup");
    command.args(["run", "nightly", "cargo"]).args(args);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The target that rustc builds for by default.
fn host(workspace: &Workspace) -> Option<String> {
    let output = workspace.command("rustc").args(["--print", "host-tuple"]).output();
    match output {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            eprintln!("error: rustc --print host-tuple: {}", output.status);
            None
        }
        Err(error) => {
            eprintln!("error: rustc: {error}");
            None
        }
    }
}
