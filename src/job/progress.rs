//! Progress on stderr: a bar on a terminal, otherwise one line every 30 seconds.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tracing::info;

use crate::ensemble::progress::Progress;
use crate::log;

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(30);
/// Steps of the bar from start to end.
const PARTS: u64 = 10_000;

/// Shows how far the tasks of this process are.
pub struct Display {
    started: Instant,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
    /// Whose tasks are counted, in words, where it is not all of them.
    whose: &'static str,
}

impl Display {
    /// Starts the clock, at rank 0 of `ranks`.
    pub fn new(ranks: usize) -> Self {
        let bar = log::has_room_for_bar().then(|| {
            let template = "{bar:40} {percent:>3} %  {msg}  {elapsed} elapsed, {eta} left";
            let bar = ProgressBar::new(PARTS);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            log::show_bar(bar.clone());
            bar
        });
        let now = Instant::now();
        let whose = if ranks > 1 { " of rank 0" } else { "" };
        Display { started: now, bar, last_line: Mutex::new(now), whose }
    }

    /// Shows the progress, on a terminal always and elsewhere from time to time: in a line, which the log has too,
    /// while the process `holds` its run directory, and has not slept so long that it is another's.
    pub fn update(
        &self,
        Progress { share, finished, tasks: all }: Progress,
        holds: impl FnOnce() -> bool,
    ) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{finished}/{all} tasks{}", self.whose));
            bar.set_position((share * PARTS as f64) as u64);
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            if !holds() {
                return;
            }
            let elapsed = self.started.elapsed().as_secs_f64();
            let left = elapsed * (1.0 - share) / share.max(1e-6);
            info!(
                "{finished}/{all} tasks{}, {:.0} % after {elapsed:.0} s, about {left:.0} s left",
                self.whose,
                100.0 * share
            );
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        log::hide_bar();
    }
}
