//! `cargo xtask bench`: ndbytes and its peers side by side, by the Python package in `bench/`.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};

use crate::python::Venv;
use crate::workspace::{Workspace, succeeds};
use crate::{python, wheel};

const VENV: Venv = Venv {
    name: "bench-venv",
    requirements: "bench/requirements.txt",
    // A peer that does not install is listed in the record.
    all: false,
};
const CHOICES: &str = "choices";
const NO_BUILD: &str = "--no-build";
const README: &str = "--readme";

/// Builds and installs the wheel unless told not to, and hands all other arguments on.
pub(crate) fn bench(workspace: &Workspace, args: &[String]) -> bool {
    match prepared(workspace, args) {
        Ok(python) => run(workspace, &python, args),
        Err(error) => {
            eprintln!("error: {error}");
            false
        }
    }
}

/// The Python that runs it.
fn prepared(workspace: &Workspace, args: &[String]) -> Result<PathBuf, String> {
    let given = |option| args.iter().any(|arg| arg == option);
    let python = python::find(workspace)?;
    if given(README) {
        // It only reads a record, for which no package is needed.
        return Ok(python.into());
    }
    let python = python::venv(workspace, python, &VENV)?;
    if !given(NO_BUILD) {
        wheel::install(workspace, &python, &VENV)?;
        // What section D asks how good a choice is.
        let args = ["build", "--release", "-pndbytes", "--example", CHOICES];
        if !succeeds(&mut workspace.cargo(&args)) {
            return Err(format!("cargo {} failed: see its output above", args.join(" ")));
        }
    }
    Ok(python)
}

fn run(workspace: &Workspace, python: &Path, args: &[String]) -> bool {
    let mut command = workspace.command(python);
    command.args(["-m", "bench", "--work"]).arg(workspace.target.join("bench"));
    command.args(args.iter().filter(|arg| *arg != NO_BUILD));
    let choices = format!("release/examples/{CHOICES}{EXE_SUFFIX}");
    command.env("NDBYTES_CHOICES", workspace.target.join(choices));
    // They choose slower kernels for NumPy than the ones it would choose itself.
    command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
    succeeds(&mut command)
}
