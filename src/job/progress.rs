//! Progress on stderr: a bar on a terminal, otherwise one plain line every 30 seconds.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const EVERY: Duration = Duration::from_secs(30);
/// Resolution of the bar: shares are rounded to this fraction.
const PARTS: u64 = 10_000;

/// A progress display.
pub struct Display {
    started: Instant,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
    /// Whose tasks are counted, where it is not all of them.
    of: &'static str,
}

impl Display {
    /// Starts the clock, at rank 0 of so many.
    pub fn new(ranks: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{bar:40} {percent:>3} %  {msg}  {elapsed} elapsed, {eta} left";
            let bar = ProgressBar::new(PARTS);
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        let of = if ranks > 1 { " of rank 0" } else { "" };
        Display { started: now, bar, last_line: Mutex::new(now), of }
    }

    /// `share` of the work is done: `finished` of `all` tasks.
    pub fn update(&self, share: f64, finished: usize, all: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{finished}/{all} tasks{}", self.of));
            bar.set_position((share * PARTS as f64) as u64);
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.elapsed() >= EVERY {
            *last = Instant::now();
            let elapsed = self.started.elapsed().as_secs_f64();
            let left = elapsed * (1.0 - share) / share.max(1e-6);
            eprintln!(
                "nfd: {finished}/{all} tasks{}, {:.0} % after {elapsed:.0} s, about {left:.0} s left",
                self.of,
                100.0 * share
            );
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
