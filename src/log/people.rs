//! stderr, which lines and a progress bar share.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::rank;

static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

static SENTENCES: AtomicBool = AtomicBool::new(true);

/// Says whether lines are sentences for people, who may also see a bar.
pub(super) fn set_sentences(sentences: bool) {
    SENTENCES.store(sentences, Ordering::Relaxed);
}

/// Whether a progress bar may be shown: on a terminal, beside sentences.
pub fn has_room_for_bar() -> bool {
    SENTENCES.load(Ordering::Relaxed) && io::stderr().is_terminal()
}

/// From now on lines are written above this bar.
pub fn show_bar(bar: ProgressBar) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
}

/// Removes the bar from the terminal, if there is one.
pub fn hide_bar() {
    if let Some(bar) = BAR.lock().unwrap_or_else(PoisonError::into_inner).take() {
        bar.finish_and_clear();
    }
}

/// Makes writers of stderr.
pub(super) struct People;

/// What becomes of one line on stderr.
pub(super) enum Line {
    /// It is written.
    Shown,
    /// It is not: of ranks other than 0 people hear warnings and errors.
    Dropped,
}

impl<'a> MakeWriter<'a> for People {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line::Shown
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line {
        if rank() > 0 && *about.level() > Level::WARN { Line::Dropped } else { Line::Shown }
    }
}

impl Write for Line {
    /// Writes a whole line; where stderr is gone there is nobody to tell.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Line::Shown = self {
            let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let write = || drop(io::stderr().lock().write_all(line));
            match bar {
                Some(bar) => bar.suspend(write),
                None => write(),
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
