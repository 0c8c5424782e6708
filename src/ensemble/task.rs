//! One task: the place where an experiment becomes a network on a backend.

use std::sync::atomic::AtomicBool;

use crate::backend::plain::conditional::Conditional;
use crate::backend::plain::dense::Dense;
use crate::backend::{DROP_TOLERANCE, Network, Probe};
use crate::data::DataSet;
use crate::engine::{self, Trajectory};
use crate::rng::noise::BrownianPath;
use crate::spec::grid::{Task, quarters};
use crate::spec::{Backend, Engine, Experiment};

/// Covariances over steps and samples are followed up to this many columns: beyond, their
/// eigenvalues would cost more than the run.
pub const COVARIANCE_COLUMNS: usize = 128;

/// Trains the network of `task`; None when `stop` was set before it was done.
pub fn train(
    experiment: &Experiment,
    data: &DataSet,
    task: Task,
    stop: &AtomicBool,
) -> Option<Trajectory> {
    let Task { closure, width, depth, seed } = task;
    let network = Network {
        width,
        depth,
        outputs: data.train.outputs,
        activation: experiment.model.activation,
        closure,
        scales: experiment.model.scale_law().at(width, depth, data.train.dimension),
        drop_tolerance: DROP_TOLERANCE,
    };
    let noise = BrownianPath::new(seed, experiment.finest.unwrap_or(depth as u32), depth as u32);
    let probe = Probe {
        layers: quarters(depth).into_iter().map(|i| i * depth / 4).collect(),
        rows: experiment.reference.rows.limit(),
        covariance_columns: COVARIANCE_COLUMNS,
    };
    let training = engine::Training {
        loss: experiment.training.loss,
        steps: experiment.training.steps,
        rates: experiment.rates(),
        labels: data.train.labels.clone(),
        test_labels: data.test.labels.clone(),
        outputs: data.train.outputs,
    };
    let (train, test) = (data.train.clone(), data.test.clone());
    let Backend::Plain = experiment.backend;
    match experiment.engine {
        Engine::Conditional => {
            let mut run = Conditional::new(network, Box::new(noise), probe, train, test);
            engine::train(&mut run, &training, stop)
        }
        Engine::Dense => {
            let mut run = Dense::new(network, &noise, probe, train, test);
            engine::train(&mut run, &training, stop)
        }
    }
}
