//! Checkpoints of tasks that are being trained: when they are kept, and how a task goes on from one.

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::progress::Part;
use crate::backend::archive::Archive;
use crate::backend::crew::Crew;
use crate::engine::Course;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::log::FILE;
use crate::store::RunDirectory;
use crate::store::checkpoints::Checkpoint;

/// The time between two checkpoints of a task; None: none are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointEvery(pub Option<Duration>);

impl Default for CheckpointEvery {
    /// Ten minutes.
    fn default() -> Self {
        CheckpointEvery(Some(Duration::from_secs(600)))
    }
}

impl FromStr for CheckpointEvery {
    type Err = String;

    /// From minutes, or `never`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text == "never" {
            return Ok(CheckpointEvery(None));
        }
        let minutes: f64 =
            text.parse().map_err(|_| "a number of minutes, as in 10, or never".to_owned())?;
        let period = Duration::try_from_secs_f64(60.0 * minutes);
        let period = period.map_err(|_| "0 minutes (after every update) or more".to_owned())?;
        Ok(CheckpointEvery(Some(period)))
    }
}

/// What watches over the tasks of a run while they are trained.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    stop: &'a AtomicBool,
    /// Where checkpoints are, and how often one is kept.
    checkpoints: Option<(&'a RunDirectory, CheckpointEvery)>,
    /// Who is told how far they are.
    part: Option<&'a Part<'a>>,
}

/// The time between two tellings of how far a task is.
const TELL_EVERY: Duration = Duration::from_millis(100);

impl<'a> Watch<'a> {
    /// Set by what asks to stop.
    pub fn stop(&self) -> &'a AtomicBool {
        self.stop
    }

    /// Over tasks without checkpoints, until `stop` is set.
    pub fn until(stop: &'a AtomicBool) -> Self {
        Watch { stop, checkpoints: None, part: None }
    }

    /// The same of tasks whose checkpoints are in `store`, and are kept there as often as `every` says.
    pub fn keeping(self, store: &'a RunDirectory, every: CheckpointEvery) -> Self {
        Watch { checkpoints: Some((store, every)), ..self }
    }

    /// Tells `part` from time to time how far the tasks are.
    pub fn telling<'b>(self, part: &'b Part<'b>) -> Watch<'b>
    where
        'a: 'b,
    {
        Watch { part: Some(part), ..self }
    }

    /// Brings a crew at its initialisation to where its tasks were left, all of them after the same number of
    /// updates. None when it cannot be: the crew is then spoiled, and has to begin anew.
    pub fn resume<C: Crew>(&self, tasks: &[Task], crew: &mut C) -> Option<Course> {
        let mut course = Course::new(tasks.len());
        let Some((store, _)) = self.checkpoints else { return Some(course) };
        let mut steps = Vec::new();
        for (member, &task) in tasks.iter().enumerate() {
            match read(store, task, (crew, member), &mut course) {
                Ok(step) => steps.push(step),
                Err(error) => {
                    warn!("{error}");
                    store.remove_checkpoint(task);
                    return None;
                }
            }
        }
        let together = steps.iter().all(|step| *step == steps[0]);
        together.then_some(course)
    }

    /// What is asked before every pass of `tasks`, which goes on unless it is to stop; it keeps checkpoints and
    /// tells how far they are.
    pub fn over<C: Crew>(self, tasks: &[Task]) -> impl FnMut(&mut C, &mut Course) -> bool {
        // When the last one was kept and after how many updates, once the first pass is asked about.
        let mut last: Option<(Instant, u32)> = None;
        let mut told: Option<Instant> = None;
        move |crew, course| {
            let stop = self.stop.load(Ordering::Relaxed);
            if let Some(part) = self.part
                && told.is_none_or(|told| told.elapsed() >= TELL_EVERY)
            {
                told = Some(Instant::now());
                part.reaches(course.step);
            }
            let (kept, step) = *last.get_or_insert_with(|| (Instant::now(), course.step));
            if let Some((store, CheckpointEvery(Some(every)))) = self.checkpoints
                && (stop || kept.elapsed() >= every)
                && course.step > step
            {
                keep(store, tasks, crew, course);
                last = Some((Instant::now(), course.step));
            }
            !stop
        }
    }
}

/// Reads the checkpoint of a task into a member, if there is one, and returns its step.
fn read<C: Crew>(
    store: &RunDirectory,
    task: Task,
    (crew, member): (&mut C, usize),
    course: &mut Course,
) -> Result<Option<u32>> {
    let Some(Checkpoint { step, mut state }) = store.checkpoint(task)? else { return Ok(None) };
    course.step = step;
    let read = course.archive(crew, member, &mut Archive::Read(&mut state));
    read.map_err(|error| Error::RunDirectory {
        directory: store.path().to_owned(),
        problem: format!("the checkpoint of {task} cannot be read: {error}"),
        help: "the task begins again".to_owned(),
    })?;
    info!(target: FILE, task = %task, step, "goes on from its checkpoint");
    Ok(Some(step))
}

/// Keeps a checkpoint of every task; where it cannot, says so and lets the training go on.
fn keep<C: Crew>(store: &RunDirectory, tasks: &[Task], crew: &mut C, course: &mut Course) {
    for (member, &task) in tasks.iter().enumerate() {
        let step = course.step;
        let kept = store.keep_checkpoint(task, step, |file| {
            course.archive(crew, member, &mut Archive::Write(file))
        });
        if let Err(error) = kept {
            warn!("no checkpoint of {task} after {step} updates: {error}");
            return;
        }
    }
    debug!(target: FILE, step = course.step, "kept");
}
