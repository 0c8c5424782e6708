//! One process a run directory.
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

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks `directory`.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] names the host and process that holds it; [`Error::Io`].
    pub fn take(files: Arc<dyn Files>, directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        let Some(file) = exclusive(&path, Duration::ZERO)? else {
            return Err(held(directory, &path));
        };
        let started = humantime::format_rfc3339_seconds(SystemTime::now());
        let owner =
            format!("host {}, pid {}, since {started}\n", machine::host(), std::process::id());
        Appender::open(files, &path, 0)?.append(owner.as_bytes())?;
        Ok(Lock { _file: file })
    }
}

/// The file at `path`, made if need be and locked for this process; None when another has held it for
/// `patience`.
///
/// # Errors
/// [`Error::Io`]
pub fn exclusive(path: &Path, patience: Duration) -> Result<Option<File>> {
    let io = |source| Error::Io { action: "lock", path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if since.elapsed() >= patience => return Ok(None),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
}

/// Who holds the lock of `directory`, if anybody does.
///
/// # Errors
/// [`Error::Io`]
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
        Err(TryLockError::WouldBlock) => Ok(Some(owner(&path))),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn owner(path: &Path) -> String {
    match fs::read_to_string(path).unwrap_or_default().trim() {
        "" => "a process that has not written its name yet".to_owned(),
        owner => owner.to_owned(),
    }
}

fn held(directory: &Path, path: &Path) -> Error {
    let owner = owner(path);
    Error::RunDirectory {
        directory: directory.to_owned(),
        problem: format!("is in use by {owner}"),
        help: "wait until it has ended, stop it, or choose another --output".to_owned(),
    }
}
