//! What is to be done and by whom: the cost of tasks, and workers over them.
//!
//! Tasks are independent. Workers take them seed by seed, the longest of a seed first, and record
//! each in the run directory; then every seed is read back and measured. Results depend neither on
//! the number of workers nor on how often the run was interrupted.

pub mod cost;
pub mod signals;
mod task;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::data::DataSet;
use crate::engine::{Divergence, Trajectory};
use crate::error::{Error, Result};
use crate::measure::{pairs, single};
use crate::model::Closure;
use crate::spec::Experiment;
use crate::spec::grid::{Task, partner, tasks};
use crate::store::RunDirectory;
use crate::store::results::Row;
use crate::store::timings::Timing;

/// Told after every task: the estimated share of the work of this start that is done, from 0 to 1,
/// and the numbers of finished and of all tasks. Called from any worker.
pub type Progress<'a> = &'a (dyn Fn(f64, usize, usize) + Sync);

/// What an ensemble gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Ordered by task, within a task its own observables first.
    pub rows: Vec<Row>,
    /// Tasks that left the finite numbers; their rows end before.
    pub diverged: Vec<(Task, Divergence)>,
    /// All tasks.
    pub tasks: usize,
}

/// What is estimated before starting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Tasks to run.
    pub tasks: usize,
    /// Wall time with the given workers.
    pub seconds: f64,
    /// Peak memory with the given workers.
    pub bytes: f64,
}

/// Time and memory of the whole experiment on `threads` workers.
pub fn estimate(experiment: &Experiment, data: &DataSet, threads: usize) -> Estimate {
    let tasks = tasks(experiment);
    let costs: Vec<_> = tasks.iter().map(|task| cost::cost(experiment, data, *task)).collect();
    let total: f64 = costs.iter().map(|cost| cost.seconds).sum();
    let longest = costs.iter().map(|cost| cost.seconds).fold(0.0, f64::max);
    let largest = costs.iter().map(|cost| cost.bytes).fold(0.0, f64::max);
    let kept: f64 = costs.iter().map(|cost| cost.kept_bytes).sum();
    let workers = threads.min(tasks.len()).max(1) as f64;
    // Tasks keep nothing once journalled; afterwards every worker measures one seed at a time.
    let seeds = experiment.ensemble.seeds as f64;
    Estimate {
        tasks: tasks.len(),
        seconds: longest.max(total / workers),
        bytes: (workers * largest).max(kept / seeds * seeds.min(workers)),
    }
}

/// Runs the tasks that `store` does not hold yet on `threads` workers, then measures all of them.
///
/// # Errors
/// [`Error::Interrupted`] once `stop` is set and work is left; the store's when it cannot be written
/// or read. What finished before stays.
pub fn run(
    experiment: &Experiment,
    data: &DataSet,
    store: &RunDirectory,
    threads: usize,
    stop: &AtomicBool,
    progress: Progress,
) -> Result<Outcome> {
    let tasks = tasks(experiment);
    let seconds = |task: &Task| cost::cost(experiment, data, *task).seconds;
    let mut queue: Vec<Task> = tasks.iter().copied().filter(|&task| !store.has(task)).collect();
    queue
        .sort_by(|a, b| a.seed.cmp(&b.seed).then(seconds(b).total_cmp(&seconds(a))).then(a.cmp(b)));
    let total: f64 = queue.iter().map(seconds).sum();
    let done = Mutex::new((0.0, tasks.len() - queue.len()));
    let complete = in_parallel(threads, &queue, |&task| {
        let (started, clock) = (SystemTime::now(), Instant::now());
        let Some(trajectory) = task::train(experiment, data, task, stop) else {
            return Ok(None);
        };
        let timing = Timing { threads, started, seconds: clock.elapsed().as_secs_f64() };
        store.finish(task, &trajectory, timing)?;
        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
        *done = (done.0 + seconds(&task), done.1 + 1);
        progress(done.0 / total, done.1, tasks.len());
        Ok(Some(()))
    });
    let synced = store.sync();
    let complete = complete?;
    synced?;
    if complete.is_none() {
        let finished = tasks.iter().filter(|&&task| store.has(task)).count();
        let directory = store.path().to_owned();
        return Err(Error::Interrupted { directory, finished, tasks: tasks.len() });
    }

    let mut seeds: BTreeMap<u64, Vec<Task>> = BTreeMap::new();
    tasks.iter().for_each(|&task| seeds.entry(task.seed).or_default().push(task));
    let seeds: Vec<Vec<Task>> = seeds.into_values().collect();
    let measured = in_parallel(threads, &seeds, |seed| {
        let mut runs = BTreeMap::new();
        for &task in seed {
            runs.extend(store.load::<Trajectory>(task)?.map(|run| (task, run)));
        }
        let diverged = |(&task, run): (&Task, &Trajectory)| run.diverged.map(|at| (task, at));
        let diverged: BTreeMap<_, _> = runs.iter().filter_map(diverged).collect();
        Ok(Some((measure(experiment, data, &runs), diverged)))
    })?;
    let (mut rows, mut diverged) = (BTreeMap::new(), BTreeMap::new());
    for (rows_of_seed, diverged_of_seed) in measured.into_iter().flatten() {
        rows.extend(rows_of_seed);
        diverged.extend(diverged_of_seed);
    }
    Ok(Outcome {
        rows: rows.into_values().flatten().collect(),
        diverged: diverged.into_iter().collect(),
        tasks: tasks.len(),
    })
}

/// Does `work` on every item, taken in order by up to `threads` workers. None when one of them gave
/// up with None, which ends the others' as soon as theirs is done; so does the first error.
fn in_parallel<I: Sync, O: Send>(
    threads: usize,
    items: &[I],
    work: impl Fn(&I) -> Result<Option<O>> + Sync,
) -> Result<Option<Vec<O>>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = work(item);
            if !matches!(result, Ok(Some(_))) {
                next.store(items.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(worker);
        }
    });
    // A poisoned lock means that a worker panicked, which the scope has passed on.
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
}

/// All rows of one seed, by task.
fn measure(
    experiment: &Experiment,
    data: &DataSet,
    seed: &BTreeMap<Task, Trajectory>,
) -> BTreeMap<Task, Vec<Row>> {
    let rows_of = |(&task, run): (&Task, &Trajectory)| {
        let mut rows = single::rows(experiment, task, &data.train, run);
        if let Some((&partner, reference)) =
            partner(experiment, task).and_then(|partner| seed.get_key_value(&partner))
        {
            let pair = ((task, run), (partner, reference));
            rows.extend(pairs::against_reference(experiment, &data.train, pair.0, pair.1));
        }
        let exact = Task { closure: Closure::Exact, ..task };
        if let Some(exact) = seed.get(&exact).filter(|_| task.closure != Closure::Exact) {
            rows.extend(pairs::closure_gap(experiment, &data.train, (task, run), exact));
        }
        (task, rows)
    };
    seed.iter().map(rows_of).collect()
}
