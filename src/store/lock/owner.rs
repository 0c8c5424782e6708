//! The owner file: who is at work on something, by a heartbeat that any machine can see.
//!
//! Owners are numbered. Owner 3 of `lock` is `lock.owner-3`, made so that of several processes only
//! one can (a link, or O_EXCL where there are none); the highest number is the owner. Whoever ends says
//! so in its file and leaves it. To take over from owner 3, whether it ended or fell silent, is to make
//! `lock.owner-4`, which again only one process can. Lower numbers are then removed, which an owner
//! that was only asleep finds at its next heartbeat or its next write.
//!
//! A heartbeat is a change of the file's bytes: no clocks are compared.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::error::{Error, Result};
use crate::log;
use crate::store::files::{self, Files};

/// All records have this length, so that one is written over another in one write.
const LENGTH: usize = 512;
const INFIX: &str = ".owner-";

/// What an owner file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process that is at work, or was.
    pub process: Process,
    /// When it took the lock, for people.
    pub since: String,
    /// What it holds beside this file, as `--lock` names it; "file" for nothing.
    pub by: String,
    /// Told from all other owners by this.
    token: String,
    /// The number of heartbeats so far.
    beats: u64,
    /// Whether it gave the lock back.
    pub released: bool,
}

impl Owner {
    /// An owner that begins now.
    pub fn new(process: Process, by: &str) -> Owner {
        use std::hash::{BuildHasher, RandomState};
        let since = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        let token = format!("{:016x}", RandomState::new().hash_one((&since, process.pid)));
        Owner { process, since, by: by.to_owned(), token, beats: 0, released: false }
    }

    fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self)?;
        if bytes.len() >= LENGTH {
            return Err(io::Error::other("the names of this host and its namespaces are too long"));
        }
        bytes.resize(LENGTH - 1, b' ');
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Who it is, in words.
    pub fn describe(&self) -> String {
        let Owner { process: Process { host, pid, .. }, since, .. } = self;
        format!("host {host}, pid {pid}, since {since}")
    }
}

/// The newest owner file of something, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Its number, from 1.
    pub number: u64,
    /// Its bytes: whoever changes them is at work.
    pub bytes: Vec<u8>,
}

impl Newest {
    /// Reads the newest owner file of `guard`; None where there is none.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn find(guard: &Path) -> Result<Option<Newest>> {
        loop {
            let Some(&number) = numbers(guard)?.last() else { return Ok(None) };
            let path = owner_path(guard, number);
            match fs::read(&path) {
                Ok(bytes) => return Ok(Some(Newest { number, bytes })),
                // Removed by a newer owner since.
                Err(error) if is_gone(&error) => {}
                Err(source) => return Err(Error::Io { action: "look at", path, source }),
            }
        }
    }

    /// What it says; None while it is being written, or after a kill just then.
    pub fn owner(&self) -> Option<Owner> {
        serde_json::from_slice(&self.bytes).ok()
    }
}

/// Who an owner file is of, in words, whether it can be read or not.
pub fn describe(newest: Option<&Newest>) -> String {
    let owner = newest.and_then(Newest::owner).filter(|owner| !owner.released);
    let unnamed = || "a process that has not written its name yet".to_owned();
    owner.map_or_else(unnamed, |owner| owner.describe())
}

pub(super) fn owner_path(guard: &Path, number: u64) -> PathBuf {
    let mut path = guard.as_os_str().to_owned();
    path.push(format!("{INFIX}{number}"));
    path.into()
}

/// The numbers of the owner files of `guard` that are there, ascending.
fn numbers(guard: &Path) -> Result<Vec<u64>> {
    let folder = guard.parent().unwrap_or(guard);
    let failed = |source| Error::Io { action: "read", path: folder.to_owned(), source };
    let prefix = format!("{}{INFIX}", guard.file_name().unwrap_or_default().to_string_lossy());
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether the error says that a file was removed: on NFS it is stale.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle)
}

/// An owner file that this process keeps beating until it is dropped.
#[derive(Debug)]
pub struct OwnerFile {
    path: PathBuf,
    owner: Owner,
    lost: Arc<AtomicBool>,
    beating: Option<(Sender<()>, JoinHandle<()>)>,
}

