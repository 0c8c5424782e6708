//! The work of a task, on paper: flops, normals and bytes from its sizes, at the largest rank it can
//! reach, and the rates that turn them into seconds.

use super::grid::Task;
use super::{Backend, Batch, Engine, Experiment, Precision, Storage};
use crate::model::Closure;

/// What one task computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Floating point operations of the products.
    pub flops: f64,
    /// Gaussians drawn.
    pub normals: f64,
    /// Activations and derivatives evaluated.
    pub activations: f64,
    /// Bytes of weights that come from memory, because no cache holds them: of dense ones, and on a
    /// GPU of columns.
    pub streamed: f64,
}

/// Bytes of weights that a core finds in its caches again.
const CACHED: f64 = 8e6;

impl Work {
    /// Of one task of a network with so many outputs.
    pub fn of(experiment: &Experiment, outputs: usize, task: Task) -> Work {
        let (n, depth) = (task.width as f64, task.depth as f64);
        let Passes { all: passes, recorded, batch, evaluated } = Passes::of(experiment);
        let fine = f64::from(experiment.finest.unwrap_or(task.depth as u32));
        let layers = experiment.model.block.matrices();
        let activations = layers * depth * n * (passes * 2.0 * batch + recorded * evaluated);
        let size = match experiment.precision {
            Precision::F32 => 4.0,
            Precision::F64 => 8.0,
        };
        match experiment.engine {
            Engine::Conditional => {
                let ranks = Ranks::of(experiment, outputs, task);
                // A query of r columns is projected three times or four, its answer and drift read
                // some five arrays more, and the couplings one: 20 n r P.
                let evaluated_each = 6.0 * evaluated * recorded / passes;
                Work {
                    flops: n * ranks.asked * (20.0 * batch + evaluated_each),
                    normals: fine * n * (passes * 2.0 * batch + recorded * evaluated),
                    activations,
                    // Seven arrays a query; a processor's share of them is in its flops.
                    streamed: match experiment.backend {
                        Backend::Cuda => 7.0 * size * n * ranks.asked,
                        Backend::Plain | Backend::Cpu => 0.0,
                    },
                }
            }
            Engine::Dense => {
                let matrices = if task.closure == Closure::Gia { 2.0 } else { 1.0 };
                let weights = layers * depth * n * n;
                // Read forward, read and written backward, and W⁽⁰⁾ for the own movement; in bf16
                // read twice.
                let (held, traffic) = match experiment.storage {
                    Storage::Full => (size, size * (matrices * 3.0 * passes + recorded / layers)),
                    Storage::Bf16 => (2.0, 2.0 * 2.0 * passes),
                };
                let cached = matrices * weights * held <= CACHED;
                Work {
                    // The own movement is of one matrix a block.
                    flops: weights
                        * (passes * 6.0 * batch + recorded * 2.0 * (batch / layers + evaluated)),
                    normals: layers * n * n * fine * matrices,
                    activations,
                    streamed: if cached { 0.0 } else { weights * traffic },
                }
            }
        }
    }
}

/// What one core, or one GPU, does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Flops
    pub flops: f64,
    /// Normals
    pub normals: f64,
    /// Activations
    pub activations: f64,
    /// Bytes of weights that are in memory and not in a cache, beside what is done to them.
    pub streamed: f64,
    /// Measured over estimated seconds; 1 without measurements.
    pub factor: f64,
    /// Timings it rests on.
    pub timings: usize,
}

