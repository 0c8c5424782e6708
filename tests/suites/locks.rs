//! Which lock a run directory has, on file systems without locks, with locks of one kind, or with locks
//! that hold on one machine only.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::common::faults::{open_locked, tiny};
use crate::common::locking::{ENOSYS, NO_LOCKS, Place, end, owner};
use nfd::store::files::{Disk, Files, create_new};
use nfd::store::lock;
use nfd::store::lock::{Choice, Lock, Locking};

/// Every error that flock has been seen to end with where a file system has none, and fcntl beside it:
/// the next kind of lock is taken, which is said, and the results are those of any other run.
#[test]
fn without_flock_the_next_lock_is_taken_and_named() {
    const EIO: i32 = 5;
    const EINVAL: i32 = 22;
    const ENOLCK: i32 = 37;
    const EOPNOTSUPP: i32 = 95;
    const ENOTSUPP: i32 = 524; // of the kernel alone, but let through by autofs and some NFS
    let place = Place::new();
    let said = end(place.nfd([None; 2], &["run", "job.json", "--output", "flock"]), 0);
    assert!(!said.contains("locked by"), "{said}");
    assert_eq!(owner(&place.path("flock")).unwrap().by, "flock");
    for error in [EIO, EINVAL, ENOLCK, ENOSYS, EOPNOTSUPP, ENOTSUPP] {
        for (fcntl, by, named) in [
            (None, "fcntl", "locked by fcntl"),
            (Some(error), "file", "an owner file with a heartbeat"),
        ] {
            let run = format!("{by}{error}");
            let command = place.nfd([Some(error), fcntl], &["run", "job.json", "--output", &run]);
            let said = end(command, 0);
            for part in [named, "as it has no flock: ", &format!("os error {error}")] {
                assert!(said.contains(part), "{error}: {part}: {said}");
            }
            let owner = owner(&place.path(&run)).unwrap();
            assert_eq!((&*owner.by, owner.released), (by, true));
            assert_eq!(place.results(&run), place.results("flock"));
        }
    }
}

/// What is asked for by name is taken or refused, never replaced.
#[test]
fn a_lock_that_is_named_is_that_or_none() {
    let place = Place::new();
    for (choice, refused) in [("flock", [Some(ENOSYS), None]), ("fcntl", [None, Some(ENOSYS)])] {
        let run = ["run", "job.json", "--output", choice, "--lock", choice];
        let said = end(place.nfd(refused, &run), 2);
        for part in [choice, "cannot be locked by", "Function not implemented", "leave --lock out"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        end(place.nfd([None; 2], &run), 0);
        assert_eq!(owner(&place.path(choice)).unwrap().by, choice);
    }
    end(place.nfd([None; 2], &["run", "job.json", "--output", "file", "--lock", "file"]), 0);
    assert_eq!(owner(&place.path("file")).unwrap().by, "file");
    assert!(!place.path("file").join("lock").exists());
    let said =
        end(place.nfd(NO_LOCKS, &["run", "job.json", "--output", "none", "--lock", "none"]), 0);
    assert!(said.contains("nothing keeps another run away"), "{said}");
    assert_eq!(owner(&place.path("none")), None);
    for verb in ["report", "merge"] {
        let said = end(place.nfd(NO_LOCKS, &[verb, "flock", "--lock", "flock"]), 2);
        assert!(said.contains("cannot be locked by flock"), "{said}");
    }
}

#[test]
fn the_doctor_names_the_lock_of_a_folder() {
    let place = Place::new();
    for (refused, parts) in [
        ([None; 2], ["locks          flock: in .", "fcntl works"]),
        ([Some(ENOSYS), None], ["locks          fcntl: in .", "flock does not work (Function not"]),
        (NO_LOCKS, ["locks          file: in .", "owner file works"]),
        ([Some(0), Some(0)], ["locks          file: in .", "flock does not work (granted twice)"]),
    ] {
        let said = end(place.nfd(refused, &["doctor"]), 0);
        for part in parts {
            assert!(said.contains(part), "{refused:?}: {part}: {said}");
        }
    }
    let said = end(place.nfd([None; 2], &["doctor", "nowhere"]), 0);
    assert!(said.contains("locks          unknown in nowhere"), "{said}");
    let left = fs::read_dir(place.folder.path()).unwrap().map(|e| e.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with('.')));
}

/// Who has lost the lock by removal of its owner file writes nothing any more.
#[test]
fn an_owner_without_its_file_does_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let experiment = tiny(1);
    let locking = Locking::new(Choice::File);
    let directory = open_locked(&path, &experiment, locking).unwrap();
    directory.write("results.csv", b"1").unwrap();
    fs::remove_file(path.join("lock.owner-1")).unwrap();
    for wrote in [directory.write("results.csv", b"2"), directory.write_plots(&[])] {
        assert!(wrote.unwrap_err().to_string().contains("no longer this process's"));
    }
    assert_eq!(fs::read(path.join("results.csv")).unwrap(), b"1");
    assert_eq!(lock::find_holder(&path).unwrap(), None);
    let again = Lock::take(&*Arc::new(Disk), &path, &locking).unwrap();
    assert!(again.check().is_ok() && lock::find_holder(&path).unwrap().is_some());
}

/// A disk that looks, after every call, at a file that must be whole wherever it is.
struct Watched {
    path: PathBuf,
    whole: &'static [u8],
    /// Whether the file system has links.
    links: bool,
}

impl Watched {
    fn look<T>(&self, done: T) -> T {
        let partly = fs::read(&self.path).is_ok_and(|bytes| bytes != self.whole);
        assert!(!partly || !self.links, "a kill now would leave a part of the file");
        done
    }
}

impl Files for Watched {
    fn create_new(&self, path: &Path) -> io::Result<File> {
        self.look(Disk.create_new(path))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<usize> {
        self.look(Disk.write(file, &bytes[..1]))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if !self.links {
            return Err(ErrorKind::Unsupported.into());
        }
        self.look(Disk.link(from, to))
    }
}

/// An owner file is never there in part, at which others would have to look twice: killed within less each time,
/// none of them would ever have the lock. Without links it is made too, and by one.
#[test]
fn an_owner_file_is_there_as_a_whole() {
    for links in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Watched { path: folder.path().join("lock.owner-1"), whole: b"owner", links };
        let make = || create_new(&disk, &disk.path, disk.whole).unwrap();
        assert_eq!([make(), make()], [true, false]);
        assert_eq!(fs::read(&disk.path).unwrap(), disk.whole);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "temporary files");
    }
}
