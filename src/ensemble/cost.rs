//! What a task costs: its work, and the memory and disk that it takes.

use super::task::COVARIANCE_COLUMNS;
use crate::backend::EVALUATED_AT_ONCE;
use crate::backend::cpu::panel::CHUNK;
use crate::backend::cuda::dense::PADDING;
use crate::backend::cuda::dense::room::most_parts;
use crate::data::DataSet;
use crate::model::Closure;
use crate::spec::grid::{Task, quarters};
use crate::spec::work::{Passes, Ranks, Work};
use crate::spec::{Backend, Batch, Engine, Experiment, Precision, Storage};

/// The work and memory of one task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// What is computed.
    pub work: Work,
    /// Memory while it runs.
    pub bytes: f64,
    /// Memory of a GPU while it runs there.
    pub device_bytes: f64,
    /// Its result: its journal record, and memory while its seed is measured.
    pub result_bytes: f64,
    /// Its lines in results.csv.
    pub rows: f64,
}

/// The cost of one task.
pub fn cost(experiment: &Experiment, data: &DataSet, task: Task) -> Cost {
    let Passes { all: passes, recorded, batch, .. } = Passes::of(experiment);
    let rows = (task.width as f64).min(experiment.reference.rows.limit() as f64);
    let probes = quarters(task.depth).len() as f64;
    let outputs = (data.train.len() * data.train.outputs) as f64;
    let covariance = match experiment.training.batch {
        Batch::Full => (passes * batch).min(COVARIANCE_COLUMNS as f64),
        Batch::Of(_) => 0.0,
    };
    Cost {
        work: Work::of(experiment, data.train.outputs, task),
        bytes: memory(experiment, data, task),
        device_bytes: match experiment.backend {
            Backend::Cuda => device_memory(experiment, data, task),
            Backend::Plain | Backend::Cpu => 0.0,
        },
        result_bytes: recorded * (8.0 * (probes * rows * batch + outputs) + 400.0)
            + 8.0 * 2.0 * probes * covariance * covariance,
        // f and its difference, and at most nine numbers with and sixteen without a depth time.
        rows: recorded * (2.0 * outputs + 9.0 * probes + 16.0),
    }
}

