//! A Python new enough for the tests, and a venv with what they require.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Workspace, succeeds};

/// A venv in the target folder.
pub(crate) struct Venv {
    /// Its folder there.
    pub(crate) name: &'static str,
    /// What is installed into it.
    pub(crate) requirements: &'static str,
    /// Whether it is of no use without all of these.
    pub(crate) all: bool,
}

const INSTALL: &str = "install Python 3.11 or newer with its venv module \
    (Debian, Ubuntu: apt-get install python3 python3-venv), or name one in the variable PYTHON";

/// The first of $PYTHON, python3.11 to python3.14 and python3 that is new enough and can make a venv.
pub(crate) fn find(workspace: &Workspace) -> Result<OsString, String> {
    // ensurepip: Debian packs the venv module without it, and a venv then ends half made.
    const PROBE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let names = ["python3.11", "python3.12", "python3.13", "python3.14", "python3", "python"];
    let candidates = env::var_os("PYTHON").into_iter().chain(names.into_iter().map(OsString::from));
    let mut unfit = Vec::new();
    for python in candidates {
        match workspace.command(&python).args(["-c", PROBE]).output() {
            Ok(output) if output.status.success() => return Ok(python),
            Ok(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                let why = stderr.lines().last().unwrap_or("not 3.11 or newer").to_owned();
                unfit.push(format!("{}: {why}", python.display()));
            }
            // Not there at all: not worth a word.
            Err(_) => {}
        }
    }
    let found = if unfit.is_empty() { "none found".to_owned() } else { unfit.join("; ") };
    Err(format!("no fit Python ({found}): {INSTALL}"))
}

/// The Python of a venv, which is made anew when `python` or the requirements changed.
pub(crate) fn venv(
    workspace: &Workspace,
    python: OsString,
    venv: &Venv,
) -> Result<PathBuf, String> {
    let name = venv.requirements;
    let requirements = fs::read_to_string(workspace.root.join(name))
        .map_err(|error| format!("{name}: {error}"))?;
    let dir = workspace.target.join(venv.name);
    let inside = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = dir.join("requirements.stamp");
    let wanted = format!("# {}\n{requirements}", python.display());
    if inside.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(inside);
    }

    println!("== venv with {name}");
    make(workspace, python, &dir)?;
    if !pip(workspace, &inside, &["-r", name]) {
        if venv.all {
            return Err(format!("pip install -r {name} failed: see its output above"));
        }
        for package in packages(&requirements) {
            // What fails is told by pip, and then missing.
            pip(workspace, &inside, &[package]);
        }
    }
    // Last: a venv without its stamp is one that was left half made.
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(inside)
}

fn pip(workspace: &Workspace, python: &Path, what: &[&str]) -> bool {
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    succeeds(workspace.command(python).args(install).args(what))
}

fn packages(requirements: &str) -> impl Iterator<Item = &str> {
    requirements.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn make(workspace: &Workspace, python: OsString, dir: &Path) -> Result<(), String> {
    let shown = python.display().to_string();
    if succeeds(workspace.command(python).args(["-m", "venv", "--clear"]).arg(dir)) {
        return Ok(());
    }
    Err(format!("{shown} -m venv {} failed: {INSTALL}", dir.display()))
}
