//! One trained network of a run as arrays, for those who train the same network elsewhere
//! (docs/export.md).
//!
//! No run directory holds weights. The network is trained again, by the dense engine on the processor, from
//! the noise that its weights were drawn from; where the run has its outputs, the two are compared.
//! [`selection`] says which network, [`noise`] where its initial weights come from, [`weights`] reads them
//! out, [`about`] says what else a reader must know, [`file`](mod@file) writes it all.

pub mod about;
pub mod file;
pub mod noise;
pub mod selection;
pub mod weights;

use std::sync::atomic::AtomicBool;

use serde_json::Value;

use crate::backend::cost::Work;
use crate::backend::cpu::dense::Dense;
use crate::backend::cpu::simd::format::Format;
use crate::backend::{Network, Probe, plain};
use crate::engine::{self, Pass, Training, Trajectory};
use crate::ensemble::plan::Free;
use crate::ensemble::task::training;
use crate::error::{Error, Result};
use crate::experiment::grid::Task;
use crate::experiment::run::DataSizes;
use crate::experiment::{Backend, Engine, Experiment, Precision, Storage};
use crate::job::prepare::{Prepared, read_manifest};
use crate::rng::noise::Noise;
use crate::rng::normal::Instructions;
use crate::store::journal;
use crate::store::journals::Journals;
use crate::store::key::{Key, Keys};
use file::Array;
use noise::{Initial, initial_noise};

/// Collecting, encoding and writing the weights, measured on two busy cores: 8 s for 0.54 GB.
const SECONDS_OF_A_BYTE: f64 = 1.5e-8;

/// What is known of an export before anything is trained.
pub struct Export<'a> {
    prepared: &'a Prepared,
    task: Task,
    /// The experiment of the task alone, as it was run.
    run: Experiment,
    /// The same as it is trained here: dense, on the processor.
    here: Experiment,
    initial: Initial,
}

/// A network as arrays, and what else a reader must know.
pub struct Exported {
    /// The arrays by name, in the order of docs/export.md.
    pub arrays: Vec<Array>,
    /// The constants of the network and its training, an object.
    pub about: Value,
    /// The largest difference of an output from the run's own, as a share of the run's largest output; None
    /// where there is nothing to compare.
    pub difference: Option<f64>,
}

/// What an export takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needs {
    /// Estimated seconds of training on all threads, and of writing the file.
    pub seconds: f64,
    /// Bytes of memory at its peak, at most.
    pub memory: f64,
    /// Bytes of the file's weights.
    pub file: f64,
}

impl<'a> Export<'a> {
    /// Of the network of `task`.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] where no weight matrix belongs to the closure, or branches are normalised.
    pub fn new(prepared: &'a Prepared, task: Task) -> Result<Self> {
        if !task.closure.has_dense_network() {
            return Err(refused(
                prepared,
                format!(
                    "closure {} is defined by conditioning alone: no weight matrix has its answers",
                    task.closure.name()
                ),
                "export a network of closure exact or gia, as `nfd run --set \
                 ensemble.closures='[\"exact\",\"gia\"]'` makes them",
            ));
        }
        let run = prepared.resolved.experiment.of(task);
        if !run.model.normalization.is_none() {
            let problem = "networks with normalised branches cannot be exported yet".to_owned();
            return Err(refused(
                prepared,
                problem,
                "export one of an experiment with normalization none",
            ));
        }
        let initial = match (run.engine, run.storage) {
            (Engine::Conditional, _) => Initial::Assembled,
            (Engine::Dense, Storage::Bf16) => Initial::Rounded,
            (Engine::Dense, Storage::Full) => Initial::Drawn,
        };
        let mut here = run.clone();
        (here.engine, here.backend, here.storage) = (Engine::Dense, Backend::Cpu, Storage::Full);
        here.precision = match (initial, run.precision) {
            // Answers of columns in any format are combined in f64.
            (Initial::Assembled, _) | (_, Precision::F64) => Precision::F64,
            (_, Precision::F32 | Precision::Tf32x3) => Precision::F32,
        };
        Ok(Export { prepared, task, run, here, initial })
    }

    fn sizes(&self) -> DataSizes {
        DataSizes::of(&self.prepared.data)
    }

    fn network(&self) -> Network {
        self.here.network(self.sizes(), self.task)
    }

    /// Time, memory and disk that it takes.
    pub fn needs(&self) -> Needs {
        let Export { prepared, task, here, run, .. } = self;
        let (network, shape) = (self.network(), here.run_shape(self.sizes(), *task));
        let speeds = (here.costs().speeds)(here.number_bytes());
        let threads = prepared.plan.threads.max(1) as f64;
        let mut seconds = speeds.seconds(&here.work(self.sizes(), *task)) / threads;
        let mut memory = (here.costs().footprint)(&network, &shape).host;
        let (n, layers) = (network.width as f64, network.depth as f64);
        let weights = layers * network.weights_of_a_block() * network.matrices_of_a_weight();
        let numbers = weights + n * (shape.dimension + network.outputs) as f64;
        if self.initial == Initial::Assembled {
            let replayed = run.network(self.sizes(), *task);
            let costs = &plain::cost::CONDITIONAL;
            let work = (costs.work)(&replayed, &shape);
            let columns = n.min((shape.batch * shape.passes) as f64);
            // A matrix and its answers: four products with all columns.
            let flops = 8.0 * weights * columns;
            let speeds = (costs.speeds)(8);
            seconds += speeds.seconds(&Work { flops: work.flops + flops, ..work });
            let assembled = 8.0 * weights * (1.0 + 3.0 / layers);
            memory = memory.max((costs.footprint)(&replayed, &shape).host) + assembled;
        }
        // Before and after training.
        let file = 2.0 * numbers * here.number_bytes() as f64;
        // Beside the network that is trained, with a quarter for what grows; then, without the network, once
        // more as the file's bytes, and one array of them.
        let memory = (memory + 1.25 * file).max(2.5 * file);
        Needs { seconds: seconds + SECONDS_OF_A_BYTE * file, memory, file }
    }

