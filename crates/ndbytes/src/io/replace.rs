//! Files replaced whole or not at all.

use super::file::{FileKind, PATIENCE, kind};
use super::temporary::Temporary;
use super::{Watch, write_file};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Encode;
use crate::threads::Threads;
use std::fs::{File, Metadata};
use std::io::{Result as IoResult, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How a file is saved.
#[derive(Debug, Clone, Copy, Default)]
pub struct SaveOptions {
    /// Whether file and folder are on the disk before it returns: it survives a loss of power then.
    pub durable: bool,
    /// Whether a file that is there, of whatever kind, is left alone: that is an error then.
    pub exclusive: bool,
    /// Whether only a plain file is replaced: a symbolic link or a FIFO in its place is an error then.
    pub plain: bool,
}

impl SaveOptions {
    /// With or without waiting for the disk.
    #[must_use]
    pub fn durable(durable: bool) -> Self {
        Self { durable, ..Self::default() }
    }
}

/// Saves what the machine gives at `path`; see [`replace`].
///
/// # Errors
/// As [`replace`] and [`write_file`].
pub fn save<'a>(
    path: impl AsRef<Path>,
    encoder: &mut dyn Encode<'a>,
    options: SaveOptions,
    watch: Watch<'_>,
) -> Result<()> {
    replace(path, options, |file| write_file(encoder, file, Threads::default(), watch))
}

/// Puts what `fill` writes at `path`, whole or not at all.
///
/// The bytes go to a temporary file in the same folder, which then takes the old one's place with its mode and,
/// where the system allows it, its owner and group; until then nobody may read it who may not read the old one.
/// Whoever has the old file open or mapped keeps it. A symbolic link stays and its target is replaced. A FIFO is
/// written to as it is. A file that one may not write to is not replaced either.
///
/// # Errors
/// [`Io`](ErrorKind::Io) with errno and path (`EEXIST` for what the options say it must not replace),
/// [`Timeout`](ErrorKind::Timeout) for a FIFO that nobody reads, or
/// whatever `fill` returns. After any error the old file is untouched and no other file is left.
pub fn replace(
    path: impl AsRef<Path>,
    options: SaveOptions,
    fill: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let mut replacement = Replacement::begin(path, options)?;
    fill(replacement.file()).map_err(|error| about(path, error))?;
    replacement.commit()
}

/// A file on its way to its place, which it takes whole or not at all: [`replace`] for whoever writes it step by step.
///
/// Dropped before [`Replacement::commit`] it leaves the old file untouched, and no other.
#[derive(Debug)]
#[must_use = "it takes its place once it is committed"]
pub struct Replacement {
    path: PathBuf,
    options: SaveOptions,
    to: To,
}

/// Where the bytes go meanwhile.
#[derive(Debug)]
enum To {
    /// As they are, to a FIFO.
    Stream(File),
    File {
        temporary: Temporary,
        target: PathBuf,
        old: Option<Box<Metadata>>,
    },
}

impl Replacement {
    /// Makes the temporary file for what is to stand at `path`.
    ///
    /// # Errors
    /// As [`replace`].
    pub fn begin(path: impl AsRef<Path>, options: SaveOptions) -> Result<Self> {
        let path = path.as_ref();
        let to = To::of(path, options).map_err(|error| about(path, error))?;
        Ok(Self { path: path.to_path_buf(), options, to })
    }

    /// What to write to.
    pub fn file(&mut self) -> &mut File {
        match &mut self.to {
            To::Stream(file) => file,
            To::File { temporary, .. } => temporary.file(),
        }
    }

    /// Takes the place.
    ///
    /// # Errors
    /// As [`replace`].
    pub fn commit(self) -> Result<()> {
        let Self { path, options, to } = self;
        match to {
            To::Stream(_) => Ok(()),
            To::File { temporary, target, old } => {
                finish(temporary, &target, old.as_deref(), options)
                    .map_err(|error| about(&path, error))
            }
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        self.file().flush()
    }
}

impl Seek for Replacement {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.file().seek(to)
    }
}

fn about(path: &Path, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Timeout if error.path().is_none() => error.in_file(path),
        _ => error,
    }
}

