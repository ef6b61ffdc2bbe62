//! A temporary file beside the file it will replace.
//!
//! Its name follows from the target's, so that the next save of the same file finds what a killed one left and
//! removes it. A lock tells the living from the dead: the system drops it with the process.

use super::file::is_same;
use crate::codec::crc32c;
use crate::error::Result;
use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// How many names are looked at, at least, for what the dead have left.
const SLOTS: u32 = 8;

/// A file that removes itself unless it is persisted.
#[derive(Debug)]
pub(super) struct Temporary {
    file: File,
    path: PathBuf,
    persisted: bool,
}

impl Temporary {
    /// Makes one in the folder of `target`, open to nobody who may not read the `old` file there.
    pub(super) fn create(target: &Path, old: Option<&Metadata>) -> Result<Self> {
        for slot in 0.. {
            let path = Self::path_for(target, slot);
            if slot >= SLOTS && path.symlink_metadata().is_err() {
                break;
            }
            remove_if_dead(&path);
        }
        // Whoever saves the same file now has a slot of their own.
        let mut slot = 0;
        loop {
            if let Some(temporary) = Self::try_create(&Self::path_for(target, slot), old)? {
                return Ok(temporary);
            }
            slot += 1;
        }
    }

    fn path_for(target: &Path, slot: u32) -> PathBuf {
        let name = target.file_name().unwrap_or_default();
        // Short enough for any name, and different for different ones.
        let start: String = name.to_string_lossy().chars().take(40).collect();
        let sum = crc32c(name.as_encoded_bytes());
        target.with_file_name(format!(".{start}.{sum:08x}.{slot}.ndbytes-tmp"))
    }

    /// `None` if the name is taken, or was taken away before the lock was had.
    fn try_create(path: &Path, old: Option<&Metadata>) -> Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        keep_private(&mut options, old);
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut temporary = Self { file, path: path.to_owned(), persisted: false };
        // A file system without locks only leaves what a killed save left.
        if let Err(std::fs::TryLockError::WouldBlock) = temporary.file.try_lock() {
            temporary.persisted = true; // Whoever holds it is removing it.
            return Ok(None);
        }
        if !is_at(&temporary.file, path)? {
            temporary.persisted = true;
            return Ok(None);
        }
        Ok(Some(temporary))
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Takes the place of `target`; gives the folder.
    pub(super) fn persist(mut self, target: &Path) -> Result<PathBuf> {
        std::fs::rename(&self.path, target)?;
        self.persisted = true;
        Ok(folder_of(target))
    }

    /// The same where nothing may be at `target`, not even since a moment ago.
    pub(super) fn persist_new(mut self, target: &Path) -> Result<PathBuf> {
        if rename_new(&self.path, target)? {
            self.persisted = true;
        } else {
            std::fs::hard_link(&self.path, target)?; // The other name goes with this.
        }
        Ok(folder_of(target))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.persisted {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A file that replaces another gets its mode, and its owner, at the end; until then it is its maker's alone.
#[cfg(unix)]
fn keep_private(options: &mut OpenOptions, old: Option<&Metadata>) {
    use std::os::unix::fs::OpenOptionsExt as _;
    if old.is_some() {
        options.mode(0o600);
    }
}

#[cfg(not(unix))]
fn keep_private(_: &mut OpenOptions, _: Option<&Metadata>) {}

fn folder_of(target: &Path) -> PathBuf {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// Renames where nothing has the new name; false if the system has no such call, or not for this file system.
#[cfg(target_os = "linux")]
fn rename_new(old: &Path, new: &Path) -> Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, old, CWD, new, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS) => Ok(false),
        Err(errno) => Err(std::io::Error::from(errno).into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_new(_: &Path, _: &Path) -> Result<bool> {
    Ok(false)
}

/// Removes a temporary file whose maker lives no more.
fn remove_if_dead(path: &Path) {
    if !std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return;
    }
    // Its maker may have finished since, and another may have taken the name: then the lock says nothing of theirs.
    if let Ok(file) = OpenOptions::new().write(true).open(path)
        && file.try_lock().is_ok()
        && is_at(&file, path).is_ok_and(|is_at| is_at)
    {
        let _ = std::fs::remove_file(path);
    }
}

/// Whether `path` still names the file.
fn is_at(file: &File, path: &Path) -> Result<bool> {
    let this = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok(is_same(&this, &named)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_are_removed_and_the_living_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.npy");
        let dead = Temporary::path_for(&target, 0);
        std::fs::write(&dead, b"left by a killed process").unwrap();
        let first = Temporary::create(&target, None).unwrap();
        assert_eq!(first.path, dead);
        assert_eq!(std::fs::metadata(&dead).unwrap().len(), 0);
        let second = Temporary::create(&target, None).unwrap();
        assert_ne!(second.path, first.path);
        assert!(first.path.exists());
        // A lock on a file that has been renamed says nothing of the file that has its name now.
        assert!(is_at(&first.file, &dead).unwrap());
        std::fs::rename(&dead, &target).unwrap();
        assert!(!is_at(&first.file, &dead).unwrap());
        std::fs::write(&dead, b"another's").unwrap();
        assert!(!is_at(&first.file, &dead).unwrap());
        std::fs::rename(&target, &dead).unwrap();
        drop((first, second));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_says_nothing_of_another_file_with_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (folder.path().join("tmp"), folder.path().join("target"));
        let file = File::create(&path).unwrap();
        assert!(is_at(&file, &path).unwrap());
        std::fs::rename(&path, &elsewhere).unwrap();
        assert!(!is_at(&file, &path).unwrap());
        std::fs::write(&path, b"another's").unwrap();
        assert!(!is_at(&file, &path).unwrap());
    }
}