impl OwnerFile {
    /// Becomes the owner of `guard` behind owner `before`, which must have ended; None when another
    /// process was faster.
    ///
    /// # Errors
    /// [`Error::Write`] and [`Error::Io`]
    pub fn claim(
        files: &dyn Files,
        guard: &Path,
        before: u64,
        owner: Owner,
        beat: Duration,
    ) -> Result<Option<OwnerFile>> {
        let number = before + 1;
        let path = owner_path(guard, number);
        let io = |source| Error::Io { action: "write", path: path.clone(), source };
        let record = owner.encode().map_err(io)?;
        if !files::create_new(files, &path, &record)? {
            return Ok(None);
        }
        // Between looking for owners and making this file others may have come and gone, or have taken
        // the file, empty as it was, for one that a kill had left.
        let all = numbers(guard)?;
        if all.last() != Some(&number) {
            let _ = fs::remove_file(&path); // its owner is not the newest, and so is none
            return Ok(None);
        }
        for older in all.into_iter().filter(|&older| older < number) {
            let path = owner_path(guard, older);
            match fs::remove_file(&path) {
                Err(source) if !is_gone(&source) => {
                    return Err(Error::Io { action: "remove", path, source });
                }
                _ => {}
            }
        }
        let lost = Arc::new(AtomicBool::new(false));
        let beating = start_beating(&path, &owner, beat, lost.clone());
        let beating = Some(beating.map_err(|source| Error::Io {
            action: "watch",
            path: path.clone(),
            source,
        })?);
        Ok(Some(OwnerFile { path, owner, lost, beating }))
    }

    /// Checks that no other process has taken over.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] when one has: nothing may be written from now on. [`Error::Io`] when the
    /// file cannot be looked at.
    pub fn check(&self) -> Result<()> {
        let io = |source| Error::Io { action: "look at", path: self.path.clone(), source };
        if !self.lost.load(Ordering::Relaxed) && is_own(&self.path, &self.owner).map_err(io)? {
            return Ok(());
        }
        // Its files are those of another now, which may be on another machine.
        log::close_file();
        Err(Error::RunDirectory {
            directory: self.path.clone(),
            problem: "is no longer this process's: it was stopped or cut off from the file system for so \
                      long that another has taken over, or the file was removed"
                .to_owned(),
            help: "what it had finished is kept; once the other process has ended, the same command \
                   does the rest"
                .to_owned(),
        })
    }
}

impl Drop for OwnerFile {
    /// Says that the owner has ended; the file stays, so that its number is not given again.
    fn drop(&mut self) {
        if let Some((stop, beating)) = self.beating.take() {
            drop(stop);
            let _ = beating.join();
        }
        self.owner.released = true;
        // If this fails, others find the process ended, or its heart still.
        let _ = write_over(&self.path, &self.owner);
    }
}

/// Whether the owner file at `path` is still there and this owner's.
fn is_own(path: &Path, owner: &Owner) -> io::Result<bool> {
    match fs::read(path) {
        // Not read as a record: a heartbeat may be half written over the one before.
        Ok(bytes) => {
            Ok(bytes.windows(owner.token.len()).any(|part| part == owner.token.as_bytes()))
        }
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the record over the one that is there, if that is this owner's.
fn write_over(path: &Path, owner: &Owner) -> io::Result<()> {
    if is_own(path, owner)? {
        // Opened and closed each time: on NFS that is what others see.
        fs::OpenOptions::new().write(true).open(path)?.write_all(&owner.encode()?)?;
    }
    Ok(())
}

/// Starts the thread that beats until its sender is dropped, or the file has become another's.
fn start_beating(
    path: &Path,
    owner: &Owner,
    beat: Duration,
    lost: Arc<AtomicBool>,
) -> io::Result<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = mpsc::channel();
    let (path, mut owner) = (path.to_owned(), owner.clone());
    let keep_beating = move || {
        while stopped.recv_timeout(beat) == Err(RecvTimeoutError::Timeout) {
            owner.beats += 1;
            // A file system that fails now may work again at the next beat.
            if let Ok(false) = is_own(&path, &owner) {
                lost.store(true, Ordering::Relaxed);
                return;
            }
            let _ = write_over(&path, &owner);
        }
    };
    let thread = thread::Builder::new().name("heartbeat".to_owned()).spawn(keep_beating)?;
    Ok((stop, thread))
}