impl To {
    fn of(path: &Path, options: SaveOptions) -> Result<Self> {
        // A link that leads nowhere is something too.
        let is_followed = !options.exclusive && !options.plain;
        let found = if is_followed { std::fs::metadata(path) } else { path.symlink_metadata() };
        let old = match found {
            Ok(old) if options.exclusive || (options.plain && !old.is_file()) => {
                return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists).into());
            }
            Ok(old) => Some(old),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(old) = &old {
            if kind(old)? == FileKind::Stream {
                return open_stream(path).map(Self::Stream);
            }
            check_writable(path)?;
        }
        // Renaming over a link that has come since replaces the link.
        let target = if is_followed { followed(path)? } else { path.to_path_buf() };
        let temporary = Temporary::create(&target, old.as_ref())?;
        Ok(Self::File { temporary, target, old: old.map(Box::new) })
    }
}

/// Gives what was written its name.
fn finish(
    mut temporary: Temporary,
    target: &Path,
    old: Option<&Metadata>,
    options: SaveOptions,
) -> Result<()> {
    temporary.file().flush()?;
    if let Some(old) = old {
        keep_owner_and_mode(temporary.file(), old)?;
    }
    if options.durable {
        temporary.file().sync_all()?;
    }
    let folder = match options.exclusive {
        true => temporary.persist_new(target)?,
        false => temporary.persist(target)?,
    };
    if options.durable {
        sync_folder(&folder)?;
    }
    Ok(())
}

/// The file that a symbolic link, if it is one, stands for; it need not exist.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut target = path.to_path_buf();
    // As many links as Linux follows.
    for _ in 0..40 {
        match std::fs::read_link(&target) {
            Ok(link) => target = target.parent().unwrap_or_else(|| Path::new("")).join(link),
            Err(_) => return Ok(target),
        }
    }
    // Let the system say ELOOP in its own words.
    std::fs::metadata(path)?;
    Ok(path.to_path_buf())
}

/// Renaming over a file asks nobody but the folder: ask the file too, as writing to it would.
#[cfg(unix)]
fn check_writable(path: &Path) -> Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)
        .map_err(|errno| std::io::Error::from(errno).into())
}

/// Opening a FIFO waits for a reader: do it without waiting, and ask again with a clock.
#[cfg(unix)]
fn open_stream(path: &Path) -> Result<File> {
    use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl, open};
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let start = std::time::Instant::now();
    let fd = loop {
        match open(path, flags, Mode::empty()) {
            Ok(fd) => break fd,
            Err(rustix::io::Errno::NXIO) if start.elapsed() < PATIENCE => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(rustix::io::Errno::NXIO) => {
                let message =
                    format!("a FIFO that nobody read from within {} s", PATIENCE.as_secs());
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            Err(errno) => return Err(std::io::Error::from(errno).into()),
        }
    };
    let flags = fcntl_getfl(&fd).map_err(std::io::Error::from)?;
    fcntl_setfl(&fd, flags - OFlags::NONBLOCK).map_err(std::io::Error::from)?;
    Ok(fd.into())
}

#[cfg(unix)]
fn keep_owner_and_mode(file: &File, old: &Metadata) -> Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
    let new = file.metadata()?;
    let mut mode = old.permissions();
    // Only root may give files away: for others the group, at least, where they are a member of it.
    let owned = (new.uid(), new.gid()) == (old.uid(), old.gid())
        || fchown(file, Some(old.uid()), Some(old.gid())).is_ok();
    if !owned && new.gid() != old.gid() && fchown(file, None, Some(old.gid())).is_err() {
        // Another group may do no more than anybody.
        let bits = mode.mode();
        mode.set_mode(bits & (!0o070 | (bits & 0o007) << 3));
    }
    if new.permissions() != mode {
        file.set_permissions(mode)?;
    }
    Ok(())
}

/// The new name is on the disk only once its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<()> {
    Ok(File::open(folder)?.sync_all()?)
}

#[cfg(not(unix))]
fn check_writable(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn open_stream(path: &Path) -> Result<File> {
    Ok(File::options().write(true).open(path)?)
}

#[cfg(not(unix))]
fn keep_owner_and_mode(file: &File, old: &Metadata) -> Result<()> {
    Ok(file.set_permissions(old.permissions())?)
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<()> {
    Ok(())
}
