//! timings.csv: where and how long each task ran. Nothing but estimates depends on it.
//!
//! Ranks other than 0 write `journal/rank-K.csv`; when rank 0 opens the directory, and when they are
//! done, it moves those lines to the end of timings.csv.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::files::{Appender, Files};
use super::journals::FOLDER;
use super::machine;
use crate::error::{Error, Result};
use crate::experiment::grid::{LearningRate, Task};
use crate::model::{Closure, Parametrization};

const NAME: &str = "timings.csv";
/// The ending of the files of ranks other than 0.
const ENDING: &str = ".csv";
const HEADER: &str =
    "closure,parametrization,width,depth,learning_rate,seed,host,rank,threads,started,seconds\n";

/// The timings of one rank, open to be added to.
pub struct Timings {
    file: Appender,
    host: String,
    rank: usize,
}

/// Where the time of one task went.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The number of threads that shared the task.
    pub threads: usize,
    /// When the task began.
    pub started: SystemTime,
    /// Seconds of wall time that it took.
    pub seconds: f64,
}

impl Timings {
    /// Opens or begins the file of `rank`; a torn last line is dropped.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Write`]
    pub fn open(files: Arc<dyn Files>, directory: &Path, rank: usize) -> Result<Self> {
        let path = match rank {
            0 => directory.join(NAME),
            rank => directory.join(FOLDER).join(format!("rank-{rank}{ENDING}")),
        };
        let whole = read_whole_lines(&path)?.len();
        let mut file = Appender::open(files, &path, whole as u64)?;
        if whole == 0 {
            file.append(HEADER.as_bytes())?;
        }
        Ok(Timings { file, host: machine::host(), rank })
    }

    /// Moves the lines of all other ranks into this file, which is rank 0's. They must not be writing.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Write`]
    pub fn absorb_other_ranks(&mut self, directory: &Path) -> Result<()> {
        for path in files_of_other_ranks(directory) {
            let text = read_whole_lines(&path)?;
            let lines = text.strip_prefix(HEADER).unwrap_or_default();
            if !lines.is_empty() {
                self.file.append(lines.as_bytes())?;
            }
            fs::remove_file(&path).map_err(|source| Error::Io {
                action: "remove",
                path,
                source,
            })?;
        }
        Ok(())
    }

    /// Adds the lines of another run directory about `tasks`.
    ///
    /// # Errors
    /// [`Error::Write`]
    pub fn copy(&mut self, from: &Path, tasks: &HashSet<Task>) -> Result<()> {
        let about = |line: &&str| parse_line(line).is_some_and(|(task, _)| tasks.contains(&task));
        for text in read_texts(from) {
            let lines: String = text.lines().filter(about).flat_map(|line| [line, "\n"]).collect();
            self.file.append(lines.as_bytes())?;
        }
        Ok(())
    }

    /// Adds the line of a task.
    ///
    /// # Errors
    /// [`Error::Write`]
    pub fn append(&mut self, task: Task, timing: Timing) -> Result<()> {
        let Task { closure, parametrization, width, depth, learning_rate, seed } = task;
        let Timing { threads, started, seconds } = timing;
        let started = humantime::format_rfc3339_millis(started);
        let (closure, host, rank) = (closure.name(), &self.host, self.rank);
        let (parametrization, rate) = (parametrization.name(), learning_rate.value());
        self.file.append(
            format!(
                "{closure},{parametrization},{width},{depth},{rate},{seed},{host},{rank},{threads},\
                 {started},{seconds:.6}\n"
            )
            .as_bytes(),
        )
    }
}

/// Reads the core seconds of the tasks that `directory` has timings of. Lines that are no timings are passed over,
/// and a file that cannot be read is empty: nothing but estimates rests on it.
pub fn read(directory: &Path) -> Vec<(Task, f64)> {
    read_texts(directory).iter().flat_map(|text| text.lines().filter_map(parse_line)).collect()
}

/// The task of a line, and the core seconds that it took.
fn parse_line(line: &str) -> Option<(Task, f64)> {
    let mut fields = line.split(',');
    let name = fields.next()?;
    let closure = Closure::ALL.into_iter().find(|closure| closure.name() == name)?;
    let name = fields.next()?;
    let parametrization = Parametrization::ALL.into_iter().find(|p| p.name() == name)?;
    let width = fields.next()?.parse().ok()?;
    let depth = fields.next()?.parse().ok()?;
    let learning_rate = LearningRate::new(fields.next()?.parse().ok()?);
    let seed = fields.next()?.parse().ok()?;
    let threads: f64 = fields.nth(2)?.parse().ok()?;
    let seconds: f64 = fields.next_back()?.parse().ok()?;
    let task = Task { closure, parametrization, width, depth, learning_rate, seed };
    Some((task, threads * seconds))
}

/// The timings of ranks other than 0, by path.
fn files_of_other_ranks(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory.join(FOLDER)) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(ENDING)).collect();
    paths.sort();
    paths
}

/// The texts of all timings files, rank 0's first; one that cannot be read is empty.
fn read_texts(directory: &Path) -> Vec<String> {
    let files = [directory.join(NAME)].into_iter().chain(files_of_other_ranks(directory));
    files.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
}

/// Reads a file up to its last line end; one that is not there is empty.
fn read_whole_lines(path: &Path) -> Result<String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(Error::Io { action: "read", path: path.to_owned(), source }),
    };
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    Ok(String::from_utf8_lossy(&bytes[..whole]).into_owned())
}
