//! How a lock is taken: of the operating system where there is one, then as owner, once nobody else is.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tracing::info;

use super::owner::{self, Newest, Owner, OwnerFile};
use super::process::Process;
use super::system::SystemLock;
use super::{Choice, Lock, Locking};
use crate::error::{Error, Result};
use crate::log::FILE;
use crate::store::files::Files;

/// A file with a lock of the operating system on it.
#[derive(Debug)]
pub(super) struct HeldFile {
    file: File,
    kind: SystemLock,
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        self.kind.unlock(&self.file);
    }
}

/// What a process says of a lock that another holds.
pub(super) type Held<T> = std::result::Result<T, String>;

/// A lock that is being taken.
pub(super) struct Taking<'a> {
    pub files: &'a dyn Files,
    /// What is locked; the owner files lie beside it.
    pub guard: &'a Path,
    pub locking: &'a Locking,
    /// How long another may hold it before that is an answer.
    pub patience: Duration,
}

impl Taking<'_> {
    /// Takes the lock as the process `here`, or names its holder.
    pub fn take(&self, here: &Process) -> Result<Held<Lock>> {
        if self.locking.choice == Choice::None {
            info!("--lock none: nothing keeps another run away from this directory");
            return Ok(Ok(Lock { owner: None, _system: None }));
        }
        let since = Instant::now();
        let system = match self.take_system(since)? {
            Ok(system) => system,
            Err(holder) => return Ok(Err(holder)),
        };
        let by = system.as_ref().map_or(Choice::File.name(), |held| held.kind.name());
        Ok(self
            .become_owner(here, by, since)?
            .map(|owner| Lock { owner: Some(owner), _system: system }))
    }

    /// Takes the lock of the operating system that is wanted, or that works; None for an owner file
    /// alone.
    fn take_system(&self, since: Instant) -> Result<Held<Option<HeldFile>>> {
        let mut reasons = Vec::new();
        let wanted: &[SystemLock] = match self.locking.choice {
            Choice::Auto => &SystemLock::ALL,
            Choice::Flock => &[SystemLock::Flock],
            Choice::Fcntl => &[SystemLock::Fcntl],
            Choice::File | Choice::None => &[],
        };
        let folder = self.guard.parent().unwrap_or(self.guard);
        for &kind in wanted {
            let io = |source| Error::Io { action: "lock", path: self.guard.to_owned(), source };
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(self.guard).map_err(io)?;
            let refused = loop {
                match kind.try_lock(&file) {
                    Ok(true) => break None,
                    Ok(false) if since.elapsed() >= self.patience => {
                        return Ok(Err(owner::describe(Newest::find(self.guard)?.as_ref())));
                    }
                    Ok(false) => thread::sleep(Duration::from_millis(50)),
                    Err(error) => break Some(error),
                }
            };
            match refused {
                None => {
                    if !reasons.is_empty() {
                        self.say_instead(&reasons, folder, kind.name());
                    }
                    return Ok(Ok(Some(HeldFile { file, kind })));
                }
                Some(error) => reasons.push(format!("{}: {error}", kind.name())),
            }
        }
        if self.locking.choice == Choice::Auto {
            self.say_instead(&reasons, folder, "an owner file with a heartbeat");
        } else if !reasons.is_empty() {
            return Err(Error::RunDirectory {
                directory: folder.to_owned(),
                problem: format!("cannot be locked by {}", reasons.join("; ")),
                help: "leave --lock out, which takes what works there; `nfd doctor` names it"
                    .to_owned(),
            });
        }
        Ok(Ok(None))
    }

    fn say_instead(&self, reasons: &[String], folder: &Path, taken: &str) {
        let (folder, reasons) = (folder.display(), reasons.join("; "));
        info!("{folder} is locked by {taken}, as it has no {reasons}");
    }

    /// Makes the owner file, once nobody else is owner.
    fn become_owner(&self, here: &Process, by: &str, since: Instant) -> Result<Held<OwnerFile>> {
        loop {
            let before = match self.await_end(here, by, since)? {
                Ok(before) => before,
                Err(holder) => return Ok(Err(holder)),
            };
            let (owner, beat) = (Owner::new(here.clone(), by), self.locking.beat);
            if let Some(own) = OwnerFile::claim(self.files, self.guard, before, owner, beat)? {
                info!(target: FILE, by, "{} is locked", self.guard.display());
                return Ok(Ok(own));
            }
        }
    }

    /// Finds out whether the owner has ended, at once where that is known and otherwise by watching its
    /// heartbeat; its number, 0 for none, or who is at work.
    fn await_end(&self, here: &Process, by: &str, since: Instant) -> Result<Held<u64>> {
        let Locking { choice, beat, silence } = *self.locking;
        // The owner as it was first seen, and when.
        let mut seen: Option<(Newest, Instant)> = None;
        let mut said = false;
        loop {
            let Some(now) = Newest::find(self.guard)? else { return Ok(Ok(0)) };
            if seen.as_ref().is_none_or(|(first, _)| first.number != now.number) {
                seen = Some((now.clone(), Instant::now()));
            }
            let owner = now.owner();
            let known = owner.as_ref().and_then(|owner| {
                if owner.released {
                    return Some(false);
                }
                // A lock of the system that this process now holds is one that the owner has lost. But
                // it may be one on this machine alone, unless the user says that it is not.
                let has_lost = owner.by == by
                    && by != Choice::File.name()
                    && (choice != Choice::Auto || owner.process.shares_kernel(here));
                owner.process.runs(here).or(has_lost.then_some(false))
            });
            let watched = seen.as_ref().and_then(|(first, at)| {
                // Without a name a file was left by a kill, or whoever is writing it looks once more.
                let silence = if owner.is_some() { silence } else { beat };
                (first.bytes != now.bytes)
                    .then_some(true)
                    .or((at.elapsed() >= silence).then_some(false))
            });
            match known.or(watched) {
                Some(false) => {
                    if let Some(owner) = owner.filter(|owner| !owner.released) {
                        let (path, who) = (self.guard.display(), owner.describe());
                        info!(target: FILE, "{path} is taken over from {who}, which ended without releasing it");
                    }
                    return Ok(Ok(now.number));
                }
                Some(true) if since.elapsed() >= self.patience => {
                    return Ok(Err(owner::describe(Some(&now))));
                }
                // Until it ends, or the patience does.
                Some(true) => seen = None,
                None if !said && seen.as_ref().is_some_and(|(_, at)| at.elapsed() > 2 * beat) => {
                    said = true;
                    let (path, who) = (self.guard.display(), owner::describe(Some(&now)));
                    let seconds = silence.as_secs();
                    info!(
                        "{path} was taken by {who}, which gives no sign of life: it is taken over after \
                         {seconds} s without one"
                    );
                }
                None => {}
            }
            thread::sleep(Duration::from_millis(100).min(beat / 4));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::files::Disk;

    const BEAT: Duration = Duration::from_millis(50);
    const SILENCE: Duration = Duration::from_secs(2);

    /// A process on a machine of its own.
    fn on(host: &str) -> Process {
        Process { host: host.to_owned(), kernel: host.to_owned(), ..Process::this() }
    }

    /// Takes the lock at `guard` as a process on `host`, waiting for so long.
    fn take(guard: &Path, host: &str, choice: Choice, patience: Duration) -> Held<Lock> {
        let locking = &Locking { choice, beat: BEAT, silence: SILENCE };
        Taking { files: &Disk, guard, locking, patience }.take(&on(host)).unwrap()
    }

    /// Leaves an owner file as a process on `host` does that is killed, which held `by`.
    fn leave(guard: &Path, host: &str, by: &str) {
        let owner = Owner::new(on(host), by);
        let own = OwnerFile::claim(&Disk, guard, 0, owner, BEAT).unwrap().unwrap();
        let path = owner::owner_path(guard, 1);
        let bytes = fs::read(&path).unwrap();
        drop(own);
        fs::write(&path, bytes).unwrap();
    }

    /// Taking over takes a silence where only the heart tells, and less where the system or the file does.
    #[test]
    fn who_is_silent_is_taken_over_and_who_beats_is_not() {
        let [flock, fcntl, file] = ["flock", "fcntl", "file"];
        let (at_once, after_a_silence) = (Duration::ZERO, SILENCE);
        for (host, by, choice, least) in [
            // Another machine may hold a lock that this one does not see.
            ("b", file, Choice::File, after_a_silence),
            ("b", flock, Choice::Auto, after_a_silence),
            ("b", fcntl, Choice::Flock, after_a_silence),
            // The user says that flock holds on all machines.
            ("b", flock, Choice::Flock, at_once),
            // Not from this machine, where the process runs as its number shows, but for the container.
            ("container", flock, Choice::Auto, at_once),
            ("container", file, Choice::Auto, after_a_silence),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let guard = folder.path().join("lock");
            leave(&guard, host, by);
            let here = if host == "container" {
                let path = owner::owner_path(&guard, 1);
                let text = fs::read_to_string(&path).unwrap();
                let namespace = Process::this().namespace;
                fs::write(&path, text.replace(&namespace, &"x".repeat(namespace.len()))).unwrap();
                host
            } else {
                "a"
            };
            let clock = Instant::now();
            let lock = take(&guard, here, choice, Duration::ZERO).unwrap();
            let (took, case) = (clock.elapsed(), (host, by, choice));
            assert!(took >= least && (least == SILENCE || took < SILENCE), "{case:?}: {took:?}");
            assert!(!owner::owner_path(&guard, 1).exists() && lock.check().is_ok());
            // This one beats: nobody takes it, though they wait for longer than a silence.
            let held = take(&guard, "c", Choice::File, SILENCE * 3 / 2).unwrap_err();
            assert!(held.contains(&format!("host {here}, pid ")), "{held}");
            drop(lock);
            let clock = Instant::now();
            assert!(take(&guard, "c", Choice::File, Duration::ZERO).is_ok());
            assert!(clock.elapsed() < SILENCE, "{case:?}");
        }
    }

    /// A file without a record, as a kill leaves it, or one that is no record, costs a heartbeat's wait.
    #[test]
    fn a_file_without_a_name_is_taken_over() {
        for bytes in ["", "{\"process\":", "\u{fffd}"] {
            let folder = tempfile::tempdir().unwrap();
            let guard = folder.path().join("lock");
            fs::write(owner::owner_path(&guard, 7), bytes).unwrap();
            let clock = Instant::now();
            let lock = take(&guard, "a", Choice::Auto, Duration::ZERO).unwrap();
            assert!((BEAT..SILENCE).contains(&clock.elapsed()), "{:?}", clock.elapsed());
            assert!(owner::owner_path(&guard, 8).exists());
            drop(lock);
        }
    }

    /// Many machines that want the lock again and again have it one at a time.
    #[test]
    fn of_many_machines_one_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let guard = &folder.path().join("lock");
        let (inside, had) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        thread::scope(|scope| {
            for host in ["a", "b", "c", "d", "e", "f"] {
                scope.spawn(move || {
                    for _ in 0..20 {
                        let lock =
                            take(guard, host, Choice::File, Duration::from_secs(60)).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        assert!(lock.check().is_ok());
                        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                        had.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(had.load(Ordering::SeqCst), 120);
        // One file is left, of the last of them.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
