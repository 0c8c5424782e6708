//! What is to be done and by whom: the cost of tasks, and workers over them.
//!
//! Tasks are independent. Workers take them seed by seed, the longest of a seed first, and record
//! each in the run directory; then every seed is read back and measured. Results depend neither on
//! the number of workers nor on how often the run was interrupted.

pub mod blocks;
pub mod checkpointing;
pub mod cores;
pub mod cost;
pub mod deal;
mod device;
mod distances;
pub mod limits;
mod logged;
pub mod machine;
pub mod plan;
pub mod progress;
pub mod signals;
pub mod task;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use crate::data::DataSet;
use crate::engine::{Divergence, Trajectory};
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::experiment::grid::{Task, partner, tasks};
use crate::experiment::limit::Block;
use crate::limit::Finished;
use crate::model::Closure;
use crate::observables::{Against, Row, Run, of_pair, of_run, order_parameters};
use crate::store::RunDirectory;
use crate::store::timings::Timing;
use checkpointing::Watch;
use cost::Cost;
use distances::distances;
use limits::Limits;
use machine::Machine;
use plan::Plan;
use progress::{Part, ReportProgress, Tally};

/// What the finished tasks of an ensemble show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// All observables, ordered by task; within a task its own observables before its comparisons.
    pub rows: Vec<Row>,
    /// Tasks that left the finite numbers; their rows end before.
    pub diverged: Vec<(Task, Divergence)>,
    /// The number of all tasks.
    pub tasks: usize,
    /// The number of finished tasks, diverged ones among them.
    pub finished: usize,
    /// The limits n = L = ∞ that were computed, by closure.
    pub limits: Vec<Finished>,
}

/// Runs the tasks that `store` does not hold yet: on a GPU as many networks of a kind at once as its
/// memory holds; else on `plan.threads` threads, as many tasks at once as the plan has workers, and the
/// threads that are left over share the rows of a task. Tasks go on from the checkpoints that `watch` keeps.
/// Whether all of them are done now: not when `watch` stopped them before.
///
/// # Errors
/// The store's when it cannot be written; [`Error::Device`] when a GPU fails. What finished before
/// stays.
pub fn run(
    experiment: &Experiment,
    data: &DataSet,
    store: &RunDirectory,
    plan: &Plan,
    machine: &Machine,
    watch: Watch,
    progress: ReportProgress,
) -> Result<bool> {
    let complete = match machine {
        Machine::Cpu(_) => run_on_threads(experiment, data, store, plan, watch, progress),
        Machine::Gpu(device) => device::run(experiment, data, store, plan, device, watch, progress),
    };
    let synced = store.sync();
    let complete = complete?;
    synced.and(Ok(complete))
}

/// Runs the tasks on the processor; whether all of them are done.
fn run_on_threads(
    experiment: &Experiment,
    data: &DataSet,
    store: &RunDirectory,
    plan: &Plan,
    watch: Watch,
    progress: ReportProgress,
) -> Result<bool> {
    let all = plan.tasks.len();
    let seconds = |(_, cost): &(Task, Cost)| plan.speeds.seconds(&cost.work);
    let queue = plan.queue(|task| store.has(task));
    let tally = Tally::new(queue.iter().map(seconds).sum(), (all - queue.len(), all), progress);
    let taken = AtomicUsize::new(0);
    let complete = in_parallel(plan.workers(), &queue, |item| {
        let (started, clock) = (SystemTime::now(), Instant::now());
        let left = queue.len() - taken.fetch_add(1, Ordering::Relaxed).min(queue.len() - 1);
        let threads = plan.threads_of(item.0, left);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::Io {
            action: "start",
            path: "worker threads".into(),
            source: std::io::Error::other(error),
        })?;
        let log = logged::span(item.0);
        log.in_scope(|| logged::begins(threads));
        let timing = || Timing { threads, started, seconds: clock.elapsed().as_secs_f64() };
        let before = |step| cost::share_before(experiment, data, item.0, step);
        let part = Part::new(&tally, (1, seconds(item)), &before);
        match experiment.limit.as_ref().zip(Block::of(item.0)) {
            Some((limit, block)) => {
                let average = || blocks::average(experiment, limit, data, block, watch.stop());
                let averaged = pool.install(|| log.in_scope(average));
                let Some(record) = averaged else {
                    log.in_scope(logged::given_up);
                    return Ok(None);
                };
                store.finish(item.0, &record, timing())?;
                log.in_scope(|| logged::ended(clock.elapsed(), record.diverged));
            }
            None => {
                let train = || task::train(experiment, data, item.0, watch.telling(&part));
                let trained = pool.install(|| log.in_scope(train));
                let Some(trajectory) = trained else {
                    log.in_scope(logged::given_up);
                    return Ok(None);
                };
                store.finish(item.0, &trajectory, timing())?;
                log.in_scope(|| logged::ended(clock.elapsed(), trajectory.diverged));
            }
        }
        part.ends();
        Ok(Some(()))
    });
    Ok(complete?.is_some())
}

