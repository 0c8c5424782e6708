//! timings.csv: where and how long each task ran. Nothing else depends on it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::files::{Appender, Files};
use super::machine;
use crate::error::{Error, Result};
use crate::model::Closure;
use crate::spec::grid::Task;

const NAME: &str = "timings.csv";
const HEADER: &str = "closure,width,depth,seed,host,threads,started,seconds\n";

/// The file, open to be added to.
pub struct Timings {
    file: Appender,
    host: String,
}

/// One task's.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Threads that shared the task.
    pub threads: usize,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub seconds: f64,
}

impl Timings {
    /// Opens or begins the file; a torn last line is dropped.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Write`]
    pub fn open(files: Arc<dyn Files>, directory: &Path) -> Result<Self> {
        let path = directory.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(Error::Io { action: "read", path, source }),
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut file = Appender::open(files, &path, whole as u64)?;
        if whole == 0 {
            file.append(HEADER.as_bytes())?;
        }
        Ok(Timings { file, host: machine::host() })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Error::Write`]
    pub fn append(&mut self, task: Task, timing: Timing) -> Result<()> {
        let Task { closure, width, depth, seed } = task;
        let Timing { threads, started, seconds } = timing;
        let started = humantime::format_rfc3339_millis(started);
        let (closure, host) = (closure.name(), &self.host);
        self.file.append(
            format!("{closure},{width},{depth},{seed},{host},{threads},{started},{seconds:.6}\n")
                .as_bytes(),
        )
    }
}

/// Core seconds of the tasks that `directory` has timings of; lines that are no timings are passed over,
/// and a file that cannot be read is empty: nothing but estimates rests on it.
pub fn read(directory: &Path) -> Vec<(Task, f64)> {
    let text = fs::read_to_string(directory.join(NAME)).unwrap_or_default();
    let timing = |line: &str| {
        let mut fields = line.split(',');
        let name = fields.next()?;
        let closure = Closure::ALL.into_iter().find(|closure| closure.name() == name)?;
        let width = fields.next()?.parse().ok()?;
        let depth = fields.next()?.parse().ok()?;
        let seed = fields.next()?.parse().ok()?;
        let threads: f64 = fields.nth(1)?.parse().ok()?;
        let seconds: f64 = fields.next_back()?.parse().ok()?;
        Some((Task { closure, width, depth, seed }, threads * seconds))
    };
    text.lines().skip(1).filter_map(timing).collect()
}
