//! The release wheel of the Python package: what tests and bench import is what a user installs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::python::Venv;
use crate::workspace::{Workspace, succeeds};

/// Builds the wheel into the target folder and installs it into a venv, unless that has the same.
///
/// It shares the target folder with the release build, and so its dependencies.
pub(crate) fn install(
    workspace: &Workspace,
    python: &Path,
    venv: &Venv,
) -> Result<PathBuf, String> {
    println!("== the wheel of python/");
    let wheel = build(workspace, python)?;
    // A wheel is the same bytes for the same tree. The venv keeps the one it has, and loses it when it is made anew.
    let installed = workspace.target.join(venv.name).join("installed.whl");
    if same(&wheel, &installed) {
        return Ok(wheel);
    }

    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let mut command = workspace.command(python);
    command.args(pip).args(["--no-deps", "--force-reinstall"]).arg(&wheel);
    if !succeeds(&mut command) {
        return Err(format!("pip install {} failed: see its output above", wheel.display()));
    }
    fs::copy(&wheel, &installed).map_err(|error| format!("{}: {error}", installed.display()))?;
    Ok(wheel)
}

fn build(workspace: &Workspace, python: &Path) -> Result<PathBuf, String> {
    let out = workspace.target.join("wheels");
    // One of another version may be left there, and only what is built now is meant.
    if out.exists() {
        fs::remove_dir_all(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    }
    // Of this machine, as `pip install ./python` makes it: no search for the oldest system that it would run on.
    let args = ["-m", "maturin", "build", "--release", "--compatibility", "linux", "--out"];
    let mut maturin = workspace.command(python);
    maturin.current_dir(workspace.root.join("python")).args(args).arg(&out);
    if !succeeds(maturin.env("CARGO_TARGET_DIR", &workspace.target)) {
        return Err("maturin build failed: see its output above".to_owned());
    }
    only(&out)
}

/// The one file of a folder.
fn only(dir: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let mut files: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    match (files.pop(), files.len()) {
        (Some(file), 0) => Ok(file),
        (None, _) => Err(format!("maturin left no wheel in {}", dir.display())),
        (Some(_), more) => {
            Err(format!("{} holds {} files, not one wheel", dir.display(), more + 1))
        }
    }
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((fs::read(a), fs::read(b)), (Ok(a), Ok(b)) if a == b)
}