    /// Refuses what cannot fit into `free` memory and disk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] with what is needed and what there is.
    pub fn check(&self, free: Free) -> Result<()> {
        let Needs { memory, file, .. } = self.needs();
        let too_large = |what, needed, available, help: &str| {
            Err(Error::TooLarge { what, needed, available, help: help.to_owned() })
        };
        if memory > free.memory {
            let help = "export a narrower or shallower network of the run";
            return too_large("memory", memory, free.memory, help);
        }
        if let Some(disk) = free.disk.filter(|disk| file > *disk) {
            return too_large("disk", file, disk, "choose another --output");
        }
        Ok(())
    }

    /// Trains the network and collects its arrays.
    ///
    /// # Errors
    /// [`Error::RunDirectory`] where the network diverges, and so has no trained weights; those of reading
    /// what the run has recorded.
    pub fn train(&self) -> Result<Exported> {
        let Prepared { resolved, data, output, .. } = self.prepared;
        let numeric_path = read_manifest(output)?.numeric_path;
        let keys = Keys::new(&resolved.experiment, data, &numeric_path);
        let (key, recorded) = (keys.of(self.task), self.recorded(&keys)?);
        let training = training(&self.here, data, self.task);
        let noise = initial_noise(self.initial, &self.run, data, self.task);
        match self.here.precision {
            Precision::F64 => self.train_in::<f64>(&*noise, &training, (key, recorded.as_ref())),
            _ => self.train_in::<f32>(&*noise, &training, (key, recorded.as_ref())),
        }
    }

    fn train_in<T: Format>(
        &self,
        noise: &dyn Noise,
        training: &Training,
        (key, recorded): (Key, Option<&Trajectory>),
    ) -> Result<Exported> {
        let data = &self.prepared.data;
        let samples = (data.train.clone(), data.test.clone());
        let network = self.network();
        let probe = Probe::nothing();
        let mut dense =
            Dense::<T>::new(network.clone(), noise, probe, samples, Instructions::detect());
        let mut arrays = weights::arrays("initial", &network, &dense);
        let run = engine::train(&mut dense, training, &AtomicBool::new(false)).unwrap_or_default();
        if let Some(at) = run.diverged {
            let problem = format!("{} diverged after {} updates", self.task, at.step);
            let help = "it has no trained weights: export a network of a smaller learning rate";
            return Err(refused(self.prepared, problem, help));
        }
        arrays.extend(weights::arrays("trained", &network, &dense));
        arrays.extend(about::samples::<T>(data));
        arrays.extend(about::steps(training));
        arrays.extend(about::measured(&run, data));
        let difference = recorded.and_then(|recorded| difference(&run, recorded));
        let about = about::constants(&about::Described {
            run: &self.run,
            here: &self.here,
            task: self.task,
            key,
            network: &network,
            data,
            initial: self.initial,
            difference,
            all: &self.prepared.resolved.experiment,
        });
        Ok(Exported { arrays, about, difference })
    }

    /// What the run has recorded of the network, if that is of one and the same network throughout.
    fn recorded(&self, keys: &Keys) -> Result<Option<Trajectory>> {
        let Prepared { data, output, .. } = self.prepared;
        let minibatches = !training(&self.here, data, self.task).batches.are_full();
        if self.initial == Initial::Assembled && minibatches {
            // Samples that are only evaluated have answers of their own at every step.
            return Ok(None);
        }
        let journals = Journals::read(output, |_| true)?;
        let found = journals.find_any(keys.serving(self.task));
        found.map(|(key, path, at)| journal::read_value(path, key, at)).transpose()
    }
}

/// The largest difference of outputs at the steps that both have, as a share of the largest output of
/// `recorded`.
fn difference(run: &Trajectory, recorded: &Trajectory) -> Option<f64> {
    let (mut largest, mut apart) = (0.0_f64, None);
    for Pass { step, f, .. } in &recorded.passes {
        let Some(own) = run.passes.iter().find(|pass| pass.step == *step) else { continue };
        for (a, b) in own.f.iter().zip(f) {
            largest = largest.max(b.abs());
            apart = Some((a - b).abs().max(apart.unwrap_or(0.0)));
        }
    }
    apart.map(|apart| if apart == 0.0 { 0.0 } else { apart / largest })
}

fn refused(prepared: &Prepared, problem: String, help: &str) -> Error {
    Error::RunDirectory { directory: prepared.output.clone(), problem, help: help.to_owned() }
}
