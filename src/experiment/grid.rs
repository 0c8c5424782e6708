//! The grid of tasks: which runs an experiment consists of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Experiment, ReferenceKind};
use crate::model::{Closure, Parametrization};

/// η of the hidden weights, positive: the bits of a number, so that it can be ordered and hashed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LearningRate(u64);

impl LearningRate {
    /// Of a positive number.
    pub fn new(rate: f64) -> Self {
        LearningRate(rate.to_bits())
    }

    /// The learning rate as a number.
    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for LearningRate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(out)
    }
}

/// One training run of the grid: a network and its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Task {
    /// Closure that the run is of.
    pub closure: Closure,
    /// Parametrization: the powers of width and depth.
    pub parametrization: Parametrization,
    /// Width n of the hidden layers.
    pub width: usize,
    /// Depth L, the number of residual blocks.
    pub depth: usize,
    /// Learning rate η of the hidden weights.
    pub learning_rate: LearningRate,
    /// Seed of the noise that its weights are drawn from.
    pub seed: u64,
}

impl fmt::Display for Task {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Task { closure, width, depth, seed, .. } = self;
        write!(out, "{} n={width} L={depth} seed {seed}", closure.name())
    }
}

impl Task {
    /// What all seeds of a kind share, written as the task of seed 0, whether or not that is run.
    pub fn kind(self) -> Task {
        Task { seed: 0, ..self }
    }
}

/// Quarters i of the horizon at which a network of this depth has a layer, iL/4: vectors are kept
/// there. They depend on the depth alone, so that a task is the same in every experiment.
pub fn quarters(depth: usize) -> Vec<usize> {
    (0..=4).filter(|i| (i * depth).is_multiple_of(4)).collect()
}

/// All tasks of an experiment, ordered by closure, parametrization, width, depth, learning rate and
/// seed; the reference network's among them.
pub fn tasks(experiment: &Experiment) -> Vec<Task> {
    let ensemble = &experiment.ensemble;
    let mut tasks = Vec::new();
    let mut sizes: Vec<(usize, usize)> = ensemble
        .widths
        .iter()
        .flat_map(|&width| ensemble.depths.iter().map(move |&depth| (width, depth)))
        .collect();
    if experiment.reference.kind == ReferenceKind::Network {
        sizes.extend(experiment.reference.width.zip(experiment.reference.depth));
    }
    sizes.sort_unstable();
    sizes.dedup();
    for &closure in &ensemble.closures {
        for parametrization in experiment.parametrizations() {
            for &(width, depth) in &sizes {
                for rate in experiment.learning_rates() {
                    let learning_rate = LearningRate::new(rate);
                    let of =
                        |seed| Task { closure, parametrization, width, depth, learning_rate, seed };
                    tasks.extend(ensemble.all_seeds().map(of));
                }
            }
        }
    }
    tasks
}

/// Whether a row of results is computed from the vectors of `task` beside those of another run.
pub fn is_compared(experiment: &Experiment, task: Task) -> bool {
    let (ensemble, reference) = (&experiment.ensemble, &experiment.reference);
    let is_reference = match reference.kind {
        ReferenceKind::None | ReferenceKind::Limit => false,
        ReferenceKind::Doubling => ensemble.depths.iter().any(|depth| 2 * depth == task.depth),
        ReferenceKind::Network => {
            (Some(task.width), Some(task.depth)) == (reference.width, reference.depth)
        }
    };
    let closures = &ensemble.closures;
    let beside_closures = closures.len() > 1 && closures.contains(&Closure::Exact);
    is_reference || beside_closures || partner(experiment, task).is_some()
}

/// What `task` is compared with, if that run exists in the experiment.
pub fn partner(experiment: &Experiment, task: Task) -> Option<Task> {
    let reference = &experiment.reference;
    let partner = match reference.kind {
        ReferenceKind::None | ReferenceKind::Limit => return None,
        ReferenceKind::Doubling => Task { depth: 2 * task.depth, ..task },
        ReferenceKind::Network => Task { width: reference.width?, depth: reference.depth?, ..task },
    };
    let exists = reference.kind == ReferenceKind::Network
        || experiment.ensemble.depths.contains(&partner.depth);
    (exists && partner != task).then_some(partner)
}
