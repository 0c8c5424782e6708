//! The lock of what one process alone may write to: a run directory, a journal.
//!
//! A lock of the operating system where the file system has one, and beside it an owner file with a
//! heartbeat ([`owner`]), which says who it is, and stands alone where the file system has none. The
//! owner file also keeps machines apart whose file system grants locks on each of them alone (Lustre
//! with `localflock`, NFS with `local_lock`), or of which one has them and one has not.

pub mod owner;
pub mod process;
pub mod support;
pub mod system;
mod taking;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use owner::{Newest, OwnerFile};
use process::Process;
use taking::{HeldFile, Taking};

use super::files::Files;
use crate::choice::choice;
use crate::error::{Error, Result};

choice! {
    /// How a process keeps others away from its run directory.
    pub enum Choice {
        /// The first of flock, fcntl and file that works there.
        Auto = "auto",
        /// A lock by flock.
        Flock = "flock",
        /// A lock by fcntl.
        Fcntl = "fcntl",
        /// An owner file with a heartbeat, without a lock of the file system.
        File = "file",
        /// No lock: you see to it that one run at a time works there.
        None = "none",
    }
}

/// The name of the lock in a run directory.
const NAME: &str = "lock";

/// The time between two heartbeats.
const BEAT: Duration = Duration::from_secs(3);

/// How a lock is taken.
#[derive(Clone, Copy, Debug)]
pub struct Locking {
    /// What it consists of.
    pub choice: Choice,
    /// The time between two heartbeats.
    pub beat: Duration,
    /// A heart that is still for so long has stopped.
    pub silence: Duration,
}

impl Locking {
    /// A heartbeat every three seconds, of which nine may fail to come.
    pub fn new(choice: Choice) -> Locking {
        Locking { choice, beat: BEAT, silence: 10 * BEAT }
    }
}

/// A lock, held until dropped.
#[derive(Debug)]
pub struct Lock {
    /// Dropped first: who comes next finds that this one has ended.
    owner: Option<OwnerFile>,
    _system: Option<HeldFile>,
}

impl Lock {
    /// Locks the run directory `directory` for this process.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] names the process that holds it; [`Error::Io`] and [`Error::Write`].
    pub fn take(files: &dyn Files, directory: &Path, locking: &Locking) -> Result<Self> {
        let guard = directory.join(NAME);
        let taken = Taking { files, guard: &guard, locking, patience: Duration::ZERO };
        match taken.take(&Process::this())? {
            Ok(lock) => Ok(lock),
            Err(holder) => Err(held_error(directory, &holder)),
        }
    }

    /// Locks a file of its own for this process, waiting for another that may be dying.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn take_file(files: &dyn Files, path: &Path, locking: &Locking) -> Result<Self> {
        /// A rank of a job that was killed may live this much longer than the others.
        const DYING: Duration = Duration::from_secs(10);
        let taken = Taking { files, guard: path, locking, patience: DYING };
        match taken.take(&Process::this())? {
            Ok(lock) => Ok(lock),
            Err(holder) => Err(Error::RunDirectory {
                directory: path.to_owned(),
                problem: format!("is in use by {holder}"),
                help: "an earlier job may still be ending: see that it has, and repeat the command"
                    .to_owned(),
            }),
        }
    }

    /// Checks, before something is written, that this process still holds the lock.
    ///
    /// # Errors
    /// As [`OwnerFile::check`].
    pub fn check(&self) -> Result<()> {
        self.owner.as_ref().map_or(Ok(()), OwnerFile::check)
    }
}

/// Names the process that is at work in the run directory `directory`, if one is, changing nothing: may
/// take a few heartbeats where it is on another machine.
///
/// # Errors
/// [`Error::Io`] when the lock cannot be looked at.
pub fn find_holder(directory: &Path) -> Result<Option<String>> {
    if !directory.is_dir() {
        return Ok(None);
    }
    let guard = directory.join(NAME);
    let Some(first) = Newest::find(&guard)? else { return Ok(None) };
    let who = owner::describe(Some(&first));
    let owner = first.owner();
    let runs = owner.as_ref().and_then(|owner| match owner.released {
        true => Some(false),
        false => owner.process.runs(&Process::this()),
    });
    if let Some(runs) = runs {
        return Ok(runs.then_some(who));
    }
    let since = Instant::now();
    while since.elapsed() < 2 * BEAT {
        thread::sleep(BEAT / 10);
        if Newest::find(&guard)?.as_ref() != Some(&first) {
            return Ok(Some(who));
        }
    }
    Ok(Some(format!("{who}, which gives no sign of life and may have ended")))
}

fn held_error(directory: &Path, holder: &str) -> Error {
    Error::RunDirectory {
        directory: directory.to_owned(),
        problem: format!("is in use by {holder}"),
        help: "wait until it has ended, stop it, or choose another --output".to_owned(),
    }
}
