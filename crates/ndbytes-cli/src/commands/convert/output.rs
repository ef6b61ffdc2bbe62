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
    let through = |out: &mut Counted<'_>| -> Result<()> {
        let Some(container) = format.container() else { return fill(out) };
        let mut compressor = Compressor::new(out, container, level);
        fill(&mut compressor)?;
        compressor.finish().map(drop)
    };
    match target {
        Target::Stdout => to_stdout(through),
        Target::File(path) => {
            let mut stored = 0;
            io::replace(path, save, |file| {
                stored = counted(file, through)?;
                Ok(())
            })?;
            Ok(stored)
        }
    }
}

/// Hands `fill` standard output; the bytes that it has taken.
///
/// # Errors
/// Those of standard output, and whatever `fill` returns.
pub(super) fn to_stdout(fill: impl FnOnce(&mut Counted<'_>) -> Result<()>) -> Result<u64> {
    let written = stdout().map_err(Error::from).and_then(|mut out| counted(&mut out, fill));
    written.map_err(|error| match error.path() {
        Some(_) => error,
        None => error.in_file("standard output"),
    })
}

fn counted(file: &mut File, fill: impl FnOnce(&mut Counted<'_>) -> Result<()>) -> Result<u64> {
    let mut out = Counted { out: file, bytes: 0 };
    fill(&mut out)?;
    out.flush()?;
    Ok(out.bytes)
}

/// A writer that counts what it has taken.
pub(super) struct Counted<'f> {
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
