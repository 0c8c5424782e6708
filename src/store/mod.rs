//! The run directory: what is written, in which format, and never half.
//!
//! ```text
//! manifest.json          resolved experiment, what computes it; written first
//! journal/rank-0.journal finished tasks, one checksummed record each; a file for every rank
//! checkpoints/           how far tasks are that are not done, a file each
//! timings.csv            where and how long each task ran
//! lock, lock.owner-1     locked by who is at work; who that is, or was
//! logs/rank-0.jsonl      what each rank said and did ([`crate::log`])
//! logs/progress-0.json   how far it is, while it works
//! results.csv            one number a line, tidy
//! arrays.npz             the same, as arrays
//! results.parquet        the same on request, with types
//! best_rates.csv         the best of several learning rates, size by size
//! summary.json           the claims
//! report.html            the page, and its plots by themselves in plots/, their points too
//! figures.json           the same plots as numbers
//! ```

pub mod checkpoints;
pub mod files;
pub mod journal;
pub mod journals;
pub mod key;
pub mod lock;
pub mod machine;
pub mod manifest;
pub mod npz;
pub mod progress;
pub mod timings;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::data::DataSet;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::experiment::grid::Task;
use checkpoints::Checkpoints;
use files::Files;
use journal::{Journal, Location};
use journals::Journals;
use key::{Key, Keys};
use lock::{Lock, Locking};
use manifest::{Launch, Manifest};
use timings::{Timing, Timings};

/// The journal of a process that is alone: where its finished tasks are.
pub const JOURNAL: &str = "journal/rank-0.journal";

/// The folder of the standalone plots.
const PLOTS: &str = "plots";

/// The experiment that is about to enter a run directory, and how it was started.
#[derive(Clone, Copy, Debug)]
pub struct RunStart<'a> {
    /// The experiment as resolved, defaults filled in.
    pub experiment: &'a Experiment,
    /// The samples of the experiment.
    pub data: &'a DataSet,
    /// The instructions or device that the bits of results depend on.
    pub numeric_path: &'a str,
    /// Whether to take over a directory of another numeric path, whose tasks are then done again.
    pub allow_path_change: bool,
    /// The command line as typed.
    pub arguments: &'a [String],
    /// How and as how many processes.
    pub launch: &'a Launch,
    /// How other processes are kept away.
    pub locking: Locking,
}

/// A run directory that this process holds, alone or as one of several ranks.
pub struct RunDirectory {
    path: PathBuf,
    files: Arc<dyn Files>,
    keys: Keys,
    checkpoints: Checkpoints,
    growing: Mutex<Growing>,
    warnings: Vec<String>,
    /// Of the directory, held by rank 0 for all; at the others of their own journal.
    lock: Lock,
}

/// What changes while tasks finish.
struct Growing {
    journal: Journal,
    timings: Timings,
    /// The journals of other ranks, as they were when last read.
    others: Journals,
}

impl Growing {
    fn find(&self, key: Key) -> Option<(&Path, Location)> {
        let own = self.journal.find(key).map(|location| (self.journal.path(), location));
        own.or_else(|| self.others.find(key))
    }

    /// Where the first of these keys that is there lies.
    fn find_any(&self, mut keys: impl Iterator<Item = Key>) -> Option<(Key, &Path, Location)> {
        let find = |key| self.find(key).map(|(path, location)| (key, path, location));
        keys.find_map(find)
    }
}

impl RunDirectory {
    /// Whether this process still holds the run directory, and no other has taken it over.
    pub fn is_held(&self) -> bool {
        self.lock.check().is_ok()
    }

