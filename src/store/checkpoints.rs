//! Checkpoints: how far tasks are that are not done, a file each, replaced as a whole.
//!
//! ```text
//! checkpoints/KEY = marker (8) · version (4) · step (4) · key (16) · state · checksum (8)
//! ```
//!
//! The checksum is xxh3 over all before it. A checkpoint that is damaged or of another version is removed,
//! and its task begins again: nothing else depends on it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use super::RunDirectory;
use super::files::{self, Files};
use super::key::{Key, Keys};
use crate::error::{Error, Result};
use crate::experiment::grid::Task;

const MARKER: [u8; 8] = *b"nfd\xF7ckpt";
/// The format of a checkpoint. Raise it whenever a state changes its shape.
const VERSION: u32 = 3;
const HEADER: usize = MARKER.len() + 4 + 4 + size_of::<Key>();
const CHECKSUM: usize = 8;
/// The folder of the checkpoints in a run directory.
const FOLDER: &str = "checkpoints";
/// Bytes that are written or read at a time.
const BUFFER: usize = 1 << 20;

/// The checkpoints of a run directory.
pub struct Checkpoints {
    folder: PathBuf,
    files: Arc<dyn Files>,
}

/// A checkpoint that was found whole.
pub struct Checkpoint {
    /// Number of updates that were done before.
    pub step: u32,
    /// The state, to be read once.
    pub state: io::Take<BufReader<File>>,
}

impl Checkpoints {
    /// Those of the run directory `directory`.
    pub fn new(directory: &Path, files: Arc<dyn Files>) -> Self {
        Checkpoints { folder: directory.join(FOLDER), files }
    }

    fn name(key: Key) -> String {
        format!("{key:032x}")
    }

