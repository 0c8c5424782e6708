//! What the file of a rank says of its tasks: one line for each that ends.

use std::time::Duration;

use tracing::{Span, debug, info, info_span};

use crate::engine::Divergence;
use crate::experiment::grid::Task;
use crate::log::FILE;

/// What is said within is said of `task`.
pub fn span(task: Task) -> Span {
    let Task { closure, parametrization, width, depth, learning_rate, seed } = task;
    info_span!(
        target: FILE,
        "task",
        closure = closure.name(),
        parametrization = parametrization.name(),
        width,
        depth,
        rate = learning_rate.value(),
        seed
    )
}

/// Says that a task begins, on so many threads.
pub fn begins(threads: usize) {
    debug!(target: FILE, threads, "begins");
}

/// Says that a task is done and recorded, after `took`.
pub fn ended(took: Duration, diverged: Option<Divergence>) {
    let seconds = took.as_secs_f64();
    match diverged {
        None => info!(target: FILE, seconds, "done"),
        Some(Divergence { step, layer }) => info!(target: FILE, seconds, step, layer, "diverged"),
    }
}

/// Says that a task was given up, as the process is to stop.
pub fn given_up() {
    info!(target: FILE, "given up: it is left to the next start");
}
