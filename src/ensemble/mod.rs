//! What is to be done and by whom: the cost of tasks, and workers over them.
//!
//! Tasks are independent. Workers take them seed by seed, the longest of a seed first; when all
//! tasks of a seed are done their comparisons are measured and the vectors dropped. Nothing that is
//! written depends on the number of workers.

pub mod cost;
mod task;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::data::DataSet;
use crate::engine::{Divergence, Trajectory};
use crate::measure::{pairs, single};
use crate::model::Closure;
use crate::spec::Experiment;
use crate::spec::grid::{Task, partner, tasks};
use crate::store::results::Row;

/// Told after every task: the estimated share of the work that is done, from 0 to 1, and the
/// numbers of finished and of all tasks. Called from any worker.
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
    // Vectors of the seed that is being finished and of those begun meanwhile.
    let seeds = experiment.ensemble.seeds as f64;
    Estimate {
        tasks: tasks.len(),
        seconds: longest.max(total / workers),
        bytes: workers * largest + kept / seeds * seeds.min(workers + 1.0),
    }
}

#[derive(Default)]
struct State {
    finished: usize,
    seconds: f64,
    /// Trajectories of seeds that are not complete.
    pending: BTreeMap<u64, BTreeMap<Task, Trajectory>>,
    rows: BTreeMap<Task, Vec<Row>>,
    diverged: BTreeMap<Task, Divergence>,
}

/// Runs all tasks on `threads` workers.
pub fn run(experiment: &Experiment, data: &DataSet, threads: usize, progress: Progress) -> Outcome {
    let mut queue = tasks(experiment);
    let seconds = |task: &Task| cost::cost(experiment, data, *task).seconds;
    queue
        .sort_by(|a, b| a.seed.cmp(&b.seed).then(seconds(b).total_cmp(&seconds(a))).then(a.cmp(b)));
    let total: f64 = queue.iter().map(seconds).sum();
    let tasks_of_a_seed = queue.len() / experiment.ensemble.seeds as usize;
    let next = AtomicUsize::new(0);
    let state = Mutex::new(State::default());
    // A poisoned lock means that another worker panicked, which the scope passes on.
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let work = || {
        while let Some(&task) = queue.get(next.fetch_add(1, Ordering::Relaxed)) {
            let trajectory = task::train(experiment, data, task);
            let complete = {
                let mut state = lock();
                state.finished += 1;
                state.seconds += seconds(&task);
                progress(state.seconds / total, state.finished, queue.len());
                state.diverged.extend(trajectory.diverged.map(|divergence| (task, divergence)));
                let seed = state.pending.entry(task.seed).or_default();
                seed.insert(task, trajectory);
                if seed.len() == tasks_of_a_seed { state.pending.remove(&task.seed) } else { None }
            };
            if let Some(seed) = complete {
                let measured = measure(experiment, data, &seed);
                lock().rows.extend(measured);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads.min(queue.len()).max(1) {
            scope.spawn(work);
        }
    });
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    Outcome {
        rows: state.rows.into_values().flatten().collect(),
        diverged: state.diverged.into_iter().collect(),
        tasks: queue.len(),
    }
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
