//! What a task costs: its work, and the memory and disk that it takes.

use super::device_memory::device_memory;
use super::task::COVARIANCE_COLUMNS;
use crate::backend::EVALUATED_AT_ONCE;
use crate::backend::cpu::conditional::panel::CHUNK;
use crate::data::DataSet;
use crate::experiment::grid::{Task, quarters};
use crate::experiment::work::{Passes, Ranks, Work};
use crate::experiment::{Backend, Batch, Engine, Experiment, Precision, ReferenceKind, Storage};
use crate::model::Closure;
use crate::observables::{OUTPUTS_COMPARED, OUTPUTS_SHOWN, Observable};

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
    let shown = outputs.min(OUTPUTS_SHOWN as f64);
    let compared = match experiment.reference.kind {
        ReferenceKind::None => 0.0,
        _ => outputs.min(OUTPUTS_COMPARED as f64),
    };
    let count = |along_depth: bool| {
        let single = Observable::ALL.iter().filter(|o| !o.has_outputs());
        single.filter(|o| o.has_depth_time() == along_depth).count() as f64
    };
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
        // At most: not every run has every observable.
        rows: recorded * (shown + compared + count(true) * probes + count(false)),
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
    // Matrices of a block, and of those without the one that reads h.
    let layers = experiment.model.block.matrices();
    let inner = layers - 1.0;
    // z of step 0, where steps are of the same samples.
    let followed = if experiment.training.batch == Batch::Full { inner } else { 0.0 };
    // h and g where probed at step 0, h of every layer; z and what it was.
    let vectors = batch * (depth * (layers + followed) + 1.0 + 2.0 * probes);
    let size = match experiment.precision {
        Precision::F32 => 4.0,
        Precision::F64 => 8.0,
    };
    match (experiment.backend, experiment.engine) {
        (Backend::Cpu, Engine::Dense) => {
            let matrices = 1.0 + f64::from(u8::from(task.closure == Closure::Gia));
            let weights = match experiment.storage {
                // W, W̃ of gia and their velocities, W⁽⁰⁾ of what reads h; one more while a matrix
                // is drawn.
                Storage::Full => n * n * ((layers * matrices * trained + 1.0) * depth + 1.0) * size,
                // Half of four bytes each; two columns a sample and update.
                Storage::Bf16 => {
                    let drift = 2.0 * n * batch * (passes - 1.0) * depth;
                    n * n * (matrices * depth * 2.0 + size) + drift * size
                }
            };
            // φ(h) of every layer too, φ(z), g and two vectors of a layer; X and U.
            let vectors = vectors + batch * (layers * depth + 3.0) + (3.0 + inner) * together;
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
        (Backend::Cuda, Engine::Dense) => 3.0 * probes * batch * n * size,
        // Rows that come back, and queries in coefficients.
        (Backend::Cuda, Engine::Conditional) => {
            let rows = n.min(experiment.reference.rows.limit() as f64);
            let columns = (passes * batch).min(COVARIANCE_COLUMNS as f64);
            3.0 * probes * (4.0 * batch * rows + 8.0 * columns * columns) + SMALL_THINGS
        }
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
                    n * n * ((layers * matrices * trained + 1.0) * depth + 2.0)
                }
            };
            // Samples evaluated together, before and after a layer, and what one layer makes of
            // them; in the conditional engine that is a query and its answer with all their parts.
            let evaluation = together * if engine == Engine::Dense { 4.0 } else { 10.0 };
            // g of every layer too, and r; U and V.
            let vectors = n * (vectors + batch * (layers * depth + 1.0) + evaluation)
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
