//! Memory that a network in flight takes on a device.

use crate::backend::EVALUATED_AT_ONCE;
use crate::backend::cuda::conditional::shape::{Shape, Small, parts_of, summands};
use crate::backend::cuda::conditional::workspace::slots;
use crate::backend::cuda::conditional::{self, capacity};
use crate::backend::cuda::dense::PADDING;
use crate::backend::cuda::dense::workspace::most_parts;
use crate::data::DataSet;
use crate::experiment::grid::{Task, quarters};
use crate::experiment::work::Passes;
use crate::experiment::{Batch, Engine, Experiment, Precision, Storage};
use crate::model::Closure;

/// Bytes of one network.
pub fn device_memory(experiment: &Experiment, data: &DataSet, task: Task) -> f64 {
    match experiment.engine {
        Engine::Conditional => conditional(experiment, data, task),
        Engine::Dense => dense(experiment, data, task),
    }
}

/// What `backend::cuda::conditional` allocates for a member.
fn conditional(experiment: &Experiment, data: &DataSet, task: Task) -> f64 {
    let Passes { all: passes, batch, .. } = Passes::of(experiment);
    let (depth, outputs) = (task.depth as f64, data.train.outputs as f64);
    let ld = task.width.next_multiple_of(conditional::PADDING);
    let capacity = capacity(task.width, passes as usize, batch as usize);
    let trained = if experiment.training.momentum > 0.0 { 2.0 } else { 1.0 };
    let size = match experiment.precision {
        Precision::F32 => 4.0,
        Precision::F64 => 8.0,
    };
    let vector = ld as f64 * size;
    let probed: Vec<usize> = quarters(task.depth).into_iter().map(|i| i * task.depth / 4).collect();
    let probes = probed.len() as f64;
    let columns = 4.0 * depth * capacity as f64 * vector;
    // Θ_F, Θ_B, M and its velocity.
    let squares = 8.0 * depth * (2.0 + trained) * (capacity * capacity) as f64;
    let all = (data.train.len() + data.test.len()) as f64;
    let ends = trained * vector * (all + outputs);
    // Small matrices of a team that asks about one of these numbers of samples, and coefficients of so many
    // queries.
    let small = |numbers: &[usize], queries: f64, rows: f64| {
        let (most, shape): (_, fn(usize, usize) -> Shape) = match experiment.precision {
            Precision::F32 => (Small::most::<f32>(ld, capacity, numbers), Shape::new::<f32>),
            Precision::F64 => (Small::most::<f64>(ld, capacity, numbers), Shape::new::<f64>),
        };
        let Small { partials, scratch, choices } = most;
        let samples = numbers.iter().copied().max().unwrap_or(0) as f64;
        let parts = numbers.iter().map(|&samples| shape(ld, samples).parts).max().unwrap_or(0);
        let sums = 16.0 * depth * (1.0 + parts as f64);
        let of_team = (8 * (partials + scratch) + 4 * choices) as f64;
        let f = 8.0 * outputs * (1.0 + summands(task.width) as f64);
        of_team + sums + 8.0 * queries * rows * samples + samples * (f + 8.0) + 128.0
    };
    // h of every layer, g in its slots, a residual, two sums of couplings; initial values.
    let slots = slots(task.depth, &probed).into_iter().max().map_or(0, |most| most + 1) as f64;
    let vectors = batch * vector * (depth + 1.0 + slots + 3.0 + 2.0 * probes);
    let training = vectors + small(&[batch as usize], 2.0 * depth, capacity as f64);
    let rows = task.width.min(experiment.reference.rows.limit()) as f64;
    let parts = summands(batch as usize * ld) as f64;
    let looked_at = 2.0 * probes * (4.0 * batch * rows + 8.0 * parts) + 8.0 * parts;
    let numbers = parts_of(evaluated(experiment, data), EVALUATED_AT_ONCE);
    // Two layers, a residual, new columns and their answers.
    let evaluation = numbers.iter().copied().max().map_or(0.0, |most| {
        let most = most as f64;
        5.0 * most * vector + small(&numbers, 1.0, capacity as f64 + most)
    });
    let signal = batch * (16.0 * outputs + 8.0 + 8.0 * all);
    let inputs = 8.0 * all * data.train.dimension as f64;
    columns
        + squares
        + ends
        + training
        + looked_at
        + evaluation
        + signal
        + inputs
        + BUFFERS_OF_CONDITIONAL * OF_A_BUFFER
}

/// Samples that recorded passes evaluate besides: of training and test.
fn evaluated(experiment: &Experiment, data: &DataSet) -> [usize; 2] {
    let train = match experiment.training.batch {
        Batch::Full => 0,
        Batch::Of(_) => data.train.len(),
    };
    [train, data.test.len()]
}

/// What `backend::cuda::dense` allocates for a member.
fn dense(experiment: &Experiment, data: &DataSet, task: Task) -> f64 {
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
    let [train, test] = evaluated(experiment, data);
    let evaluated = train.max(test).min(EVALUATED_AT_ONCE);
    let evaluation = if evaluated > 0 { room(evaluated as f64, 2.0) } else { 0.0 };
    let descent = batch * (2.0 * ld * size + 8.0 + 16.0 * outputs);
    // All inputs, which a crew has once: nothing where few members fit.
    let inputs = 8.0 * ((data.train.len() + tests) * data.train.dimension) as f64;
    weights
        + ends
        + room(batch, depth + 1.0)
        + evaluation
        + descent
        + inputs
        + BUFFERS_OF_DENSE * OF_A_BUFFER
}

/// What a buffer loses, at most, by beginning at a multiple of 256 bytes and ending at another.
const OF_A_BUFFER: f64 = 512.0;

/// Buffers of the dense engine, some of which are large.
const BUFFERS_OF_DENSE: f64 = 32.0;

/// Buffers of the conditional engine.
const BUFFERS_OF_CONDITIONAL: f64 = 48.0;
