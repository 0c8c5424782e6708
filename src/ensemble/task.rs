//! One task: the place where an experiment becomes a network on a backend.

use std::sync::Arc;

use super::checkpointing::Watch;
use crate::backend::cpu::{self, simd::format::Format};
use crate::backend::crew::{Crew, Single};
use crate::backend::cuda::conditional::{Members, PASSES_AT_FIRST};
use crate::backend::cuda::device::{Device, Number};
use crate::backend::cuda::{self, device::fault::Fault};
use crate::backend::plain::conditional::Conditional;
use crate::backend::plain::dense::Dense;
use crate::backend::{Network, Probe, Sweeps};
use crate::data::{DataSet, Samples};
use crate::engine::batches::Batches;
use crate::engine::{self, Course, Trajectory};
use crate::experiment::grid::{Task, is_compared};
use crate::experiment::run::DataSizes;
use crate::experiment::{Backend, Engine, Experiment, Precision, Storage};
use crate::rng::noise::{BrownianPath, Noise};
use crate::rng::normal::Instructions;

/// Trains the network of `task`, on the threads of the pool that calls, from its checkpoint where there is
/// one; None when it was stopped before it was done.
pub fn train(
    experiment: &Experiment,
    data: &DataSet,
    task: Task,
    watch: Watch,
) -> Option<Trajectory> {
    let experiment = &experiment.of(task);
    let training = training(experiment, data, task);
    let new = || Ok(Single::new(network(experiment, data, task)));
    let Ok(runs) = train_on(new, &[task], &[training], watch);
    let mut run = runs?.pop()?;
    drop_rows(experiment, task, &mut run);
    Some(run)
}

/// Drops the rows that results have no use for.
fn drop_rows(experiment: &Experiment, task: Task, run: &mut Trajectory) {
    let compared: Vec<u32> = match is_compared(experiment, task) {
        true => experiment.training.compared_steps().collect(),
        false => Vec::new(),
    };
    run.drop_rows(|step| compared.binary_search(&step).is_ok());
}

/// The same of tasks of one kind, on a device of which they may use `room` bytes. A single network that may
/// come to need more takes memory as it needs it.
///
/// # Errors
/// The device's.
pub fn train_on_device(
    experiment: &Experiment,
    data: &DataSet,
    tasks: &[Task],
    (device, room): (&Arc<Device>, f64),
    watch: Watch,
) -> Result<Option<Vec<Trajectory>>, Fault> {
    let trained = match experiment.precision {
        // The device knows how products are done.
        Precision::F32 | Precision::Tf32x3 => {
            train_crew::<f32>(experiment, data, tasks, (device, room), watch)
        }
        Precision::F64 => train_crew::<f64>(experiment, data, tasks, (device, room), watch),
    };
    let mut runs = trained?;
    for (&task, run) in tasks.iter().zip(runs.iter_mut().flatten()) {
        drop_rows(experiment, task, run);
    }
    Ok(runs)
}

fn train_crew<T: Number>(
    experiment: &Experiment,
    data: &DataSet,
    tasks: &[Task],
    (device, room): (&Arc<Device>, f64),
    watch: Watch,
) -> Result<Option<Vec<Trajectory>>, Fault> {
    let Some(&task) = tasks.first() else { return Ok(Some(Vec::new())) };
    let experiment = &experiment.of(task);
    let trainings: Vec<_> = tasks.iter().map(|task| training(experiment, data, *task)).collect();
    let first = &trainings[0];
    let (network, noise) = (experiment.network(DataSizes::of(data), task), noise(experiment, task));
    let seeds = &tasks.iter().map(|task| task.seed).collect::<Vec<_>>();
    let (probe, samples) = (experiment.probe(task.depth), (data.train.clone(), data.test.clone()));
    let (batch, steps) = (first.batches.size, first.steps as usize);
    match experiment.engine {
        Engine::Conditional => {
            let passes = steps + 1;
            let shape = experiment.run_shape(DataSizes::of(data), task);
            let most = (experiment.costs().footprint)(&network, &shape).device;
            let passes_at_first = match seeds.len() == 1 && most > room {
                true => passes.min(PASSES_AT_FIRST),
                false => passes,
            };
            let ensemble =
                Members { network, seeds, noise, probe, samples, batch, passes, passes_at_first };
            let new = || cuda::conditional::Conditional::<T>::new(device.clone(), ensemble.clone());
            train_on(new, tasks, &trainings, watch)
        }
        Engine::Dense => {
            let frozen = match experiment.storage {
                Storage::Full => None,
                Storage::Bf16 => Some(steps),
            };
            let ensemble =
                cuda::dense::Members { network, seeds, noise, probe, samples, batch, frozen };
            let new = || cuda::dense::Dense::<T>::new(device.clone(), ensemble.clone());
            train_on(new, tasks, &trainings, watch)
        }
    }
}

