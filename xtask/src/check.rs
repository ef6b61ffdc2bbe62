//! `cargo xtask check`: everything that can be said without running the library.

use std::process::{Command, Stdio};

use crate::tidy;
use crate::workspace::{Workspace, succeeds};

/// Features of the core that are asked for by themselves; all together and none are checked as well.
const FEATURES: [&str; 9] =
    ["std", "map", "deflate", "std,map", "std,deflate", "std,tls", "lz4", "zstd", "pco"];
const WASM: &str = "wasm32-unknown-unknown";

/// Runs every step, even after one failed: one run shows all that is to be done.
pub(crate) fn check(workspace: &Workspace) -> bool {
    let mut failed = Vec::new();
    for (name, mut command) in steps(workspace) {
        println!("== {name}");
        if !succeeds(&mut command) {
            failed.push(name);
        }
    }
    println!("== tidy");
    if !tidy::tidy(workspace) {
        failed.push("tidy");
    }
    if failed.is_empty() {
        println!("check: clean");
    } else {
        println!("check: failed: {}", failed.join(", "));
    }
    failed.is_empty()
}

fn steps(workspace: &Workspace) -> Vec<(&'static str, Command)> {
    // The fuzz binaries stand behind a feature that links libFuzzer, which stable Rust has not: without
    // --all-features, that crate is its library of targets alone.
    let rest = ["--workspace", "--exclude", "ndbytes-fuzz", "--all-features"];
    let cargo = |parts: &[&[&str]]| workspace.cargo(&parts.concat());
    let doc = |parts: &[&[&str]]| {
        let mut command = cargo(parts);
        command.env("RUSTDOCFLAGS", "-Dwarnings");
        command
    };
    let mut steps = vec![
        ("fmt", cargo(&[&["fmt", "--all", "--check"]])),
        ("clippy", cargo(&[&["clippy", "--all-targets"], &rest, &["--", "-Dwarnings"]])),
        (
            "clippy (fuzz)",
            cargo(&[&["clippy", "--all-targets", "-pndbytes-fuzz"], &["--", "-Dwarnings"]]),
        ),
        // The program and the library are both called ndbytes, and so is the page of each: the library's comes last.
        ("doc (cli)", doc(&[&["doc", "--no-deps", "--all-features", "-pndbytes-cli"]])),
        ("doc (fuzz)", doc(&[&["doc", "--no-deps", "-pndbytes-fuzz"]])),
        ("doc", doc(&[&["doc", "--no-deps", "--exclude", "ndbytes-cli"], &rest])),
    ];
    for features in FEATURES {
        let args = ["clippy", "-pndbytes", "--no-default-features", "--features", features];
        steps.push((features, cargo(&[&args, &["--", "-Dwarnings"]])));
    }
    if has_target(workspace, WASM) {
        let args = ["check", "-pndbytes", "--no-default-features", "--target", WASM];
        steps.push(("wasm", cargo(&[&args])));
    } else {
        println!("== wasm: {WASM} is not installed, so the core was not checked for it");
    }
    steps
}

/// Whether the standard library for `target` is installed.
fn has_target(workspace: &Workspace, target: &str) -> bool {
    let output = workspace
        .command("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else { return false };
    let dir = String::from_utf8_lossy(&output.stdout);
    std::fs::read_dir(dir.trim()).is_ok_and(|mut entries| entries.next().is_some())
}