    /// Writes the checkpoint of a task after `step` updates in the place of an earlier one, all or nothing.
    ///
    /// # Errors
    /// [`Error::Io`] when there can be no folder, [`Error::Write`]; those of `state` as the latter.
    pub fn write(
        &self,
        key: Key,
        step: u32,
        state: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<()> {
        let made = fs::create_dir_all(&self.folder);
        made.map_err(|source| Error::Io { action: "create", path: self.folder.clone(), source })?;
        files::replace_by(&*self.files, &self.folder, (&Self::name(key), 0), |file| {
            let mut file =
                Hashing { inner: BufWriter::with_capacity(BUFFER, file), hash: Xxh3::new() };
            file.write_all(&MARKER)?;
            file.write_all(&VERSION.to_ne_bytes())?;
            file.write_all(&step.to_ne_bytes())?;
            file.write_all(&key.to_ne_bytes())?;
            state(&mut file)?;
            let Hashing { inner: mut file, hash } = file;
            file.write_all(&hash.digest().to_ne_bytes())?;
            file.flush()
        })
    }

    /// The checkpoint of a task, None where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::RunDirectory`] when it is not whole or of another version.
    pub fn find(&self, key: Key) -> Result<Option<Checkpoint>> {
        let path = self.folder.join(Self::name(key));
        let io = |source| Error::Io { action: "read", path: path.clone(), source };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let damaged = |problem: &str| Error::RunDirectory {
            directory: path.clone(),
            problem: problem.to_owned(),
            help: "its task begins again".to_owned(),
        };
        let length = file.metadata().map_err(io)?.len();
        let Some(state) = length.checked_sub((HEADER + CHECKSUM) as u64) else {
            return Err(damaged("the checkpoint is cut off"));
        };
        // Once to see that it is whole, before anything of it is believed.
        let mut hashing = Hashing { inner: io::sink(), hash: Xxh3::new() };
        let mut reader = BufReader::with_capacity(BUFFER, &file);
        io::copy(&mut (&mut reader).take(length - CHECKSUM as u64), &mut hashing).map_err(io)?;
        let mut checksum = [0; CHECKSUM];
        reader.read_exact(&mut checksum).map_err(io)?;
        if hashing.hash.digest() != u64::from_ne_bytes(checksum) {
            return Err(damaged("the checkpoint fails its checksum"));
        }
        io::Seek::rewind(&mut file).map_err(io)?;
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let mut header = [0; HEADER];
        reader.read_exact(&mut header).map_err(io)?;
        let (marker, rest) = header.split_at(MARKER.len());
        let (version, rest) = rest.split_at(4);
        let (step, of) = rest.split_at(4);
        if marker != MARKER || version != VERSION.to_ne_bytes() || of != key.to_ne_bytes() {
            return Err(damaged("the checkpoint is of another program"));
        }
        let step = step.try_into().map_or(0, u32::from_ne_bytes);
        Ok(Some(Checkpoint { step, state: reader.take(state) }))
    }

    /// Those of `tasks` that have a checkpoint, which may be damaged, with the number of updates before it.
    pub fn of(&self, keys: &Keys, tasks: impl Iterator<Item = Task>) -> BTreeMap<Task, u32> {
        // The folder is listed once: there are many tasks and few checkpoints.
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let step = |entry: fs::DirEntry| {
            let key = Key::from_str_radix(entry.file_name().to_str()?, 16).ok()?;
            let mut header = [0; HEADER];
            File::open(entry.path()).and_then(|mut file| file.read_exact(&mut header)).ok()?;
            let step = header[MARKER.len() + 4..].first_chunk().copied();
            Some((key, step.map_or(0, u32::from_ne_bytes)))
        };
        let steps: HashMap<Key, u32> = entries.filter_map(step).collect();
        if steps.is_empty() {
            return BTreeMap::new();
        }
        tasks.filter_map(|task| Some((task, *steps.get(&keys.of(task))?))).collect()
    }

    /// Whether a task has a checkpoint, which may be damaged.
    pub fn has(&self, key: Key) -> bool {
        self.folder.join(Self::name(key)).exists()
    }

    /// Removes the checkpoint of a task, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn remove(&self, key: Key) -> Result<()> {
        let path = self.folder.join(Self::name(key));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io { action: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// Removes those of tasks that are `done`, what a kill has left half written, and the folder if that leaves
    /// it empty: while nobody else writes there.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub fn sweep(&self, done: impl Fn(Key) -> bool) -> Result<()> {
        if !self.folder.is_dir() {
            return Ok(());
        }
        files::remove_files(&self.folder, |name| match Key::from_str_radix(name, 16) {
            Ok(key) => done(key),
            Err(_) => files::is_temporary(name),
        })?;
        let _ = fs::remove_dir(&self.folder); // refused while something is in it
        Ok(())
    }
}

impl RunDirectory {
    /// Keeps a checkpoint of a task after `step` updates, in the place of an earlier one.
    ///
    /// # Errors
    /// [`Error::Write`] and [`Error::Io`]; the earlier one stays.
    pub fn keep_checkpoint(
        &self,
        task: Task,
        step: u32,
        state: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<()> {
        self.lock.check()?;
        self.checkpoints.write(self.keys.of(task), step, state)
    }

    /// The checkpoint of a task, None where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::RunDirectory`] when it is not whole.
    pub fn checkpoint(&self, task: Task) -> Result<Option<Checkpoint>> {
        self.checkpoints.find(self.keys.of(task))
    }

    /// Those of `tasks` that have a checkpoint, which may be damaged, with the number of updates before it.
    pub fn begun(&self, tasks: impl Iterator<Item = Task>) -> BTreeMap<Task, u32> {
        self.checkpoints.of(&self.keys, tasks)
    }

    /// Removes the checkpoint of a task, which cannot be used.
    pub fn remove_checkpoint(&self, task: Task) {
        let _ = self.checkpoints.remove(self.keys.of(task)); // the next one takes its place
    }
}

/// Hashes what passes through.
struct Hashing<W> {
    inner: W,
    hash: Xxh3,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