/// Trains a crew from the checkpoints of its tasks, where there are some; `new` is the crew at its
/// initialisation.
fn train_on<C: Crew>(
    new: impl Fn() -> Result<C, C::Fault>,
    tasks: &[Task],
    trainings: &[engine::Training],
    watch: Watch,
) -> Result<Option<Vec<Trajectory>>, C::Fault> {
    let mut crew = new()?;
    let course = match watch.resume(tasks, &mut crew) {
        Some(course) => course,
        None => {
            drop(crew);
            crew = new()?;
            Course::new(tasks.len())
        }
    };
    engine::go_on(&mut crew, trainings, course, &mut watch.over(tasks))
}

/// How `task` is trained.
pub fn training(experiment: &Experiment, data: &DataSet, task: Task) -> engine::Training {
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
        rule: asked.rule(),
        record: asked.record,
        labels: data.train.labels.clone(),
        test_labels: data.test.labels.clone(),
        outputs: data.train.outputs,
    }
}

/// The noise that the weights of `task` are drawn from.
pub fn noise(experiment: &Experiment, task: Task) -> BrownianPath {
    let depth = task.depth as u32;
    BrownianPath::new(task.seed, experiment.finest.unwrap_or(depth), depth)
}

/// The network of `task` at initialisation, on a backend of the processor.
fn network(experiment: &Experiment, data: &DataSet, task: Task) -> Box<dyn Sweeps> {
    let network = experiment.network(DataSizes::of(data), task);
    let (noise, probe) = (noise(experiment, task), experiment.probe(task.depth));
    let (train, test) = (data.train.clone(), data.test.clone());
    if experiment.engine == Engine::Conditional {
        return conditional(experiment, network, Box::new(noise), probe, (train, test));
    }
    match (experiment.backend, experiment.precision) {
        (Backend::Cpu, Precision::F32) => {
            fast_dense::<f32>(experiment, network, noise, probe, (train, test))
        }
        (Backend::Cpu, Precision::F64) => {
            fast_dense::<f64>(experiment, network, noise, probe, (train, test))
        }
        (Backend::Plain, _) => Box::new(Dense::new(network, &noise, probe, train, test)),
        (Backend::Cuda, _) | (_, Precision::Tf32x3) => {
            unreachable!("its tasks are trained on a device")
        }
    }
}

/// A network of the conditional engine with any noise, on a backend of the processor.
pub fn conditional(
    experiment: &Experiment,
    network: Network,
    noise: Box<dyn Noise>,
    probe: Probe,
    samples: (Samples, Samples),
) -> Box<dyn Sweeps> {
    let set = Instructions::detect();
    match (experiment.backend, experiment.precision) {
        (Backend::Plain, _) => {
            let (train, test) = samples;
            Box::new(Conditional::new(network, noise, probe, train, test))
        }
        (_, Precision::F32 | Precision::Tf32x3) => {
            Box::new(cpu::conditional::Conditional::<f32>::new(network, noise, probe, samples, set))
        }
        (_, Precision::F64) => {
            Box::new(cpu::conditional::Conditional::<f64>::new(network, noise, probe, samples, set))
        }
    }
}

fn fast_dense<T: Format>(
    experiment: &Experiment,
    network: Network,
    noise: BrownianPath,
    probe: Probe,
    samples: (Samples, Samples),
) -> Box<dyn Sweeps> {
    let set = Instructions::detect();
    Box::new(match experiment.storage {
        Storage::Full => cpu::dense::Dense::<T>::new(network, &noise, probe, samples, set),
        Storage::Bf16 => cpu::dense::Dense::<T>::frozen(network, &noise, probe, samples, set),
    })
}