/// Measures all finished tasks that `store` holds, seed by seed on `threads` workers.
///
/// # Errors
/// The store's when it cannot be read.
pub fn measure(
    experiment: &Experiment,
    data: &DataSet,
    store: &RunDirectory,
    threads: usize,
) -> Result<Outcome> {
    let mut limits = Limits::new(experiment, data);
    if let Some(limits) = &mut limits {
        limits.advance(store)?;
    }
    let tasks = tasks(experiment);
    let mut seeds: BTreeMap<u64, Vec<Task>> = BTreeMap::new();
    for &task in &tasks {
        seeds.entry(task.seed).or_default().push(task);
    }
    let seeds: Vec<Vec<Task>> = seeds.into_values().collect();
    let measured = in_parallel(threads, &seeds, |tasks_of_seed| {
        let mut runs = BTreeMap::new();
        for &task in tasks_of_seed {
            runs.extend(store.load::<Trajectory>(task)?.map(|run| (task, run)));
        }
        let diverged = |(&task, run): (&Task, &Trajectory)| run.diverged.map(|at| (task, at));
        let diverged: BTreeMap<_, _> = runs.iter().filter_map(diverged).collect();
        let mut rows = measure_seed(experiment, data, &runs);
        if let Some(limits) = &limits {
            for (task, more) in distances(experiment, data, limits, &runs) {
                rows.entry(task).or_default().extend(more);
            }
        }
        Ok(Some((rows, diverged)))
    })?;
    let (mut rows, mut diverged) = (BTreeMap::new(), BTreeMap::new());
    for (rows_of_seed, diverged_of_seed) in measured.into_iter().flatten() {
        rows.extend(rows_of_seed);
        diverged.extend(diverged_of_seed);
    }
    let asked: Vec<Task> = limits.iter().flat_map(Limits::tasks).map(|(task, _)| task).collect();
    Ok(Outcome {
        finished: rows.len() + asked.iter().filter(|task| store.has(**task)).count(),
        rows: rows.into_values().flatten().collect(),
        diverged: diverged.into_iter().collect(),
        tasks: tasks.len() + asked.len(),
        limits: limits.map(|limits| limits.finished()).unwrap_or_default(),
    })
}

/// order_parameters.npz of all finished tasks that `store` holds.
///
/// # Errors
/// The store's when it cannot be read.
pub fn order_parameters(
    experiment: &Experiment,
    data: &DataSet,
    store: &RunDirectory,
) -> Result<Vec<u8>> {
    let mut kinds: Vec<Task> = tasks(experiment).into_iter().map(Task::kind).collect();
    kinds.dedup();
    let load = |kind: Task| {
        let seeds = experiment.ensemble.all_seeds();
        let runs = seeds.map(|seed| store.load(Task { seed, ..kind }));
        Ok(runs.collect::<Result<Vec<Option<Trajectory>>>>()?.into_iter().flatten().collect())
    };
    order_parameters::to_npz(experiment, data, &kinds, load)
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
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An error before a None, whichever came first: it says more than "interrupted".
    let results: Vec<Option<O>> = results.into_iter().collect::<Result<_>>()?;
    Ok(results.into_iter().collect())
}

/// All rows of one seed, by task.
fn measure_seed(
    experiment: &Experiment,
    data: &DataSet,
    seed: &BTreeMap<Task, Trajectory>,
) -> BTreeMap<Task, Vec<Row>> {
    let rows_of = |(&task, run): (&Task, &Trajectory)| {
        let run = Run { task, trajectory: run };
        let mut rows = of_run(experiment, &data.train, run);
        let exact = Task { closure: Closure::Exact, ..task };
        let exact = Some(exact).filter(|_| task.closure != Closure::Exact);
        for (against, other) in
            [(Against::Reference, partner(experiment, task)), (Against::Exact, exact)]
        {
            if let Some((&task, trajectory)) = other.and_then(|task| seed.get_key_value(&task)) {
                let other = Run { task, trajectory };
                rows.extend(of_pair(experiment, &data.train, run, against, other));
            }
        }
        (task, rows)
    };
    seed.iter().map(rows_of).collect()
}
