//! Where the bytes of an output go, and what they pass on the way.

use super::plan::Target;
use crate::formats::FormatArg;
use ndbytes::io::{self, Compressor, SaveOptions};
use ndbytes::{Error, Level, Result};
use std::fs::File;
use std::io::Write;

/// Hands `fill` the writer for an output, which compresses where the format does; the bytes that are stored.
///
/// # Errors
/// As [`io::replace`], and whatever `fill` returns.
pub(super) fn write(
    target: &Target,
    format: FormatArg,
    level: Level,
    save: SaveOptions,
    fill: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<u64> {
    let mut stored = 0;
    let through = |file: &mut File| -> Result<()> {
        let mut out = Counted { out: file, bytes: 0 };
        match format.container() {
            None => fill(&mut out)?,
            Some(container) => {
                let mut compressor = Compressor::new(&mut out, container, level);
                fill(&mut compressor)?;
                compressor.finish()?;
            }
        }
        out.flush()?;
        stored = out.bytes;
        Ok(())
    };
    match target {
        Target::File(path) => io::replace(path, save, through)?,
        Target::Stdout => stdout()
            .map_err(Error::from)
            .and_then(|mut out| through(&mut out))
            .map_err(about_stdout)?,
    }
    Ok(stored)
}

fn about_stdout(error: Error) -> Error {
    if error.path().is_some() { error } else { error.in_file("standard output") }
}

/// A writer that counts what it has taken.
struct Counted<'f> {
    out: &'f mut File,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Standard output without a buffer that looks for lines.
#[cfg(unix)]
fn stdout() -> std::io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(std::io::stdout().as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn stdout() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(std::io::stdout().as_handle().try_clone_to_owned()?))
}
