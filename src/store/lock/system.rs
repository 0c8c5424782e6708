//! Locks that the operating system holds for an open file and drops with its process, however that
//! ends. Not every file system has them: some refuse with one error or another, some grant them on
//! one node only.

use std::fs::{File, TryLockError};
use std::io;

/// A kind of lock of the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemLock {
    /// flock, of a whole file.
    Flock,
    /// fcntl, of all bytes of an open file (OFD).
    Fcntl,
}

impl SystemLock {
    /// Both, in the order in which they are tried.
    pub const ALL: [SystemLock; 2] = [SystemLock::Flock, SystemLock::Fcntl];

    /// Its name, as `--lock` has it.
    pub fn name(self) -> &'static str {
        match self {
            SystemLock::Flock => "flock",
            SystemLock::Fcntl => "fcntl",
        }
    }

    /// Locks a file that is open to read and write; false when another has it locked.
    ///
    /// # Errors
    /// Those of the operating system: it has no such lock there.
    pub fn try_lock(self, file: &File) -> io::Result<bool> {
        loop {
            let locked = match self {
                SystemLock::Flock => match file.try_lock() {
                    Ok(()) => Ok(true),
                    Err(TryLockError::WouldBlock) => Ok(false),
                    Err(TryLockError::Error(error)) => Err(error),
                },
                SystemLock::Fcntl => set_record_lock(file, true),
            };
            match locked {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                locked => return locked,
            }
        }
    }

    /// Gives the lock back at once. Closing the file alone would not: a child process that another
    /// thread is starting has a copy of it until it runs its own program.
    pub fn unlock(self, file: &File) {
        // Nothing better to do if this fails: closing the file is next.
        let _ = match self {
            SystemLock::Flock => file.unlock(),
            SystemLock::Fcntl => set_record_lock(file, false).map(drop),
        };
    }
}

/// Sets or drops a lock on all bytes of an open file; false when another has it.
#[cfg(target_os = "linux")]
fn set_record_lock(file: &File, locked: bool) -> io::Result<bool> {
    use std::os::fd::AsRawFd;

    // SAFETY: `flock` is a C struct of integers, for which zeros are valid.
    let mut range: libc::flock = unsafe { std::mem::zeroed() };
    range.l_type = if locked { libc::F_WRLCK } else { libc::F_UNLCK } as _;
    range.l_whence = libc::SEEK_SET as _;
    // SAFETY: the descriptor is open as long as `file` lives, and F_OFD_SETLK reads one `flock`.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const range) };
    if done == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

#[cfg(not(target_os = "linux"))]
fn set_record_lock(_file: &File, _locked: bool) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::OpenOptions;

    use super::*;

    /// Each kind refuses a second opening of the file, and an unlocked file is free while a copy of
    /// its descriptor is open, as a child process has it between fork and exec.
    #[test]
    #[cfg(target_os = "linux")]
    fn an_unlocked_file_is_free_while_a_copy_of_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).open(&path).unwrap()
        };
        for kind in SystemLock::ALL {
            let (first, second) = (open(), open());
            assert!(kind.try_lock(&first).unwrap());
            assert!(!kind.try_lock(&second).unwrap(), "{kind:?}");
            let copy = first.try_clone().unwrap();
            kind.unlock(&first);
            assert!(kind.try_lock(&second).unwrap(), "{kind:?}");
            drop(copy);
        }
    }
}