impl Rates {
    /// Of one core of a server processor with AVX2 (2021), no measurement of the machine at hand;
    /// benches/NOTES.md has the runs. Backend plain takes tens of nanoseconds an activation.
    pub fn uncalibrated(engine: Engine, backend: Backend, precision: Precision) -> Rates {
        let (flops, normals, activations, streamed) = match (backend, engine, precision) {
            (Backend::Plain, ..) => (6.0e9, 3.5e8, 5.0e7, 3.0e10),
            (Backend::Cpu, Engine::Conditional, Precision::F32) => (2.5e10, 3.5e8, 2.0e8, 3.0e10),
            (Backend::Cpu, Engine::Conditional, Precision::F64) => (1.2e10, 3.0e8, 1.0e8, 3.0e10),
            (Backend::Cpu, Engine::Dense, Precision::F32) => (5.5e10, 3.5e8, 1.0e9, 3.0e10),
            (Backend::Cpu, Engine::Dense, Precision::F64) => (2.7e10, 3.0e8, 5.0e8, 3.0e10),
            // On paper, no device was timed: half of the memory and arithmetic of an H100.
            (Backend::Cuda, _, Precision::F32) => (1.5e13, 1.0e11, 5.0e11, 1.5e12),
            (Backend::Cuda, _, Precision::F64) => (7.5e12, 1.0e11, 1.0e11, 1.5e12),
        };
        Rates { flops, normals, activations, streamed, factor: 1.0, timings: 0 }
    }

    /// Scaled by the median ratio of measured to estimated seconds.
    pub fn calibrated(self, measured: &[(Work, f64)]) -> Rates {
        let plain = Rates { factor: 1.0, ..self };
        let mut ratios: Vec<f64> =
            measured.iter().map(|(work, seconds)| seconds / plain.seconds(work)).collect();
        ratios.retain(|ratio| ratio.is_finite() && *ratio > 0.0);
        ratios.sort_by(f64::total_cmp);
        match ratios.get(ratios.len() / 2) {
            Some(&factor) => Rates { factor, timings: ratios.len(), ..plain },
            None => self,
        }
    }

    /// The time of a task on one core.
    pub fn seconds(&self, work: &Work) -> f64 {
        self.factor
            * (work.flops / self.flops
                + work.normals / self.normals
                + work.activations / self.activations
                + work.streamed / self.streamed)
    }
}

/// What a run goes through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passes {
    /// Their number.
    pub all: f64,
    /// Of those that are recorded.
    pub recorded: f64,
    /// B: samples of each.
    pub batch: f64,
    /// Samples that a recorded pass evaluates besides: the test samples, with minibatches all
    /// training samples too.
    pub evaluated: f64,
}

impl Passes {
    /// Of every run of the experiment.
    pub fn of(experiment: &Experiment) -> Self {
        let (training, samples) = (&experiment.training, experiment.data.samples);
        let train = match training.batch {
            Batch::Full => 0,
            Batch::Of(_) => samples,
        };
        Passes {
            all: f64::from(training.steps) + 1.0,
            recorded: training.recorded_steps().count() as f64,
            batch: training.batch.size(samples) as f64,
            evaluated: (train + experiment.data.test_samples) as f64,
        }
    }
}

/// Columns of the conditional engine, the most there can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// Stored columns after the last pass, both directions, all layers.
    pub stored: f64,
    /// Of one layer and direction.
    pub largest: f64,
    /// The sum over all queries of the columns that each meets, its own included.
    pub asked: f64,
}

impl Ranks {
    /// Of one task of a network with so many outputs.
    pub fn of(experiment: &Experiment, outputs: usize, task: Task) -> Self {
        let (n, samples) = (task.width as f64, experiment.data.samples as f64);
        let Passes { all: passes, batch, .. } = Passes::of(experiment);
        let groups = experiment.model.groups();
        // Every pass brings `each` columns at most, until all together are `limit`.
        let growing = |each: f64, limit: f64| {
            let growing = passes.min((limit / each).floor());
            let sum = each * growing * (growing + 1.0) / 2.0 + limit * (passes - growing);
            (limit.min(passes * each), sum)
        };
        let (largest, inner) = growing(batch, n);
        // Layer 1 reads h_0, which brings nothing new while the input is frozen; layer L is asked
        // about combinations of V, as many as there are outputs.
        let (first, first_asked) = growing(batch, if groups.input { n } else { n.min(samples) });
        let outputs = outputs as f64;
        let each = batch.min(outputs);
        let (last, last_asked) = growing(each, if groups.readout { n } else { n.min(outputs) });
        let others = 2.0 * (task.depth as f64 - 1.0);
        Ranks {
            stored: others * largest + first + last,
            largest,
            asked: others * inner + first_asked + last_asked,
        }
    }
}