/// Peak memory of a task, bytes.
fn memory(experiment: &Experiment, data: &DataSet, task: Task) -> f64 {
    let (n, depth) = (task.width as f64, task.depth as f64);
    let (samples, tests) = (data.train.len() as f64, data.test.len() as f64);
    let Passes { all: passes, batch, evaluated, .. } = Passes::of(experiment);
    let (dimension, outputs) = (data.train.dimension as f64, data.train.outputs as f64);
    let probes = quarters(task.depth).len() as f64;
    // Of the larger set.
    let together = tests.max(evaluated - tests).min(EVALUATED_AT_ONCE as f64);
    // What is trained has a velocity with momentum.
    let trained = if experiment.training.momentum > 0.0 { 2.0 } else { 1.0 };
    // h and g where probed at step 0, h of every layer.
    let vectors = batch * (depth + 1.0 + 2.0 * probes);
    let size = match experiment.precision {
        Precision::F32 => 4.0,
        Precision::F64 => 8.0,
    };
    match (experiment.backend, experiment.engine) {
        (Backend::Cpu, Engine::Dense) => {
            let matrices = 1.0 + f64::from(u8::from(task.closure == Closure::Gia));
            let weights = match experiment.storage {
                // W, W̃ of gia and their velocities, W⁽⁰⁾; one more while a matrix is drawn.
                Storage::Full => n * n * ((matrices * trained + 1.0) * depth + 1.0) * size,
                // Half of four bytes each; two columns a sample and update.
                Storage::Bf16 => {
                    let drift = 2.0 * n * batch * (passes - 1.0) * depth;
                    n * n * (matrices * depth * 2.0 + size) + drift * size
                }
            };
            // φ(h) of every layer too, g and two vectors of a layer; X and U.
            let vectors = vectors + batch * (depth + 3.0) + 3.0 * together;
            let ends = (dimension + outputs) * trained;
            weights
                + size * ((vectors + ends) * n + (batch + together) * dimension)
                + 8.0 * COVARIANCE_COLUMNS as f64 * 2.0 * probes * n.min(COVARIANCE_COLUMNS as f64)
                + SMALL_THINGS
        }
        (Backend::Cpu, Engine::Conditional) => {
            let Ranks { stored, largest, .. } = Ranks::of(experiment, data.train.outputs, task);
            let rows = task.width.next_multiple_of(CHUNK) as f64;
            let groups = experiment.model.groups();
            let own = |trains: bool| if trains { trained } else { 1.0 };
            // h_0 of all samples, not only of the batch; V.
            let inputs =
                (samples + tests) * own(groups.input) - if batch < samples { 0.0 } else { batch };
            let ends = inputs + outputs * own(groups.readout);
            // g, the residual and two sums of couplings; of samples evaluated together two layers, a
            // residual, its new columns and their answers.
            let working = 4.0 * batch + 5.0 * together;
            let columns = 2.0 * stored + vectors + ends + working;
            // M, its velocity and both Θ, with a copy of one while it grows, and all queries in
            // coefficients.
            let squares = (3.0 + trained) * depth + 1.0;
            let small = 8.0 * squares * largest * largest + SMALL_THINGS;
            // Tiles, threads, and what lives for one chunk.
            columns * rows * size + small
        }
        // Copies of what is looked at: h and g where probed, now and at step 0.
        (Backend::Cuda, _) => 3.0 * probes * batch * n * size,
        (Backend::Plain, engine) => {
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

/// Bytes of one network in flight on a device: what `backend::cuda::dense` allocates for a member.
fn device_memory(experiment: &Experiment, data: &DataSet, task: Task) -> f64 {
    let padded = |n: usize| n.next_multiple_of(PADDING) as f64;
    let (n, depth, ld) = (task.width as f64, task.depth as f64, padded(task.width));
    let ld_input = padded(data.train.dimension);
    let outputs = data.train.outputs as f64;
    let Passes { all: passes, batch, .. } = Passes::of(experiment);
    let momentum = experiment.training.momentum > 0.0;
    let trained = if momentum { 2.0 } else { 1.0 };
    let size = match experiment.precision {
        Precision::F32 => 4.0,
        Precision::F64 => 8.0,
    };
    let matrices = if task.closure == Closure::Gia { 2.0 } else { 1.0 };
    let (weights, ld_drift) = match experiment.storage {
        // W − W⁽⁰⁾ of one layer too.
        Storage::Full => (n * ld * (matrices * trained * depth + 1.0) * size, 0.0),
        Storage::Bf16 => {
            let ld_drift = padded((batch * (passes - 1.0)).max(1.0) as usize);
            (n * ld * matrices * depth * 2.0 + 2.0 * depth * n * ld_drift * size, ld_drift)
        }
    };
    let ends = trained * size * (n * ld_input + outputs * ld);
    // Of one room: X, h and φ(h), the parts of a product, coefficients of a drift, f.
    let room = |samples: f64, levels: f64| {
        let parts = most_parts(task.width, samples as usize) as f64;
        let vectors = size * samples * (ld_input + 2.0 * levels * ld + ld_drift);
        vectors + size * parts * ld.max(ld_drift) + samples * (8.0 * outputs + 4.0)
    };
    let tests = data.test.len();
    let evaluated = match experiment.training.batch {
        Batch::Full => tests,
        Batch::Of(_) => tests.max(data.train.len()),
    };
    let evaluated = evaluated.min(EVALUATED_AT_ONCE);
    let evaluation = if evaluated > 0 { room(evaluated as f64, 2.0) } else { 0.0 };
    let descent = batch * (2.0 * ld * size + 8.0 + 16.0 * outputs);
    // All inputs, which a crew has once: nothing where few members fit.
    let inputs = 8.0 * ((data.train.len() + tests) * data.train.dimension) as f64;
    weights + ends + room(batch, depth + 1.0) + evaluation + descent + inputs + SMALL_BUFFERS
}

/// What some forty buffers lose by beginning at multiples of 256 bytes, and the smallest of them.
const SMALL_BUFFERS: f64 = 1.6e4;

/// Bytes of a task that do not grow with it.
const SMALL_THINGS: f64 = 1e6;
