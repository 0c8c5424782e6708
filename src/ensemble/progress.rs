//! How far the tasks of a process are: told while they are trained, and as they are done.

use std::sync::{Mutex, PoisonError};

/// How far an ensemble is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The estimated share of the work of this start that is done, from 0 to 1.
    pub share: f64,
    /// The number of finished tasks.
    pub finished: usize,
    /// The number of all tasks.
    pub tasks: usize,
}

/// Called from time to time while tasks are trained and after every one, from any worker.
pub type ReportProgress<'a> = &'a (dyn Fn(Progress) + Sync);

/// The work of a start, as it gets done.
pub struct Tally<'a> {
    report: ReportProgress<'a>,
    tasks: usize,
    so_far: Mutex<SoFar>,
}

struct SoFar {
    /// Estimated seconds of all work of this start, and of what is done of it.
    total: f64,
    done: f64,
    finished: usize,
}

impl<'a> Tally<'a> {
    /// Of a start with work of `seconds`, where `finished` of all `tasks` were done before.
    pub fn new(
        seconds: f64,
        (finished, tasks): (usize, usize),
        report: ReportProgress<'a>,
    ) -> Self {
        Tally { report, tasks, so_far: Mutex::new(SoFar { total: seconds, done: 0.0, finished }) }
    }

    fn change(&self, change: impl FnOnce(&mut SoFar)) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut so_far);
        // Estimates of parts need not add up.
        let share =
            if so_far.total > 0.0 { (so_far.done / so_far.total).clamp(0.0, 1.0) } else { 1.0 };
        (self.report)(Progress { share, finished: so_far.finished, tasks: self.tasks });
    }
}

/// The part of a [`Tally`] that tasks make up which are trained together.
pub struct Part<'a> {
    tally: &'a Tally<'a>,
    seconds: f64,
    tasks: usize,
    /// The share of its work that lies before the pass after so many updates.
    before: &'a (dyn Fn(u32) -> f64 + Sync),
    /// The share that was done when it was last told.
    told: Mutex<Option<f64>>,
}

impl<'a> Part<'a> {
    /// Of so many tasks, with work of `seconds` all together; `before` is the share of it that lies before the
    /// pass after so many updates, from 0 to 1.
    pub fn new(
        tally: &'a Tally<'a>,
        (tasks, seconds): (usize, f64),
        before: &'a (dyn Fn(u32) -> f64 + Sync),
    ) -> Self {
        Part { tally, seconds, tasks, before, told: Mutex::new(None) }
    }

    /// Tells that the pass after `step` updates begins. What lay before the first one that is told was done by an
    /// earlier start.
    pub fn reaches(&self, step: u32) {
        let share = (self.before)(step);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        self.tally.change(|so_far| match *told {
            Some(before) => so_far.done += self.seconds * (share - before),
            None => so_far.total -= self.seconds * share,
        });
        *told = Some(share);
    }

    /// Tells that its tasks are done.
    pub fn ends(self) {
        let told = self.told.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.tally.change(|so_far| {
            so_far.done += self.seconds * (1.0 - told.unwrap_or(0.0));
            so_far.finished += self.tasks;
        });
    }
}
