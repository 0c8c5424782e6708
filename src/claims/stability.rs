//! Runs that trained to their end and yet did not train: their loss is above where it began, or their
//! outputs are far beyond the labels. No law is about them.

use std::collections::{BTreeMap, HashSet};

use crate::experiment::grid::{Task, tasks};
use crate::experiment::{Batch, Experiment};
use crate::model::Loss;
use crate::numbers::{count, measured};
use crate::observables::{Observable, Row};

/// With all samples in an update the loss may not rise above its start by more than this share of it.
const MOST_RISE: f64 = 1e-3;
/// With minibatches, which differ, it may not rise above so many times its start.
const MOST_RISE_OF_BATCHES: f64 = 2.0;
/// With the squared loss no |f| may exceed so many times the largest |y|.
const MOST_OUTPUT: f64 = 10.0;

/// A finished run that is unstable.
#[derive(Clone, Debug, PartialEq)]
pub struct Unstable {
    /// Which run it is.
    pub task: Task,
    /// Updates done at the recorded pass where it is worst.
    pub step: u32,
    /// Why, in words: "loss 1.2×10⁴⁴ after 2 updates, 0.50 at the start".
    pub why: String,
}

/// The largest number of a run, and after how many updates.
#[derive(Clone, Copy, Default)]
struct Worst {
    value: f64,
    step: u32,
}

impl Worst {
    fn take(&mut self, value: f64, step: u32) {
        if value > self.value {
            *self = Worst { value, step };
        }
    }
}

/// The runs among `rows` that are unstable, in order; `diverged` ones are not, as they did not finish.
///
/// A run is unstable when its training loss at a recorded step exceeds that at step 0 (by more than
/// 10⁻³ of it, with minibatches when it is more than twice that), or, with the squared loss, when
/// one of the outputs that are recorded exceeds ten times `largest_label`, the largest |y|.
pub fn unstable(
    experiment: &Experiment,
    rows: &[Row],
    largest_label: f64,
    diverged: &[Task],
) -> Vec<Unstable> {
    let mut runs: BTreeMap<Task, (f64, Worst, Worst)> = BTreeMap::new();
    for row in rows {
        let Row { task, step, value, .. } = *row;
        match row.observable {
            Observable::TrainingLoss => {
                let (start, loss, _) = runs.entry(task).or_default();
                loss.take(value, step);
                if step == 0 {
                    *start = value;
                }
            }
            Observable::Output => runs.entry(task).or_default().2.take(value.abs(), step),
            _ => {}
        }
    }
    let most = match experiment.training.batch {
        Batch::Full => 1.0 + MOST_RISE,
        Batch::Of(_) => MOST_RISE_OF_BATCHES,
    };
    let squared = experiment.training.loss == Loss::Squared;
    let diverged: HashSet<&Task> = diverged.iter().collect();
    runs.retain(|task, _| !diverged.contains(task));
    let judge = |(task, (start, loss, output)): (Task, (f64, Worst, Worst))| {
        let after = |step: u32| format!("after {}", count(u64::from(step), "update"));
        if loss.value > most * start {
            let (end, start) = (measured(loss.value), measured(start));
            let why = format!("loss {end} {}, {start} at the start", after(loss.step));
            return Some(Unstable { task, step: loss.step, why });
        }
        if squared && output.value > MOST_OUTPUT * largest_label {
            let (f, y) = (measured(output.value), measured(largest_label));
            let why = format!("|f| = {f} {}, labels of at most {y}", after(output.step));
            return Some(Unstable { task, step: output.step, why });
        }
        None
    };
    runs.into_iter().filter_map(judge).collect()
}

/// A run as messages name it: closure, sizes and seed, and what the grid has several of.
pub fn name(experiment: &Experiment, task: &Task) -> String {
    let Task { closure, parametrization, width, depth, learning_rate, seed } = *task;
    let mut name = format!("{} n={width} L={depth}", closure.name());
    if experiment.ensemble.learning_rates.is_some() {
        name += &format!(" η={}", learning_rate.value());
    }
    if experiment.ensemble.parametrizations.is_some() {
        name += &format!(" {}", parametrization.name());
    }
    format!("{name} seed {seed}")
}

/// Why a claim is withheld whose curve is made of the runs that `is_of` names: "withheld: 3 of 48 runs
/// of this setting are unstable, as exact n=64 L=4 seed 0: loss 32.0 after 2 updates, 0.50 at the
/// start". None where all of them are stable.
pub fn withheld(
    experiment: &Experiment,
    unstable: &[Unstable],
    is_of: impl Fn(&Task) -> bool,
) -> Option<String> {
    let mut here = unstable.iter().filter(|run| is_of(&run.task));
    let first = here.next()?;
    let (number, all) = (1 + here.count(), tasks(experiment).iter().filter(|t| is_of(t)).count());
    let verb = if number == 1 { "is" } else { "are" };
    Some(format!(
        "withheld: {number} of {} of this setting {verb} unstable, as {}: {}",
        count(all as u64, "run"),
        name(experiment, &first.task),
        first.why
    ))
}
