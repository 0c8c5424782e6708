//! What a task costs, on paper: flops, normals and bytes from its sizes, at the largest rank it can
//! reach, and the rates that turn them into seconds.

use super::task::COVARIANCE_COLUMNS;
use crate::backend::EVALUATED_AT_ONCE;
use crate::backend::cpu::panel::CHUNK;
use crate::data::DataSet;
use crate::model::Closure;
use crate::spec::grid::{Task, quarters};
use crate::spec::{Backend, Batch, Engine, Experiment, Precision};

/// The work and memory of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floating point operations of the products.
    pub flops: f64,
    /// Gaussians drawn.
    pub normals: f64,
    /// Activations and derivatives evaluated.
    pub activations: f64,
    /// Memory while it runs.
    pub bytes: f64,
    /// Its result: its journal record, and memory while its seed is measured.
    pub result_bytes: f64,
    /// Its lines in results.csv.
    pub rows: f64,
}

/// What one core does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Flops
    pub flops: f64,
    /// Normals
    pub normals: f64,
    /// Activations
    pub activations: f64,
    /// Measured over estimated seconds; 1 without measurements.
    pub factor: f64,
    /// Timings it rests on.
    pub timings: usize,
}

impl Rates {
    /// Of one core of a server processor with AVX2 (2021), no measurement of the machine at hand;
    /// benches/NOTES.md has the runs. Backend plain takes tens of nanoseconds an activation.
    pub fn uncalibrated(backend: Backend, precision: Precision) -> Rates {
        let (flops, normals, activations) = match (backend, precision) {
            (Backend::Plain, _) => (6.0e9, 3.5e8, 5.0e7),
            (Backend::Cpu, Precision::F32) => (2.5e10, 3.5e8, 2.0e8),
            (Backend::Cpu, Precision::F64) => (1.2e10, 3.0e8, 1.0e8),
        };
        Rates { flops, normals, activations, factor: 1.0, timings: 0 }
    }

    /// Scaled by the median ratio of measured to estimated seconds.
    pub fn calibrated(self, measured: &[(Cost, f64)]) -> Rates {
        let plain = Rates { factor: 1.0, ..self };
        let mut ratios: Vec<f64> =
            measured.iter().map(|(cost, seconds)| seconds / plain.seconds(cost)).collect();
        ratios.retain(|ratio| ratio.is_finite() && *ratio > 0.0);
        ratios.sort_by(f64::total_cmp);
        match ratios.get(ratios.len() / 2) {
            Some(&factor) => Rates { factor, timings: ratios.len(), ..plain },
            None => self,
        }
    }

    /// The time of a task on one core.
    pub fn seconds(&self, cost: &Cost) -> f64 {
        self.factor
            * (cost.flops / self.flops
                + cost.normals / self.normals
                + cost.activations / self.activations)
    }
}

/// The cost of one task.
pub fn cost(experiment: &Experiment, data: &DataSet, task: Task) -> Cost {
    let (n, depth) = (task.width as f64, task.depth as f64);
    let Passes { all: passes, recorded, batch, evaluated } = Passes::of(experiment, data);
    let fine = f64::from(experiment.finest.unwrap_or(task.depth as u32));
    let (flops, normals) = match experiment.engine {
        Engine::Conditional => {
            let ranks = Ranks::of(experiment, data, task);
            // A query of r columns is projected three times or four, its answer and drift read some
            // five arrays more, and the couplings one: 20 n r P.
            let flops = n * ranks.asked * (20.0 * batch + 6.0 * evaluated * recorded / passes);
            (flops, fine * n * (passes * 2.0 * batch + recorded * evaluated))
        }
        Engine::Dense => {
            let matrices = if task.closure == Closure::Gia { 2.0 } else { 1.0 };
            let flops = depth * n * n * (passes * 8.0 * batch + recorded * 2.0 * evaluated);
            (flops, n * n * fine * matrices)
        }
    };
    let rows = n.min(experiment.reference.rows.limit() as f64);
    let probes = quarters(task.depth).len() as f64;
    let outputs = (data.train.len() * data.train.outputs) as f64;
    let covariance = match experiment.training.batch {
        Batch::Full => (passes * batch).min(COVARIANCE_COLUMNS as f64),
        Batch::Of(_) => 0.0,
    };
    Cost {
        flops,
        normals,
        activations: depth * n * (passes * 2.0 * batch + recorded * evaluated),
        bytes: memory(experiment, data, task),
        result_bytes: recorded * (8.0 * (probes * rows * batch + outputs) + 400.0)
            + 8.0 * 2.0 * probes * covariance * covariance,
        // f and its difference, and at most nine numbers with and sixteen without a depth time.
        rows: recorded * (2.0 * outputs + 9.0 * probes + 16.0),
    }
}

