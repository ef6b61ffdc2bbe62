//! A Python new enough for the tests, and a venv with what they require.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Workspace, succeeds};

pub(crate) const REQUIREMENTS: &str = "python/tests/requirements.txt";

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

/// The Python of the venv in the target folder, which is made anew when `python` or the requirements changed.
pub(crate) fn venv(workspace: &Workspace, python: OsString) -> Result<PathBuf, String> {
    let requirements = fs::read_to_string(workspace.root.join(REQUIREMENTS))
        .map_err(|error| format!("{REQUIREMENTS}: {error}"))?;
    let dir = workspace.target.join("venv");
    let inside = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = dir.join("requirements.stamp");
    let wanted = format!("# {}\n{requirements}", python.display());
    if inside.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(inside);
    }

    println!("== venv with {REQUIREMENTS}");
    make(workspace, python, &dir)?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
    if !succeeds(workspace.command(&inside).args(pip).arg(REQUIREMENTS)) {
        return Err(format!("pip install -r {REQUIREMENTS} failed: see its output above"));
    }
    // Last: a venv without its stamp is one that was left half made.
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(inside)
}

fn make(workspace: &Workspace, python: OsString, dir: &Path) -> Result<(), String> {
    let shown = python.display().to_string();
    if succeeds(workspace.command(python).args(["-m", "venv", "--clear"]).arg(dir)) {
        return Ok(());
    }
    Err(format!("{shown} -m venv {} failed: {INSTALL}", dir.display()))
}
