//! What a network in flight costs in the conditional engine.

use super::shape::{Shape, Small, parts_of, summands};
use super::workspace::slots;
use super::{PADDING, PASSES_AT_FIRST, capacity};
use crate::backend::cost::{Costs, Footprint, OVERHEAD, Ranks, RunShape, Speeds, Work};
use crate::backend::cuda::device::ALIGNMENT;
use crate::backend::{COVARIANCE_COLUMNS, EVALUATED_AT_ONCE, Network};

/// The costs of this engine.
pub const COSTS: Costs = Costs { work, footprint, speeds, rows_of_a_thread: None };

/// Buffers that are allocated.
const BUFFERS: f64 = 48.0;

fn work(network: &Network, run: &RunShape) -> Work {
    // Seven arrays a query; a processor's share of them is in its flops.
    let asked = Ranks::of(network, run).asked;
    let streamed = 7.0 * run.number as f64 * network.width as f64 * asked;
    Work { streamed, ..Work::of_conditional(network, run) }
}

/// Speeds with numbers of `number` bytes, on paper as no device was timed: half of what the counts in docs/gpu.md
/// leave an H100 at n = 10⁵, 1.5e13 operations and 3.3e12 bytes a second. A narrower network alone reaches less.
fn speeds(number: usize) -> Speeds {
    Speeds::uncalibrated(match number {
        4 => [7.5e12, 1.0e11, 5.0e11, 1.6e12],
        _ => [3.7e12, 1.0e11, 1.0e11, 1.6e12],
    })
}

fn footprint(network: &Network, run: &RunShape) -> Footprint {
    // Rows that come back, and queries in coefficients.
    let rows = (network.width as f64).min(run.probe.rows as f64);
    let batch = run.batch as f64;
    let columns = (run.passes as f64 * batch).min(COVARIANCE_COLUMNS as f64);
    let probes = run.probe.layers.len() as f64;
    let host = 3.0 * probes * (4.0 * batch * rows + 8.0 * columns * columns) + OVERHEAD;
    let device = |passes: usize| device_bytes(network, &RunShape { passes, ..run.clone() });
    let device_at_first = device(run.passes.min(PASSES_AT_FIRST));
    Footprint { host, device: device(run.passes), device_at_first }
}

fn device_bytes(network: &Network, run: &RunShape) -> f64 {
    let (width, batch, outputs) = (network.width, run.batch as f64, network.outputs as f64);
    // Matrices of a network.
    let per_block = network.matrices_of_a_block();
    let matrices = network.depth as f64 * per_block;
    let ld = width.next_multiple_of(PADDING);
    let capacity = capacity(width, run.passes, run.batch);
    let (trained, size) = (run.copies(), run.number as f64);
    let vector = ld as f64 * size;
    let probes = run.probe.layers.len() as f64;
    let columns = 4.0 * matrices * capacity as f64 * vector;
    // Θ_F, Θ_B, M and its velocity.
    let squares = 8.0 * matrices * (2.0 + trained) * (capacity * capacity) as f64;
    let all = (run.train + run.test) as f64;
    let ends = trained * vector * (all + outputs);
    // Small matrices of a team that asks about one of these numbers of samples, and coefficients of so many
    // queries.
    let small = |numbers: &[usize], queries: f64, rows: f64| {
        let (most, shape): (_, fn(usize, usize) -> Shape) = match run.number {
            4 => (Small::most::<f32>(ld, capacity, numbers), Shape::new::<f32>),
            _ => (Small::most::<f64>(ld, capacity, numbers), Shape::new::<f64>),
        };
        let Small { partials, scratch, choices } = most;
        let samples = numbers.iter().copied().max().unwrap_or(0) as f64;
        let parts = numbers.iter().map(|&samples| shape(ld, samples).parts).max().unwrap_or(0);
        let sums = 16.0 * matrices * (1.0 + parts as f64);
        let of_team = (8 * (partials + scratch) + 4 * choices) as f64;
        let f = 8.0 * outputs * (1.0 + summands(width) as f64);
        of_team + sums + 8.0 * queries * rows * samples + samples * (f + 8.0) + 128.0
    };
    // h of every layer and z, g in its slots, a residual, two sums of couplings; initial values, those of z where
    // steps are of the same samples.
    let slots = slots(matrices as usize, &run.probe.layers, per_block as usize);
    let slots = slots.into_iter().max().map_or(0, |most| most + 1) as f64;
    let followed = if run.minibatches() { 0.0 } else { matrices - network.depth as f64 };
    let vectors = batch * vector * (matrices + 1.0 + slots + 3.0 + 2.0 * probes + followed);
    let training = vectors + small(&[run.batch], 2.0 * matrices, capacity as f64);
    let rows = width.min(run.probe.rows) as f64;
    let parts = summands(run.batch * ld) as f64;
    let looked_at = 2.0 * probes * (4.0 * batch * rows + 8.0 * parts) + 8.0 * parts;
    let numbers = parts_of(run.evaluated(), EVALUATED_AT_ONCE);
    // Two layers, a residual, new columns and their answers.
    let evaluation = numbers.iter().copied().max().map_or(0.0, |most| {
        let most = most as f64;
        5.0 * most * vector + small(&numbers, 1.0, capacity as f64 + most)
    });
    let signal = batch * (16.0 * outputs + 8.0 + 8.0 * all);
    let inputs = 8.0 * all * run.dimension as f64;
    columns
        + squares
        + ends
        + training
        + looked_at
        + evaluation
        + signal
        + inputs
        + BUFFERS * ALIGNMENT
}
