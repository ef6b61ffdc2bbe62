//! Where the tree is, and how a command is run in it.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader};
use std::path::{PathBuf, absolute};
use std::process::{Command, ExitStatus, Stdio};

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds; the venv of the tests lives there too.
    pub(crate) target: PathBuf,
}

impl Workspace {
    /// `cargo run` names our manifest's folder at run time. The path of compile time would be that of another clone
    /// when clones share a target folder.
    pub(crate) fn find() -> Result<Self, String> {
        let crate_dir = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = match crate_dir.as_deref().and_then(|dir| dir.parent()) {
            Some(root) => root.to_owned(),
            None => env::current_dir().map_err(|e| format!("the current folder: {e}"))?,
        };
        if !root.join("xtask/Cargo.toml").is_file() {
            return Err(format!(
                "{} is not the workspace: run `cargo xtask` inside the repository",
                root.display()
            ));
        }
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => absolute(&dir).map_err(|e| format!("CARGO_TARGET_DIR={dir:?}: {e}"))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A command in the root of the workspace.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root).stdin(Stdio::null());
        command
    }

    /// The cargo that runs us, always told the target folder, so that its binaries are where we look for them.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// Runs `command`, its output going where ours goes; true if it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("error: {}: {error}", command.get_program().display());
            false
        }
    }
}

/// Runs `command`, passing on each line of its standard output, and showing it to `each`, as it comes.
pub(crate) fn stream(command: &mut Command, mut each: impl FnMut(&str)) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    if let Some(stdout) = child.stdout.take() {
        let mut reader = BufReader::new(stdout);
        let mut bytes = Vec::new();
        // Bytes, not `lines()`: a test may print what is not UTF-8, and must not end the run by that.
        while reader.read_until(b'\n', &mut bytes)? != 0 {
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_end_matches(['\n', '\r']);
            println!("{line}");
            each(line);
            bytes.clear();
        }
    }
    child.wait()
}
