//! Which locks a folder's file system has, found by trying each on a file of its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use super::system::SystemLock;

/// What became of trying a lock: nothing where it keeps a second opening of the file away.
pub type Tried = Result<(), String>;

/// The locks of a folder.
pub struct Support {
    /// The locks of the operating system, in the order in which they are tried.
    pub system: Vec<(SystemLock, Tried)>,
    /// Whether of two processes only one can make a file.
    pub file: Tried,
}

impl Support {
    /// Tries all locks on a file in `folder`, which is removed again.
    ///
    /// # Errors
    /// Those of making and removing the file.
    pub fn find(folder: &Path) -> io::Result<Support> {
        let path = folder.join(format!(".nfd-doctor-{}.tmp", std::process::id()));
        let made = File::create_new(&path);
        let support = made.map(|_| Support {
            system: SystemLock::ALL.into_iter().map(|kind| (kind, try_out(kind, &path))).collect(),
            file: match File::create_new(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(error.to_string()),
                Ok(_) => Err("makes a file twice".to_owned()),
            },
        });
        if support.is_ok() {
            fs::remove_file(&path)?;
        }
        support
    }

    /// The name of the lock that a run takes there if it may choose; None where no lock works.
    pub fn chosen(&self) -> Option<&'static str> {
        let works = self.system.iter().find(|(_, tried)| tried.is_ok());
        works.map(|(kind, _)| kind.name()).or(self.file.is_ok().then_some("file"))
    }
}

/// Locks the file at `path` twice, which must go wrong.
fn try_out(kind: SystemLock, path: &Path) -> Tried {
    let open = || OpenOptions::new().read(true).write(true).open(path);
    let both = open().and_then(|first| {
        let second = open()?;
        Ok((kind.try_lock(&first)?, kind.try_lock(&second)?))
    });
    match both {
        Ok((true, false)) => Ok(()),
        Ok(_) => Err("granted twice".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
