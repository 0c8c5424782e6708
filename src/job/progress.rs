//! How the tasks of a rank get on: a bar on a terminal, otherwise a line every 30 seconds; and a file in the run
//! directory for whoever looks on from elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tracing::info;

use crate::ensemble::progress::Progress;
use crate::log;
use crate::store::progress::{self, RankProgress};

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(30);
/// The time between two files.
const EVERY_FILE: Duration = Duration::from_secs(2);
/// Steps of the bar from start to end.
const PARTS: u64 = 10_000;

/// Shows how far the tasks of this process are.
pub struct Display {
    started: Instant,
    bar: Option<ProgressBar>,
    last: Mutex<Last>,
    directory: PathBuf,
    rank: usize,
    /// Whose tasks are counted, in words, where it is not all of them.
    whose: String,
}

/// When something was said last.
struct Last {
    line: Instant,
    file: Option<Instant>,
}

impl Display {
    /// Starts the clock, at rank `rank` of `ranks`, which work in the run directory `directory`.
    pub fn new(directory: &Path, rank: usize, ranks: usize) -> Self {
        let bar = (rank == 0 && log::has_room_for_bar()).then(|| {
            let bar = ProgressBar::new(PARTS);
            if let Ok(style) = ProgressStyle::with_template("{bar:40} {msg}") {
                bar.set_style(style);
            }
            log::show_bar(bar.clone());
            bar
        });
        let now = Instant::now();
        let whose = if ranks > 1 { format!(" of rank {rank}") } else { String::new() };
        let last = Mutex::new(Last { line: now, file: None });
        Display { started: now, bar, last, directory: directory.to_owned(), rank, whose }
    }

    /// Shows the progress, on a terminal always and elsewhere from time to time, in a line, which the log has too,
    /// and in the file of the rank; both while the process `holds` its run directory, and has not slept so long that
    /// it is another's.
    pub fn update(&self, progress: Progress, holds: impl Fn() -> bool) {
        let Progress { share, finished, tasks } = progress;
        let elapsed = self.started.elapsed().as_secs_f64();
        let said = RankProgress { finished, tasks, share, elapsed };
        let words = format!("{finished}/{tasks} tasks{}, {}", self.whose, said.describe());
        if let Some(bar) = &self.bar {
            bar.set_message(words.clone());
            bar.set_position((share * PARTS as f64) as u64);
        }
        let Ok(mut last) = self.last.lock() else { return };
        if last.file.is_none_or(|at| at.elapsed() >= EVERY_FILE) && holds() {
            last.file = Some(Instant::now());
            said.write(&self.directory, self.rank);
        }
        if self.bar.is_none() && last.line.elapsed() >= EVERY {
            last.line = Instant::now();
            if holds() {
                info!("{words}");
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        log::hide_bar();
        progress::remove(&self.directory, self.rank);
    }
}
