//! The file of this rank, `logs/rank-N.jsonl` in the run directory. Nothing depends on it: where it cannot be
//! written there is one warning, and the run goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::rank;

/// The folder of the log files in a run directory.
const FOLDER: &str = "logs";

/// The most bytes of lines that wait for a run directory.
const MOST_WAITING: usize = 1 << 20;

/// Where lines go.
enum Sink {
    /// The run directory is not entered yet; these wait for it.
    Waiting(Vec<u8>),
    /// Into this file.
    Open { path: PathBuf, file: File },
    /// Nowhere: the file cannot be written, or is another process's now.
    Closed,
}

static SINK: Mutex<Sink> = Mutex::new(Sink::Waiting(Vec::new()));

fn sink() -> MutexGuard<'static, Sink> {
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on lines, and those that came before, go to the end of this rank's file in the run directory
/// `directory`, which this process holds.
pub fn open(directory: &Path) {
    let path = directory.join(FOLDER).join(format!("rank-{}.jsonl", rank()));
    let mut sink = sink();
    let Sink::Waiting(lines) = &*sink else { return };
    let opened = open_whole(&path).and_then(|mut file| file.write_all(lines).map(|()| file));
    match opened {
        Ok(file) => *sink = Sink::Open { path, file },
        Err(error) => {
            *sink = Sink::Closed;
            // Not before: the warning comes here too.
            drop(sink);
            warn_of(&path, &error);
        }
    }
}

/// From now on no line goes into the run directory, which is no longer this process's.
pub fn close() {
    *sink() = Sink::Closed;
}

/// Where a run that has entered its directory has its log, to be said behind the number of warnings; None for
/// other verbs.
pub(super) fn place() -> Option<String> {
    match &*sink() {
        Sink::Waiting(_) => None,
        Sink::Open { path, .. } => Some(format!(", in {}", path.parent()?.display())),
        Sink::Closed => Some(String::new()),
    }
}

/// Opens the file to be added to, without what a crash has left of a last line.
fn open_whole(path: &Path) -> io::Result<File> {
    /// No line is longer.
    const TAIL: u64 = 1 << 20;
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let first = length.saturating_sub(TAIL);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(first))?;
    (&file).take(TAIL).read_to_end(&mut tail)?;
    let whole = tail.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last as u64 + 1);
    if first + whole < length {
        file.set_len(first + whole)?;
    }
    Ok(file)
}

fn warn_of(path: &Path, error: &io::Error) {
    warn!("no log is kept from here on: cannot write {}: {error}", path.display());
}

/// A writer of whole lines into the file.
pub(super) struct RankFile;

impl Write for RankFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut sink = sink();
        match &mut *sink {
            Sink::Waiting(lines) if lines.len() + line.len() <= MOST_WAITING => {
                lines.extend_from_slice(line);
            }
            Sink::Waiting(_) | Sink::Closed => {}
            Sink::Open { path, file } => {
                if let Err(error) = file.write_all(line) {
                    let path = path.clone();
                    *sink = Sink::Closed;
                    drop(sink);
                    warn_of(&path, &error);
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