    /// Creates `path` (and its parents) for an experiment, or opens it when what it holds does not
    /// contradict it.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] names the fields in which an experiment already there differs, or the
    /// process that is at work there, and nothing is changed; [`Error::Io`] and [`Error::Write`]
    /// when the directory cannot be made or written.
    pub fn open(path: &Path, start: &RunStart, files: Arc<dyn Files>) -> Result<Self> {
        let manifest = Manifest::new(start);
        refuse_other(path, start, &manifest)?;
        let journal = path.join(JOURNAL);
        let plots = path.join(PLOTS);
        for folder in [path, journal.parent().unwrap_or(path), &plots] {
            std::fs::create_dir_all(folder).map_err(|source| Error::Io {
                action: "create",
                path: folder.to_owned(),
                source,
            })?;
        }
        let lock = Lock::take(&*files, path, &start.locking)?;
        // Another process may have begun here just before; now none can.
        refuse_other(path, start, &manifest)?;
        files::remove_temporary(path)?;
        files::remove_temporary(&plots)?;
        let (journal, mut warnings) = Journal::open(files.clone(), &journal)?;
        let others = read_other_journals(path)?;
        let checkpoints = Checkpoints::new(path, files.clone());
        checkpoints.sweep(|key| journal.find(key).is_some() || others.find(key).is_some())?;
        warnings.extend(others.warnings());
        // The manifest says with what its experiment was begun, not who last looked.
        let begun = manifest::read(path)?.is_some_and(|there| {
            (&there.experiment_hash, &there.numeric_path)
                == (&manifest.experiment_hash, &manifest.numeric_path)
        });
        if !begun {
            manifest.write(&*files, path)?;
        }
        let mut timings = Timings::open(files.clone(), path, 0)?;
        timings.absorb_other_ranks(path)?;
        Ok(RunDirectory {
            path: path.to_owned(),
            files,
            keys: Keys::new(start.experiment, start.data, start.numeric_path),
            checkpoints,
            growing: Mutex::new(Growing { journal, timings, others }),
            warnings,
            lock,
        })
    }

    /// Joins the directory that rank 0 of the same job has opened: to record tasks, not to know those
    /// of other ranks.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] when another process still writes this rank's journal; [`Error::Io`] and
    /// [`Error::Write`].
    pub fn join(path: &Path, start: &RunStart, rank: usize, files: Arc<dyn Files>) -> Result<Self> {
        let journal = path.join(journals::FOLDER).join(journals::file_name(rank));
        let lock = Lock::take_file(&*files, &journal, &start.locking)?;
        let (journal, warnings) = Journal::open(files.clone(), &journal)?;
        let timings = Timings::open(files.clone(), path, rank)?;
        Ok(RunDirectory {
            path: path.to_owned(),
            checkpoints: Checkpoints::new(path, files.clone()),
            files,
            keys: Keys::new(start.experiment, start.data, start.numeric_path),
            growing: Mutex::new(Growing { journal, timings, others: Journals::default() }),
            warnings,
            lock,
        })
    }

