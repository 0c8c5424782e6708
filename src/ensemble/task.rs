//! One task: the place where an experiment becomes a network on a backend.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::backend::cpu::{self, simd::format::Format};
use crate::backend::cuda::device::{Device, Number};
use crate::backend::cuda::{self, device::fault::Fault};
use crate::backend::plain::conditional::Conditional;
use crate::backend::plain::dense::Dense;
use crate::backend::{DROP_TOLERANCE, DROP_TOLERANCE_F32, Network, Probe, Sweeps};
use crate::data::{DataSet, Samples};
use crate::engine::batches::Batches;
use crate::engine::{self, Trajectory};
use crate::experiment::grid::{Task, quarters};
use crate::experiment::{Backend, Batch, Engine, Experiment, Precision, Storage};
use crate::rng::noise::BrownianPath;
use crate::rng::normal::Instructions;

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
    let experiment = &experiment.of(task);
    let training = training(experiment, data, task);
    engine::train(&mut *network(experiment, data, task), &training, stop)
}

/// The same of tasks of one kind, on a device.
///
/// # Errors
/// The device's.
pub fn train_on_device(
    experiment: &Experiment,
    data: &DataSet,
    tasks: &[Task],
    device: &Arc<Device>,
    stop: &AtomicBool,
) -> Result<Option<Vec<Trajectory>>, Fault> {
    match experiment.precision {
        Precision::F32 => train_crew::<f32>(experiment, data, tasks, device, stop),
        Precision::F64 => train_crew::<f64>(experiment, data, tasks, device, stop),
    }
}

fn train_crew<T: Number>(
    experiment: &Experiment,
    data: &DataSet,
    tasks: &[Task],
    device: &Arc<Device>,
    stop: &AtomicBool,
) -> Result<Option<Vec<Trajectory>>, Fault> {
    let Some(&task) = tasks.first() else { return Ok(Some(Vec::new())) };
    let experiment = &experiment.of(task);
    let trainings: Vec<_> = tasks.iter().map(|task| training(experiment, data, *task)).collect();
    let first = &trainings[0];
    let (network, noise) = (description(experiment, data, task), noise(experiment, task));
    let seeds = &tasks.iter().map(|task| task.seed).collect::<Vec<_>>();
    let (probe, samples) = (probe(experiment, task), (data.train.clone(), data.test.clone()));
    let (batch, steps) = (first.batches.size, first.steps as usize);
    match experiment.engine {
        Engine::Conditional => {
            let passes = steps + 1;
            let ensemble = cuda::conditional::Ensemble {
                network,
                seeds,
                noise,
                probe,
                samples,
                batch,
                passes,
            };
            let mut crew = cuda::conditional::Conditional::<T>::new(device.clone(), ensemble)?;
            engine::train_together(&mut crew, &trainings, stop)
        }
        Engine::Dense => {
            let frozen = match experiment.storage {
                Storage::Full => None,
                Storage::Bf16 => Some(steps),
            };
            let ensemble =
                cuda::dense::Ensemble { network, seeds, noise, probe, samples, batch, frozen };
            let mut crew = cuda::dense::Dense::<T>::new(device.clone(), ensemble)?;
            engine::train_together(&mut crew, &trainings, stop)
        }
    }
}

fn training(experiment: &Experiment, data: &DataSet, task: Task) -> engine::Training {
    let asked = &experiment.training;
    let samples = data.train.len();
    engine::Training {
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
    }
}

/// What a backend has to know of the network.
fn description(experiment: &Experiment, data: &DataSet, task: Task) -> Network {
    let Task { closure, width, depth, .. } = task;
    Network {
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
    }
}

fn noise(experiment: &Experiment, task: Task) -> BrownianPath {
    let depth = task.depth as u32;
    BrownianPath::new(task.seed, experiment.finest.unwrap_or(depth), depth)
}

fn probe(experiment: &Experiment, Task { depth, .. }: Task) -> Probe {
    Probe {
        layers: quarters(depth).into_iter().map(|i| i * depth / 4).collect(),
        rows: experiment.reference.rows.limit(),
        // Minibatches have no samples in common over which to follow them.
        covariance_columns: match experiment.training.batch {
            Batch::Full => COVARIANCE_COLUMNS,
            Batch::Of(_) => 0,
        },
    }
}

/// The network of `task` at initialisation, on a backend of the processor.
fn network(experiment: &Experiment, data: &DataSet, task: Task) -> Box<dyn Sweeps> {
    let network = description(experiment, data, task);
    let (noise, probe) = (noise(experiment, task), probe(experiment, task));
    let (train, test) = (data.train.clone(), data.test.clone());
    match (experiment.backend, experiment.precision) {
        (Backend::Cpu, Precision::F32) => {
            fast::<f32>(experiment, network, noise, probe, (train, test))
        }
        (Backend::Cpu, Precision::F64) => {
            fast::<f64>(experiment, network, noise, probe, (train, test))
        }
        (Backend::Cuda, _) => unreachable!("its tasks are trained on a device"),
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
