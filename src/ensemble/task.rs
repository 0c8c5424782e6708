//! One task: the place where an experiment becomes a network on a backend.

use std::sync::atomic::AtomicBool;

use crate::backend::cpu::{self, format::Format};
use crate::backend::plain::conditional::Conditional;
use crate::backend::plain::dense::Dense;
use crate::backend::{DROP_TOLERANCE, DROP_TOLERANCE_F32, Network, Probe, Sweeps};
use crate::data::{DataSet, Samples};
use crate::engine::batches::Batches;
use crate::engine::{self, Trajectory};
use crate::rng::noise::BrownianPath;
use crate::rng::normal::Instructions;
use crate::spec::grid::{Task, quarters};
use crate::spec::{Backend, Batch, Engine, Experiment, Precision, Storage};

/// Covariances over steps and samples are followed up to this many columns: beyond, their
/// eigenvalues would cost more than the run.
pub const COVARIANCE_COLUMNS: usize = 128;

/// Trains the network of `task`, on the threads of the pool that calls; None when `stop` was set
/// before it was done.
pub fn train(
    experiment: &Experiment,
    data: &DataSet,
    task: Task,
    stop: &AtomicBool,
) -> Option<Trajectory> {
    let asked = &experiment.training;
    let samples = data.train.len();
    let training = engine::Training {
        loss: asked.loss,
        steps: asked.steps,
        batches: Batches { samples, size: asked.batch.size(samples), seed: task.seed },
        rates: experiment.rates(),
        schedule: asked.schedule,
        momentum: asked.momentum,
        weight_decay: asked.weight_decay,
        record: asked.record,
        labels: data.train.labels.clone(),
        test_labels: data.test.labels.clone(),
        outputs: data.train.outputs,
    };
    engine::train(&mut *network(experiment, data, task), &training, stop)
}

/// The network of `task` at initialisation.
fn network(experiment: &Experiment, data: &DataSet, task: Task) -> Box<dyn Sweeps> {
    let Task { closure, width, depth, seed } = task;
    let network = Network {
        width,
        depth,
        outputs: data.train.outputs,
        activation: experiment.model.activation,
        closure,
        scales: experiment.model.scale_law().at(width, depth, data.train.dimension),
        drop_tolerance: match experiment.precision {
            Precision::F32 => DROP_TOLERANCE_F32,
            Precision::F64 => DROP_TOLERANCE,
        },
    };
    let noise = BrownianPath::new(seed, experiment.finest.unwrap_or(depth as u32), depth as u32);
    let probe = Probe {
        layers: quarters(depth).into_iter().map(|i| i * depth / 4).collect(),
        rows: experiment.reference.rows.limit(),
        // Minibatches have no samples in common over which to follow them.
        covariance_columns: match experiment.training.batch {
            Batch::Full => COVARIANCE_COLUMNS,
            Batch::Of(_) => 0,
        },
    };
    let (train, test) = (data.train.clone(), data.test.clone());
    match (experiment.backend, experiment.precision) {
        (Backend::Cpu, Precision::F32) => {
            fast::<f32>(experiment, network, noise, probe, (train, test))
        }
        (Backend::Cpu, Precision::F64) => {
            fast::<f64>(experiment, network, noise, probe, (train, test))
        }
        (Backend::Plain, _) => match experiment.engine {
            Engine::Conditional => {
                Box::new(Conditional::new(network, Box::new(noise), probe, train, test))
            }
            Engine::Dense => Box::new(Dense::new(network, &noise, probe, train, test)),
        },
    }
}

fn fast<T: Format>(
    experiment: &Experiment,
    network: Network,
    noise: BrownianPath,
    probe: Probe,
    samples: (Samples, Samples),
) -> Box<dyn Sweeps> {
    let set = Instructions::detect();
    match (experiment.engine, experiment.storage) {
        (Engine::Conditional, _) => {
            let noise = Box::new(noise);
            Box::new(cpu::conditional::Conditional::<T>::new(network, noise, probe, samples, set))
        }
        (Engine::Dense, Storage::Full) => {
            Box::new(cpu::dense::Dense::<T>::new(network, &noise, probe, samples, set))
        }
        (Engine::Dense, Storage::Bf16) => {
            Box::new(cpu::dense::Dense::<T>::frozen(network, &noise, probe, samples, set))
        }
    }
}