    /// Reads what the other ranks have recorded so far, at rank 0.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn read_other_journals(&self) -> Result<()> {
        let others = read_other_journals(&self.path)?;
        self.lock_growing().others = others;
        Ok(())
    }

    /// Reads what the other ranks have recorded, at rank 0 and once they are done.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Write`].
    pub fn read_other_ranks(&self) -> Result<()> {
        self.lock.check()?;
        let mut growing = self.lock_growing();
        growing.others = read_other_journals(&self.path)?;
        self.checkpoints.sweep(|key| growing.find(key).is_some())?;
        growing.timings.absorb_other_ranks(&self.path)
    }

    /// Takes over what another run directory has of `tasks` and this one has not, and counts those.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] when both have a task, with different numbers; when one cannot be read
    /// or the other not be written.
    pub fn take_over(&self, from: &Path, tasks: &[Task]) -> Result<usize> {
        let there = Journals::read(from, |_| true)?;
        self.lock.check()?;
        let mut growing = self.lock_growing();
        let mut taken = HashSet::new();
        for &task in tasks {
            let found = |key| there.find(key).map(|(file, location)| (key, file, location));
            let Some((key, file, location)) = self.keys.serving(task).find_map(found) else {
                continue;
            };
            let record = journal::read_record_bytes(file, key, location)?;
            match growing.find(key) {
                None if growing.find_any(self.keys.serving(task)).is_some() => {}
                None => {
                    growing.journal.append(key, &record)?;
                    taken.insert(task);
                }
                Some((own, at)) if journal::read_record_bytes(own, key, at)? != record => {
                    return Err(Error::RunDirectory {
                        directory: from.to_owned(),
                        problem: format!("has other numbers than {} for {task}", own.display()),
                        help: "the same task gave two results: do not trust either before the \
                               machine that computed one of them is found"
                            .to_owned(),
                    });
                }
                Some(_) => {}
            }
        }
        growing.timings.copy(from, &taken)?;
        growing.journal.sync()?;
        Ok(taken.len())
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was found damaged at opening, in a line of words each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether `task` is finished.
    pub fn has(&self, task: Task) -> bool {
        self.lock_growing().find_any(self.keys.serving(task)).is_some()
    }

    /// Records a finished task.
    ///
    /// # Errors
    /// [`Error::Write`] and [`Error::Io`]; whatever was recorded before stays.
    pub fn finish(&self, task: Task, value: &impl Serialize, timing: Timing) -> Result<()> {
        let key = self.keys.of(task);
        let record = journal::encode(&self.path.join(journals::FOLDER), key, value)?;
        self.lock.check()?;
        let mut growing = self.lock_growing();
        growing.journal.append(key, &record)?;
        if self.checkpoints.has(key) {
            // Not before the disk has the record that takes its place. One that cannot be removed is swept later.
            growing.journal.sync()?;
            let _ = self.checkpoints.remove(key);
        }
        growing.timings.append(task, timing)
    }

    /// Loads what [`RunDirectory::finish`] recorded; None when `task` is not finished.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn load<T: DeserializeOwned>(&self, task: Task) -> Result<Option<T>> {
        let growing = self.lock_growing();
        let found = growing.find_any(self.keys.serving(task));
        let found = found.map(|(key, path, at)| (key, path.to_owned(), at));
        drop(growing);
        found.map(|(key, path, at)| journal::read_value(&path, key, at)).transpose()
    }

    /// Waits until the disk has all finished tasks.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn sync(&self) -> Result<()> {
        self.lock_growing().journal.sync()
    }

    /// Writes `value` as indented JSON, all or nothing, and returns what it wrote.
    ///
    /// # Errors
    /// [`Error::Write`]; the file keeps its old content then.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::Io {
            action: "encode",
            path: self.path.join(name),
            source: io::Error::other(error),
        })?;
        bytes.push(b'\n');
        self.write(name, &bytes)?;
        Ok(bytes)
    }

    /// Writes a whole file, all or nothing.
    ///
    /// # Errors
    /// [`Error::Write`]; the file keeps its old content then.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.lock.check()?;
        files::replace(&*self.files, &self.path, name, bytes)
    }

    /// Writes the plots, each all or nothing, by name; plots of an earlier report that are not among
    /// them go.
    ///
    /// # Errors
    /// [`Error::Write`]; [`Error::Io`]
    pub fn write_plots(&self, plots: &[(String, Vec<u8>)]) -> Result<()> {
        self.lock.check()?;
        let folder = self.path.join(PLOTS);
        for (name, bytes) in plots {
            files::replace(&*self.files, &folder, name, bytes)?;
        }
        files::remove_files(&folder, |name| {
            [".svg", ".pdf", ".csv"].iter().any(|ending| name.ends_with(ending))
                && plots.iter().all(|(kept, _)| kept != name)
        })
    }

    fn lock_growing(&self) -> MutexGuard<'_, Growing> {
        // Poisoned: another worker panicked, which is passed on where workers are joined.
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the journals of ranks other than 0.
fn read_other_journals(path: &Path) -> Result<Journals> {
    let own = journals::file_name(0);
    Journals::read(path, |name| name != own)
}

/// Refuses a directory that holds something else. One without a manifest is free when it is empty,
/// or has a journal: the manifest was lost or removed.
fn refuse_other(path: &Path, start: &RunStart, wanted: &Manifest) -> Result<()> {
    let Some(mut there) = manifest::read(path)? else {
        let empty = std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
        let journal = path.join(JOURNAL);
        if empty || journal.parent().is_some_and(Path::is_dir) {
            return Ok(());
        }
        return Err(Error::RunDirectory {
            directory: path.to_owned(),
            problem: "is not empty and not a run directory".to_owned(),
            help: "choose a new or empty directory, so that no file of yours is replaced"
                .to_owned(),
        });
    };
    if start.allow_path_change {
        there.numeric_path.clone_from(&wanted.numeric_path);
    }
    let fields = there.differences(wanted);
    if fields.is_empty() {
        return Ok(());
    }
    let path_only = fields.iter().all(|field| field.starts_with("numeric path"));
    let help = match path_only {
        true => {
            "resume on a machine of that kind, or add --allow-path-change to do its tasks again here"
        }
        false => "choose another --output, or remove the directory",
    };
    Err(Error::RunDirectory {
        directory: path.to_owned(),
        problem: format!("holds another experiment; they differ in {}", fields.join(", ")),
        help: help.to_owned(),
    })
}
