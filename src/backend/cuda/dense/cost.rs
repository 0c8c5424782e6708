//! What a network in flight costs in the dense engine.

use super::Size;
use super::workspace::most_numbers_of_parts;
use crate::backend::Network;
use crate::backend::cost::{Costs, Footprint, RunShape, Speeds, Work};
use crate::backend::cuda::device::ALIGNMENT;
use crate::model::Rule;

/// The costs of this engine.
pub const COSTS: Costs = Costs { work: Work::of_dense, footprint, speeds, rows_of_a_thread: None };

/// Buffers that are allocated, some of which are large.
const BUFFERS: f64 = 32.0;

/// Speeds with numbers of `number` bytes, on paper as no device was timed: half of what the counts in docs/gpu.md
/// leave an H100, 4e13 operations and 3.3e12 bytes a second.
fn speeds(number: usize) -> Speeds {
    Speeds::uncalibrated(match number {
        4 => [2.0e13, 1.0e11, 5.0e11, 1.6e12],
        _ => [1.0e13, 1.0e11, 1.0e11, 1.6e12],
    })
}

fn footprint(network: &Network, run: &RunShape) -> Footprint {
    let (n, size, batch) = (network.width as f64, run.number as f64, run.batch as f64);
    let probes = run.probe.layers.len() as f64;
    // Copies of what is looked at: h and g where probed, now and at step 0.
    let host = 3.0 * probes * batch * n * size;
    let device = device_bytes(network, run);
    Footprint { host, device, device_at_first: device }
}

fn device_bytes(network: &Network, run: &RunShape) -> f64 {
    // Of one member; of the columns of a drift, those of all updates.
    let updates = run.frozen.then_some(run.passes - 1);
    let size = Size::new(network, (1, run.dimension, run.batch), updates);
    let (n, depth, number) = (network.width as f64, network.depth as f64, run.number as f64);
    let [ld, ld_read, ld_input, ld_drift] =
        [size.ld, size.ld_read(), size.ld_input, size.ld_drift].map(|numbers| numbers as f64);
    let (outputs, batch, trained) = (network.outputs as f64, run.batch as f64, run.copies());
    let matrices = network.matrices_of_a_weight();
    // z of step 0, where steps are of the same samples.
    let inner = if size.inner.is_some() { 1.0 } else { 0.0 };
    let followed = if run.minibatches() { 0.0 } else { inner };
    // Sums of a step, of the matrices of a block and of the ends.
    let gathered = if run.rule == Rule::Descent { 0.0 } else { 1.0 };
    let of_outer = size.outer().numbers() as f64;
    // The matrix that reads h, and all of a block.
    let reader = size.inner().numbers() as f64;
    let block = of_outer + inner * reader;
    let weights = match run.frozen {
        // W, W̃ of gia and what is kept from update to update, by other rules of W only; W − W⁽⁰⁾ of one layer.
        false => {
            let held = match run.rule {
                Rule::Descent => matrices * trained,
                _ => matrices + trained - 1.0,
            };
            (block * (held * depth + gathered) + reader) * number
        }
        true => of_outer * matrices * depth * 2.0 + 2.0 * depth * n * ld_drift * number,
    };
    let ends = (trained + gathered) * number * (n * ld_input + outputs * ld);
    // Of one workspace: X, h and φ(h), z and φ(z), the parts of a product, coefficients of a drift, f.
    let workspace = |samples: usize, levels: f64| {
        let parts = most_numbers_of_parts(size, samples) as f64;
        let samples = samples as f64;
        let of_inner = inner * (levels - 1.0) * ld_read;
        let vectors = samples * (ld_input + 2.0 * (levels * ld + of_inner) + ld_drift);
        number * (vectors + parts) + samples * (8.0 * outputs + 4.0)
    };
    let evaluated = run.evaluated_at_once();
    let evaluation = if evaluated > 0 { workspace(evaluated, 2.0) } else { 0.0 };
    // Two g, a product, the gradient at z, and z of step 0.
    let vectors = 2.0 * ld + ld.max(ld_read) + (inner + followed * depth) * ld_read;
    let descent = batch * (vectors * number + 8.0 + 16.0 * outputs);
    // All inputs, which a crew has once: nothing where few members fit.
    let inputs = 8.0 * ((run.train + run.test) * run.dimension) as f64;
    weights
        + ends
        + workspace(run.batch, depth + 1.0)
        + evaluation
        + descent
        + inputs
        + BUFFERS * ALIGNMENT
}
