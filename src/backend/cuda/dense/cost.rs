//! What a network in flight costs in the dense engine.

use super::PADDING;
use super::workspace::most_parts;
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
    let padded = |n: usize| n.next_multiple_of(PADDING) as f64;
    let (n, depth, ld) = (network.width as f64, network.depth as f64, padded(network.width));
    let ld_input = padded(run.dimension);
    let outputs = network.outputs as f64;
    let (passes, batch) = (run.passes as f64, run.batch as f64);
    let (trained, size) = (run.copies(), run.number as f64);
    let matrices = network.matrices_of_a_weight();
    // Matrices of a block without the one that reads h; and z of step 0, where steps are of the same
    // samples.
    let inner = network.matrices_of_a_block() - 1.0;
    let followed = if run.minibatches() { 0.0 } else { inner };
    // Sums of a step, of one hidden matrix and of the ends.
    let gathered = if run.rule == Rule::Descent { 0.0 } else { 1.0 };
    let (weights, ld_drift) = match run.frozen {
        // W, W̃ of gia and what is kept from update to update, by other rules of W only; W − W⁽⁰⁾ of one layer.
        false => {
            let held = match run.rule {
                Rule::Descent => matrices * trained,
                _ => matrices + trained - 1.0,
            };
            (n * ld * ((1.0 + inner) * held * depth + 1.0 + gathered) * size, 0.0)
        }
        true => {
            let ld_drift = padded((batch * (passes - 1.0)).max(1.0) as usize);
            (n * ld * matrices * depth * 2.0 + 2.0 * depth * n * ld_drift * size, ld_drift)
        }
    };
    let ends = (trained + gathered) * size * (n * ld_input + outputs * ld);
    // Of one workspace: X, h and φ(h), z and φ(z), the parts of a product, coefficients of a drift, f.
    let workspace = |samples: usize, levels: f64| {
        let parts = most_parts(network.width, samples) as f64;
        let samples = samples as f64;
        let vectors =
            size * samples * (ld_input + 2.0 * (levels + inner * (levels - 1.0)) * ld + ld_drift);
        vectors + size * parts * ld.max(ld_drift) + samples * (8.0 * outputs + 4.0)
    };
    let evaluated = run.evaluated_at_once();
    let evaluation = if evaluated > 0 { workspace(evaluated, 2.0) } else { 0.0 };
    let descent = batch * ((3.0 + inner + followed * depth) * ld * size + 8.0 + 16.0 * outputs);
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
