//! The lock of a run directory, for one process at a time.
//!
//! The operating system holds the lock and drops it with its process, however that ends; the text
//! in the file only says who it is. The file stays: removing it could let two processes lock two
//! files of one name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::files::{Appender, Files};
use super::machine;
use crate::error::{Error, Result};

const NAME: &str = "lock";

/// A locked file, held until dropped.
#[derive(Debug)]
pub struct LockedFile(File);

impl Drop for LockedFile {
    /// Gives the lock back at once. Closing the file alone would not: a child process that another
    /// thread is starting has a copy of it until it runs its own program.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// The lock of a run directory, held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: LockedFile,
}

impl Lock {
    /// Locks the run directory `directory` for this process.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] names the host and process that holds it; [`Error::Io`].
    pub fn take(files: Arc<dyn Files>, directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        let Some(file) = lock_file(&path, Duration::ZERO)? else {
            return Err(held_error(directory, &path));
        };
        let started = humantime::format_rfc3339_seconds(SystemTime::now());
        let owner =
            format!("host {}, pid {}, since {started}\n", machine::host(), std::process::id());
        Appender::open(files, &path, 0)?.append(owner.as_bytes())?;
        Ok(Lock { _file: file })
    }
}

/// Opens and locks the file at `path` for this process alone, making it if need be; None when another
/// process has held it for `patience`.
///
/// # Errors
/// [`Error::Io`] when the system refuses.
pub fn lock_file(path: &Path, patience: Duration) -> Result<Option<LockedFile>> {
    let io = |source| Error::Io { action: "lock", path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(LockedFile(file))),
            Err(TryLockError::WouldBlock) if since.elapsed() >= patience => return Ok(None),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
}

/// Names the process that holds the lock of `directory`, if one does.
///
/// # Errors
/// [`Error::Io`] when the lock cannot be looked at.
pub fn find_holder(directory: &Path) -> Result<Option<String>> {
    let path = directory.join(NAME);
    let io = |source| Error::Io { action: "look at", path: path.clone(), source };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(io(source)),
    };
    // A shared lock, given back at once: only a holder's own is in its way.
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read_owner(&path))),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn read_owner(path: &Path) -> String {
    match fs::read_to_string(path).unwrap_or_default().trim() {
        "" => "a process that has not written its name yet".to_owned(),
        owner => owner.to_owned(),
    }
}

fn held_error(directory: &Path, path: &Path) -> Error {
    let owner = read_owner(path);
    Error::RunDirectory {
        directory: directory.to_owned(),
        problem: format!("is in use by {owner}"),
        help: "wait until it has ended, stop it, or choose another --output".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_dropped_lock_is_free_while_a_copy_of_its_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let lock = lock_file(&path, Duration::ZERO).unwrap().unwrap();
        // As a child process has it between fork and exec.
        let copy = lock.0.try_clone().unwrap();
        assert!(lock_file(&path, Duration::ZERO).unwrap().is_none());
        drop(lock);
        assert!(lock_file(&path, Duration::ZERO).unwrap().is_some());
        drop(copy);
    }
}