/// What a run goes through.
struct Passes {
    /// Their number.
    all: f64,
    /// Of those that are recorded.
    recorded: f64,
    /// B: samples of each.
    batch: f64,
    /// Samples that a recorded pass evaluates besides: the test samples, with minibatches all
    /// training samples too.
    evaluated: f64,
}

impl Passes {
    fn of(experiment: &Experiment, data: &DataSet) -> Self {
        let (training, samples) = (&experiment.training, data.train.len());
        let train = match training.batch {
            Batch::Full => 0,
            Batch::Of(_) => samples,
        };
        Passes {
            all: f64::from(training.steps) + 1.0,
            recorded: training.recorded_steps().count() as f64,
            batch: training.batch.size(samples) as f64,
            evaluated: (train + data.test.len()) as f64,
        }
    }
}

/// Columns of the conditional engine, the most there can be.
struct Ranks {
    /// Stored columns after the last pass, both directions, all layers.
    stored: f64,
    /// Of one layer and direction.
    largest: f64,
    /// The sum over all queries of the columns that each meets, its own included.
    asked: f64,
}

impl Ranks {
    fn of(experiment: &Experiment, data: &DataSet, task: Task) -> Self {
        let (n, samples) = (task.width as f64, data.train.len() as f64);
        let Passes { all: passes, batch, .. } = Passes::of(experiment, data);
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
        let outputs = data.train.outputs as f64;
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

/// Peak memory of a task, bytes.
fn memory(experiment: &Experiment, data: &DataSet, task: Task) -> f64 {
    let (n, depth) = (task.width as f64, task.depth as f64);
    let (samples, tests) = (data.train.len() as f64, data.test.len() as f64);
    let Passes { all: passes, batch, evaluated, .. } = Passes::of(experiment, data);
    let (dimension, outputs) = (data.train.dimension as f64, data.train.outputs as f64);
    let probes = quarters(task.depth).len() as f64;
    // h and g where probed at step 0, h of every layer.
    let vectors = batch * (depth + 1.0 + 2.0 * probes);
    match (experiment.backend, experiment.engine) {
        (Backend::Cpu, _) => {
            let Ranks { stored, largest, .. } = Ranks::of(experiment, data, task);
            let rows = task.width.next_multiple_of(CHUNK) as f64;
            // g, the residual and two sums of couplings; V; h_0 of the test samples, and while they
            // are evaluated two layers, a residual, its new columns and their answers.
            let working = 4.0 * batch + outputs + 6.0 * tests;
            let columns = 2.0 * stored + vectors + working;
            // M and both Θ, with a copy of one while it grows, and all queries in coefficients.
            let small = 8.0 * (depth * (4.0 * largest * largest) + largest * largest);
            let size = match experiment.precision {
                Precision::F32 => 4.0,
                Precision::F64 => 8.0,
            };
            // Tiles, threads, and what lives for one chunk.
            columns * rows * size + small + SMALL_THINGS
        }
        (Backend::Plain, engine) => {
            // What is trained has a velocity with momentum.
            let trained = if experiment.training.momentum > 0.0 { 2.0 } else { 1.0 };
            let weights = match engine {
                Engine::Conditional => {
                    // QF, AF, QB, BB, and a copy of one of them while it grows; M and both Θ.
                    let last = n.min(batch * passes);
                    n * last * (4.0 * depth + 1.0) + (2.0 + trained) * depth * last * last
                }
                Engine::Dense => {
                    // W and its initial value; the drift of one layer; W̃ in gia.
                    let matrices = 1.0 + f64::from(u8::from(task.closure == Closure::Gia));
                    n * n * ((matrices * trained + 1.0) * depth + 2.0)
                }
            };
            // Samples evaluated together, before and after a layer, and what one layer makes of
            // them; in the conditional engine that is a query and its answer with all their parts.
            let together = evaluated.min(EVALUATED_AT_ONCE as f64);
            let evaluation = together * if engine == Engine::Dense { 4.0 } else { 10.0 };
            // g of every layer too; U and V.
            let vectors = n * (vectors + batch * (depth + 1.0) + evaluation)
                + n * (dimension + outputs) * trained
                + batch * batch
                + samples * dimension;
            // Measured: 8 % over the arrays, for what lives for one layer and the allocator.
            1.1 * 8.0 * (weights + vectors)
        }
    }
}

/// Bytes of a task that do not grow with it.
const SMALL_THINGS: f64 = 1e6;
